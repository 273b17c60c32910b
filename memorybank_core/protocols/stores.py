"""Interface of a store of memories."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, Protocol

from memorybank_core.forgetting import ForgettingLaw
from memorybank_core.records import Change, Digest, Memory
from memorybank_core.reports import DeletionReceipt, Stats

from .items import ItemStore
from .models import Matrix
from .search import Candidates, Filter, Probe
from .settings import SettingStore


@dataclass(frozen=True, slots=True)
class Stored:
    """All data that a store has of one memory, to copy it to another store.

    Attributes:
        key: Its sequence number in this store.
        memory: The memory.
        vectors: The vectors of its windows, float32 (windows, d).
        recalls: Time and turn of each recall, oldest first.
    """

    key: int
    memory: Memory
    vectors: Matrix
    recalls: Sequence[tuple[datetime, str | None]]


StateChange = Literal["archive", "restore", "pin", "unpin"]
"""A change of the state of memories; see `MemoryStore.change_state`."""


class MemoryStore(Protocol):
    """Store of memories that finds candidates for a search. Most calls are about one user.

    A store numbers the memories of each user in the order of writing. Arguments and results call
    this sequence number `key`.

    Each call that writes is one durable transaction: when it returns, the change is on disk; if it
    raises, nothing was changed.
    """

    @property
    def items(self) -> ItemStore:
        """The items of the same bank."""
        ...

    @property
    def settings(self) -> SettingStore:
        """The settings of the bank."""
        ...

    def known(self, user_id: str, ids: Collection[str]) -> dict[str, Memory]:
        """Return the memories with these ids, archived ones included, by id."""
        ...

    def add(
        self,
        user_id: str,
        memories: Sequence[Memory],
        vectors: Sequence[Matrix],
        *,
        replace: bool = False,
        recalled: Mapping[str, Sequence[datetime]] | None = None,
        expected: Mapping[str, str] | None = None,
    ) -> None:
        """Store memories.

        Args:
            user_id: The user.
            memories: The memories, with distinct ids.
            vectors: The vectors of each memory's windows.
            replace: Whether a memory with a known id replaces the text and vectors of the stored
                one, which keeps its strength, recalls, archiving and pin.
            recalled: The times of earlier recalls of new memories, by id.
            expected: The texts that stored memories must still have, by id; "" of one that must not
                be stored yet.

        Raises:
            ConflictError: If an id is taken and not `replace`, or if a text is not as `expected`.
        """
        ...

    def set_metadata(self, user_id: str, metadata: Mapping[str, Mapping[str, Any]]) -> int:
        """Replace the metadata of turns, given by id; return how many of them are stored."""
        ...

    def candidates(self, user_id: str, probe: Probe) -> Candidates:
        """Find the memories that may answer `probe`, and their neighbours."""
        ...

    def fetch(self, user_id: str, keys: Sequence[int]) -> dict[int, Memory]:
        """Return the memories of candidates by sequence number, without those deleted since.

        Their `replaced_by` is set.
        """
        ...

    def memories(self, user_id: str, filter: Filter, *, last: int | None = None) -> list[Memory]:
        """Return memories in the order of their time.

        Args:
            user_id: The user.
            filter: Conditions; `archived` includes the archived ones.
            last: Return only this many, the latest.
        """
        ...

    def span(self, user_id: str, until: date | None = None) -> tuple[date, date] | None:
        """Return the days of the first and last memory up to a day; None if there are no such.

        A search calls this: it must not read every memory, as `stats` may.
        """
        ...

    def strengthen(
        self,
        user_id: str,
        ids: Collection[str],
        now: datetime,
        turn: str | None,
        law: ForgettingLaw,
    ) -> int:
        """Record a recall of memories: each grows stronger by `law` and fades from `now`.

        Memories that `turn` has recalled before do not change.

        Returns:
            The number of memories strengthened.
        """
        ...

    def change_state(
        self, user_id: str, ids: Collection[str], change: StateChange, now: datetime
    ) -> int:
        """Archive, restore, pin or unpin memories; return how many changed.

        - "archive": active memories are archived as of `now`, except for pinned ones.
        - "restore": archived memories become active and fade from `now`.
        - "pin": memories no longer fade; archived ones become active.
        - "unpin": pinned memories fade from `now`.
        """
        ...

    def recalls(self, user_id: str, id: str) -> list[datetime]:
        """Return the times at which a memory was recalled, oldest first."""
        ...

    def delete(
        self, user_id: str, *, ids: Collection[str] | None = None, day: date | None = None
    ) -> DeletionReceipt:
        """Delete memories for good: these ids, this day, or everything of the user.

        Also deletes their changes, and what was derived from them. Deleting a turn deletes the
        event summaries and digests of its day, and the overall digests. Deleting an event summary
        deletes the summary of its day and the overall summary.
        """
        ...

    def vectors(self, user_id: str, ids: Collection[str]) -> dict[str, Matrix]:
        """Return the vectors of the windows of these memories, by id; float32 (windows, d)."""
        ...

    def scan(self, user_id: str, *, after: int = 0, limit: int = 256) -> list[Stored]:
        """Return all data of the next `limit` memories after a sequence number, in order."""
        ...

    def put(self, user_id: str, stored: Sequence[Stored]) -> None:
        """Store memories, with distinct ids, copied from another store with all their data.

        A memory with a known id replaces the stored one, strength and recalls included. Each
        memory gets a new sequence number.
        """
        ...

    def set_digests(
        self,
        user_id: str,
        digests: Sequence[Digest],
        *,
        made_from: Sequence[Memory | Digest] = (),
        events: Sequence[Memory] = (),
        vectors: Sequence[Matrix] = (),
    ) -> None:
        """Store digests; each replaces the stored one of its kind and day.

        Args:
            user_id: The user.
            digests: The digests.
            made_from: The memories and digests that they were made from.
            events: Event summaries to store with them; they replace those with the same ids.
            vectors: The vectors of each event's windows.

        Raises:
            ConflictError: If one of `made_from` was deleted or has another text now, or a turn has
                the id of an event summary.
        """
        ...

    def digests(self, user_id: str, *, days: bool = True) -> list[Digest]:
        """Return the user's digests by kind and day; only overall ones if `days` is False.

        Overall digests, of no day, come before those of the days of their kind.
        """
        ...

    def record_changes(
        self, user_id: str, changes: Sequence[Change], *, made_from: Sequence[Memory] = ()
    ) -> None:
        """Store changes, except for those of memories that are not stored.

        They are deleted with either of their memories, and when one gets another text.

        Args:
            user_id: The user.
            changes: The changes; each replaces the stored one with the same ids.
            made_from: The memories that were read.

        Raises:
            ConflictError: If one of `made_from` was deleted or has another text now.
        """
        ...

    def changes(self, user_id: str) -> list[Change]:
        """Return the user's changes in the order in which the newer, then the older were stored."""
        ...

    def forget_change(self, user_id: str, older: str, newer: str) -> bool:
        """Delete a change; return False if it is not stored."""
        ...

    def set_profile(self, user_id: str, profile: str) -> None:
        """Store facts about the user that are not from the dialogue, as JSON."""
        ...

    def profile(self, user_id: str) -> str:
        """Return the stored profile, or "{}"."""
        ...

    def users(self) -> Iterator[str]:
        """Yield every user id, sorted."""
        ...

    def stats(self, user_id: str | None = None) -> Stats:
        """Return counts over one user or, with None, over all."""
        ...

    def compact(self) -> bool:
        """Free the space of deleted rows; return False if a reader prevented that."""
        ...

    def close(self) -> None:
        """Release the store's resources; a second call does nothing."""
        ...
