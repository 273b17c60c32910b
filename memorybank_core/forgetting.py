"""Laws of forgetting: the retention of a memory over time, and the effect of a recall.

Pure functions of their arguments. Time is in days, strength is S, retention is R in [0, 1].
`retention` accepts floats and numpy arrays, so that a search can compute it for all candidates.

Source: MemoryBank (Zhong et al. 2023, arXiv 2305.10250), section 2.3, after Ebbinghaus (1885):
R = exp(-t / S), S grows by 1 and t restarts with each recall. The paper's published code
multiplies by S where the paper divides, so that memories recalled often fade faster; here
retention rises with strength in every law.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .errors import InvalidInputError
from .records import Memory
from .reports import Fading

Floats = float | npt.NDArray[np.float64]

SECONDS_PER_DAY = 86_400.0
THRESHOLD = 0.05
"""Default retention below which `forget` archives a memory."""


class ForgettingLaw(Protocol):
    """A law of forgetting: retention falls with time and rises with strength."""

    def retention(self, days: Floats, strength: Floats) -> Floats:
        """Return R in [0, 1] at `days` after creation or the last recall; R is 1 at 0 days."""
        ...

    def strengthened(self, strength: float, days: float) -> float:
        """Return the strength after a recall at `days` after creation or the last recall."""
        ...

    def days_until(self, retention: float, strength: float) -> float:
        """Return the days until R falls to `retention`, in (0, 1]: the inverse of `retention`."""
        ...


@dataclass(frozen=True, slots=True)
class Ebbinghaus:
    """The paper's law, R = exp(-days / (scale_days · S)); a recall adds 1 to S.

    The paper uses scale_days = 1.
    """

    scale_days: float = 5.0

    def __post_init__(self) -> None:
        _require_positive(scale_days=self.scale_days)

    def retention(self, days: Floats, strength: Floats) -> Floats:
        """Return R in [0, 1] at `days` after creation or the last recall."""
        retention: Floats = np.exp(-days / (self.scale_days * strength))
        return retention

    def strengthened(self, strength: float, days: float) -> float:
        """Return the strength after a recall."""
        return strength + 1.0

    def days_until(self, retention: float, strength: float) -> float:
        """Return the days until R falls to `retention`."""
        return -math.log(retention) * self.scale_days * strength


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """R = (1 + days / (scale_days · S)) ** -exponent; a recall adds 1 to S.

    The form that fits long-term retention in Wixted & Ebbesen (1991): it falls quickly at first
    and, unlike an exponential, has a long tail.
    """

    scale_days: float = 5.0
    exponent: float = 1.0

    def __post_init__(self) -> None:
        _require_positive(scale_days=self.scale_days, exponent=self.exponent)

    def retention(self, days: Floats, strength: Floats) -> Floats:
        """Return R in [0, 1] at `days` after creation or the last recall."""
        retention: Floats = (1.0 + days / (self.scale_days * strength)) ** -self.exponent
        return retention

    def strengthened(self, strength: float, days: float) -> float:
        """Return the strength after a recall."""
        return strength + 1.0

    def days_until(self, retention: float, strength: float) -> float:
        """Return the days until R falls to `retention`."""
        return float((retention ** (-1.0 / self.exponent) - 1.0) * self.scale_days * strength)


@dataclass(frozen=True, slots=True)
class FSRS:
    """FSRS-6 of Open Spaced Repetition, with its published default weights.

    Strength 1.0 is the stability after a first review graded "good"; every recall counts as
    "good" and difficulty keeps its initial value. A recall soon after the last one adds little
    strength; a recall just before the memory fades adds much.

    Source: the FSRS-6 formulas of the open-spaced-repetition project. The values equal those of
    its `fsrs` package.
    """

    def retention(self, days: Floats, strength: Floats) -> Floats:
        """Return R in [0, 1] at `days` after creation or the last recall."""
        retention: Floats = (1.0 + _FSRS_FACTOR * days / (strength * _FSRS_S0)) ** -_FSRS_W[20]
        return retention

    def strengthened(self, strength: float, days: float) -> float:
        """Return the strength after a recall."""
        stability = strength * _FSRS_S0
        if days < 1.0:
            growth = max(1.0, math.exp(_FSRS_W[17] * _FSRS_W[18]) * stability ** -_FSRS_W[19])
        else:
            forgotten = 1.0 - self.retention(days, strength)
            growth = 1.0 + (
                math.exp(_FSRS_W[8])
                * (11.0 - _FSRS_DIFFICULTY)
                * stability ** -_FSRS_W[9]
                * math.expm1(_FSRS_W[10] * forgotten)
            )
        return float(strength * growth)

    def days_until(self, retention: float, strength: float) -> float:
        """Return the days until R falls to `retention`."""
        return float((retention ** (-1 / _FSRS_W[20]) - 1) * strength * _FSRS_S0 / _FSRS_FACTOR)


_FSRS_W = (
    0.212, 1.2931, 2.3065, 8.2956, 6.4133, 0.8334, 3.0194, 0.001, 1.8722, 0.1666, 0.796,
    1.4835, 0.0614, 0.2629, 1.6483, 0.6014, 1.8729, 0.5425, 0.0912, 0.0658, 0.1542,
)  # fmt: skip
_FSRS_FACTOR = 0.9 ** (-1.0 / _FSRS_W[20]) - 1.0
_FSRS_S0 = _FSRS_W[2]  # days until retention is 0.9 after a first review of grade 3, "good"
_FSRS_DIFFICULTY = _FSRS_W[4] - math.exp(_FSRS_W[5] * 2) + 1.0  # D0 of grade 3, "good"


def retention_of(memory: Memory, law: ForgettingLaw, now: datetime) -> float:
    """Return the retention of `memory` at `now`, the value that search and `forget` use."""
    if memory.pinned:
        return 1.0
    return float(law.retention(days_between(memory.refreshed_at, now), memory.strength))


def fades_at(memory: Memory, law: ForgettingLaw, threshold: float) -> datetime | None:
    """Return the time at which retention falls to `threshold`.

    None means never, or a time beyond the calendar.
    """
    if memory.pinned:
        return None
    try:
        return memory.refreshed_at + timedelta(days=law.days_until(threshold, memory.strength))
    except OverflowError:
        return None


def days_between(start: datetime, end: datetime) -> float:
    """Return the days from `start` to `end`, or 0 if `end` is earlier (a clock went backwards)."""
    return max(0.0, (end - start).total_seconds() / SECONDS_PER_DAY)


def is_forgotten(memory: Memory, retention: float, threshold: float, seed: int | None) -> bool:
    """Return whether `forget` archives a memory of this retention.

    Without a seed, `forget` archives it if R is below `threshold`. With a seed, it keeps the
    memory with probability R, as in the paper. The seed determines one random number per memory,
    so that repeated calls agree.
    """
    if seed is None:
        return retention < threshold
    key = json.dumps([seed, memory.user_id, memory.id])
    draw = random.Random(key).random()  # noqa: S311
    return draw >= retention


def select_forgotten(
    memories: Iterable[Memory],
    law: ForgettingLaw,
    now: datetime,
    threshold: float,
    seed: int | None,
) -> list[Fading]:
    """Return the memories that `forget` archives at `now`, lowest retention first."""
    forgotten = [
        fading
        for fading in _compute_fadings(memories, law, now, threshold)
        if is_forgotten(fading.memory, fading.retention, threshold, seed)
    ]
    forgotten.sort(key=lambda item: (item.retention, item.memory.created_at, item.memory.id))
    return forgotten


def forecast_fading(
    memories: Iterable[Memory], law: ForgettingLaw, by: datetime, threshold: float
) -> list[Fading]:
    """Return the memories whose retention is below `threshold` at `by`, first to fade first."""
    fadings = _compute_fadings(memories, law, by, threshold)
    faded = [item for item in fadings if item.fades_at and item.retention < threshold]
    return sorted(faded, key=lambda item: (item.fades_at, item.memory.id))


def _compute_fadings(
    memories: Iterable[Memory], law: ForgettingLaw, now: datetime, threshold: float
) -> list[Fading]:
    return [
        Fading(memory, retention_of(memory, law, now), fades_at(memory, law, threshold))
        for memory in memories
    ]


def _require_positive(**parameters: float) -> None:
    """Raise InvalidInputError listing every parameter that is not positive and finite."""
    wrong = [f"{name}={value!r}" for name, value in parameters.items() if not _is_positive(value)]
    if wrong:
        raise InvalidInputError(f"must be positive and finite: {', '.join(wrong)}")


def _is_positive(value: float) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value) and value > 0
