"""Pages of a user's memories, from the newest to the oldest.

A page is read from the day and the place where the last one ended, so that its cost does not grow
with the number of memories.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from memorybank_core.bank import MemoryBank
from memorybank_core.records import Memory

STATES = ("active", "archived", "pinned", "all")
"""States of memories that a page can be limited to."""
_BATCH = 500  # memories read at once where most may be left out

_MATCHES: dict[str, Callable[[Memory], bool]] = {
    "active": lambda memory: memory.archived_at is None,
    "archived": lambda memory: memory.archived_at is not None,
    "pinned": lambda memory: memory.pinned,
    "all": lambda _: True,
}


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two memories.

    Attributes:
        until: Day of the newer of the two, or the last day to read; None for the latest.
        skip: Number of memories of that day that are newer than the place.
    """

    until: date | None = None
    skip: int = 0

    def after(self, memory: Memory) -> Cursor:
        """Return the place after a memory that is the next older one."""
        if memory.day == self.until:
            return Cursor(self.until, self.skip + 1)
        return Cursor(memory.day, 1)


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """One page.

    Attributes:
        memories: The memories, newest first.
        next: Place where the next page starts; None if there are no more.
    """

    memories: list[Memory]
    next: Cursor | None


def matches_state(memory: Memory, state: str) -> bool:
    """Return whether a memory is in one of `STATES`."""
    return _MATCHES[state](memory)


def read_page(
    bank: MemoryBank, user_id: str, start: Cursor, *, state: str, size: int
) -> TimelinePage:
    """Read the memories after a place.

    Args:
        bank: The bank.
        user_id: The user.
        start: The place; `Cursor()` is the newest, `Cursor(day)` the newest up to a day.
        state: One of `STATES`.
        size: Maximum number of memories.
    """
    memories: list[Memory] = []
    cursor, batch_size = start, size + 1 if state in ("active", "all") else _BATCH
    while True:
        last = cursor.skip + batch_size
        batch = bank.timeline(
            user_id=user_id, until=cursor.until, archived=state != "active", last=last
        )
        for memory in batch[::-1][cursor.skip :]:
            if matches_state(memory, state):
                if len(memories) == size:
                    return TimelinePage(memories, cursor)
                memories.append(memory)
            cursor = cursor.after(memory)
        if len(batch) < last:
            return TimelinePage(memories, None)
