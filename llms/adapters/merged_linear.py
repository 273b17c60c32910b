"""LoRA on parts of a fused layer, as peft 0.2.0 trained it, told as an ordinary LoRA.

Its MergedLinear of rank r adapts n of the layer's parts together: A has n * r rows, B is a grouped
convolution of width 1, and what comes out is spread over the rows of the parts. With B's groups on
a diagonal and zeros for the parts between, that is an ordinary LoRA of rank n * r; alpha / r stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memorybank_core.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor


def convert_merged_linear(
    config: dict[str, Any], tensors: dict[str, Tensor]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and tensors of the ordinary LoRA that gives the very same numbers.

    Raises:
        ConfigurationError: The tensors are not of the shapes that the configuration asks for.
    """
    enabled = [bool(part) for part in config["enable_lora"]]
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or not isinstance(alpha, (int, float)) or rank < 1:
        raise ConfigurationError(f"enable_lora needs r and lora_alpha, not {rank} and {alpha}")
    plain = {**config, "r": sum(enabled) * rank, "lora_alpha": sum(enabled) * alpha}
    return plain, {
        name: _spread(name, tensor, enabled, plain["r"]) if ".lora_B." in name else tensor
        for name, tensor in tensors.items()
    }


def _spread(name: str, grouped: Tensor, enabled: list[bool], rank: int) -> Tensor:
    """A B of shape [rows of the enabled parts, rank / groups, 1] as [rows of all parts, rank]."""
    import torch

    rows, parts = len(grouped), sum(enabled)
    if grouped.ndim != 3 or rank % grouped.shape[1] or rows % parts:
        raise ConfigurationError(
            f"{name} has the shape {list(grouped.shape)}; enable_lora {enabled} and r "
            f"{rank // parts} ask for [rows, {rank // 2}, 1]"
        )
    width = grouped.shape[1]
    groups = grouped.squeeze(-1).chunk(rank // width)
    diagonal = grouped.new_zeros(rows, rank)
    for at, (block, group) in enumerate(zip(diagonal.chunk(len(groups)), groups, strict=True)):
        block[:, at * width : (at + 1) * width] = group
    full = grouped.new_zeros(len(enabled), rows // parts, rank)
    full[torch.tensor(enabled)] = diagonal.view(parts, -1, rank)
    return full.flatten(0, 1)
