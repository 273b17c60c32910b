"""Positions of ChatGLM-6B: a position and a block position for every token.

The positions of a batch are one tensor of shape [2, B, S]: `position + block` and `block`. Both
increase by 1 per generated token, which is how `generate` of transformers advances position ids.
`block` is 0 for the prompt, whose tokens attend to each other in both directions.
"""

from __future__ import annotations

import torch

from .configuration import ChatGLMConfig

_THETA = 10000.0


def compute_positions(
    input_ids: torch.Tensor, attention_mask: torch.Tensor, config: ChatGLMConfig
) -> torch.Tensor:
    """Return the positions of complete sequences, each containing `<sop>`.

    The position counts from 0 up to `<sop>`. From there it stays at the position of `[gMASK]`, or
    of `[MASK]` if there is no `[gMASK]`. The block position is 1, 2, 3, ... from `<sop>` on.

    Args:
        input_ids: int64 [B, S], padded on the left.
        attention_mask: [B, S], 0 for padding.
        config: Has the ids of the special tokens.

    Returns:
        int64 [2, B, S].

    Raises:
        ValueError: If a sequence has no `<sop>`.
    """
    starts = input_ids.eq(config.bos_token_id)
    if not torch.compiler.is_compiling() and not starts.any(-1).all():
        raise ValueError(
            f"every sequence needs a <sop> (id {config.bos_token_id}) where the answer begins; "
            "ChatGLM's tokenizer ends each prompt with [gMASK] <sop>"
        )
    visible = attention_mask[:, -input_ids.shape[1] :].to(torch.bool)
    index = (visible.long().cumsum(-1) - 1).clamp(min=0)
    block = (starts & visible).long().cumsum(-1).clamp(max=1).cumsum(-1)
    masked = torch.where(
        (input_ids == config.gmask_token_id).any(-1, keepdim=True),
        input_ids == config.gmask_token_id,
        input_ids == config.mask_token_id,
    )
    mask_position = index.gather(-1, masked.long().argmax(-1, keepdim=True))
    position = torch.where(block > 0, mask_position, index)
    return torch.stack((position + block, block))


def non_padding_mask(input_ids: torch.Tensor, config: ChatGLMConfig) -> torch.Tensor:
    """Return a mask, bool [B, S], that is False for the pad tokens on the left."""
    return input_ids.ne(config.pad_token_id).cumsum(-1) > 0


def rotary_angles(
    positions: torch.Tensor, head_dim: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cosine and sine of the rotary embedding for both halves of a head.

    As in the official code, the frequencies are always rounded to half precision. The angles are
    also rounded, unless the model computes in float32, because it was trained with rounded angles.

    Args:
        positions: int64 [2, B, S], see `compute_positions`.
        head_dim: Width of a head, D.
        dtype: The dtype that the model computes in.

    Returns:
        Two tensors [B, 1, S, 2, D/4] of that dtype. On the axis of size 2, the angles of the
        position come first, then those of the block position.
    """
    half = head_dim // 2
    exponent = torch.arange(0, half, 2, dtype=torch.float32, device=positions.device) / half
    frequency = (1.0 / _THETA**exponent).to(torch.float16)
    angle_dtype = torch.float32 if dtype == torch.float32 else torch.float16
    position_pairs = torch.stack((positions[0] - positions[1], positions[1]), dim=-1)
    angle = (position_pairs.to(angle_dtype)[..., None] * frequency.to(angle_dtype)).float()[:, None]
    return angle.cos().to(dtype), angle.sin().to(dtype)


def apply_rotary(states: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Rotate each half of every head by its angles.

    Args:
        states: [B, H, S, D].
        cosine: From `rotary_angles`.
        sine: From `rotary_angles`.
    """
    first, second = states.unflatten(-1, (2, 2, -1)).unbind(-2)  # [B, H, S, 2, D/4] each
    rotated = (first * cosine - second * sine, second * cosine + first * sine)
    return torch.stack(rotated, dim=-2).flatten(-3)
