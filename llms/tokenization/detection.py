"""Detection of the family whose tokenizer a model's folder needs."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any

from llms.families import Family, ModelFiles, find_by_files
from llms.loading.model_files import read_json_object
from memorybank_core.errors import ConfigurationError


def detect_family(folder: Path, name: str = "") -> Family | None:
    """Return the family whose tokenizer the model in `folder` was trained with.

    All generations of ChatGLM have the model_type "chatglm", and ChatGLM2 and ChatGLM3 differ only
    in their tokenizers. These are checked in order: the model's names in config.json and
    tokenizer_config.json, the name of the folder, a role token or a chat template in
    tokenizer_config.json (ChatGLM3), a `seq_length` of 32,768 (ChatGLM2). If nothing matches, it is
    ChatGLM3, whose tokenizer gives every text the same ids as that of ChatGLM2.

    Args:
        folder: A folder with the files of a tokenizer, and config.json.
        name: Name under which the folder was downloaded.

    Returns:
        The family; None for the tokenizer of transformers.

    Raises:
        ConfigurationError: If the format of its tokenizer is not supported, such as that of the
            official GLM-4-9B, or a JSON file is damaged.
    """
    config = _read_if_exists(folder / "config.json")
    tokenizer_config = _read_if_exists(folder / "tokenizer_config.json")
    names = config.get("_name_or_path"), tokenizer_config.get("name_or_path"), name or folder.name
    family = find_by_files(
        ModelFiles(
            config=config,
            tokenizer_config=tokenizer_config,
            names=frozenset(path.name for path in folder.iterdir()),
            model_names=tuple(map(str, names)),
            read_vocabulary=lambda: _read_vocabulary(folder),
        )
    )
    if family and family.unsupported_tokenizer:
        raise ConfigurationError(f"{folder}: {family.unsupported_tokenizer}")
    return family


def _read_vocabulary(folder: Path) -> Container[str] | None:
    model = _read_if_exists(folder / "tokenizer.json").get("model", {})
    vocabulary: Container[str] | None = model.get("vocab")
    return vocabulary


def _read_if_exists(path: Path) -> dict[str, Any]:
    return read_json_object(path) if path.is_file() else {}
