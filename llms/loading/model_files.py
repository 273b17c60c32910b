"""Where a model's files are: a folder, a GGUF file, or a name on the Hugging Face hub."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from llms.families import Family, find_by_config
from memorybank_core.errors import ConfigurationError, MissingDependencyError

_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_SMALL = ("*.json", "*.model", "*.txt", "*.jinja")  # never *.py
_SAFE, _OLD = ("*.safetensors",), ("*.bin",)
_DEEPER = ("*/*",)  # the same weights in other formats


def resolve_model_path(folder_or_name: str | PathLike[str], *, weights: bool = True) -> Path:
    """The folder (or GGUF file) at that path; a name such as "owner/model" is downloaded first.

    Code is never downloaded, and *.bin only where there are no *.safetensors.

    Args:
        folder_or_name: The path, or the name.
        weights: Whether to download the weights, too.

    Raises:
        ConfigurationError: There is no such path, or the name cannot be downloaded.
    """
    path = Path(folder_or_name).expanduser()
    if path.is_dir() or (path.suffix == ".gguf" and path.is_file()):
        return path
    if path.exists():
        raise ConfigurationError(f"{path} is neither a folder nor a .gguf file")
    name = fspath(folder_or_name)
    if isinstance(folder_or_name, str) and _NAME.fullmatch(name):
        return _downloaded(name, weights)
    raise ConfigurationError(
        f"there is no folder {path}: pass one with config.json and the weights, or a name on the "
        'Hugging Face hub such as "owner/model"'
    )


def find_gguf(path: Path) -> Path | None:
    """The GGUF file at `path`, or the only one in a folder without a config.json; else None.

    Raises:
        ConfigurationError: The folder has several.
    """
    if path.suffix == ".gguf" and path.is_file():
        return path
    found = sorted(path.glob("*.gguf")) if not (path / "config.json").exists() else []
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise ConfigurationError(f"{path} has several GGUF files, pass the path of one: {names}")
    return found[0] if found else None


def read_model_config(folder: Path) -> dict[str, Any]:
    """What config.json in a model's folder says.

    Raises:
        ConfigurationError: It is missing, or is no JSON object.
    """
    path = folder / "config.json"
    if not path.is_file():
        adapter = (folder / "adapter_config.json").is_file()
        raise ConfigurationError(
            f"{folder} has no config.json"
            + (": it is an adapter, load its base model first" if adapter else "")
        )
    return read_json_object(path)


def find_model_family(folder_or_name: str | PathLike[str]) -> Family | None:
    """Return the family of a model by its config.json; None for any other and for a GGUF file.

    Raises:
        ConfigurationError: If the folder or name does not exist, or its config.json is unusable.
    """
    folder = resolve_model_path(folder_or_name)
    return None if find_gguf(folder) else find_by_config(read_model_config(folder))


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        ConfigurationError: It holds something else, or cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path} holds a {type(found).__name__}, not an object")
    return found


def _downloaded(name: str, weights: bool) -> Path:
    if find_spec("huggingface_hub") is None:
        raise MissingDependencyError.of("huggingface_hub", "transformers")
    folder = _snapshot(name, (*_SMALL, *_SAFE) if weights else _SMALL)
    if not weights or any(folder.glob(_SAFE[0])):
        return folder
    return _snapshot(name, (*_SMALL, *_OLD))


def _snapshot(name: str, patterns: tuple[str, ...]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        kept = snapshot_download(name, allow_patterns=list(patterns), ignore_patterns=list(_DEEPER))
    except (OSError, ValueError) as error:  # what the hub raises derives from these
        raise ConfigurationError(
            f"{name} is no folder here and could not be fetched from the Hugging Face hub: "
            f"{error}. Without a network, download the model's folder elsewhere and pass its path."
        ) from error
    return Path(kept)
