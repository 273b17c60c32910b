"""Reembed a database: compute all vectors again with another embedder, without mixing the two.

The new vectors are written to pages of the next generation, which no search reads, one transaction
per batch: a run that was interrupted can be continued. Deleted and replaced memories leave these
pages as they leave the others. One last transaction, which locks out other writers, makes the next
generation the current one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from memorybank_core.errors import StoreError
from memorybank_core.ingest import embed_windows
from memorybank_core.protocols import Array, Embedder, Matrix
from memorybank_core.stores.index.batch import to_batch
from memorybank_core.stores.index.item_index import KEPT
from memorybank_core.stores.rows import to_memory

from .address import parse_address
from .connections import Connections, Options, Session, connect
from .pages import PAGE_SIZE, Page, pack, read_keys
from .row_security import ALL_ROWS
from .rows import CONTENT, DEFAULT_STATE, group
from .schema import SET_META, TAKE_LOCK, read_layout
from .statements import Row, Rows, Statement

R = TypeVar("R")
Run = Callable[[Callable[[Session], R]], R]
"""Runs a call in a transaction and returns its result."""

_SMALL_PASS = PAGE_SIZE  # memories that may remain for the last transaction
_MAX_PASSES = 5
_MAX_USERS = 256  # users whose keys are read at once

_LOCK_WRITERS = Statement(
    "LOCK TABLE memorybank.users, memorybank.memories, memorybank.pages, memorybank.item_roots "
    "IN EXCLUSIVE MODE"
)
_GENERATION = Statement("SELECT value::integer FROM memorybank.meta WHERE name = 'generation'")
_NEXT_EMBEDDER = Statement("SELECT value FROM memorybank.meta WHERE name = 'next_embedder'")
_DELETE_GENERATION = "DELETE FROM memorybank.pages WHERE generation = %(generation)s"
_SELECT_USERS = (
    "SELECT user_id FROM memorybank.users WHERE user_id > %(after)s "
    f"ORDER BY user_id LIMIT {_MAX_USERS}"
)
_SELECT_KEYS = (
    "SELECT user_id, seq FROM memorybank.memories WHERE user_id = ANY(%(users)s::text[]) "
    "ORDER BY user_id, seq"
)
_SELECT_PAGES = (
    "SELECT user_id, first_seq, last_seq, columns FROM memorybank.pages "
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
_DROP_ITEM_VECTORS = Statement(
    "UPDATE memorybank.items SET vectors = NULL WHERE vectors IS NOT NULL"
)
_INVALIDATE_ITEMS = Statement(f"UPDATE memorybank.item_roots SET version = version + {KEPT + 1}")
_FORGET_NEXT = Statement("DELETE FROM memorybank.meta WHERE name = 'next_embedder'")


_Keys = tuple[int, int, Array]
"""First key, last key and keys of a page."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Memories of a user that become one page of the next generation."""

    user_id: str
    seqs: list[int]


@dataclass(frozen=True, slots=True)
class _Target:
    """The embedder of the new vectors, and the generation of their pages."""

    embedder: Embedder
    generation: int


def reembed(
    url: str, embedder: Embedder, progress: Callable[[int], None] | None, timeout: float
) -> int:
    """Embed every memory of the bank at `url` with `embedder`; return how many.

    Args:
        url: The URL of the database.
        embedder: The new embedder.
        progress: Called with the number of memories just embedded.
        timeout: Seconds within which each transaction must reach the server.

    Raises:
        ConfigurationError: If there is no bank.
        EmbedderError: If the embedder returned unusable vectors; the bank is unchanged.
        StoreError: If the server cannot be reached, this role may not change the tables, or the
            bank was embedded by another call meanwhile.
    """
    address, options = parse_address(url), Options(2, timeout, statement_timeout=0)
    with connect(address, options) as db:
        layout = read_layout(db, address)
    connections = Connections(address, options, layout)
    run = partial(connections.run, scope=ALL_ROWS, writes=True)
    try:
        target = _Target(embedder, run(partial(_prepare, embedder=embedder)))
        done = 0
        for _ in range(_MAX_PASSES):
            count = _embed_missing(run, target, progress)
            done += count
            if count <= _SMALL_PASS:
                break
        return done + run(partial(_finish, target=target, progress=progress))
    finally:
        connections.close()


def _label(embedder: Embedder) -> str:
    return f"{embedder.name} {embedder.dimension}"


def _prepare(session: Session, embedder: Embedder) -> int:
    """Return the next generation; delete its pages if another embedder wrote them."""
    _, [(generation,)], next_embedder = session.execute(
        Statement(TAKE_LOCK), _GENERATION, _NEXT_EMBEDDER
    )
    if next_embedder != [(_label(embedder),)]:
        session.execute(
            Statement(_DELETE_GENERATION, {"generation": generation + 1}),
            Statement(SET_META, {"name": "next_embedder", "value": _label(embedder)}),
        )
    return int(generation) + 1


def _embed_missing(run: Run[Any], target: _Target, progress: Callable[[int], None] | None) -> int:
    """Embed the memories that the next generation lacks; return how many."""
    done = 0
    for parts in _find_missing(run, target.generation):
        memories = run(partial(_read_memories, parts=parts))
        texts = [to_memory("", _full(row)).text for rows in memories for row in rows]
        if not texts:
            continue
        vectors = embed_windows(texts, target.embedder)
        run(partial(_write, target=target, parts=parts, embedded=memories, vectors=vectors))
        done += len(texts)
        if progress:
            progress(len(texts))
    return done


def _find_missing(run: Run[Any], generation: int) -> Iterator[list[_Part]]:
    """Yield the memories that have no page in a generation, about as many as fill a page."""
    after: str | None = ""
    while after is not None:
        users, keys, pages = run(partial(_read_keys_and_pages, generation=generation, after=after))
        batch: list[_Part] = []
        size = 0
        for user in users:
            for seqs in _divide_missing(
                np.array(keys.get(user, []), np.int64), pages.get(user, [])
            ):
                if size + len(seqs) > PAGE_SIZE:
                    yield batch
                    batch, size = [], 0
                batch.append(_Part(user, seqs))
                size += len(seqs)
        if batch:
            yield batch
        after = users[-1] if users else None


def _read_keys_and_pages(
    session: Session, generation: int, after: str
) -> tuple[list[str], dict[str, list[int]], dict[str, list[_Keys]]]:
    """Return the next users after one, the keys of their memories, and those of their pages."""
    [rows] = session.execute(Statement(_SELECT_USERS, {"after": after}))
    users = [user for (user,) in rows]
    values = {"users": users, "generation": generation}
    keys, pages = session.execute(Statement(_SELECT_KEYS, values), Statement(_SELECT_PAGES, values))
    in_pages = (
        (user, (first, last, read_keys(Page(first, last, columns, b""))))
        for user, first, last, columns in pages
    )
    return users, group(keys), group(in_pages)


def _read_memories(session: Session, parts: Sequence[_Part]) -> list[Rows]:
    """Return the rows of the memories of each part."""
    return session.execute(
        *(Statement(_SELECT_MEMORIES, {"user": part.user_id, "seqs": part.seqs}) for part in parts)
    )


def _full(row: Row) -> Row:
    """Return a row of `CONTENT`, after its key, as one of `MEMORY_COLUMNS`."""
    return (*row[1:], *DEFAULT_STATE)


def _divide_missing(keys: Array, pages: Sequence[_Keys]) -> Iterator[list[int]]:
    """Yield the keys that no page has, in groups that become pages.

    The keys of one page are all smaller than those of the next: a page that lost a key which has
    to return is written again as a whole.

    Args:
        keys: The keys of all memories, ascending.
        pages: The pages, in the order of their keys.
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


def _write(
    session: Session,
    target: _Target,
    parts: Sequence[_Part],
    embedded: Sequence[Rows],
    vectors: Sequence[Matrix],
) -> None:
    """Write the pages of embedded memories, without those deleted or replaced since."""
    _check_target(session, target)
    users = sorted({part.user_id for part in parts})
    locks = [Statement(_LOCK_USER, {"user": user}) for user in users]
    versions = dict(zip(users, session.execute(*locks), strict=True))
    stored = _read_memories(session, parts)
    matrices, pages = iter(vectors), []
    for part, before, now in zip(parts, embedded, stored, strict=True):
        unchanged = set(now)
        pairs = [(row, matrix) for row, matrix in zip(before, matrices, strict=False)]
        kept = [(row, matrix) for row, matrix in pairs if row in unchanged]
        if kept:
            keys = [row[0] for row, _ in kept]
            memories = [to_memory("", _full(row)) for row, _ in kept]
            batch = to_batch(memories, [matrix for _, matrix in kept], keys)
            [(version,)] = versions[part.user_id]
            values = {"user": part.user_id, "version": version, "generation": target.generation}
            pages.append({**values, **asdict(pack(batch, keys[0], keys[-1]))})
    if pages:
        session.execute(Statement(_DELETE_PAGES, pages), Statement(_INSERT_PAGE, pages))


def _check_target(session: Session, target: _Target) -> None:
    """Keep other runs out until the transaction ends; check that none has taken over.

    Raises:
        StoreError: If one has.
    """
    _, next_embedder = session.execute(Statement(TAKE_LOCK), _NEXT_EMBEDDER)
    if next_embedder != [(_label(target.embedder),)]:
        raise StoreError("another call of reembed has embedded this bank, or began to, meanwhile")


def _finish(session: Session, target: _Target, progress: Callable[[int], None] | None) -> int:
    """Embed what was written meanwhile, and make the next generation the current one."""
    session.execute(_LOCK_WRITERS)
    _check_target(session, target)
    done = _embed_missing(lambda call: call(session), target, progress)
    properties = {
        "embedder": target.embedder.name,
        "dimension": target.embedder.dimension,
        "generation": target.generation,
    }
    session.execute(
        Statement(_DELETE_GENERATION, {"generation": target.generation - 1}),
        _FORGET_NEXT,
        _DROP_ITEM_VECTORS,
        _INVALIDATE_ITEMS,
        Statement(
            SET_META, [{"name": name, "value": str(properties[name])} for name in properties]
        ),
    )
    return done
