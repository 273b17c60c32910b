"""Adapters into a model, between them, and for good."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memorybank_core.errors import ConfigurationError, MissingDependencyError

from .adapter_files import Adapter, read_adapter
from .glm_lora import for_native_layers
from .verification import check_arrived, check_fit, check_targets, check_trained

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel


def load_adapter(
    model: PreTrainedModel | PeftModel, folder: str | PathLike[str], *, name: str = "default"
) -> PeftModel:
    """The model with an adapter, which is in use from then on, ready to answer.

    A folder may be a final save or a checkpoint, of today's peft or of peft 0.2.0 and 0.3.0. Files
    are read as data: nothing in them is executed. The adapter takes the model's dtype and device.

    Args:
        model: A model of transformers, which is changed in place, or one that has adapters already.
        folder: Has the weights, and adapter_config.json; a checkpoint's lies one folder up.
        name: For `use_adapter`; without dots.

    Raises:
        ConfigurationError: The name is taken; the files are missing, empty or damaged; the adapter
            was made for another model, or was never trained. The model is as it was.
        MissingDependencyError: peft is not installed.
    """
    peft = _peft()
    adapter = read_adapter(Path(folder))
    _check_name(model, name)
    adapter = for_native_layers(adapter, model)
    check_targets(adapter, model)
    config = _config(adapter, model)
    with _as_it_was(model, name):
        wrapped = _injected(model, config, name, adapter)
        check_fit(adapter, _state(wrapped, name), model)
        check_trained(adapter, _state(wrapped, name))
        peft.set_peft_model_state_dict(wrapped, adapter.tensors, adapter_name=name)
        check_arrived(adapter, _state(wrapped, name))
    use_adapter(wrapped, name)
    wrapped.eval()
    return wrapped


def use_adapter(model: PeftModel, name: str | None) -> None:
    """Answers with this adapter from now on, or with the model alone.

    Args:
        model: What `load_adapter` gave.
        name: An adapter's, as it was loaded; None for none.

    Raises:
        ConfigurationError: There is no adapter of this name, or it cannot be put aside.
    """
    if name is None:
        _tuner(model, "put aside").disable_adapter_layers()
        return
    if name not in model.peft_config:
        raise ConfigurationError(f"no adapter {name!r} is loaded; there is {_loaded(model)}")
    if not model.peft_config[name].is_prompt_learning:
        _tuner(model, "used").enable_adapter_layers()
    model.set_adapter(name)
    model.requires_grad_(False)


def merge_adapter(model: PeftModel) -> PreTrainedModel:
    """The model with the adapter in use added to its weights: as fast as without, for good.

    The model that was given, and any other adapter in it, cannot be used afterwards.

    Raises:
        ConfigurationError: No adapter is in use, it is none that can be merged, or sums are not
            finite, as when a dtype is too narrow: load the model anew then.
    """
    tuner = _tuner(model, "merged")
    if model.get_model_status().enabled is not True:
        raise ConfigurationError(f"no adapter is in use: use_adapter takes {_loaded(model)}")
    try:
        merged: PreTrainedModel = tuner.merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise ConfigurationError(f"the adapter cannot be merged: {error}") from error
    return merged


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise MissingDependencyError.of("peft", "lora") from error
    return peft


def _loaded(model: PeftModel) -> str:
    return ", ".join(map(repr, model.peft_config))


def _tuner(model: PeftModel, done: str) -> Any:
    """What can switch off and merge the adapters; those that only prepend to the prompt cannot."""
    config = model.active_peft_config
    if config.is_prompt_learning:
        raise ConfigurationError(
            f"an adapter of type {config.peft_type} cannot be {done}: load the model anew"
        )
    return model.base_model


def _check_name(model: PreTrainedModel | PeftModel, name: str) -> None:
    from torch.nn import ModuleDict

    if not name or "." in name or hasattr(ModuleDict, name):
        raise ConfigurationError(f"{name!r} cannot name an adapter: take a word, without a dot")
    if name in getattr(model, "peft_config", {}):
        raise ConfigurationError(f"an adapter {name!r} is loaded already: take another name")


def _config(adapter: Adapter, model: PreTrainedModel | PeftModel) -> PeftConfig:
    """The configuration for today's peft."""
    from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PeftConfig
    from transformers.pytorch_utils import Conv1D

    kind = adapter.config["peft_type"]
    if kind not in PEFT_TYPE_TO_CONFIG_MAPPING:
        raise ConfigurationError(f"the peft that is installed knows no adapters of type {kind}")
    changes: dict[str, Any] = {
        "base_model_name_or_path": model.name_or_path or None,
        "inference_mode": True,
    }
    if adapter.config.get("fan_in_fan_out"):  # peft 0.2.0 says so of layers that are not
        changes["fan_in_fan_out"] = any(isinstance(part, Conv1D) for part in model.modules())
    make: Any = PeftConfig.from_peft_type
    try:
        made: PeftConfig = make(**{**adapter.config, **changes})
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"the configuration of {adapter.folder} is not one of type {kind}: {error}"
        ) from error
    return made


def _injected(
    model: PreTrainedModel | PeftModel, config: PeftConfig, name: str, adapter: Adapter
) -> PeftModel:
    """The model with a new adapter that is not trained, in the dtype of its layers."""
    from peft import PeftModel, get_peft_model

    how: dict[str, Any] = {"adapter_name": name, "autocast_adapter_dtype": False}
    try:
        with _quiet():
            if isinstance(model, PeftModel):
                model.add_adapter(peft_config=config, **how)
                return model
            wrapped: PeftModel = get_peft_model(model, config, **how)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"the adapter of {adapter.folder}, made for {adapter.base}, does not fit: {error}"
        ) from error
    return wrapped


@contextmanager
def _quiet() -> Iterator[None]:
    """Without warnings that concern nobody: a property that was renamed, an adapter named a."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        warnings.filterwarnings("ignore", "Adapter name .* prefix", UserWarning)
        yield


def _state(model: PeftModel, name: str) -> dict[str, Tensor]:
    from peft import get_peft_model_state_dict

    state: dict[str, Tensor] = get_peft_model_state_dict(
        model, adapter_name=name, save_embedding_layers=False
    )
    return state


@contextmanager
def _as_it_was(model: PreTrainedModel | PeftModel, name: str) -> Iterator[None]:
    """Takes a new adapter out again where it is refused."""
    from peft import PeftModel

    modules = {path: list(module.named_children()) for path, module in model.named_modules()}
    learning = [(weight, weight.requires_grad) for weight in model.parameters()]
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
        for weight, learns in learning:
            weight.requires_grad_(learns)
        raise
