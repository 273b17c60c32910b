"""Convert adapters of the official ChatGLM2 and ChatGLM3 for the `glm` model of transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llms.loading.glm_conversion import convert_lora
from memorybank_core.errors import ConfigurationError

from .adapter_files import PREFIX, SavedAdapter

if TYPE_CHECKING:
    from torch import Tensor

_OFFICIAL_PREFIX = f"{PREFIX}transformer.encoder.layers."


def convert_adapter_for_glm(adapter: SavedAdapter, model: Any) -> SavedAdapter:
    """Split the adapter's fused layers if the model has them as separate layers.

    Other adapters, and adapters for other models, are returned unchanged.

    Raises:
        ConfigurationError: If the adapter's widths differ from the model's, or if it has separate
            ranks or alphas for fused layers.
    """
    if model.config.model_type != "glm" or not any(map(_is_official_name, adapter.tensors)):
        return adapter
    if patterns := [key for key in ("alpha_pattern", "rank_pattern") if adapter.config.get(key)]:
        raise ConfigurationError(
            f"the adapter in {adapter.folder} has {' and '.join(patterns)} for layers that are "
            f"fused in the model it was made for, {adapter.base}: merge it into that model and "
            "load the result"
        )
    official = {name.removeprefix(PREFIX): tensor for name, tensor in adapter.tensors.items()}
    tensors: dict[str, Tensor] = {
        PREFIX + name: tensor for name, tensor in convert_lora(official, model.config).items()
    }
    targets = {name.partition(".lora_")[0].rpartition(".")[2] for name in tensors}
    config = {**adapter.config, "target_modules": sorted(targets)}
    return SavedAdapter(adapter.folder, config, tensors)


def _is_official_name(name: str) -> bool:
    return name.startswith(_OFFICIAL_PREFIX)
