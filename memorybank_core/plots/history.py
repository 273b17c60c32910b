"""The history of a memory and its retention over time: pure functions, without matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from memorybank_core.forgetting import ForgettingLaw, days_between
from memorybank_core.record_values import require_aware
from memorybank_core.records import Memory

_POINTS = 400
WIDE = 0x2E80  # characters from this code point are two columns wide and need a Chinese font


@dataclass(frozen=True, slots=True)
class History:
    """Creation and recalls of one memory.

    Attributes:
        label: Label in plots, one or two lines.
        created_at: Time of creation, with a time zone.
        recalls: Times of the recalls, with time zones, oldest first.
        strength: Strength before the first of these recalls.
        pinned: Whether the memory never fades.

    Raises:
        InvalidInputError: If a time has no time zone.
    """

    label: str
    created_at: datetime
    recalls: Sequence[datetime] = ()
    strength: float = 1.0
    pinned: bool = False

    @classmethod
    def of(cls, memory: Memory, recalls: Sequence[datetime], label: str | None = None) -> History:
        """Return the history of a memory in a bank.

        An imported memory may have been recalled at unknown times. Its history then starts at the
        last recall, with its current strength.

        Args:
            memory: The memory.
            recalls: Times of its recalls, from `bank.recalls`.
            label: Label in plots; None for the beginning of its text.
        """
        name = shorten(memory.text) if label is None else label
        if recalls or not memory.recalls:
            return cls(name, memory.created_at, recalls, pinned=memory.pinned)
        return cls(name, memory.refreshed_at, (), memory.strength, memory.pinned)

    def __post_init__(self) -> None:
        require_aware(self.created_at, "History.created_at")
        for recall in self.recalls:
            require_aware(recall, "History.recalls")


def state_at(history: History, law: ForgettingLaw, moment: datetime) -> tuple[float, float]:
    """Return retention and strength of a memory at a moment; both are 0 before its creation."""
    if moment < history.created_at:
        return 0.0, 0.0
    strength, since = history.strength, history.created_at
    for recall in history.recalls:
        if recall <= moment:
            strength = law.strengthened(strength, days_between(since, recall))
            since = max(since, recall)
    if history.pinned:
        return 1.0, strength
    return float(law.retention(days_between(since, moment), strength)), strength


def curve(
    history: History, law: ForgettingLaw, until: datetime, points: int = _POINTS
) -> tuple[list[datetime], list[float]]:
    """Return times and retentions from creation to `until`.

    Args:
        history: The memory.
        law: Law of forgetting.
        until: The last time.
        points: Number of evenly spaced times. Each recall adds two: one second before, and at it.
    """
    step = (until - history.created_at) / points
    times = {history.created_at + step * i for i in range(points + 1)}
    for recall in history.recalls:
        if recall <= until:
            times |= {recall - timedelta(seconds=1), recall}
    ordered = sorted(time for time in times if time >= history.created_at)
    return ordered, [state_at(history, law, time)[0] for time in ordered]


def shorten(text: str, columns: int = 34) -> str:
    """Return the beginning of a text on one line; a Chinese character takes two columns."""
    beginning, width = "", 0
    for character in " ".join(text.split()):
        width += 2 if ord(character) >= WIDE else 1
        if width > columns:
            return f"{beginning.rstrip()}…"
        beginning += character
    return beginning
