"""Convert MergedLinear adapters of peft 0.2.0, LoRA on parts of a fused layer, to ordinary LoRA.

A MergedLinear of rank r adapts n parts of the layer together: A has n * r rows, B is a grouped
convolution of width 1, and its output is distributed over the rows of the parts. An ordinary LoRA
of rank n * r gives the same numbers, with the groups of B on a diagonal and zeros for the parts
that are not adapted; alpha / r stays the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memorybank_core.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor


def convert_merged_linear(
    config: dict[str, Any], tensors: dict[str, Tensor]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the configuration and tensors of the ordinary LoRA that gives the same numbers.

    Raises:
        ConfigurationError: If the tensors do not have the shapes that the configuration implies.
    """
    enabled = [bool(part) for part in config["enable_lora"]]
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or not isinstance(alpha, (int, float)) or rank < 1:
        raise ConfigurationError(f"enable_lora needs r and lora_alpha, not {rank} and {alpha}")
    plain = {**config, "r": sum(enabled) * rank, "lora_alpha": sum(enabled) * alpha}
    return plain, {
        name: _ungroup(name, tensor, enabled, plain["r"]) if ".lora_B." in name else tensor
        for name, tensor in tensors.items()
    }


def _ungroup(name: str, grouped: Tensor, enabled: list[bool], rank: int) -> Tensor:
    """Expand a grouped B to [rows of all parts, rank].

    Args:
        name: The tensor's name, for error messages.
        grouped: B as saved, [rows of the enabled parts, rank / groups, 1].
        enabled: For each part of the layer, whether the adapter changes it.
        rank: The rank of the ordinary LoRA.
    """
    import torch

    rows, parts = len(grouped), sum(enabled)
    if grouped.ndim != 3 or rank % grouped.shape[1] or rows % parts:
        raise ConfigurationError(
            f"{name} has the shape {list(grouped.shape)}, but enable_lora {enabled} and r "
            f"{rank // parts} require [rows, {rank // 2}, 1]"
        )
    width = grouped.shape[1]
    groups = grouped.squeeze(-1).chunk(rank // width)
    diagonal = grouped.new_zeros(rows, rank)
    for index, (block, group) in enumerate(zip(diagonal.chunk(len(groups)), groups, strict=True)):
        block[:, index * width : (index + 1) * width] = group
    full = grouped.new_zeros(len(enabled), rows // parts, rank)
    full[torch.tensor(enabled)] = diagonal.view(parts, -1, rank)
    return full.flatten(0, 1)
