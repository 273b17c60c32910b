"""Counts over all memories of a user: by day, by state, and by the time at which they fade."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from memorybank_core.bank import MemoryBank
from memorybank_core.forgetting import THRESHOLD, forecast_fading

HORIZON = timedelta(days=365)
"""Time for which fading is computed in advance."""


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts over all memories of a user, at a time.

    Attributes:
        now: The time.
        days: Number of memories by day, archived ones included.
        active: Number of memories that are not archived.
        pinned: Number of pinned memories.
        fading_times: Times at which active memories fade, within `HORIZON`, the earliest first.
        fading_ids: Their ids, in the same order.
    """

    now: datetime
    days: Mapping[date, int]
    active: int
    pinned: int
    fading_times: Sequence[datetime]
    fading_ids: Sequence[str]

    @classmethod
    def read(cls, bank: MemoryBank, user_id: str, now: datetime) -> Overview:
        """Read all memories of a user once."""
        memories = bank.timeline(user_id=user_id, archived=True)
        active = [memory for memory in memories if memory.archived_at is None]
        fading = forecast_fading(active, bank.law, now + HORIZON, THRESHOLD)
        return cls(
            now,
            Counter(memory.day for memory in memories),
            active=len(active),
            pinned=sum(memory.pinned for memory in memories),
            fading_times=[item.fades_at for item in fading if item.fades_at],
            fading_ids=[item.memory.id for item in fading],
        )

    def count_faded(self, by: datetime) -> int:
        """Return how many active memories have faded at a time within `HORIZON`."""
        return bisect_right(self.fading_times, by)
