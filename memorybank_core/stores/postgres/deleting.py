"""Deleting on request: memories, and what was derived from them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

from memorybank_core.reports import DeletionReceipt
from memorybank_core.stores.rules import digests_to_delete

from .base import WRITTEN_BY, Base, awaited, unfinished, writes
from .connections import Statement, Steps
from .writing import DROP, LOCK, PLACE

_PER_MEMORY = ("memories", "vectors", "recalls")
_ALL = "DELETE FROM memorybank.{table} WHERE user_id = %(user)s"
_DOOMED = """
    WITH named AS (
        SELECT seq, day, kind, length, conversation FROM memorybank.memories
        WHERE user_id = %(user)s AND {which}
    )
    SELECT * FROM named
    UNION
    SELECT seq, day, kind, length, conversation FROM memorybank.memories
    WHERE user_id = %(user)s AND kind = 'event'
        AND day = ANY(ARRAY(SELECT day FROM named WHERE kind = 'turn'))
"""  # with a turn go the events of its day
_DIGESTS = "SELECT kind, day FROM memorybank.digests WHERE user_id = %(user)s"
_DELETE_DIGESTS = (
    "DELETE FROM memorybank.digests WHERE user_id = %(user)s "
    "AND (kind, day) IN (SELECT * FROM unnest(%(kinds)s::text[], %(days)s::text[]))"
)
_COUNT = (
    "UPDATE memorybank.users SET memories = memories - %(memories)s, terms = terms - %(terms)s, "
    "windows = windows - %(windows)s WHERE user_id = %(user)s RETURNING memories"
)


class Deleting(Base):
    """`delete`."""

    @writes
    def delete(
        self, user_id: str, *, ids: Collection[str] | None = None, day: date | None = None
    ) -> Steps[DeletionReceipt]:
        """Erases memories for good: these ids, this day, or everything of the user.

        The rows are gone for every reader. Their bytes stay in the server's files until VACUUM
        has been there and the room was used anew, and in its log and backups as long as those
        are kept: the receipt calls nothing erased that was deleted.
        """
        user = {"user": user_id}
        named: dict[str, Any]
        if ids is not None:
            which, named = "id = ANY(%(ids)s::text[])", {"ids": list(set(ids))}
        elif day is not None:
            which, named = "day = %(day)s", {"day": day.isoformat()}
        else:
            return (yield from _everything(user_id))
        doomed_of = Statement(_DOOMED.format(which=which), {**user, **named})
        locked, doomed, stored_digests, written_by = yield [
            Statement(LOCK, user),
            doomed_of,
            Statement(_DIGESTS, user),
            WRITTEN_BY,
        ]
        if not locked:
            return DeletionReceipt(user_id, 0, 0, 0, 0, remaining=0, erased=True)
        values = {**user, "seqs": [row[0] for row in doomed]}
        tables = [*_PER_MEMORY, *unfinished(written_by)]
        found = yield [Statement(DROP.format(table=table), values) for table in tables]
        memories, vectors, recalls = [rows[0][0] for rows in found[:3]]
        counted = {
            **user,
            "memories": memories,
            "terms": sum(row[3] for row in doomed),
            "windows": vectors,
        }
        disordered = sorted({row[4] for row in doomed if row[2] == "turn"})
        [(remaining,)], _ = yield [
            Statement(_COUNT, counted),
            Statement(PLACE, {**user, "conversations": disordered}),
        ]
        deleted = {(row[2], row[1]) for row in doomed}
        derived = digests_to_delete(deleted, day, stored_digests)
        digests = yield from _delete_digests(user_id, derived)
        is_nothing = not (memories or digests)
        return DeletionReceipt(
            user_id, memories, vectors, recalls, digests, remaining=remaining, erased=is_nothing
        )

    adelete = awaited(delete)


def _everything(user_id: str) -> Steps[DeletionReceipt]:
    """Deletes all that there is of a user."""
    user = {"user": user_id}
    locked, written_by = yield [Statement(LOCK, user), WRITTEN_BY]
    if not locked:
        return DeletionReceipt(user_id, 0, 0, 0, 0, remaining=0, erased=True)
    tables = [*_PER_MEMORY, "digests", "users", *unfinished(written_by)]
    found = yield [Statement(_ALL.format(table=table), user) for table in tables]
    memories, vectors, recalls, digests = [rows[0][0] for rows in found[:4]]
    return DeletionReceipt(user_id, memories, vectors, recalls, digests, remaining=0, erased=False)


def _delete_digests(user_id: str, digests: set[tuple[str, str]]) -> Steps[int]:
    """Delete the digests of these kinds and days; return how many."""
    if digests:
        kinds, days = zip(*sorted(digests), strict=True)
        values = {"user": user_id, "kinds": list(kinds), "days": list(days)}
        yield [Statement(_DELETE_DIGESTS, values)]
    return len(digests)
