"""Load an adapter into a model, select one of several, and merge one into the weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memorybank_core.errors import ConfigurationError, MissingDependencyError

from .adapter_files import SavedAdapter, read_adapter
from .glm_lora import convert_adapter_for_glm
from .verification import (
    require_loaded,
    require_matching_tensors,
    require_target_layers,
    require_trained,
)

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel


def load_adapter(
    model: PreTrainedModel | PeftModel, folder: str | PathLike[str], *, name: str = "default"
) -> PeftModel:
    """Load an adapter into a model, select it, and return the model ready for inference.

    The folder may be a final save or a checkpoint, written by current peft or by peft 0.2.0 and
    0.3.0. Files are read as data: no code in them is executed. The adapter is converted to the
    model's dtype and moved to its device.

    Args:
        model: A transformers model, which is changed in place, or one that already has adapters.
        folder: The folder with the weights and adapter_config.json; for a checkpoint, the
            configuration may be in the parent folder.
        name: Name of the adapter for `use_adapter`; it must not contain a dot.

    Raises:
        ConfigurationError: If the name is in use; if files are missing, empty or damaged; if the
            adapter was made for another model, or was never trained. The model is left unchanged.
        MissingDependencyError: If peft is not installed.
    """
    peft = _import_peft()
    adapter = read_adapter(Path(folder))
    _require_valid_name(model, name)
    adapter = convert_adapter_for_glm(adapter, model)
    require_target_layers(adapter, model)
    config = _make_config(adapter, model)
    with _rollback_on_error(model, name):
        wrapped = _add_untrained_adapter(model, config, name, adapter)
        require_matching_tensors(adapter, _adapter_state(wrapped, name), model)
        require_trained(adapter, _adapter_state(wrapped, name))
        peft.set_peft_model_state_dict(wrapped, adapter.tensors, adapter_name=name)
        require_loaded(adapter, _adapter_state(wrapped, name))
    use_adapter(wrapped, name)
    wrapped.eval()
    return wrapped


def use_adapter(model: PeftModel, name: str | None) -> None:
    """Select the adapter that the model uses, or the base model alone.

    Args:
        model: A model returned by `load_adapter`.
        name: The name that the adapter was loaded with; None for the base model alone.

    Raises:
        ConfigurationError: If no adapter has this name, or the active adapter cannot be disabled.
    """
    if name is None:
        _require_tuner(model, "disabled").disable_adapter_layers()
        return
    if name not in model.peft_config:
        raise ConfigurationError(
            f"no adapter {name!r} is loaded; loaded adapters: {_adapter_names(model)}"
        )
    if not model.peft_config[name].is_prompt_learning:
        _require_tuner(model, "used").enable_adapter_layers()
    model.set_adapter(name)
    model.requires_grad_(False)


def merge_adapter(model: PeftModel) -> PreTrainedModel:
    """Add the active adapter to the model's weights and return the plain model.

    The result is as fast as the base model and cannot be undone: neither `model` nor any other
    adapter in it can be used afterwards.

    Raises:
        ConfigurationError: If no adapter is active, it is of a type that cannot be merged, or the
            sums are not finite, for example because the dtype is too narrow. In the last case the
            model must be loaded again.
    """
    tuner = _require_tuner(model, "merged")
    if model.get_model_status().enabled is not True:
        raise ConfigurationError(
            f"no adapter is active; use_adapter can select: {_adapter_names(model)}"
        )
    try:
        merged: PreTrainedModel = tuner.merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise ConfigurationError(f"the adapter cannot be merged: {error}") from error
    return merged


def _import_peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise MissingDependencyError.of("peft", "lora") from error
    return peft


def _adapter_names(model: PeftModel) -> str:
    return ", ".join(map(repr, model.peft_config))


def _require_tuner(model: PeftModel, operation: str) -> Any:
    """Return the tuner, which can disable and merge adapters.

    Args:
        model: The model with adapters.
        operation: Past participle of the operation, such as "merged", for the error message.

    Raises:
        ConfigurationError: If the active adapter only adds virtual tokens to the prompt.
    """
    config = model.active_peft_config
    if config.is_prompt_learning:
        raise ConfigurationError(
            f"an adapter of type {config.peft_type} cannot be {operation}: load the model again"
        )
    return model.base_model


def _require_valid_name(model: PreTrainedModel | PeftModel, name: str) -> None:
    from torch.nn import ModuleDict

    if not name or "." in name or hasattr(ModuleDict, name):
        raise ConfigurationError(
            f"{name!r} cannot be an adapter's name: choose a word without a dot"
        )
    if name in getattr(model, "peft_config", {}):
        raise ConfigurationError(f"an adapter {name!r} is already loaded: choose another name")


def _make_config(adapter: SavedAdapter, model: PreTrainedModel | PeftModel) -> PeftConfig:
    """Return the adapter's configuration as an object of the installed peft."""
    from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PeftConfig
    from transformers.pytorch_utils import Conv1D

    kind = adapter.config["peft_type"]
    if kind not in PEFT_TYPE_TO_CONFIG_MAPPING:
        raise ConfigurationError(f"the installed peft has no adapters of type {kind}")
    changes: dict[str, Any] = {
        "base_model_name_or_path": model.name_or_path or None,
        "inference_mode": True,
    }
    if adapter.config.get("fan_in_fan_out"):  # peft 0.2.0 also sets it for layers without it
        changes["fan_in_fan_out"] = any(isinstance(module, Conv1D) for module in model.modules())
    make_config: Any = PeftConfig.from_peft_type
    try:
        config: PeftConfig = make_config(**{**adapter.config, **changes})
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"the configuration of {adapter.folder} is not valid for type {kind}: {error}"
        ) from error
    return config


def _add_untrained_adapter(
    model: PreTrainedModel | PeftModel, config: PeftConfig, name: str, adapter: SavedAdapter
) -> PeftModel:
    """Return the model with a new, untrained adapter in the dtype of its layers."""
    from peft import PeftModel, get_peft_model

    options: dict[str, Any] = {"adapter_name": name, "autocast_adapter_dtype": False}
    try:
        with _ignore_peft_warnings():
            if isinstance(model, PeftModel):
                model.add_adapter(peft_config=config, **options)
                return model
            wrapped: PeftModel = get_peft_model(model, config, **options)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"the adapter in {adapter.folder}, made for {adapter.base}, does not fit: {error}"
        ) from error
    return wrapped


@contextmanager
def _ignore_peft_warnings() -> Iterator[None]:
    """Ignore peft's warnings about a renamed property and about adapter names."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        warnings.filterwarnings("ignore", "Adapter name .* prefix", UserWarning)
        yield


def _adapter_state(model: PeftModel, name: str) -> dict[str, Tensor]:
    from peft import get_peft_model_state_dict

    state: dict[str, Tensor] = get_peft_model_state_dict(
        model, adapter_name=name, save_embedding_layers=False
    )
    return state


@contextmanager
def _rollback_on_error(model: PreTrainedModel | PeftModel, name: str) -> Iterator[None]:
    """Restore the model if the block raises an error while it adds the adapter `name`."""
    from peft import PeftModel

    modules = {path: list(module.named_children()) for path, module in model.named_modules()}
    trainable_flags = [(weight, weight.requires_grad) for weight in model.parameters()]
    try:
        yield
    except ConfigurationError:
        if isinstance(model, PeftModel):
            if name in model.peft_config:
                model.delete_adapter(name)
        else:
            for path, children in modules.items():
                for child, module in children:
                    setattr(model.get_submodule(path), child, module)
            vars(model).pop("peft_config", None)
        for weight, requires_grad in trainable_flags:
            weight.requires_grad_(requires_grad)
        raise
