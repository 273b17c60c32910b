"""An adapter as it lies in a folder, whatever saved it."""

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

CONFIG = "adapter_config.json"
WEIGHTS = (
    "adapter_model.safetensors",
    "adapter_model.bin",
    "model.safetensors",
    "pytorch_model.bin",
)
PREFIX = "base_model.model."
"""What peft puts before the name of a model's parameter."""

_FORGOTTEN = ("enable_lora", "merge_weights", "runtime_config")
"""What old configurations say and peft no longer knows, or must not read from a file."""

_NAMED = re.compile(r"(\.lora_(?:embedding_)?[AB])\.(?!weight$|bias$)[^.]+")
"""A LoRA tensor's name with the adapter's name inside, as a model's own state dict has it."""


@dataclass(frozen=True)
class Adapter:
    """An adapter that was read.

    Attributes:
        folder: Where it lies.
        config: What its adapter_config.json says, in the words of today's peft.
        tensors: By the names that today's peft saves them under.
    """

    folder: Path
    config: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def base(self) -> str:
        """The model that it was made for, as far as it says."""
        return str(self.config.get("base_model_name_or_path") or "a model it does not name")


def read_adapter(folder: Path) -> Adapter:
    """The adapter of a folder: a final save, or a checkpoint beside whose folder the config lies.

    Raises:
        ConfigurationError: Something is missing, empty or damaged, or would run code to be read.
    """
    config = _config(folder)
    weights = _weights(folder)
    tensors = open_weight_file(weights)
    if not tensors:
        raise ConfigurationError(f"{weights} has not one tensor in it. {_advice(folder)}")
    tensors = {_NAMED.sub(r"\1", name): tensor.detach() for name, tensor in tensors.items()}
    if any(config.get("enable_lora") or ()):
        config, tensors = convert_merged_linear(config, tensors)
    kept = {key: value for key, value in config.items() if key not in _FORGOTTEN}
    return Adapter(folder, kept, tensors)


def _config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise ConfigurationError(f"there is no folder {folder}: name the one that has {CONFIG}")
    found = [path / CONFIG for path in (folder, folder.resolve().parent)]
    found = [path for path in found if path.is_file()]
    if not found:
        raise ConfigurationError(f"neither {folder} nor the folder above it has {CONFIG}")
    config = read_json_object(found[0])
    if not isinstance(config.get("peft_type"), str):
        raise ConfigurationError(f"{found[0]} names no peft_type: it is no adapter's configuration")
    return config


def _weights(folder: Path) -> Path:
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise ConfigurationError(f"{folder} has no weights: none of {', '.join(WEIGHTS)}")


def _advice(folder: Path) -> str:
    """What to do about a final save that is empty, as peft 0.3.0 wrote them."""
    steps = [path for path in folder.glob("checkpoint-*") if path.name[11:].isdecimal()]
    for path in sorted(steps, key=lambda path: int(path.name[11:]), reverse=True):
        if any((path / name).is_file() for name in WEIGHTS) and open_weight_file(_weights(path)):
            return f"{path} has the weights: load that."
    return "No checkpoint beside it has the weights either: it must be trained again."
