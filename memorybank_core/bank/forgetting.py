"""Letting go: decay, which archives, pins against it, and deletion on request, which erases."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime

from memorybank_core import forgetting
from memorybank_core.concurrency import in_thread
from memorybank_core.errors import InvalidInputError
from memorybank_core.forgetting import THRESHOLD
from memorybank_core.protocols import Filter
from memorybank_core.records import Memory, SearchResult
from memorybank_core.reports import DeletionReceipt, Fading, ForgetReport
from memorybank_core.validation import require_day, require_moment, require_threshold, require_user

from .base import Base, ids_of


class Forgetting(Base):
    """`forget`, `forecast`, `archive`, `restore`, `pin`, `unpin` and `delete`."""

    def forget(
        self,
        *,
        user_id: str,
        now: datetime | None = None,
        threshold: float = THRESHOLD,
        seed: int | None = None,
        dry_run: bool = False,
    ) -> ForgetReport:
        """Archives what has faded. Archived memories are not found, and can be restored.

        Args:
            user_id: Whose memory.
            now: The time by which to judge; default the present.
            threshold: Retention below which a memory is let go, in (0, 1].
            seed: Instead of the threshold, the paper's chance: a memory is let go with
                probability 1 - R. The seed fixes the draws.
            dry_run: Only report what would be.

        Returns:
            What was archived, least retained first, and how many memories are kept.
        """
        require_user(user_id)
        require_threshold(threshold)
        moment = require_moment(now)
        active = self._fading(user_id, moment, threshold)
        gone = [
            fading
            for fading in active
            if forgetting.is_forgotten(fading.memory, fading.retention, threshold, seed)
        ]
        if gone and not dry_run:
            self.store.archive(user_id, [fading.memory.id for fading in gone], moment)
        gone.sort(key=lambda fading: (fading.retention, fading.memory.created_at, fading.memory.id))
        return ForgetReport(tuple(gone), kept=len(active) - len(gone), dry_run=dry_run)

    def forecast(self, by: datetime, *, user_id: str, threshold: float = THRESHOLD) -> list[Fading]:
        """What will have faded by a date if nothing is recalled, the first to fade first."""
        require_user(user_id)
        require_threshold(threshold)
        fading = self._fading(user_id, require_moment(by, "by"), threshold)
        gone = [item for item in fading if item.fades_at and item.retention < threshold]
        return sorted(gone, key=lambda item: (item.fades_at, item.memory.id))

    def archive(
        self,
        found: Iterable[SearchResult | Memory | str],
        *,
        user_id: str,
        now: datetime | None = None,
    ) -> int:
        """Archive these memories, whatever their retention; pinned ones are kept.

        Args:
            found: Search results, memories or ids.
            user_id: The user.
            now: Time of archiving; default the present.

        Returns:
            The number of memories archived.
        """
        require_user(user_id)
        ids = ids_of(found, user_id)
        return self.store.archive(user_id, ids, require_moment(now)) if ids else 0

    def restore(
        self,
        found: Iterable[SearchResult | Memory | str],
        *,
        user_id: str,
        now: datetime | None = None,
    ) -> int:
        """Brings forgotten memories back, to fade anew from `now`; returns how many."""
        require_user(user_id)
        ids = ids_of(found, user_id)
        return self.store.restore(user_id, ids, require_moment(now)) if ids else 0

    def pin(self, found: Iterable[SearchResult | Memory | str], *, user_id: str) -> int:
        """Keeps memories from fading: their retention is 1 until `unpin`; returns how many.

        What was forgotten is brought back. Deletion takes pinned memories like any other.
        """
        require_user(user_id)
        ids = ids_of(found, user_id)
        return self.store.pin(user_id, ids) if ids else 0

    def unpin(
        self,
        found: Iterable[SearchResult | Memory | str],
        *,
        user_id: str,
        now: datetime | None = None,
    ) -> int:
        """Lets pinned memories fade again, anew from `now`; returns how many."""
        require_user(user_id)
        ids = ids_of(found, user_id)
        return self.store.unpin(user_id, ids, require_moment(now)) if ids else 0

    def delete(
        self,
        *,
        user_id: str,
        ids: Collection[str] | None = None,
        day: date | None = None,
    ) -> DeletionReceipt:
        """Erases memories for good: these ids, this day, or everything of the user.

        They are gone from the rows, the vectors, the indexes and the bytes of the file, with
        every digest made from them.

        Returns:
            A receipt with the counts.

        Raises:
            InvalidInputError: Both `ids` and `day` are given, or they are not what they must be.
        """
        require_user(user_id)
        if ids is not None and day is not None:
            raise InvalidInputError("delete takes ids or a day, not both")
        if ids is not None:
            ids = ids_of(ids, user_id)
        return self.store.delete(user_id, ids=ids, day=require_day(day, "day"))

    aforget = in_thread(forget)
    aforecast = in_thread(forecast)
    aarchive = in_thread(archive)
    arestore = in_thread(restore)
    apin = in_thread(pin)
    aunpin = in_thread(unpin)
    adelete = in_thread(delete)

    def _fading(self, user_id: str, now: datetime, threshold: float) -> list[Fading]:
        """Every active memory with its retention at `now`."""
        return [
            Fading(
                memory,
                forgetting.retention_of(memory, self.law, now),
                forgetting.fades_at(memory, self.law, threshold),
            )
            for memory in self.store.memories(user_id, Filter())
        ]
