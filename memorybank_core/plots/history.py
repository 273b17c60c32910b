"""What happened to a memory, and its retention over time: pure functions, no matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from memorybank_core.forgetting import ForgettingLaw, days_between
from memorybank_core.records import Memory, require_aware

_POINTS = 400
WIDE = 0x2E80  # from here on, signs are as broad as two letters, and need a font of their own


@dataclass(frozen=True, slots=True)
class History:
    """What happened to one memory.

    Attributes:
        label: What to call it, in a line or two.
        created_at: When it was said, with a time zone.
        recalls: When it was recalled, with a time zone, oldest first.
        strength: S before the first of those recalls.
        pinned: Whether it is kept from fading.

    Raises:
        InvalidInputError: A time has no time zone.
    """

    label: str
    created_at: datetime
    recalls: Sequence[datetime] = ()
    strength: float = 1.0
    pinned: bool = False

    @classmethod
    def of(cls, memory: Memory, recalls: Sequence[datetime], label: str | None = None) -> History:
        """The history of a memory of a bank.

        Args:
            memory: The memory.
            recalls: When it was recalled, as `bank.recalls` says. Where that is not known, though
                it was recalled, as of an imported one, it fades since the last time.
            label: What to call it; None takes the beginning of its text.
        """
        name = one_line(memory.text) if label is None else label
        if recalls or not memory.recalls:
            return cls(name, memory.created_at, recalls, pinned=memory.pinned)
        return cls(name, memory.refreshed_at, (), memory.strength, memory.pinned)

    def __post_init__(self) -> None:
        for moment in (self.created_at, *self.recalls):
            require_aware(moment, "History: a time")


def state_at(history: History, law: ForgettingLaw, moment: datetime) -> tuple[float, float]:
    """Retention and strength of a memory at a moment; both are 0 before it was said."""
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
    """Times and retentions from creation to `until`; a recall has two, before and after it."""
    step = (until - history.created_at) / points
    times = {history.created_at + step * i for i in range(points + 1)}
    for recall in history.recalls:
        if recall <= until:
            times |= {recall - timedelta(seconds=1), recall}
    ordered = sorted(time for time in times if time >= history.created_at)
    return ordered, [state_at(history, law, time)[0] for time in ordered]


def one_line(text: str, length: int = 34) -> str:
    """The beginning of a text, in one line of so many characters; a Chinese one counts twice."""
    kept, width = "", 0
    words = " ".join(text.split())
    for sign in words:
        width += 2 if ord(sign) >= WIDE else 1
        if width > length:
            return f"{kept.rstrip()}…"
        kept += sign
    return kept
