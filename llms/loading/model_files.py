"""Location of a model's files: a folder, a GGUF file, or a repository on the Hugging Face hub."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from llms.families import Family, find_by_config
from memorybank_core.errors import ConfigurationError, MissingDependencyError

_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_SMALL_FILES = ("*.json", "*.model", "*.txt", "*.jinja")  # never *.py
_SAFETENSORS, _BIN = ("*.safetensors",), ("*.bin",)
_SUBFOLDERS = ("*/*",)  # contain the same weights in other formats


def resolve_model_path(folder_or_name: str | PathLike[str], *, weights: bool = True) -> Path:
    """Return the folder or GGUF file of a model; a hub name such as "owner/model" is downloaded.

    Code is never downloaded, and *.bin only if there are no *.safetensors.

    Args:
        folder_or_name: A path, or a name on the Hugging Face hub.
        weights: Whether to also download the weights.

    Raises:
        ConfigurationError: If the path does not exist, or the name cannot be downloaded.
    """
    path = Path(folder_or_name).expanduser()
    if path.is_dir() or (path.suffix == ".gguf" and path.is_file()):
        return path
    if path.exists():
        raise ConfigurationError(f"{path} is neither a folder nor a .gguf file")
    name = fspath(folder_or_name)
    if isinstance(folder_or_name, str) and _HUB_NAME.fullmatch(name):
        return _download(name, weights)
    raise ConfigurationError(
        f"the folder {path} does not exist: pass one with config.json and the weights, or a name "
        'on the Hugging Face hub such as "owner/model"'
    )


def find_gguf(path: Path) -> Path | None:
    """Return `path` if it is a GGUF file, or the only GGUF file in it if it has no config.json.

    Raises:
        ConfigurationError: If the folder has several GGUF files.
    """
    if path.suffix == ".gguf" and path.is_file():
        return path
    files = sorted(path.glob("*.gguf")) if not (path / "config.json").exists() else []
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise ConfigurationError(f"{path} has several GGUF files, pass the path of one: {names}")
    return files[0] if files else None


def read_model_config(folder: Path) -> dict[str, Any]:
    """Read config.json in a model's folder.

    Raises:
        ConfigurationError: If it is missing or is not a JSON object.
    """
    path = folder / "config.json"
    if not path.is_file():
        is_adapter = (folder / "adapter_config.json").is_file()
        raise ConfigurationError(
            f"{folder} has no config.json"
            + (": it is an adapter, load its base model first" if is_adapter else "")
        )
    return read_json_object(path)


def find_model_family(folder_or_name: str | PathLike[str]) -> Family | None:
    """Return the family of a model by its config.json; None if unknown, and for a GGUF file.

    Raises:
        ConfigurationError: If the folder or name does not exist, or its config.json is unusable.
    """
    folder = resolve_model_path(folder_or_name)
    return None if find_gguf(folder) else find_by_config(read_model_config(folder))


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a file that contains a JSON object.

    Raises:
        ConfigurationError: If it cannot be read or contains anything else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigurationError(f"{path} contains a {type(value).__name__}, not an object")
    return value


def _download(name: str, weights: bool) -> Path:
    if find_spec("huggingface_hub") is None:
        raise MissingDependencyError.of("huggingface_hub", "transformers")
    folder = _download_files(name, (*_SMALL_FILES, *_SAFETENSORS) if weights else _SMALL_FILES)
    if not weights or any(folder.glob(_SAFETENSORS[0])):
        return folder
    return _download_files(name, (*_SMALL_FILES, *_BIN))


def _download_files(name: str, patterns: tuple[str, ...]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            name, allow_patterns=list(patterns), ignore_patterns=list(_SUBFOLDERS)
        )
    except (OSError, ValueError) as error:  # base classes of the hub's errors
        raise ConfigurationError(
            f"{name} is not a local folder and could not be downloaded from the Hugging Face hub: "
            f"{error}. Without a network, download the model's folder elsewhere and pass its path."
        ) from error
    return Path(folder)
