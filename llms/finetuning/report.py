"""What became of a fine-tuning."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class EpochLoss:
    """How well the answers were known after an epoch: nats a token, less is better.

    Attributes:
        epoch: 0 is before training.
        training: The mean while the epoch was learnt; None before training.
        held_out: That of the dialogues that nothing was learnt from; None where there are none.
    """

    epoch: int
    training: float | None
    held_out: float | None


@dataclass(frozen=True, slots=True)
class FinetuneReport:
    """What was learnt, from how much, and how well.

    Attributes:
        adapter: The folder with the adapter.
        examples: How many examples were learnt from, an epoch.
        held_out: How many were held out, to measure on.
        shortened: How many of both lost their oldest turns, which did not fit `max_length`.
        left_out: How many answers are in no example: with their question they do not fit.
        tokens: How many tokens of answers an epoch teaches, the ends of answers included.
        steps: How often the adapter was changed, in all.
        resumed_at: The step of the checkpoint that training went on from; 0 from the beginning.
        losses: Before training and after each epoch.
    """

    adapter: str
    examples: int
    held_out: int
    shortened: int
    left_out: int
    tokens: int
    steps: int
    resumed_at: int
    losses: tuple[EpochLoss, ...]


def epoch_losses(history: Sequence[Mapping[str, Any]]) -> tuple[EpochLoss, ...]:
    """The losses by epoch.

    Args:
        history: The log of transformers' Trainer, which may have several means in an epoch, each
            over the steps since the one before.
    """
    sums: dict[int, float] = {}
    counts: dict[int, int] = {}
    held_out: dict[int, float] = {}
    last = 0
    for entry in history:
        epoch = math.ceil(entry["epoch"])
        if "eval_loss" in entry:
            held_out[epoch] = entry["eval_loss"]
        if "loss" in entry:
            steps = entry["step"] - last
            sums[epoch] = sums.get(epoch, 0.0) + steps * entry["loss"]
            counts[epoch] = counts.get(epoch, 0) + steps
            last = entry["step"]
    return tuple(
        EpochLoss(
            epoch, sums[epoch] / counts[epoch] if epoch in sums else None, held_out.get(epoch)
        )
        for epoch in sorted({*sums, *held_out})
    )
