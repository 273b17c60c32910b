"""Delete memories and what was derived from them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from memorybank_core.reports import DeletionReceipt
from memorybank_core.stores.rules import digests_to_delete

from .connections import Session
from .places import RECOMPUTE_PLACES
from .reading import STORED_EMBEDDER, unfinished_tables
from .statements import Statement
from .writing import DELETE_ROWS, LOCK_USER

_PER_MEMORY = ("memories", "vectors", "recalls")
_DELETE_ALL = "DELETE FROM memorybank.{table} WHERE user_id = %(user)s"
_SELECT_MEMORIES = """
    WITH named AS (
        SELECT seq, day, kind, length, conversation FROM memorybank.memories
        WHERE user_id = %(user)s AND {condition}
    )
    SELECT * FROM named
    UNION
    SELECT seq, day, kind, length, conversation FROM memorybank.memories
    WHERE user_id = %(user)s AND kind = 'event'
        AND day = ANY(ARRAY(SELECT day FROM named WHERE kind = 'turn'))
"""  # deleting a turn also deletes the event summaries of its day
_SELECT_DIGESTS = "SELECT kind, day FROM memorybank.digests WHERE user_id = %(user)s"
_DELETE_DIGESTS = (
    "DELETE FROM memorybank.digests WHERE user_id = %(user)s "
    "AND (kind, day) IN (SELECT * FROM unnest(%(kinds)s::text[], %(days)s::text[]))"
)
_UPDATE_COUNTS = (
    "UPDATE memorybank.users SET memories = memories - %(memories)s, terms = terms - %(terms)s, "
    "windows = windows - %(windows)s WHERE user_id = %(user)s RETURNING memories"
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
    locked, to_delete, digests, stored_embedder = session.execute(
        Statement(LOCK_USER, user), select, Statement(_SELECT_DIGESTS, user), STORED_EMBEDDER
    )
    if not locked:
        return DeletionReceipt(user_id, 0, 0, 0, 0, remaining=0, erased=True)
    values = {**user, "seqs": [row[0] for row in to_delete]}
    tables = [*_PER_MEMORY, *unfinished_tables(stored_embedder)]
    results = session.execute(
        *(Statement(DELETE_ROWS.format(table=table), values) for table in tables)
    )
    memories, vectors, recalls = [rows[0][0] for rows in results[:3]]
    counts = {
        **user,
        "memories": memories,
        "terms": sum(row[3] for row in to_delete),
        "windows": vectors,
    }
    conversations = sorted({row[4] for row in to_delete if row[2] == "turn"})
    derived = digests_to_delete({(row[2], row[1]) for row in to_delete}, day, map(tuple, digests))
    deletions = []
    if derived:
        kinds, days = (list(column) for column in zip(*derived, strict=True))
        deletions = [Statement(_DELETE_DIGESTS, {**user, "kinds": kinds, "days": days})]
    [(remaining,)], *_ = session.execute(
        Statement(_UPDATE_COUNTS, counts),
        Statement(RECOMPUTE_PLACES, {**user, "conversations": conversations}),
        *deletions,
    )
    return DeletionReceipt(
        user_id,
        memories,
        vectors,
        recalls,
        len(derived),
        remaining=remaining,
        erased=not (memories or derived),
    )


def _delete_user(session: Session, user_id: str) -> DeletionReceipt:
    """Delete all data of a user."""
    user = {"user": user_id}
    locked, stored_embedder = session.execute(Statement(LOCK_USER, user), STORED_EMBEDDER)
    if not locked:
        return DeletionReceipt(user_id, 0, 0, 0, 0, remaining=0, erased=True)
    tables = [*_PER_MEMORY, "digests", "users", *unfinished_tables(stored_embedder)]
    results = session.execute(
        *(Statement(_DELETE_ALL.format(table=table), user) for table in tables)
    )
    memories, vectors, recalls, digests = [rows[0][0] for rows in results[:4]]
    return DeletionReceipt(user_id, memories, vectors, recalls, digests, remaining=0, erased=False)
