"""Where a token stands for ChatGLM-6B: two positions, and who sees whom.

The positions of a batch are one tensor of shape [2, B, S]: `position + block` and `block`. Both
grow by 1 a token while an answer is written, which is just what transformers' `generate` does to
position ids; and `block` is 0 exactly for the tokens that see each other both ways.
"""

from __future__ import annotations

import torch

from .configuration import ChatGLMConfig

_THETA = 10000.0


def positions_of(
    input_ids: torch.Tensor, attention_mask: torch.Tensor, config: ChatGLMConfig
) -> torch.Tensor:
    """The positions of whole sequences, each with a `<sop>` in it.

    The position counts from 0 up to `<sop>` and from there on stays at that of `[gMASK]`, or of
    `[MASK]` where there is no `[gMASK]`; the block counts 1, 2, 3 from `<sop>` on.

    Args:
        input_ids: int64 [B, S], padded on the left.
        attention_mask: [B, S], 0 for padding.
        config: Says which ids the marks have.

    Returns:
        int64 [2, B, S].

    Raises:
        ValueError: A sequence has no `<sop>`.
    """
    starts = input_ids.eq(config.bos_token_id)
    if not torch.compiler.is_compiling() and not starts.any(-1).all():
        raise ValueError(
            f"every sequence needs a <sop> (id {config.bos_token_id}), where the answer begins; "
            "ChatGLM's tokenizer ends each prompt with [gMASK] <sop>"
        )
    shown = attention_mask[:, -input_ids.shape[1] :].to(torch.bool)
    place = (shown.long().cumsum(-1) - 1).clamp(min=0)
    block = (starts & shown).long().cumsum(-1).clamp(max=1).cumsum(-1)
    masked = torch.where(
        (input_ids == config.gmask_token_id).any(-1, keepdim=True),
        input_ids == config.gmask_token_id,
        input_ids == config.mask_token_id,
    )
    mask_place = place.gather(-1, masked.long().argmax(-1, keepdim=True))
    position = torch.where(block > 0, mask_place, place)
    return torch.stack((position + block, block))


def unpadded(input_ids: torch.Tensor, config: ChatGLMConfig) -> torch.Tensor:
    """A mask, bool [B, S], that takes the pad tokens at the left for padding."""
    return input_ids.ne(config.pad_token_id).cumsum(-1) > 0


def angles(
    positions: torch.Tensor, head_dim: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine of the rotary embedding, for both halves of a head.

    The frequencies are those of the official code: rounded to half precision always; so are the
    angles unless the model computes in float32, since it was trained so.

    Args:
        positions: int64 [2, B, S], see `positions_of`.
        head_dim: Width of a head, D.
        dtype: What the model computes in.

    Returns:
        Two tensors [B, 1, S, 2, D/4] of that dtype: the half of the position, that of the block.
    """
    half = head_dim // 2
    exponent = torch.arange(0, half, 2, dtype=torch.float32, device=positions.device) / half
    frequency = (1.0 / _THETA**exponent).to(torch.float16)
    turned = torch.float32 if dtype == torch.float32 else torch.float16
    both = torch.stack((positions[0] - positions[1], positions[1]), dim=-1)
    angle = (both.to(turned)[..., None] * frequency.to(turned)).float()[:, None]
    return angle.cos().to(dtype), angle.sin().to(dtype)


def turn(states: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Rotates each half of every head by its angles.

    Args:
        states: [B, H, S, D].
        cosine: As `angles` gives it.
        sine: As `angles` gives it.
    """
    first, second = states.unflatten(-1, (2, 2, -1)).unbind(-2)  # [B, H, S, 2, D/4] each
    turned = (first * cosine - second * sine, second * cosine + first * sine)
    return torch.stack(turned, dim=-2).flatten(-3)
