"""Read memories, digests and profiles."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from memorybank_core.protocols import Filter, Matrix
from memorybank_core.records import Digest, Memory
from memorybank_core.reports import Stats
from memorybank_core.stores.damage import memory_name
from memorybank_core.stores.rows import (
    DIGEST_COLUMNS,
    from_micros,
    select_matching,
    to_cached_memory,
    to_digest,
    to_memory,
    to_profile,
    to_span,
    to_stats,
)
from memorybank_core.stores.rules import ExpectedEmbedder, require_expected

from .characters import unescape
from .connections import Session
from .intact_rows import convert_rows, read_memories
from .page_rows import COVERING, read_matrices
from .rows import FROM_MEMORIES, SELECT_MEMORY, filter_conditions
from .statements import Row, Rows, Statement
from .tables import GENERATION

STORED_EMBEDDER = Statement(
    "SELECT value FROM memorybank.meta WHERE name IN ('embedder', 'dimension') ORDER BY name DESC"
)
"""The embedder and its dimension."""
EMBEDDER_FITS = (
    "(SELECT count(*) FROM memorybank.meta WHERE (name, value) IN "
    "(('embedder', %(embedder)s), ('dimension', %(dimension)s))) = 2"
)
"""The condition that an embedder wrote the vectors; its values are `values_of_embedder`."""

SELECT_BY_ID = f"SELECT {SELECT_MEMORY} {FROM_MEMORIES} AND m.id = ANY(%(ids)s::text[])"
_NEWER = (
    "(SELECT array_agg(n.id ORDER BY n.id) FROM memorybank.replacements AS r "
    "JOIN memorybank.memories AS n ON n.user_id = r.user_id AND n.seq = r.newer "
    "WHERE r.user_id = %(user)s AND r.older = m.seq)"
)
"""The ids of the turns that replaced a memory of `FROM_MEMORIES`, or NULL."""
_FETCH = (
    f"SELECT m.seq, {_NEWER}, {SELECT_MEMORY} {FROM_MEMORIES} AND m.seq = ANY(%(keys)s::bigint[])"
)
_BY_SEQ = f"SELECT m.seq, {SELECT_MEMORY} {FROM_MEMORIES} AND m.seq = ANY(%(keys)s::bigint[])"
_MEMORIES = (
    f"SELECT {SELECT_MEMORY} {FROM_MEMORIES} {{condition}} "
    "ORDER BY m.created_at DESC, m.seq DESC LIMIT %(last)s"
)
_METADATA = (
    f"SELECT m.metadata, m.seq {FROM_MEMORIES} {{condition}} ORDER BY m.created_at DESC, m.seq DESC"
)
_SPAN = (
    "SELECT (SELECT min(day) FROM memorybank.memories "
    "WHERE user_id = %(user)s AND day <= %(until)s), "
    "(SELECT max(day) FROM memorybank.memories WHERE user_id = %(user)s AND day <= %(until)s)"
)
_DAYS = "SELECT DISTINCT day FROM memorybank.memories WHERE user_id = %(user)s AND day <= %(until)s"
_RECALLS = (
    "SELECT at FROM memorybank.recalls WHERE user_id = %(user)s AND seq = (SELECT seq FROM "
    "memorybank.memories WHERE user_id = %(user)s AND id = %(id)s) ORDER BY at, number"
)
_NAMED = "FROM memorybank.memories AS n WHERE n.user_id = %(user)s AND n.id = ANY(%(ids)s::text[])"
SELECT_SEQS = f"SELECT n.seq, n.id {_NAMED}"
"""The sequence numbers of the memories with these ids, and the ids."""
_PAGES_OF_NAMED = COVERING.format(generation=GENERATION, memories=_NAMED.removeprefix("FROM "))
SELECT_DIGESTS = f"SELECT {DIGEST_COLUMNS} FROM memorybank.digests WHERE user_id = %(user)s"
_PROFILE = "SELECT profile FROM memorybank.users WHERE user_id = %(user)s"
_STATS = (
    "SELECT count(DISTINCT m.user_id), count(*), count(s.archived_at), "
    "coalesce(sum(s.recalls), 0), min(m.day), max(m.day) FROM memorybank.memories AS m "
    "LEFT JOIN memorybank.states AS s ON s.user_id = m.user_id AND s.seq = m.seq"
)
_ALL_DAYS = "SELECT DISTINCT day FROM memorybank.memories"
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


def values_of_embedder(embedder: ExpectedEmbedder) -> dict[str, str]:
    """Return the values of `EMBEDDER_FITS`."""
    return {"embedder": embedder.name, "dimension": str(embedder.dimension)}


def known(session: Session, user_id: str, ids: Collection[str]) -> dict[str, Memory]:
    """See `MemoryStore.known`."""
    [rows] = session.execute(Statement(SELECT_BY_ID, {"user": user_id, "ids": list(ids)}))
    return {memory.id: memory for memory in read_memories(session, user_id, rows)}


def require_texts(session: Session, user_id: str, expected: Mapping[str, str]) -> None:
    """Lock the user's row, and check that memories have these texts; see `MemoryStore.add`."""
    user = {"user": user_id}
    [_, rows] = session.execute(
        Statement("SELECT 1 FROM memorybank.users WHERE user_id = %(user)s FOR UPDATE", user),
        Statement(SELECT_BY_ID, {**user, "ids": list(expected)}),
    )
    stored = {memory.id: memory for memory in read_memories(session, user_id, rows)}
    require_expected(user_id, expected, stored)


def fetch(session: Session, user_id: str, keys: Sequence[int]) -> dict[int, Memory]:
    """See `MemoryStore.fetch`."""
    [rows] = session.execute(Statement(_FETCH, {"user": user_id, "keys": list(keys)}))
    memories = _convert_by_seq(session, user_id, rows, to_cached_memory, first=2)
    for seq, newer, *_ in rows:
        if newer and seq in memories:
            memories[seq] = replace(memories[seq], replaced_by=tuple(map(unescape, newer)))
    return memories


def _convert_by_seq(
    session: Session,
    user_id: str,
    rows: Rows,
    convert: Callable[[str, Row], Memory],
    *,
    first: int,
) -> dict[int, Memory]:
    """Return the intact memories of rows by sequence number, which is the first column.

    Args:
        session: The session that read them.
        user_id: The user.
        rows: The rows; the columns of a memory are the last.
        convert: Returns the memory of a user and the columns of a memory.
        first: Index of the first column of a memory, its id.
    """
    return dict(
        convert_rows(
            session,
            rows,
            lambda row: (row[0], convert(user_id, row[first:])),
            lambda row: memory_name(user_id, row[first]),
        )
    )


def memories(session: Session, user_id: str, filter: Filter, *, last: int | None) -> list[Memory]:
    """See `MemoryStore.memories`."""
    condition, values = filter_conditions(filter)
    values |= {"user": user_id, "last": last}
    if filter.where:
        [rows] = session.execute(Statement(_METADATA.format(condition=condition), values))
        seqs = [seq for _, seq in select_matching(rows, filter.where, last, column=0)]
        [rows] = session.execute(Statement(_BY_SEQ, {"user": user_id, "keys": seqs}))
        memories_by_seq = _convert_by_seq(session, user_id, rows, to_memory, first=1)
        return [memories_by_seq[seq] for seq in reversed(seqs) if seq in memories_by_seq]
    select = _MEMORIES.format(condition=condition)
    [rows] = session.execute(Statement(select, values))
    intact = read_memories(session, user_id, rows)
    if len(intact) < len(rows) and last is not None:  # others take the places of damaged ones
        [rows] = session.execute(Statement(select, {**values, "last": None}))
        intact = read_memories(session, user_id, rows)[:last]
    return intact[::-1]


def span(session: Session, user_id: str, until: date | None) -> tuple[date, date] | None:
    """See `MemoryStore.span`."""
    values = {"user": user_id, "until": str(until or date.max)}
    [[(first, last)]] = session.execute(Statement(_SPAN, values))
    if first is None:
        return None
    try:
        return date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        [days] = session.execute(Statement(_DAYS, values))
        return to_span(day for (day,) in days)


def recalls(session: Session, user_id: str, id: str) -> list[datetime]:
    """See `MemoryStore.recalls`."""
    [rows] = session.execute(Statement(_RECALLS, {"user": user_id, "id": id}))
    return convert_rows(
        session,
        rows,
        lambda row: from_micros(row[0]),
        lambda row: f"a recall of {memory_name(user_id, id)}",
    )


def vectors(session: Session, user_id: str, ids: Collection[str]) -> dict[str, Matrix]:
    """See `MemoryStore.vectors`."""
    values = {"user": user_id, "ids": list(ids)}
    seqs, pages = session.execute(
        Statement(SELECT_SEQS, values), Statement(_PAGES_OF_NAMED, values)
    )
    matrices = read_matrices(session, user_id, pages)
    return {id: matrices[seq] for seq, id in seqs if seq in matrices}


def digests(session: Session, user_id: str, *, days: bool) -> list[Digest]:
    """See `MemoryStore.digests`."""
    condition = "" if days else " AND day = ''"
    select = f"{SELECT_DIGESTS}{condition} ORDER BY kind, day"
    [rows] = session.execute(Statement(select, {"user": user_id}))
    return read_digests(session, user_id, rows)


def read_digests(session: Session, user_id: str, rows: Rows) -> list[Digest]:
    """Return the digests of rows of `SELECT_DIGESTS`, without those that are damaged."""
    return convert_rows(
        session,
        rows,
        lambda row: to_digest(user_id, row),
        lambda row: f"the {row[0]!r} of {row[1]!r} of user {user_id!r}",
    )


def profile(session: Session, user_id: str) -> str:
    """See `MemoryStore.profile`."""
    [rows] = session.execute(Statement(_PROFILE, {"user": user_id}))
    profiles = convert_rows(
        session,
        rows,
        lambda row: to_profile(row[0]),
        lambda row: f"the profile of user {user_id!r}",
    )
    return profiles[0] if profiles else "{}"


def users(session: Session, after: str) -> list[str]:
    """Return the next 1,000 user ids after one, sorted."""
    [rows] = session.execute(Statement(_USERS, {"after": after}))
    return [user_id for (user_id,) in rows]


def stats(session: Session, select_bytes: Statement, user_id: str | None) -> Stats:
    """See `MemoryStore.stats`; `select_bytes` measures the tables."""
    condition = "" if user_id is None else " AND s.user_id = %(user)s WHERE m.user_id = %(user)s"
    [counts], [(size,)] = session.execute(
        Statement(_STATS + condition, {"user": user_id}),
        select_bytes,
    )
    try:
        return to_stats(counts, size)
    except ValueError:  # a damaged day
        select = _ALL_DAYS if user_id is None else f"{_ALL_DAYS} WHERE user_id = %(user)s"
        [days] = session.execute(Statement(select, {"user": user_id}))
        first, last = to_span(day for (day,) in days) or (None, None)
        return replace(to_stats((*counts[:4], None, None), size), first_day=first, last_day=last)
