"""Counts of what an import leaves out, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

MAX_FAULTS = 10
"""Number of faults that are described; further ones are only counted."""


@dataclass(slots=True)
class Omissions:
    """Counts of the things that a reader left out.

    Attributes:
        counts: Number of things left out, by what they are, such as "system messages".
        faults: Place and reason of the first `MAX_FAULTS` that could not be read.
    """

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    _unreadable: int = 0

    @property
    def is_by_choice(self) -> bool:
        """True if something was left out that could have been read."""
        return self.counts.total() > self._unreadable

    def add(self, kind: str, count: int = 1) -> None:
        """Count things that are left out on purpose.

        Args:
            kind: What they are, in the plural, such as "system messages".
            count: Their number.
        """
        if count:
            self.counts[kind] += count

    def add_fault(self, kind: str, place: str, reason: str) -> None:
        """Count a thing that cannot be read.

        Args:
            kind: What it is, in the plural, such as "unreadable conversations".
            place: Its place in the source.
            reason: Why it cannot be read, in one line.
        """
        self.counts[kind] += 1
        self._unreadable += 1
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(" ".join(f"{place}: {reason}".split())[:300])
