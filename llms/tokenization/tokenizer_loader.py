"""Loading of a tokenizer from a folder or the hub, without running its code."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from os import PathLike, fspath
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from llms.families import TIKTOKEN_ADVICE, Family, families_with_config
from llms.loading.model_files import (
    find_gguf,
    read_json_object,
    read_model_config,
    resolve_model_path,
)
from memorybank_core.errors import ConfigurationError, MissingDependencyError

from .detection import detect_family

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from .base import PieceTokenizer

_TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model"),
    *("tokenizer_config.json", "tekken.json", "sentencepiece.bpe.model"),
)


def load_tokenizer(
    folder_or_name: str | PathLike[str], *, generation: str | None = None
) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a model. It pads on the left, as generation requires.

    All generations of ChatGLM and the first LLaMA use tokenizers of this package, which never
    encode text as control tokens. Any other model uses the tokenizer of transformers; if that has
    no padding token, it pads with its end-of-sequence token.

    Args:
        folder_or_name: A folder with the tokenizer's files and config.json, a GGUF file or a
            folder with one, or a name on the Hugging Face hub such as "owner/model", of which
            only the tokenizer's files are downloaded.
        generation: "chatglm", "chatglm2", "chatglm3", "glm4" or "llama", if the files in the
            folder do not identify it or are wrong; None detects it.

    Raises:
        ConfigurationError: If the folder or name does not exist, a file is missing or damaged, or
            the tokenizer does not fit the model.
        MissingDependencyError: If transformers or sentencepiece is not installed.
    """
    known = {family.name: family for family in families_with_config()}
    if generation is not None and generation not in known:
        raise ConfigurationError(f"unknown generation {generation!r}; known: {', '.join(known)}")
    _require_package("transformers")
    folder = resolve_model_path(folder_or_name, weights=False)
    if generation is None and (gguf := find_gguf(folder)) is not None:
        return _load_gguf(gguf)
    family = known[generation] if generation else detect_family(folder, fspath(folder_or_name))
    if family is None or family.tokenizer is None:
        return _load_from_transformers(folder)
    return _load_piece_tokenizer(folder, family, family.tokenizer)


def _load_piece_tokenizer(folder: Path, family: Family, class_path: str) -> PieceTokenizer:
    _require_package("sentencepiece")
    from .sentencepiece_files import is_tiktoken

    tokenizer_class: type[PieceTokenizer] = resolve_name(class_path)
    file = _find_piece_file(folder, tokenizer_class.vocab_files_names["vocab_file"])
    if is_tiktoken(file.read_bytes()):
        raise ConfigurationError(f"{file}: {TIKTOKEN_ADVICE}")
    tokenizer = tokenizer_class(str(file), name_or_path=str(folder))
    tokenizer.family = family.name
    if (folder / "config.json").is_file():
        _require_match(tokenizer, read_model_config(folder), file)
    return tokenizer


def _find_piece_file(folder: Path, name: str) -> Path:
    """Return the file of that name, or the only sentencepiece file in the folder."""
    if (folder / name).is_file():
        return folder / name
    candidates = sorted(folder.glob("*.model"))
    if len(candidates) != 1:
        names = ", ".join(file.name for file in candidates) or "none"
        raise ConfigurationError(
            f"{folder} has no {name}: copy it from the model's page (*.model files in the folder: "
            f"{names})"
        )
    return candidates[0]


def _require_match(tokenizer: PieceTokenizer, config: Mapping[str, Any], file: Path) -> None:
    """Require that the sentencepiece file belongs to the model of `config`."""
    size = config.get("padded_vocab_size", config.get("vocab_size"))
    if isinstance(size, int) and tokenizer.vocab_size > size:
        raise ConfigurationError(
            f"{file} has {tokenizer.vocab_size} tokens, but the vocabulary of the model in that "
            f"folder has only {size}: they belong to different models"
        )
    expected, actual = config.get("gmask_token_id"), tokenizer.control_ids.get("[gMASK]")
    if expected is not None and expected != actual:
        raise ConfigurationError(
            f"[gMASK] is {actual} in {file}, but {expected} in the model's config.json: use "
            f"{file.name} and config.json of the same revision"
        )


def _load_from_transformers(folder: Path) -> PreTrainedTokenizerBase:
    if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        raise ConfigurationError(
            f"{folder} has no tokenizer: it needs tokenizer.json, or tokenizer.model, or "
            "vocab.json with merges.txt; copy them from the model's page"
        )
    if (folder / "tokenizer.json").is_file():
        read_json_object(folder / "tokenizer.json")  # for a better error message if it is damaged
    return _load_auto(folder, f"the tokenizer in {folder}")


def _load_gguf(file: Path) -> PreTrainedTokenizerBase:
    if find_spec("gguf") is None:
        raise MissingDependencyError("gguf is not installed. Run: pip install gguf")
    return _load_auto(file.parent, f"the tokenizer in {file}", gguf_file=file.name)


def _load_auto(folder: Path, source: str, **options: Any) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True, padding_side="left", **options
        )
    except ImportError as error:
        raise MissingDependencyError(f"{source} needs a package: {error}") from error
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"transformers cannot read {source}: {error}") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _require_package(package: str) -> None:
    if find_spec(package) is None:
        raise MissingDependencyError.of(package, "transformers")
