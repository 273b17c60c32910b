"""load_tokenizer: the tokenizer of any model of a folder or of the hub, without its code."""

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

_NEEDED = (
    *("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model"),
    *("tokenizer_config.json", "tekken.json", "sentencepiece.bpe.model"),
)


def load_tokenizer(
    folder_or_name: str | PathLike[str], *, generation: str | None = None
) -> PreTrainedTokenizerBase:
    """The tokenizer of a model. It pads on the left, as answers want it.

    ChatGLM of all generations and LLaMA of 2023 have tokenizers of this package, for which a text
    is never anything but text; see `llms.tokenization.detection` for how they are told apart. All
    others are transformers' own; one without a token for padding pads with that for the end.

    Args:
        folder_or_name: A folder with the tokenizer's files and config.json, a GGUF file or a
            folder with one, or a name on the Hugging Face hub such as "owner/model", of which
            the tokenizer's files alone are downloaded.
        generation: "chatglm", "chatglm2", "chatglm3", "glm4" or "llama" where the folder does
            not say or says something else; None asks the folder.

    Raises:
        ConfigurationError: There is no such folder or name, a file is missing or damaged, or
            the tokenizer does not fit the model.
        MissingDependencyError: transformers or sentencepiece is not installed.
    """
    known = {family.name: family for family in families_with_config()}
    if generation is not None and generation not in known:
        raise ConfigurationError(f"unknown generation {generation!r}; known: {', '.join(known)}")
    _require("transformers")
    folder = resolve_model_path(folder_or_name, weights=False)
    if generation is None and (gguf := find_gguf(folder)) is not None:
        return _of_gguf(gguf)
    family = known[generation] if generation else detect_family(folder, fspath(folder_or_name))
    if family is None or family.tokenizer is None:
        return _of_transformers(folder)
    return _of_pieces(folder, family, family.tokenizer)


def _of_pieces(folder: Path, family: Family, path: str) -> PieceTokenizer:
    _require("sentencepiece")
    from .sentencepiece_files import is_tiktoken

    tokenizer_class: type[PieceTokenizer] = resolve_name(path)
    file = _piece_file(folder, tokenizer_class.vocab_files_names["vocab_file"])
    if is_tiktoken(file.read_bytes()):
        raise ConfigurationError(f"{file}: {TIKTOKEN_ADVICE}")
    tokenizer = tokenizer_class(str(file), name_or_path=str(folder))
    tokenizer.family = family.name
    if (folder / "config.json").is_file():
        _require_fit(tokenizer, read_model_config(folder), file)
    return tokenizer


def _piece_file(folder: Path, name: str) -> Path:
    """The file of that name, or the only sentencepiece file in the folder."""
    if (folder / name).is_file():
        return folder / name
    found = sorted(folder.glob("*.model"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise ConfigurationError(
            f"{folder} has no {name}: copy it from the model's page (files *.model there: {names})"
        )
    return found[0]


def _require_fit(tokenizer: PieceTokenizer, config: Mapping[str, Any], file: Path) -> None:
    """Refuses a sentencepiece file of another model's."""
    size = config.get("padded_vocab_size", config.get("vocab_size"))
    if isinstance(size, int) and tokenizer.vocab_size > size:
        raise ConfigurationError(
            f"{file} has {tokenizer.vocab_size} tokens, but the model in that folder has room for "
            f"{size}: the two are not of one model"
        )
    mark = config.get("gmask_token_id")
    if mark is not None and mark != tokenizer.marks.get("[gMASK]"):
        raise ConfigurationError(
            f"{file} has [gMASK] at {tokenizer.marks.get('[gMASK]')}, the model in that folder at "
            f"{mark}: take ice_text.model and config.json of the same revision"
        )


def _of_transformers(folder: Path) -> PreTrainedTokenizerBase:
    if not any((folder / name).is_file() for name in _NEEDED):
        raise ConfigurationError(
            f"{folder} has no tokenizer: it needs tokenizer.json, or tokenizer.model, or "
            "vocab.json with merges.txt; copy them from the model's page"
        )
    if (folder / "tokenizer.json").is_file():
        read_json_object(folder / "tokenizer.json")  # says what is wrong with it
    return _read(folder, f"the tokenizer in {folder}")


def _of_gguf(file: Path) -> PreTrainedTokenizerBase:
    if find_spec("gguf") is None:
        raise MissingDependencyError("gguf is not installed. Run: pip install gguf")
    return _read(file.parent, f"the tokenizer in {file}", gguf_file=file.name)


def _read(folder: Path, what: str, **options: Any) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True, padding_side="left", **options
        )
    except ImportError as error:
        raise MissingDependencyError(f"{what} needs a package: {error}") from error
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"{what} cannot be read by transformers: {error}") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _require(package: str) -> None:
    if find_spec(package) is None:
        raise MissingDependencyError.of(package, "transformers")
