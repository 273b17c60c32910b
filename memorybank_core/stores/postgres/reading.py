"""Read memories, digests and profiles."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime

from memorybank_core.protocols import Filter, Matrix, Stored
from memorybank_core.records import Digest, Memory
from memorybank_core.reports import Stats
from memorybank_core.stores.rows import (
    DIGEST_COLUMNS,
    MEMORY_COLUMNS,
    from_micros,
    to_digest,
    to_memory,
    to_stats,
)
from memorybank_core.stores.rules import ExpectedEmbedder

from .connections import Session
from .rows import filter_conditions, group, to_matrix
from .statements import Rows, Statement

STORED_EMBEDDER = Statement(
    "SELECT value FROM memorybank.meta WHERE name IN ('embedder', 'dimension', 'next_embedder') "
    "ORDER BY name = 'next_embedder', name DESC"
)
"""The embedder and its dimension; a third row if an unfinished `reembed` left vectors."""

SELECT_BY_ID = (
    f"SELECT {MEMORY_COLUMNS} FROM memorybank.memories "
    "WHERE user_id = %(user)s AND id = ANY(%(ids)s::text[])"
)
_FETCH = (
    f"SELECT seq, {MEMORY_COLUMNS} FROM memorybank.memories "
    "WHERE user_id = %(user)s AND seq = ANY(%(keys)s::bigint[])"
)
_MEMORIES = (
    f"SELECT {MEMORY_COLUMNS} FROM memorybank.memories AS m WHERE user_id = %(user)s {{condition}} "
    "ORDER BY created_at DESC, seq DESC LIMIT %(last)s"
)
_SPAN = (
    "SELECT (SELECT min(day) FROM memorybank.memories WHERE user_id = %(user)s), "
    "(SELECT max(day) FROM memorybank.memories WHERE user_id = %(user)s)"
)
_RECALLS = (
    "SELECT at FROM memorybank.recalls WHERE user_id = %(user)s AND seq = (SELECT seq FROM "
    "memorybank.memories WHERE user_id = %(user)s AND id = %(id)s) ORDER BY at, number"
)
_VECTORS = (
    "SELECT id, vector FROM memorybank.memories AS m JOIN memorybank.vectors AS v "
    "ON (v.user_id, v.seq) = (m.user_id, m.seq) "
    "WHERE m.user_id = %(user)s AND v.user_id = %(user)s AND id = ANY(%(ids)s::text[]) "
    "ORDER BY v.seq, number"
)
SELECT_DIGESTS = f"SELECT {DIGEST_COLUMNS} FROM memorybank.digests WHERE user_id = %(user)s"
_PROFILE = "SELECT profile FROM memorybank.users WHERE user_id = %(user)s"
_SCAN = (
    f"SELECT seq, {MEMORY_COLUMNS} FROM memorybank.memories "
    "WHERE user_id = %(user)s AND seq > %(after)s ORDER BY seq LIMIT %(limit)s"
)
_SCAN_TABLE = (
    "SELECT {columns} FROM memorybank.{table} WHERE user_id = %(user)s AND seq > %(after)s "
    "AND seq <= (SELECT max(seq) FROM (SELECT seq FROM memorybank.memories WHERE user_id = "
    "%(user)s AND seq > %(after)s ORDER BY seq LIMIT %(limit)s) AS these) ORDER BY {order}"
)
_SCAN_VECTORS = _SCAN_TABLE.format(columns="seq, vector", table="vectors", order="seq, number")
_SCAN_RECALLS = _SCAN_TABLE.format(
    columns="seq, at, turn", table="recalls", order="seq, at, number"
)


_STATS = (
    "SELECT count(DISTINCT user_id), count(*), count(archived_at), coalesce(sum(recalls), 0), "
    "min(day), max(day) FROM memorybank.memories"
)
_BYTES = (
    "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class AS c "
    "JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE n.nspname = %(schema)s AND c.relkind = 'r'"
)
_USERS = (
    "SELECT user_id FROM memorybank.users WHERE user_id > %(after)s ORDER BY user_id LIMIT 1000"
)


def check_embedder(embedder: ExpectedEmbedder, rows: Rows) -> None:
    """Check the rows of `STORED_EMBEDDER`.

    Raises:
        EmbedderMismatchError: If another embedder wrote the vectors.
    """
    (name,), (dimension,) = rows[:2]
    embedder.require(name, int(dimension))


def unfinished_tables(rows: Rows) -> list[str]:
    """Return the table of an unfinished `reembed`, if the rows of `STORED_EMBEDDER` have one."""
    return ["vectors_next"] if len(rows) > 2 else []


def known(session: Session, user_id: str, ids: Collection[str]) -> dict[str, Memory]:
    """See `MemoryStore.known`."""
    [rows] = session.execute(Statement(SELECT_BY_ID, {"user": user_id, "ids": list(ids)}))
    return {row[0]: to_memory(user_id, row) for row in rows}


def fetch(session: Session, user_id: str, keys: Sequence[int]) -> dict[int, Memory]:
    """See `MemoryStore.fetch`."""
    [rows] = session.execute(Statement(_FETCH, {"user": user_id, "keys": list(keys)}))
    return {row[0]: to_memory(user_id, row[1:]) for row in rows}


def memories(session: Session, user_id: str, filter: Filter, *, last: int | None) -> list[Memory]:
    """See `MemoryStore.memories`."""
    condition, values = filter_conditions(filter)
    values |= {"user": user_id, "last": last}
    [rows] = session.execute(Statement(_MEMORIES.format(condition=condition), values))
    return [to_memory(user_id, row) for row in rows][::-1]


def span(session: Session, user_id: str) -> tuple[date, date] | None:
    """See `MemoryStore.span`."""
    [[(first, last)]] = session.execute(Statement(_SPAN, {"user": user_id}))
    return (date.fromisoformat(first), date.fromisoformat(last)) if first else None


def recalls(session: Session, user_id: str, id: str) -> list[datetime]:
    """See `MemoryStore.recalls`."""
    [rows] = session.execute(Statement(_RECALLS, {"user": user_id, "id": id}))
    return [from_micros(at) for (at,) in rows]


def vectors(session: Session, user_id: str, ids: Collection[str]) -> dict[str, Matrix]:
    """See `MemoryStore.vectors`."""
    [rows] = session.execute(Statement(_VECTORS, {"user": user_id, "ids": list(ids)}))
    return {id: to_matrix(windows) for id, windows in group(rows).items()}


def digests(session: Session, user_id: str, *, days: bool) -> list[Digest]:
    """See `MemoryStore.digests`."""
    condition = "" if days else " AND day = ''"
    select = f"{SELECT_DIGESTS}{condition} ORDER BY kind, day"
    [rows] = session.execute(Statement(select, {"user": user_id}))
    return [to_digest(user_id, row) for row in rows]


def profile(session: Session, user_id: str) -> str:
    """See `MemoryStore.profile`."""
    [rows] = session.execute(Statement(_PROFILE, {"user": user_id}))
    return str(rows[0][0]) if rows else "{}"


def scan(session: Session, user_id: str, *, after: int, limit: int) -> list[Stored]:
    """See `MemoryStore.scan`."""
    values = {"user": user_id, "after": after, "limit": limit}
    selects = (_SCAN, _SCAN_VECTORS, _SCAN_RECALLS)
    rows, vectors, recalls = session.execute(*(Statement(select, values) for select in selects))
    windows = group(vectors)
    history = group((seq, (from_micros(at), turn)) for seq, at, turn in recalls)
    return [
        Stored(
            key=seq,
            memory=to_memory(user_id, tuple(row)),
            vectors=to_matrix(windows[seq]),
            recalls=tuple(history.get(seq, ())),
        )
        for seq, *row in rows
    ]


def users(session: Session, after: str) -> list[str]:
    """Return the next 1,000 user ids after one, sorted."""
    [rows] = session.execute(Statement(_USERS, {"after": after}))
    return [user_id for (user_id,) in rows]


def stats(session: Session, schema: str, user_id: str | None) -> Stats:
    """See `MemoryStore.stats`."""
    condition = "" if user_id is None else " WHERE user_id = %(user)s"
    [counts], [(size,)] = session.execute(
        Statement(_STATS + condition, {"user": user_id}),
        Statement(_BYTES, {"schema": schema}),
    )
    return to_stats(counts, size)
