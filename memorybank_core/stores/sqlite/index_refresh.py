"""Bring a user's search index up to date with the file.

Every write of a user raises the user's version, whichever process made it. Rows with a higher
version than the index are new or changed. If the text of an indexed memory was replaced
(`written`), the index is truncated there and loaded again from there on. A deletion sets
`rewritten`, after which the index is built from scratch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import date

import numpy as np

from memorybank_core.protocols import Array
from memorybank_core.records import KINDS
from memorybank_core.stores.damage import convert_intact, convert_parts
from memorybank_core.stores.index.batch import IndexBatch, StateBatch, encode
from memorybank_core.stores.index.bm25 import POSTING
from memorybank_core.stores.index.cache import CachedIndex
from memorybank_core.stores.index.user_index import UserIndex
from memorybank_core.stores.rows import Row
from memorybank_core.stores.rules import ExpectedEmbedder

from .intact_rows import is_undecodable, reporter, require_decoded, undecoded_texts
from .reading import check_embedder

_ORDINAL_1970 = date(1970, 1, 1).toordinal()
_CHUNK = 2048  # rows that are in memory at once while an index is loaded
_STATE = """
    seq, max(created_at, coalesce(last_recalled_at, created_at)), pinned, strength,
    archived_at IS NOT NULL
"""
_STATE_COLUMNS = 5
_CONTENT = f"""
    SELECT {_STATE}, created_at, day, kind,
        CASE WHEN query <> '' AND response <> '' THEN 2 ELSE 1 END,
        CASE kind WHEN 'turn' THEN coalesce(nullif(session, ''), day) END,
        CASE WHEN query <> '' AND response <> '' THEN NULL
            WHEN query <> '' THEN user_name ELSE companion_name END,
        asks, flags, metadata, length(vector), length(terms), terms, vector
    FROM memories LEFT JOIN vectors USING (user_key, seq)
    WHERE memories.user_key = ? AND seq > ? ORDER BY seq
"""


def refresh(
    db: sqlite3.Connection, embedder: ExpectedEmbedder, user_id: str, cached: CachedIndex[UserIndex]
) -> bool:
    """Load what was written since the last refresh; return whether there was anything."""
    user_key, version, rewritten = db.execute(
        "SELECT user_key, version, rewritten FROM users WHERE user_id = ?", (user_id,)
    ).fetchone() or (None, 0, 0)
    if (cached.owner, cached.index.version) == (user_key, version):
        return False
    check_embedder(embedder, db)
    if cached.owner != user_key or rewritten > cached.index.version:
        cached.index, cached.owner = UserIndex(embedder.dimension), user_key
    _load(db, user_key, cached.index)
    cached.index.version = version
    return True


def _load(db: sqlite3.Connection, user_key: int | None, index: UserIndex) -> None:
    """Read the rows that are newer than the index."""
    (replaced,) = db.execute(
        "SELECT min(seq) FROM memories INDEXED BY memories_by_version "
        "WHERE user_key = ? AND version > ? AND written > ? AND seq <= ?",
        (user_key, index.version, index.version, index.last_key),
    ).fetchone()
    if replaced is not None:
        index.truncate(replaced)
    last = index.last_key
    changed = db.execute(  # without INDEXED BY, SQLite reads every row of the user
        f"SELECT {_STATE} FROM memories INDEXED BY memories_by_version "
        "WHERE user_key = ? AND version > ? AND seq <= ?",
        (user_key, index.version, last),
    )
    report = reporter(db, lambda row: f"memory number {row[0]} of user number {user_key}")
    for rows in _chunks(changed):
        convert_parts(rows, lambda part: index.update(_to_states(_transpose(part))), report)
    if not last:
        select = "SELECT count(*) FROM memories WHERE user_key = ?"
        index.reserve(*db.execute(select, (user_key,)).fetchone())

    def add(rows: Sequence[Row]) -> None:
        columns = _transpose(rows)
        states = _to_states(columns[:_STATE_COLUMNS])  # before anything is changed
        index.extend(_to_batch(columns, index.dimension))
        index.update(states)

    for rows in _read_contents(db, user_key, last, report):
        convert_parts(rows, add, report)


def _read_contents(
    db: sqlite3.Connection, user_key: int | None, last: int, report: Callable[[Row], None]
) -> Iterator[list[Row]]:
    """Yield the rows of `_CONTENT` after a memory, some thousand at a time."""
    try:
        for rows in _chunks(db.execute(_CONTENT, (user_key, last))):
            yield rows
            last = rows[-1][0]
    except sqlite3.OperationalError as error:
        if not is_undecodable(error):
            raise
        with undecoded_texts(db):
            for rows in _chunks(db.execute(_CONTENT, (user_key, last))):
                yield list(convert_intact(rows, require_decoded, report))


def _transpose(rows: Sequence[Row]) -> list[Row]:
    return list(zip(*rows, strict=True))


def _chunks(cursor: sqlite3.Cursor) -> Iterator[list[Row]]:
    """Yield the rows of a cursor, some thousand at a time."""
    while rows := cursor.fetchmany(_CHUNK):
        yield rows


def _to_batch(columns: list[Row], dimension: int) -> IndexBatch:
    """Return the batch of columns of `_CONTENT`."""
    key, content = columns[0], columns[_STATE_COLUMNS:]
    created, day, kind, utterances, sessions, speakers, asks, flags, *content = content
    texts, vectors, terms, posting_blobs, vector_blobs = content
    session, session_names = encode(sessions)
    speaker, speaker_names = encode(speakers)
    metadata, metadata_texts = encode(texts)
    return IndexBatch(
        key=np.array(key, np.int64),
        created=np.array(created, np.int64),
        day=(np.array(day, "datetime64[D]").astype(np.int64) + _ORDINAL_1970).astype(np.int32),
        kind=np.array([KINDS.index(name) for name in kind], np.uint8),
        utterances=np.array(utterances, np.uint8),
        session=session,
        speaker=speaker,
        asks=np.array(asks, np.uint8),
        flags=np.array(flags, np.uint16),
        metadata=metadata,
        windows=_count(vectors, 4 * dimension),
        terms=_count(terms, POSTING.itemsize),
        postings=np.frombuffer(b"".join(posting_blobs), POSTING),
        vectors=np.frombuffer(b"".join(vector_blobs), np.float32).reshape(-1, dimension),
        sessions=session_names,
        speakers=speaker_names,
        metadata_texts=metadata_texts,
    )


def _count(sizes: Row, unit: int) -> Array:
    """Return how many units of some bytes fit into each of these sizes.

    Raises:
        ValueError: If one of them is not a multiple.
    """
    counts, rest = np.divmod(np.array(sizes, np.int32), unit)
    if rest.any():
        raise ValueError(f"a size is not a multiple of {unit} bytes")
    return counts


def _to_states(columns: list[Row]) -> StateBatch:
    """Return the states of columns of `_STATE`."""
    key, refreshed, pinned, strength, archived = map(np.array, columns)
    return StateBatch(
        key=key,
        refreshed=np.where(pinned, np.inf, refreshed / 1e6),
        strength=strength.astype(np.float64),
        archived=archived.astype(bool),
    )
