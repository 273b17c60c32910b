"""Adapters of the original ChatGLM2 and ChatGLM3, on transformers' own model of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llms.loading.glm_conversion import convert_lora
from memorybank_core.errors import ConfigurationError

from .adapter_files import PREFIX, Adapter

if TYPE_CHECKING:
    from torch import Tensor

_OFFICIAL = f"{PREFIX}transformer.encoder.layers."


def for_native_layers(adapter: Adapter, model: Any) -> Adapter:
    """The adapter for a model whose layers are apart that are fused in the official one.

    Any other adapter, or for any other model, as it is.

    Raises:
        ConfigurationError: It has other widths than the model, or strengths of its own for some of
            the fused layers.
    """
    names = adapter.tensors
    if model.config.model_type != "glm" or not any(map(_is_official, names)):
        return adapter
    if own := [key for key in ("alpha_pattern", "rank_pattern") if adapter.config.get(key)]:
        raise ConfigurationError(
            f"the adapter of {adapter.folder} has {' and '.join(own)} for layers that are fused in "
            f"the model it was made for, {adapter.base}: merge it into that one and load the result"
        )
    bare = {name.removeprefix(PREFIX): tensor for name, tensor in names.items()}
    tensors: dict[str, Tensor] = {
        PREFIX + name: tensor for name, tensor in convert_lora(bare, model.config).items()
    }
    targets = {name.partition(".lora_")[0].rpartition(".")[2] for name in tensors}
    config = {**adapter.config, "target_modules": sorted(targets)}
    return Adapter(adapter.folder, config, tensors)


def _is_official(name: str) -> bool:
    return name.startswith(_OFFICIAL)
