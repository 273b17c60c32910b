"""Delete memories and what was derived from them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from datetime import date

from memorybank_core.stores.rows import Row
from memorybank_core.stores.rules import digests_to_delete

from .changes import delete_changes
from .intact_rows import undecoded_texts
from .reading import BY_ID, find_user, select_in
from .writing import delete_unfinished_vectors, next_version

_PER_MEMORY = ("memories", "vectors", "recalls")
_SIZE_OF_VECTORS = "SELECT total(length(vector)) FROM vectors WHERE user_key = ?"  # in bytes


def delete(
    db: sqlite3.Connection,
    user_id: str,
    *,
    ids: Collection[str] | None,
    day: date | None,
    dimension: int,
) -> dict[str, int]:
    """Delete memories and what was derived from them; see `MemoryStore.delete`.

    Returns:
        The numbers of deleted memories, vectors, recalls and digests.
    """
    user_key = find_user(db, user_id)
    if user_key is None:
        return dict.fromkeys((*_PER_MEMORY, "digests"), 0)
    if ids is None and day is None:
        return _delete_user(db, user_key, dimension)
    with undecoded_texts(db):  # the rows to delete may be damaged
        to_delete = _select_memories(db, user_key, ids, day)
        stored = db.execute(
            "SELECT kind, day FROM digests WHERE user_key = ?", (user_key,)
        ).fetchall()
    seqs = [row[0] for row in to_delete]
    delete_unfinished_vectors(db, user_key, seqs)
    delete_changes(db, user_key, seqs)
    select = f"{_SIZE_OF_VECTORS} AND seq = ?"
    size = sum(db.execute(select, (user_key, seq)).fetchone()[0] for seq in seqs)
    counts = {
        table: sum(
            db.execute(
                f"DELETE FROM {table} WHERE user_key = ? AND seq = ?", (user_key, seq)
            ).rowcount
            for seq in seqs
        )
        for table in _PER_MEMORY
    }
    derived = digests_to_delete(
        {(kind, memory_day) for _, memory_day, kind in to_delete}, day, stored
    )
    delete_digest = "DELETE FROM digests WHERE user_key = ? AND kind = ? AND day = ?"
    db.executemany(delete_digest, ((user_key, *digest) for digest in derived))
    next_version(db, user_id)
    db.execute("UPDATE users SET rewritten = version WHERE user_key = ?", (user_key,))
    return {**counts, "vectors": int(size) // (4 * dimension), "digests": len(derived)}


def _delete_user(db: sqlite3.Connection, user_key: int, dimension: int) -> dict[str, int]:
    """Delete all data of a user."""
    (size,) = db.execute(_SIZE_OF_VECTORS, (user_key,)).fetchone()
    counts = {
        table: db.execute(f"DELETE FROM {table} WHERE user_key = ?", (user_key,)).rowcount
        for table in (*_PER_MEMORY, "digests")
    }
    delete_unfinished_vectors(db, user_key, None)
    db.execute("DELETE FROM replacements WHERE user_key = ?", (user_key,))
    db.execute("DELETE FROM users WHERE user_key = ?", (user_key,))
    return {**counts, "vectors": int(size) // (4 * dimension)}


def _select_memories(
    db: sqlite3.Connection, user_key: int, ids: Collection[str] | None, day: date | None
) -> set[Row]:
    """Return sequence number, day and kind of the memories to delete.

    Deleting a turn also deletes the event summaries of its day.
    """
    select = "SELECT seq, day, kind FROM memories WHERE user_key = ?"
    if ids is not None:
        by_id = select.replace("memories", BY_ID)
        selected = list(select_in(db, by_id, (user_key,), "id", set(ids)))
    else:
        selected = list(select_in(db, select, (user_key,), "day", [day and day.isoformat()]))
    days = {row[1] for row in selected if row[2] == "turn" and isinstance(row[1], str)}
    events = select_in(db, f"{select} AND kind = 'event'", (user_key,), "day", days)
    return {*selected, *events}
