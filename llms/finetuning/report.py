"""Report of a fine-tuning run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class EpochLoss:
    """Losses of an epoch, in nats per token of the answers; lower is better.

    Attributes:
        epoch: Number of the epoch; 0 is before training.
        training: Mean training loss during the epoch; None before training.
        held_out: Loss on the held-out dialogues after the epoch; None without held-out dialogues.
    """

    epoch: int
    training: float | None
    held_out: float | None


@dataclass(frozen=True, slots=True)
class FinetuneReport:
    """Report of a fine-tuning run.

    Attributes:
        adapter: The folder with the adapter.
        examples: Number of training examples in an epoch.
        held_out: Number of held-out examples.
        shortened: Number of examples of both kinds without the oldest turns of their dialogue,
            which did not fit into `max_length`.
        left_out: Number of answers that no example contains, because they do not fit even with
            only their question.
        tokens: Number of tokens of answers in an epoch, including those that end the answers.
        steps: Number of optimizer steps in total.
        resumed_at: Step of the checkpoint that training was resumed from; 0 if it was not resumed.
        losses: Losses before training and after each epoch.
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
    """Return the losses by epoch.

    Args:
        history: The log of transformers' Trainer. It may have several mean losses in an epoch, each
            over the steps since the previous one.
    """
    sums: dict[int, float] = {}
    counts: dict[int, int] = {}
    held_out: dict[int, float] = {}
    last_step = 0
    for entry in history:
        epoch = math.ceil(entry["epoch"])
        if "eval_loss" in entry:
            held_out[epoch] = entry["eval_loss"]
        if "loss" in entry:
            steps = entry["step"] - last_step
            sums[epoch] = sums.get(epoch, 0.0) + steps * entry["loss"]
            counts[epoch] = counts.get(epoch, 0) + steps
            last_step = entry["step"]
    return tuple(
        EpochLoss(
            epoch, sums[epoch] / counts[epoch] if epoch in sums else None, held_out.get(epoch)
        )
        for epoch in sorted({*sums, *held_out})
    )
