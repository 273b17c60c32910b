"""Read all data of memories, to copy them to another store."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from memorybank_core.protocols import Stored
from memorybank_core.stores.damage import memory_name
from memorybank_core.stores.rows import MEMORY_COLUMNS, Row, from_micros, to_memory

from .intact_rows import convert_rows
from .reading import OF_USER, select_in
from .rows import to_vectors


def scan(
    db: sqlite3.Connection, user_id: str, *, after: int, limit: int, dimension: int
) -> list[Stored]:
    """See `MemoryStore.scan`."""
    select_last = (
        "SELECT max(seq) FROM (SELECT seq FROM memories "
        f"WHERE {OF_USER} AND seq > ? ORDER BY seq LIMIT ?)"
    )
    stored: list[Stored] = []
    last: int | None = after
    while last is not None and not stored:  # again only if all were damaged
        values = (user_id, last, limit)
        stored = _scan(db, user_id, values, dimension)
        last = None if stored else db.execute(select_last, values).fetchone()[0]
    return stored


def _scan(db: sqlite3.Connection, user_id: str, values: Row, dimension: int) -> list[Stored]:
    """Return all data of a user's intact memories among the next ones.

    Args:
        db: The connection.
        user_id: The user.
        values: The user, the sequence number that they follow, and the number of memories.
        dimension: Length of the vectors.
    """
    select = (
        f"SELECT seq, vector, {MEMORY_COLUMNS} FROM memories "
        f"LEFT JOIN vectors USING (user_key, seq) WHERE memories.{OF_USER} AND seq > ? "
        "ORDER BY seq LIMIT ?"
    )
    rows = convert_rows(
        db,
        lambda: db.execute(select, values),
        lambda row: (row[0], to_memory(user_id, row[2:]), to_vectors(row[1], dimension)),
        lambda row: memory_name(user_id, row[2]),
    )
    history = _read_histories(db, user_id, [seq for seq, _, _ in rows])
    return [
        Stored(seq, memory, vectors, tuple(history.get(seq, ()))) for seq, memory, vectors in rows
    ]


def _read_histories(
    db: sqlite3.Connection, user_id: str, seqs: Sequence[int]
) -> dict[int, list[tuple[datetime, str | None]]]:
    """Return time and turn of the recalls of memories, oldest first, by sequence number."""
    select = f"SELECT seq, at, number, turn FROM recalls WHERE {OF_USER}"
    recalls = convert_rows(
        db,
        lambda: select_in(db, select, (user_id,), "seq", seqs),
        lambda row: (row[0], from_micros(row[1]), row[2], row[3]),
        lambda row: f"a recall of memory number {row[0]} of user {user_id!r}",
    )
    history: dict[int, list[tuple[datetime, str | None]]] = {}
    for seq, at, _, turn in sorted(recalls, key=lambda recall: recall[:3]):
        history.setdefault(seq, []).append((at, turn))
    return history
