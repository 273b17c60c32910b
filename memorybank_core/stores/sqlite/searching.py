"""Search: bring the index of a user up to date with the file.

Every write of a user raises the user's version, whichever process made it. Rows with a higher
version than the index are new or changed. If the text of an indexed memory was replaced
(`written`), the index is truncated there and loaded again from there on. A deletion sets
`rewritten`, after which the index is built from scratch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import date

import numpy as np

from memorybank_core.records import KINDS
from memorybank_core.stores.index.batch import IndexBatch, StateBatch, encode
from memorybank_core.stores.index.bm25 import POSTING
from memorybank_core.stores.index.cache import CachedIndex
from memorybank_core.stores.index.user_index import UserIndex
from memorybank_core.stores.rows import Row
from memorybank_core.stores.rules import ExpectedEmbedder

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
    FROM memories JOIN vectors USING (user_key, seq)
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
    for rows in _chunks(changed):
        index.update(_to_states(list(zip(*rows, strict=True))))
    if not last:
        select = "SELECT count(*) FROM memories WHERE user_key = ?"
        index.reserve(*db.execute(select, (user_key,)).fetchone())
    for rows in _chunks(db.execute(_CONTENT, (user_key, last))):
        columns = list(zip(*rows, strict=True))
        index.extend(_to_batch(columns, index.dimension))
        index.update(_to_states(columns[:_STATE_COLUMNS]))


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
        windows=np.array(vectors, np.int32) // (4 * dimension),
        terms=np.array(terms, np.int32) // POSTING.itemsize,
        postings=np.frombuffer(b"".join(posting_blobs), POSTING),
        vectors=np.frombuffer(b"".join(vector_blobs), np.float32).reshape(-1, dimension),
        sessions=session_names,
        speakers=speaker_names,
        metadata_texts=metadata_texts,
    )


def _to_states(columns: list[Row]) -> StateBatch:
    """Return the states of columns of `_STATE`."""
    key, refreshed, pinned, strength, archived = map(np.array, columns)
    return StateBatch(
        key=key,
        refreshed=np.where(pinned, np.inf, refreshed / 1e6),
        strength=strength,
        archived=archived.astype(bool),
    )
