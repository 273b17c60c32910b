"""Interface of the inspection of a store, which `MemoryBank.check` uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from memorybank_core.check_reports import Finding
from memorybank_core.records import Memory

from .models import Matrix


@dataclass(frozen=True, slots=True)
class RawMemory:
    """A memory as it is stored, which may be damaged.

    Attributes:
        key: Its sequence number.
        values: Its values of `MEMORY_COLUMNS`; a text that is not UTF-8 is bytes.
        vectors: The vectors of its windows as bytes of float32; None if they are missing.
        derived: Its terms, asks and flags; None if they are missing or cannot be compared.
    """

    key: int
    values: tuple[Any, ...]
    vectors: bytes | None
    derived: tuple[bytes, int, int] | None


@dataclass(frozen=True, slots=True)
class RebuiltMemory:
    """A memory whose vectors and terms are to be stored again.

    Attributes:
        key: Its sequence number.
        memory: The memory.
        vectors: The vectors of its windows, float32 (windows, d).
        is_changed: Whether they differ from what is stored.
    """

    key: int
    memory: Memory
    vectors: Matrix
    is_changed: bool


class StoreInspector(Protocol):
    """Reads a store as it is, damaged rows included, and rebuilds what can be rebuilt."""

    def examine(self) -> list[Finding]:
        """Check the file or database as a whole, without the rows of each user."""
        ...

    def repair(self) -> list[str]:
        """Repair what `examine` found to be repairable; return what was repaired."""
        ...

    def rows(self, user_id: str) -> Iterator[RawMemory]:
        """Yield all memories of a user, in the order of their sequence numbers."""
        ...

    def rebuild(self, user_id: str, memories: Sequence[RebuiltMemory]) -> int:
        """Store vectors and terms of a user's memories again; return of how many.

        Memories whose text has changed in the meantime are left out.

        Args:
            user_id: The user.
            memories: All memories of the user that are not damaged otherwise.
        """
        ...

    def reindex(self, user_ids: Iterable[str]) -> None:
        """Make every process build the search indexes of these users again."""
        ...
