"""Deleting on request: memories, and what was derived from them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from memorybank_core.reports import DeletionReceipt
from memorybank_core.stores.rows import days_of

from .base import WRITTEN_BY, Base, awaited, unfinished, writes
from .connections import Row, Rows, Statement, Steps
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
_DIGESTS = (
    "DELETE FROM memorybank.digests WHERE user_id = %(user)s AND day = ANY(%(days)s::text[]) "
    "AND kind = ANY(%(kinds)s::text[])"
)
_COUNT = (
    "UPDATE memorybank.users SET memories = memories - %(memories)s, terms = terms - %(terms)s, "
    "windows = windows - %(windows)s WHERE user_id = %(user)s RETURNING memories"
)
_BOTH = ["portrait", "summary"]


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
        locked, doomed, written_by = yield [Statement(LOCK, user), doomed_of, WRITTEN_BY]
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
        digests = yield from _derived(user_id, doomed, day)
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


def _derived(user_id: str, doomed: Sequence[Row], day: date | None) -> Steps[int]:
    """Deletes the digests made from what is doomed; returns how many.

    Those of a turn's day and the overall ones; of an event alone, the summaries.
    """

    def deletion(days: Collection[str], kinds: list[str]) -> Statement:
        return Statement(_DIGESTS, {"user": user_id, "days": list(days), "kinds": kinds})

    days, events = days_of(doomed, day)
    found: list[Rows] = yield [deletion(days, _BOTH)]
    gone = int(found[0][0][0])
    rest = []
    if gone or (days and doomed):
        rest.append(deletion([""], _BOTH))
    if events:
        rest.append(deletion([*events, ""], ["summary"]))
    if rest:
        gone += sum(rows[0][0] for rows in (yield rest))
    return gone
