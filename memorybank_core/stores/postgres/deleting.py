"""Delete memories and what was derived from them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from memorybank_core.reports import DeletionReceipt
from memorybank_core.stores.rules import digests_to_delete

from .changes import delete_changes
from .connections import Session
from .page_rows import rewrite
from .rows import DELETE_ROWS
from .statements import Statement
from .tables import GENERATION

_DELETE_ALL = "DELETE FROM memorybank.{table} WHERE user_id = %(user)s"
_SELECT_MEMORIES = """
    WITH named AS (
        SELECT seq, day, kind FROM memorybank.memories WHERE user_id = %(user)s AND {condition}
    )
    SELECT * FROM named
    UNION
    SELECT seq, day, kind FROM memorybank.memories
    WHERE user_id = %(user)s AND kind = 'event'
        AND day = ANY(ARRAY(SELECT day FROM named WHERE kind = 'turn'))
"""  # deleting a turn also deletes the event summaries of its day
_COUNT_VECTORS = (
    "SELECT coalesce(sum(octet_length(vectors)), 0) / 4 / (SELECT value::integer FROM "
    "memorybank.meta WHERE name = 'dimension') FROM memorybank.pages "
    f"WHERE user_id = %(user)s AND generation = {GENERATION}"
)
_SELECT_DIGESTS = "SELECT kind, day FROM memorybank.digests WHERE user_id = %(user)s"
_DELETE_DIGESTS = (
    "DELETE FROM memorybank.digests WHERE user_id = %(user)s "
    "AND (kind, day) IN (SELECT * FROM unnest(%(kinds)s::text[], %(days)s::text[]))"
)
_UPDATE_COUNTS = (
    "UPDATE memorybank.users SET memories = memories - %(memories)s, rewritten = CASE "
    "WHEN %(dropped)s THEN writes ELSE rewritten END WHERE user_id = %(user)s RETURNING memories"
)


def delete(
    session: Session, user_id: str, *, ids: Collection[str] | None, day: date | None
) -> DeletionReceipt:
    """Delete memories and what was derived from them; see `MemoryStore.delete`."""
    user = {"user": user_id}
    if ids is not None:
        select = Statement(
            _SELECT_MEMORIES.format(condition="id = ANY(%(ids)s::text[])"),
            {**user, "ids": list(set(ids))},
        )
    elif day is not None:
        select = Statement(
            _SELECT_MEMORIES.format(condition="day = %(day)s"), {**user, "day": day.isoformat()}
        )
    else:
        return _delete_user(session, user_id)
    locked, to_delete, digests = session.execute(
        session.marker.lock(), select, Statement(_SELECT_DIGESTS, user)
    )
    if not locked:
        return DeletionReceipt(user_id, 0, 0, 0, 0, remaining=0, erased=True)
    seqs = [row[0] for row in to_delete]
    removal = rewrite(session, user_id, seqs)
    derived = digests_to_delete({(row[2], row[1]) for row in to_delete}, day, map(tuple, digests))
    deletions = []
    if derived:
        kinds, days = (list(column) for column in zip(*derived, strict=True))
        deletions = [Statement(_DELETE_DIGESTS, {**user, "kinds": kinds, "days": days})]
    counts = {**user, "memories": len(seqs), "dropped": removal.has_dropped_pages}
    [(recalls,)], [(remaining,)], *_ = session.execute(
        Statement(DELETE_ROWS.format(table="recalls"), {**user, "seqs": seqs}),
        Statement(_UPDATE_COUNTS, counts),
        *(
            Statement(DELETE_ROWS.format(table=table), {**user, "seqs": seqs})
            for table in ("memories", "states")
        ),
        delete_changes(user_id, seqs),
        *deletions,
    )
    return DeletionReceipt(
        user_id,
        len(seqs),
        removal.vectors,
        recalls,
        len(derived),
        remaining=remaining,
        erased=not (seqs or derived),
    )


def _delete_user(session: Session, user_id: str) -> DeletionReceipt:
    """Delete all data of a user."""
    user = {"user": user_id}
    locked, [(vectors,)] = session.execute(session.marker.lock(), Statement(_COUNT_VECTORS, user))
    if not locked:
        return DeletionReceipt(user_id, 0, 0, 0, 0, remaining=0, erased=True)
    tables = ("memories", "recalls", "digests", "replacements", "states", "pages", "users")
    results = session.execute(
        *(Statement(_DELETE_ALL.format(table=table), user) for table in tables)
    )
    memories, recalls, digests = [rows[0][0] for rows in results[:3]]
    counts = (memories, int(vectors), recalls, digests)
    return DeletionReceipt(user_id, *counts, remaining=0, erased=False)
