"""Read an adapter from its folder, in the format of any version of peft."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llms.loading.model_files import read_json_object
from llms.loading.weights import open_weight_file
from memorybank_core.errors import ConfigurationError

from .merged_linear import convert_merged_linear

if TYPE_CHECKING:
    from torch import Tensor

CONFIG_FILE = "adapter_config.json"
WEIGHT_FILES = (
    "adapter_model.safetensors",
    "adapter_model.bin",
    "model.safetensors",
    "pytorch_model.bin",
)
PREFIX = "base_model.model."
"""Prefix that peft adds to the name of a model's parameter."""

_DROPPED_FIELDS = ("enable_lora", "merge_weights", "runtime_config")
"""Fields of old configurations that current peft does not know, or must not read from a file."""

_ADAPTER_NAME = re.compile(r"(\.lora_(?:embedding_)?[AB])\.(?!weight$|bias$)[^.]+")
"""Matches the adapter's name inside a LoRA tensor's name, as in a model's own state dict."""


@dataclass(frozen=True)
class SavedAdapter:
    """An adapter read from its files.

    Attributes:
        folder: The folder that it was read from.
        config: The content of adapter_config.json, with the field names of current peft.
        tensors: The tensors by name, with the names that current peft uses in files.
    """

    folder: Path
    config: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def base(self) -> str:
        """Name of the model that the adapter was made for, for error messages."""
        return str(self.config.get("base_model_name_or_path") or "an unnamed model")


def read_adapter(folder: Path) -> SavedAdapter:
    """Read an adapter from a final save or a checkpoint.

    A checkpoint may lack the configuration; it is then read from the parent folder.

    Raises:
        ConfigurationError: If a file is missing, empty or damaged, or could only be read by running
            code in it.
    """
    config = _read_config(folder)
    weights = _find_weights(folder)
    tensors = open_weight_file(weights)
    if not tensors:
        raise ConfigurationError(f"{weights} contains no tensors. {_suggest_checkpoint(folder)}")
    tensors = {_ADAPTER_NAME.sub(r"\1", name): tensor.detach() for name, tensor in tensors.items()}
    if any(config.get("enable_lora") or ()):
        config, tensors = convert_merged_linear(config, tensors)
    config = {field: value for field, value in config.items() if field not in _DROPPED_FIELDS}
    return SavedAdapter(folder, config, tensors)


def _read_config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder: pass the one that has {CONFIG_FILE}")
    candidates = (path / CONFIG_FILE for path in (folder, folder.resolve().parent))
    file = next((path for path in candidates if path.is_file()), None)
    if file is None:
        raise ConfigurationError(f"neither {folder} nor its parent folder has {CONFIG_FILE}")
    config = read_json_object(file)
    if not isinstance(config.get("peft_type"), str):
        raise ConfigurationError(f"{file} has no peft_type: it is not an adapter's configuration")
    return config


def _find_weights(folder: Path) -> Path:
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    raise ConfigurationError(f"{folder} has no weights: none of {', '.join(WEIGHT_FILES)}")


def _suggest_checkpoint(folder: Path) -> str:
    """Return advice for an empty final save, which peft 0.3.0 could write."""
    checkpoints = [path for path in folder.glob("checkpoint-*") if path.name[11:].isdecimal()]
    for path in sorted(checkpoints, key=lambda path: int(path.name[11:]), reverse=True):
        has_weights = any((path / name).is_file() for name in WEIGHT_FILES)
        if has_weights and open_weight_file(_find_weights(path)):
            return f"{path} has the weights: load it instead."
    return "No checkpoint in the folder has weights either: the adapter must be trained again."
