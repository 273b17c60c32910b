"""Whether an adapter fits a model, was trained, and has really arrived in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from memorybank_core.errors import ConfigurationError

from .adapter_files import PREFIX, Adapter

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel

_SHOWN = 6
"""How many names a message tells."""


def check_targets(adapter: Adapter, model: PreTrainedModel | PeftModel) -> None:
    """That the model has layers of the names that a LoRA was trained on.

    Raises:
        ConfigurationError: It has not: the adapter was made for another family of models.
    """
    paths = {name.split(".lora_")[0] for name in adapter.tensors if ".lora_" in name}
    targets = {path.removeprefix(PREFIX).rpartition(".")[2] for path in paths}
    known = {path.rpartition(".")[2] for path, _ in model.named_modules()}
    if foreign := targets - known:
        raise ConfigurationError(
            f"the adapter of {adapter.folder} was made for {adapter.base} and its layers "
            f"{_some(foreign)}; {_name(model)} has no such layers, but {_some(_layers(model))}"
        )


def check_fit(
    adapter: Adapter, asked: Mapping[str, Tensor], model: PreTrainedModel | PeftModel
) -> None:
    """That the adapter has just the tensors that its configuration asks for in this model.

    Args:
        adapter: As it was read.
        asked: The tensors of the new, untrained adapter that peft made in the model.
        model: Named in the messages.

    Raises:
        ConfigurationError: Some are missing, unexpected or of another shape.
    """
    faults = []
    if missing := asked.keys() - adapter.tensors.keys():
        faults.append(f"{len(missing)} of {len(asked)} tensors are missing: {_some(missing)}")
    if unexpected := adapter.tensors.keys() - asked.keys():
        faults.append(f"{len(unexpected)} are not expected: {_some(unexpected)}")
    shapes = {name: list(asked[name].shape) for name in asked.keys() & adapter.tensors.keys()}
    wrong = [name for name, shape in shapes.items() if shape != list(adapter.tensors[name].shape)]
    if wrong:
        name = min(wrong)
        faults.append(
            f"{len(wrong)} have another shape, as {name} of {list(adapter.tensors[name].shape)}, "
            f"which must be {shapes[name]}{_rank(adapter)}"
        )
    if faults:
        raise ConfigurationError(
            f"the adapter of {adapter.folder}, made for {adapter.base}, does not fit "
            f"{_name(model)}: {'; '.join(faults)}"
        )


def check_trained(adapter: Adapter, asked: Mapping[str, Tensor]) -> None:
    """That training has changed the adapter.

    What an adapter starts from is without effect, by tensors that are constant: LoRA's B are zero.

    Raises:
        ConfigurationError: All of these still are what they were made as.
    """
    import torch

    start = {
        name: torch.zeros_like(fresh) if ".lora_B." in name else fresh
        for name, fresh in asked.items()
        if ".lora_B." in name or (fresh == fresh.flatten()[0]).all()
    }
    if start and all((adapter.tensors[name] == start[name].cpu()).all() for name in start):
        raise ConfigurationError(
            f"the adapter of {adapter.folder} was never trained: {_some(start)} are as they were "
            "made, which changes nothing in a model. Train it, or load a later checkpoint."
        )


def check_arrived(adapter: Adapter, loaded: Mapping[str, Tensor]) -> None:
    """That the model's adapter has the numbers of the file, rounded to the model's dtype.

    Raises:
        ConfigurationError: One differs, or is not finite.
    """
    import torch

    for name, tensor in adapter.tensors.items():
        rounded = tensor.to(loaded[name].dtype)
        if not rounded.isfinite().all():
            raise ConfigurationError(
                f"the adapter of {adapter.folder} has infinite or undefined numbers in {name} "
                f"({rounded.dtype}): its training went wrong, or the file is damaged"
            )
        if not torch.equal(rounded, loaded[name].cpu()):
            raise ConfigurationError(f"peft did not load {name} of {adapter.folder}")


def _rank(adapter: Adapter) -> str:
    rank = adapter.config.get("r")
    return "" if rank is None else f" (r is {rank} in its configuration)"


def _name(model: PreTrainedModel | PeftModel) -> str:
    return f"{type(model).__name__} {model.name_or_path}".strip()


def _layers(model: PreTrainedModel | PeftModel) -> set[str]:
    """The names of the layers that an adapter can be made for."""
    return {
        path.rpartition(".")[2]
        for path, module in model.named_modules()
        if hasattr(module, "in_features") and "base_layer" not in path and ".lora_" not in path
    }


def _some(names: Iterable[str]) -> str:
    """The first few of some names."""
    shown = sorted(name.removeprefix(PREFIX) for name in names)
    rest = len(shown) - _SHOWN
    return ", ".join(shown[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
