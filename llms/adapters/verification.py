"""Checks that an adapter fits a model, was trained, and was loaded completely."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from llms.loading.weights import list_tensor_names
from memorybank_core.errors import ConfigurationError

from .adapter_files import PREFIX, SavedAdapter

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel

_MAX_NAMES = 6
"""Number of names listed in an error message."""


def require_target_layers(adapter: SavedAdapter, model: PreTrainedModel | PeftModel) -> None:
    """Require that the model has layers with the names that the LoRA adapter was trained on.

    Raises:
        ConfigurationError: If it does not: the adapter was made for another model family.
    """
    paths = {name.split(".lora_")[0] for name in adapter.tensors if ".lora_" in name}
    targets = {path.removeprefix(PREFIX).rpartition(".")[2] for path in paths}
    layers = {path.rpartition(".")[2] for path, _ in model.named_modules()}
    if unknown := targets - layers:
        raise ConfigurationError(
            f"the adapter in {adapter.folder} was made for {adapter.base} and its layers "
            f"{_list_names(unknown)}; {_describe_model(model)} has no such layers, only "
            f"{_list_names(_adaptable_layers(model))}"
        )


def require_matching_tensors(
    adapter: SavedAdapter, expected: Mapping[str, Tensor], model: PreTrainedModel | PeftModel
) -> None:
    """Require that the adapter has exactly the tensors that its configuration implies.

    Args:
        adapter: The adapter as read from its files.
        expected: Tensors of the new, untrained adapter that peft created in the model.
        model: The model, for error messages.

    Raises:
        ConfigurationError: If tensors are missing, unexpected or of another shape.
    """
    faults = []
    if missing := expected.keys() - adapter.tensors.keys():
        faults.append(
            f"{len(missing)} of {len(expected)} tensors are missing: {_list_names(missing)}"
        )
    if unexpected := adapter.tensors.keys() - expected.keys():
        faults.append(f"{len(unexpected)} are not expected: {_list_names(unexpected)}")
    shapes = {name: list(expected[name].shape) for name in expected.keys() & adapter.tensors.keys()}
    mismatched = [
        name for name, shape in shapes.items() if shape != list(adapter.tensors[name].shape)
    ]
    if mismatched:
        name = min(mismatched)
        faults.append(
            f"{len(mismatched)} have another shape, for example {name} of "
            f"{list(adapter.tensors[name].shape)}, which must be {shapes[name]}"
            f"{_describe_rank(adapter)}"
        )
    if faults:
        raise ConfigurationError(
            f"the adapter in {adapter.folder}, made for {adapter.base}, does not fit "
            f"{_describe_model(model)}: {'; '.join(faults)}"
        )


def require_trained(adapter: SavedAdapter, initial: Mapping[str, Tensor]) -> None:
    """Require that training changed the adapter.

    A new adapter has no effect, because some of its tensors are constant: the B matrices of LoRA
    are zero.

    Args:
        adapter: The adapter as read from its files.
        initial: Tensors of a new, untrained adapter.

    Raises:
        ConfigurationError: If all constant tensors still have their initial value.
    """
    import torch

    constants = {
        name: torch.zeros_like(tensor) if ".lora_B." in name else tensor
        for name, tensor in initial.items()
        if ".lora_B." in name or (tensor == tensor.flatten()[0]).all()
    }
    if constants and all(
        (adapter.tensors[name] == constants[name].cpu()).all() for name in constants
    ):
        raise ConfigurationError(
            f"the adapter in {adapter.folder} was never trained: {_list_names(constants)} still "
            "have their initial values, which change nothing in a model. Train it, or load a "
            "later checkpoint."
        )


def require_loaded(adapter: SavedAdapter, loaded: Mapping[str, Tensor]) -> None:
    """Require that the model's adapter has the values of the file, rounded to the model's dtype.

    Raises:
        ConfigurationError: If a value differs or is not finite.
    """
    import torch

    for name, tensor in adapter.tensors.items():
        rounded = tensor.to(loaded[name].dtype)
        if not rounded.isfinite().all():
            raise ConfigurationError(
                f"the adapter in {adapter.folder} has infinite or undefined numbers in {name} "
                f"({rounded.dtype}): its training diverged, or the file is damaged"
            )
        if not torch.equal(rounded, loaded[name].cpu()):
            raise ConfigurationError(f"peft did not load {name} from {adapter.folder}")


def _describe_rank(adapter: SavedAdapter) -> str:
    rank = adapter.config.get("r")
    return "" if rank is None else f" (r is {rank} in its configuration)"


def _describe_model(model: PreTrainedModel | PeftModel) -> str:
    return f"{type(model).__name__} {model.name_or_path}".strip()


def _adaptable_layers(model: PreTrainedModel | PeftModel) -> set[str]:
    """Return the names of the model's linear layers, which an adapter can target."""
    return {
        path.rpartition(".")[2]
        for path, module in model.named_modules()
        if hasattr(module, "in_features") and "base_layer" not in path and ".lora_" not in path
    }


def _list_names(names: Iterable[str]) -> str:
    return list_tensor_names((name.removeprefix(PREFIX) for name in names), _MAX_NAMES)
