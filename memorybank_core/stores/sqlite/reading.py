"""Read memories, digests and profiles."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from itertools import islice
from typing import Any

from memorybank_core.conditions import matches
from memorybank_core.metadata import NO_METADATA
from memorybank_core.protocols import Filter, Matrix
from memorybank_core.records import Digest, Memory
from memorybank_core.reports import Stats
from memorybank_core.stores.damage import memory_name
from memorybank_core.stores.rows import (
    DIGEST_COLUMNS,
    MEMORY_COLUMNS,
    Row,
    from_micros,
    select_matching,
    to_digest,
    to_memory,
    to_profile,
    to_span,
    to_stats,
)
from memorybank_core.stores.rules import ExpectedEmbedder

from .intact_rows import convert_rows, read_memories, recover, select_intact
from .rows import filter_conditions, has_vectors, to_vectors

OF_USER = "user_key = (SELECT user_key FROM users WHERE user_id = ?)"
"""The condition that limits a statement to the rows of one user."""

BY_ID = "memories INDEXED BY memories_by_id"
"""The table and the index for several ids: without it, SQLite reads every row of the user."""

_HAS_REPLACEMENTS = f"SELECT 1 FROM replacements WHERE {OF_USER} AND older > 0 LIMIT 1"
_SELECT_NEWER = (
    "SELECT older, id FROM replacements JOIN memories "
    "ON memories.user_key = replacements.user_key AND seq = newer "
    f"WHERE replacements.{OF_USER}"
)
_MAX_VALUES = 500  # old versions of SQLite accept at most 999 parameters


def select_in(
    db: sqlite3.Connection,
    select: str,
    values_before: Row,
    column: str,
    values: Collection[Any],
) -> Iterator[Row]:
    """Yield the rows of `select`, which ends in a condition, whose `column` is in `values`."""
    values = list(values)
    for start in range(0, len(values), _MAX_VALUES):
        chunk = values[start : start + _MAX_VALUES]
        placeholders = ", ".join("?" * len(chunk))
        yield from db.execute(
            f"{select} AND {column} IN ({placeholders})", (*values_before, *chunk)
        )


def stored_embedder(db: sqlite3.Connection) -> tuple[str, int]:
    """Return name and dimension of the embedder that wrote the file; ("", 0) if it is new."""
    meta = dict(db.execute("SELECT name, value FROM meta"))
    return meta.get("embedder", ""), int(meta.get("dimension", 0))


def check_embedder(embedder: ExpectedEmbedder, db: sqlite3.Connection) -> None:
    """Check that this embedder wrote the file.

    Raises:
        EmbedderMismatchError: If another embedder did.
    """
    embedder.require(*stored_embedder(db))


def find_user(db: sqlite3.Connection, user_id: str) -> int | None:
    """Return the key of a user, or None if there is no such user."""
    row = db.execute("SELECT user_key FROM users WHERE user_id = ?", (user_id,)).fetchone()
    return None if row is None else int(row[0])


def find_seqs(db: sqlite3.Connection, user_key: int, ids: Collection[str]) -> dict[str, int]:
    """Return the sequence number of each memory that has one of these ids, by id."""
    select = f"SELECT id, seq FROM {BY_ID} WHERE user_key = ?"
    return dict(select_in(db, select, (user_key,), "id", ids))


def count_memories(db: sqlite3.Connection, user_id: str) -> int:
    """Return how many memories a user has."""
    row = db.execute(f"SELECT count(*) FROM memories WHERE {OF_USER}", (user_id,)).fetchone()
    return int(row[0])


def known(db: sqlite3.Connection, user_id: str, ids: Collection[str]) -> dict[str, Memory]:
    """See `MemoryStore.known`."""
    select = f"SELECT {MEMORY_COLUMNS} FROM {BY_ID} WHERE {OF_USER}"
    memories = read_memories(db, user_id, lambda: select_in(db, select, (user_id,), "id", ids))
    return {memory.id: memory for memory in memories}


def add_replacements(
    db: sqlite3.Connection, user_id: str, memories: Mapping[int, Memory]
) -> dict[int, Memory]:
    """Return memories by sequence number, with the ids of the newer ones that replaced them."""
    replaced = dict(memories)
    for seq, newer in _find_newer(db, user_id, replaced):
        memory = replaced[seq]
        replaced[seq] = replace(memory, replaced_by=(*memory.replaced_by, newer))
    return replaced


def _find_newer(
    db: sqlite3.Connection, user_id: str, seqs: Collection[int]
) -> Iterable[tuple[int, str]]:
    """Yield the sequence numbers of memories that were replaced, with the id of a newer one."""
    if not db.execute(_HAS_REPLACEMENTS, (user_id,)).fetchone():  # the usual case
        return
    yield from sorted(select_in(db, _SELECT_NEWER, (user_id,), "older", seqs))


def memories(
    db: sqlite3.Connection, user_id: str, filter: Filter, *, last: int | None
) -> list[Memory]:
    """See `MemoryStore.memories`."""
    condition, values = filter_conditions(filter)
    select = f"SELECT {MEMORY_COLUMNS} FROM memories WHERE {OF_USER} {condition}"
    newest_first = f"{select} ORDER BY created_at DESC, seq DESC LIMIT ?"
    limit = -1 if last is None or filter.where else last

    def read() -> list[Memory]:
        rows: Iterable[Row] = db.execute(newest_first, (user_id, *values, limit))
        if filter.where:
            rows = select_matching(rows, filter.where, last)
        return [to_memory(user_id, row) for row in rows]

    def read_carefully() -> list[Memory]:
        intact = select_intact(
            db,
            db.execute(newest_first, (user_id, *values, -1)),
            lambda row: to_memory(user_id, row),
            lambda row: memory_name(user_id, row[0]),
        )
        where = filter.where or NO_METADATA
        return list(islice((memory for memory in intact if matches(memory.metadata, where)), last))

    return recover(db, read, read_carefully)[::-1]


def span(db: sqlite3.Connection, user_id: str, until: date | None) -> tuple[date, date] | None:
    """See `MemoryStore.span`."""
    values = (find_user(db, user_id), str(until or date.max))

    def read() -> tuple[date, date] | None:
        first, last = db.execute(
            "SELECT (SELECT min(day) FROM memories WHERE user_key = ? AND day <= ?), "
            "(SELECT max(day) FROM memories WHERE user_key = ? AND day <= ?)",
            (*values, *values),
        ).fetchone()
        if first is None:
            return None
        return date.fromisoformat(first), date.fromisoformat(last)

    def read_carefully() -> tuple[date, date] | None:
        days = db.execute(
            "SELECT DISTINCT day FROM memories WHERE user_key = ? AND day <= ?", values
        )
        return to_span(day for (day,) in days)

    return recover(db, read, read_carefully)


def recalls(db: sqlite3.Connection, user_id: str, id: str) -> list[datetime]:
    """See `MemoryStore.recalls`."""
    select = (
        f"SELECT at FROM recalls JOIN memories USING (user_key, seq) "
        f"WHERE {OF_USER} AND id = ? ORDER BY at, number"
    )
    return convert_rows(
        db,
        lambda: db.execute(select, (user_id, id)),
        lambda row: from_micros(row[0]),
        lambda row: f"a recall of {memory_name(user_id, id)}",
    )


def vectors(
    db: sqlite3.Connection, user_id: str, ids: Collection[str], dimension: int
) -> dict[str, Matrix]:
    """See `MemoryStore.vectors`."""
    select = (
        f"SELECT id, vector FROM {BY_ID} JOIN vectors USING (user_key, seq) "
        f"WHERE memories.{OF_USER}"
    )
    rows = select_in(db, select, (user_id,), "id", ids)
    return {id: to_vectors(blob, dimension) for id, blob in rows if has_vectors(blob, dimension)}


def digests(db: sqlite3.Connection, user_id: str, *, days: bool) -> list[Digest]:
    """See `MemoryStore.digests`."""
    condition = OF_USER if days else f"{OF_USER} AND day = ''"
    select = f"SELECT {DIGEST_COLUMNS} FROM digests WHERE {condition} ORDER BY kind, day"
    return convert_rows(
        db,
        lambda: db.execute(select, (user_id,)),
        lambda row: to_digest(user_id, row),
        lambda row: f"the {row[0]!r} of {row[1]!r} of user {user_id!r}",
    )


def profile(db: sqlite3.Connection, user_id: str) -> str:
    """See `MemoryStore.profile`."""
    select = "SELECT profile FROM users WHERE user_id = ?"
    profiles = convert_rows(
        db,
        lambda: db.execute(select, (user_id,)),
        lambda row: to_profile(row[0]),
        lambda row: f"the profile of user {user_id!r}",
    )
    return profiles[0] if profiles else "{}"


def users(db: sqlite3.Connection) -> list[str]:
    """Return every user id, sorted."""
    return convert_rows(
        db,
        lambda: db.execute("SELECT user_id FROM users ORDER BY user_id"),
        lambda row: str(row[0]),
        lambda row: f"the user {row[0]!r}",
    )


def stats(db: sqlite3.Connection, user_id: str | None) -> Stats:
    """See `MemoryStore.stats`."""
    condition, values = ("TRUE", ()) if user_id is None else (OF_USER, (user_id,))
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    page_size = db.execute("PRAGMA page_size").fetchone()[0]

    def read(days: str = "min(day), max(day)") -> Stats:
        counts = db.execute(
            "SELECT count(DISTINCT user_key), count(*), count(archived_at), total(recalls), "
            f"{days} FROM memories WHERE {condition}",
            values,
        ).fetchone()
        return to_stats(counts, pages * page_size)

    def read_carefully() -> Stats:
        days = db.execute(f"SELECT DISTINCT day FROM memories WHERE {condition}", values)
        first, last = to_span(day for (day,) in days) or (None, None)
        return replace(read("NULL, NULL"), first_day=first, last_day=last)

    return recover(db, read, read_carefully)
