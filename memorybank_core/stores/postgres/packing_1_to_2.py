"""Convert the rows of schema 1 to pages: the part of the upgrade that reads every memory.

The memories of a user are packed in chunks of consecutive sequence numbers, one page each. Two
columns that exist during the upgrade make it exact and resumable: `users.packed`, the commit
markers that the user had before the user's rows were read, and `pages.source`, a hash of the rows
of a page. A user whose markers differ has written since, and each chunk whose hash differs is
packed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial, reduce
from operator import xor
from typing import Any, TypeVar

import numpy as np

from memorybank_core.protocols import Matrix
from memorybank_core.stores.damage import convert_all, report_damage
from memorybank_core.stores.index.batch import to_batch
from memorybank_core.stores.rows import MEMORY_COLUMNS, to_memory

from .connections import Run, Session
from .pages import PAGE_SIZE, pack
from .schema import TAKE_LOCK
from .statements import Row, Rows, Statement
from .tables import FIRST_GENERATION

K = TypeVar("K")  # a user or a chunk
Chunk = tuple[str, int]
"""A user, and the first sequence number of the chunk."""

_BATCH = 1024  # memories of a transaction
_MAX_USERS = 256  # users of a transaction

_CONTENT = "seq, kind, session, day, created_at, query, response, user_name, companion_name"
_COLUMNS = MEMORY_COLUMNS.replace("metadata", "NULL::text")  # schema 1 has none
_HASH = f"hashtextextended(ROW({_CONTENT})::text, 0)"
_FIRST = f"({{seq}} - 1) / {PAGE_SIZE} * {PAGE_SIZE} + 1"  # first number of the chunk

_UNPACKED = (
    "SELECT user_id, memories FROM memorybank.users WHERE user_id > %(after)s "
    f"AND packed IS DISTINCT FROM marks ORDER BY user_id LIMIT {_MAX_USERS}"
)
_MARKS = "SELECT user_id, marks FROM memorybank.users WHERE user_id = ANY(%(users)s::text[])"
_CHUNKS = (
    f"SELECT user_id, {_FIRST.format(seq='seq')} AS first, bit_xor({_HASH}), count(*) "
    "FROM memorybank.memories WHERE user_id = ANY(%(users)s::text[]) GROUP BY 1, 2 ORDER BY 1, 2"
)
_PACKED = (
    f"SELECT user_id, {_FIRST.format(seq='first_seq')}, source FROM memorybank.pages "
    "WHERE user_id = ANY(%(users)s::text[])"
)
_MEMORIES = f"""
    SELECT {_HASH}, m.*, (
        SELECT string_agg(vector_send(vector), ''::bytea ORDER BY number)
        FROM memorybank.vectors AS v WHERE v.user_id = %(user)s AND v.seq = m.seq
    )
    FROM (
        SELECT seq, {_COLUMNS} FROM memorybank.memories
        WHERE user_id = %(user)s AND seq BETWEEN %(first)s AND %(last)s ORDER BY seq
    ) AS m
"""
_DELETE_CHUNK = (
    "DELETE FROM memorybank.pages WHERE user_id = %(user)s "
    "AND first_seq BETWEEN %(first)s AND %(last)s"
)
_INSERT_PAGE = (
    "INSERT INTO memorybank.pages "
    "(user_id, generation, first_seq, last_seq, version, columns, vectors, source) VALUES "
    f"(%(user)s, {FIRST_GENERATION}, %(first_seq)s, %(last_seq)s, 1, %(columns)s, %(vectors)s, "
    "%(source)s)"
)  # every user with memories has written at least once: version 1
_DELETE_STATES = "DELETE FROM memorybank.states WHERE user_id = ANY(%(users)s::text[])"
_INSERT_STATES = """
    INSERT INTO memorybank.states
        (user_id, seq, version, strength, recalls, last_recalled_at, archived_at, pinned)
    SELECT user_id, seq, 1, strength, recalls, last_recalled_at, archived_at, pinned
    FROM memorybank.memories WHERE user_id = ANY(%(users)s::text[]) AND (
        strength <> 1 OR recalls <> 0 OR last_recalled_at IS NOT NULL
        OR archived_at IS NOT NULL OR pinned
    )
"""
_SET_PACKED = "UPDATE memorybank.users SET packed = %(marks)s::bigint[] WHERE user_id = %(user)s"


@dataclass(frozen=True, slots=True)
class _Plan:
    """The chunks of some users that are to be packed.

    Attributes:
        marks: The commit markers of each user, read before everything else.
        chunks: The chunks to pack, with their numbers of memories.
        obsolete: Packed chunks that no longer have memories.
        packed: Number of memories in chunks that are packed already.
    """

    marks: dict[str, list[int]]
    chunks: dict[Chunk, int]
    obsolete: set[Chunk]
    packed: int


def pack_all(run: Run[Any], progress: Callable[[int], None] | None = None) -> int:
    """Pack every user who has written since; return the number of memories packed.

    Args:
        run: Runs each batch in a transaction.
        progress: Called with the number of memories just packed, or packed by an earlier run.
    """
    done = 0
    for users in _find_unpacked(run):
        plan = run(partial(_make_plan, users=users))
        if progress and plan.packed:
            progress(plan.packed)
        for chunks in _split(plan.chunks.items()):
            run(partial(_pack, chunks=chunks))
            count = sum(plan.chunks[chunk] for chunk in chunks)
            done += count
            if progress:
                progress(count)
        run(partial(_complete, plan=plan))
    return done


def _find_unpacked(run: Run[Any]) -> Iterator[list[str]]:
    """Yield the users who have written since they were packed, a transaction's worth at a time."""
    after: str | None = ""
    while after is not None:
        [rows] = run(partial(_select, text=_UNPACKED, values={"after": after}))
        yield from _split(rows)
        after = rows[-1][0] if rows else None


def _select(session: Session, text: str, values: dict[str, Any]) -> list[Rows]:
    return session.execute(Statement(text, values))


def _make_plan(session: Session, users: Sequence[str]) -> _Plan:
    """Compare the rows of users with their pages."""
    values = {"users": list(users)}
    marks, chunks, packed = session.execute(
        *(Statement(select, values) for select in (_MARKS, _CHUNKS, _PACKED))
    )
    sources = {(user, first): source for user, first, source in packed}
    counts = {(user, first): count for user, first, _, count in chunks}
    changed = [
        (user, first) for user, first, source, _ in chunks if sources.get((user, first)) != source
    ]
    to_pack = {chunk: counts[chunk] for chunk in changed}
    done = sum(counts.values()) - sum(to_pack.values())
    return _Plan(dict(marks), to_pack, sources.keys() - counts.keys(), done)


def _split(counts: Iterable[tuple[K, int]]) -> Iterator[list[K]]:
    """Yield users or chunks, given with their numbers of memories, in parts of a transaction."""
    part: list[K] = []
    size = 0
    for key, count in counts:
        part.append(key)
        size += count
        if size >= _BATCH:
            yield part
            part, size = [], 0
    if part:
        yield part


def _pack(session: Session, chunks: Sequence[Chunk]) -> None:
    """Write the pages of these chunks again."""
    values = [_bounds(chunk) for chunk in chunks]
    _, _, *results = session.execute(
        Statement(TAKE_LOCK),
        Statement(_DELETE_CHUNK, values),
        *(Statement(_MEMORIES, bounds) for bounds in values),
    )
    pages = [
        {"user": user, **page}
        for (user, _), rows in zip(chunks, results, strict=True)
        if (page := _to_page(rows))
    ]
    if pages:
        session.execute(Statement(_INSERT_PAGE, pages))


def _complete(session: Session, plan: _Plan) -> None:
    """Write the states of users whose chunks are packed, and record their markers."""
    users = {"users": list(plan.marks)}
    marks = [{"user": user, "marks": list(marks)} for user, marks in plan.marks.items()]
    statements = [
        Statement(TAKE_LOCK),
        Statement(_DELETE_STATES, users),
        Statement(_INSERT_STATES, users),
        Statement(_SET_PACKED, marks),
    ]
    if plan.obsolete:
        statements.append(Statement(_DELETE_CHUNK, [_bounds(chunk) for chunk in plan.obsolete]))
    session.execute(*statements)


def _bounds(chunk: Chunk) -> dict[str, Any]:
    user, first = chunk
    return {"user": user, "first": first, "last": first + PAGE_SIZE - 1}


def _to_page(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the columns of the page of a chunk; {} if it has no intact memory with a vector."""
    intact = convert_all(
        [row for row in rows if row[-1]],
        lambda row: (row[1], to_memory("", row[2:-1]), row[-1]),
        lambda row: report_damage("postgresql", f"memory number {row[1]}"),
    )
    if not intact:
        return {}
    keys = [key for key, _, _ in intact]
    matrices = _to_matrices([blob for _, _, blob in intact])
    batch = to_batch([memory for _, memory, _ in intact], matrices, keys)
    page = pack(batch, keys[0], keys[-1])
    return {**asdict(page), "source": reduce(xor, (row[0] for row in rows))}


def _to_matrices(blobs: Sequence[bytes]) -> list[Matrix]:
    """Return the vectors of pgvector's binary format: dimension and zero, 2 bytes each, floats."""
    size = 4 + 4 * int.from_bytes(blobs[0][:2], "big")
    windows = (np.frombuffer(blob, np.uint8).reshape(-1, size)[:, 4:] for blob in blobs)
    return [np.ascontiguousarray(bytes).view(">f4").astype(np.float32) for bytes in windows]
