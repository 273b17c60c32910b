"""The pages of the next generation: which memories lack one, and how they are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from memorybank_core.protocols import Array, Matrix
from memorybank_core.records import Memory
from memorybank_core.stores.index.batch import to_batch
from memorybank_core.stores.rows import to_memory

from .connections import Run, Session
from .intact_rows import convert_rows
from .pages import KEYS_NBYTES, PAGE_SIZE, Page, pack, read_keys
from .rows import CONTENT, DEFAULT_STATE, group
from .statements import Row, Rows, Statement

_MAX_USERS = 256  # users whose sequence numbers are read at once
_MAX_KEYS = 65_536  # sequence numbers that are read at once, except those of a single user

_SELECT_USERS = (
    "SELECT user_id, memories FROM memorybank.users WHERE user_id > %(after)s "
    f"ORDER BY user_id LIMIT {_MAX_USERS}"
)
_SELECT_KEYS = (
    "SELECT user_id, seq FROM memorybank.memories WHERE user_id = ANY(%(users)s::text[]) "
    "ORDER BY user_id, seq"
)
_SELECT_PAGES = (
    f"SELECT user_id, first_seq, last_seq, substring(columns FROM 1 FOR {KEYS_NBYTES}) "
    "FROM memorybank.pages "
    "WHERE user_id = ANY(%(users)s::text[]) AND generation = %(generation)s "
    "ORDER BY user_id, first_seq"
)
_SELECT_MEMORIES = (
    f"SELECT seq, {', '.join(CONTENT)} FROM memorybank.memories "
    "WHERE user_id = %(user)s AND seq = ANY(%(seqs)s::bigint[]) ORDER BY seq"
)
_LOCK_USER = "SELECT writes FROM memorybank.users WHERE user_id = %(user)s FOR UPDATE"
_DELETE_PAGES = (
    "DELETE FROM memorybank.pages WHERE user_id = %(user)s AND generation = %(generation)s "
    "AND first_seq <= %(last_seq)s AND last_seq >= %(first_seq)s"
)
_INSERT_PAGE = (
    "INSERT INTO memorybank.pages "
    "(user_id, generation, first_seq, last_seq, version, columns, vectors) VALUES (%(user)s, "
    "%(generation)s, %(first_seq)s, %(last_seq)s, %(version)s, %(columns)s, %(vectors)s)"
)


_Keys = tuple[int, int, Array]
"""First, last and all sequence numbers of a page."""


@dataclass(frozen=True, slots=True)
class Part:
    """Memories of a user that become one page of the next generation."""

    user_id: str
    seqs: list[int]


Embedded = tuple[list[Part], list[Rows], list[Matrix]]
"""Parts, the rows of their memories, and the vectors of each memory."""


def find_missing(run: Run[Any], generation: int) -> Iterator[list[Part]]:
    """Yield the memories that have no page in a generation, about as many as fill a page."""
    after: str | None = ""
    while after is not None:
        users, keys, pages = run(partial(_read_keys_and_pages, generation=generation, after=after))
        batch: list[Part] = []
        size = 0
        for user in users:
            for seqs in _divide_missing(
                np.array(keys.get(user, []), np.int64), pages.get(user, [])
            ):
                if size + len(seqs) > PAGE_SIZE:
                    yield batch
                    batch, size = [], 0
                batch.append(Part(user, seqs))
                size += len(seqs)
        if batch:
            yield batch
        after = users[-1] if users else None


def _read_keys_and_pages(
    session: Session, generation: int, after: str
) -> tuple[list[str], dict[str, list[int]], dict[str, list[_Keys]]]:
    """Return the next users, and the sequence numbers of their memories and of their pages."""
    [rows] = session.execute(Statement(_SELECT_USERS, {"after": after}))
    before = accumulate((memories for _, memories in rows), initial=0)
    users = [user for (user, _), keys in zip(rows, before, strict=False) if keys < _MAX_KEYS]
    values = {"users": users, "generation": generation}
    keys, pages = session.execute(Statement(_SELECT_KEYS, values), Statement(_SELECT_PAGES, values))
    in_pages = (
        (user, (first, last, read_keys(Page(first, last, columns, b""))))
        for user, first, last, columns in pages
    )
    return users, group(keys), group(in_pages)


def read_memories(session: Session, parts: Sequence[Part]) -> list[Rows]:
    """Return the rows of the memories of each part."""
    return session.execute(
        *(Statement(_SELECT_MEMORIES, {"user": part.user_id, "seqs": part.seqs}) for part in parts)
    )


def read_intact(session: Session, parts: Sequence[Part]) -> list[Rows]:
    """Return the rows of the memories of each part, without those that are damaged."""

    def require_intact(row: Row) -> Row:
        to_record(row)
        return row

    return [
        convert_rows(session, rows, require_intact, lambda row: f"the memory {row[1]!r}")
        for rows in read_memories(session, parts)
    ]


def to_record(row: Row) -> Memory:
    """Return the memory of a row of `read_memories`; its state is that of a new one."""
    return to_memory("", (*row[1:], *DEFAULT_STATE))


def _divide_missing(keys: Array, pages: Sequence[_Keys]) -> Iterator[list[int]]:
    """Yield the sequence numbers that no page has, in groups that become pages.

    Those of one page are all smaller than those of the next: a page that lost one which has to
    return is written again as a whole.

    Args:
        keys: The sequence numbers of all memories, ascending.
        pages: The pages, in the order of their sequence numbers.
    """
    missing = np.setdiff1d(keys, np.concatenate([[], *(page[2] for page in pages)]))
    firsts = []
    for first, last, in_page in pages:
        if ((missing >= first) & (missing <= last)).any():
            missing = np.union1d(missing, in_page)
        else:
            firsts.append(first)
    for run in np.split(missing, np.unique(np.searchsorted(missing, firsts))):
        for start in range(0, len(run), PAGE_SIZE):
            yield run[start : start + PAGE_SIZE].tolist()


def write_pages(session: Session, generation: int, embedded: Embedded) -> None:
    """Write the pages of embedded memories, without those deleted or replaced since."""
    parts, memories, vectors = embedded
    users = sorted({part.user_id for part in parts})
    locks = [Statement(_LOCK_USER, {"user": user}) for user in users]
    versions = dict(zip(users, session.execute(*locks), strict=True))
    stored = read_memories(session, parts)
    matrices, pages = iter(vectors), []
    for part, before, now in zip(parts, memories, stored, strict=True):
        unchanged = set(now)
        pairs = [(row, matrix) for row, matrix in zip(before, matrices, strict=False)]
        kept = [(row, matrix) for row, matrix in pairs if row in unchanged]
        if kept:
            keys = [row[0] for row, _ in kept]
            records = [to_record(row) for row, _ in kept]
            batch = to_batch(records, [matrix for _, matrix in kept], keys)
            [(version,)] = versions[part.user_id]
            values = {"user": part.user_id, "version": version, "generation": generation}
            pages.append({**values, **asdict(pack(batch, keys[0], keys[-1]))})
    if pages:
        session.execute(Statement(_DELETE_PAGES, pages), Statement(_INSERT_PAGE, pages))
