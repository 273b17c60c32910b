"""Search: bring the index of a user up to date with the file.

Every write of a user raises the user's version, whichever process made it. Rows with a higher
version than the index are new or changed. If the text of an indexed memory was replaced
(`written`), the index is truncated there and loaded again from there on. A deletion sets
`rewritten`, after which the index is built from scratch.
"""

from __future__ import annotations

import sqlite3

from memorybank_core.stores.rules import ExpectedEmbedder
from memorybank_core.stores.user_index import UserIndex

from .cache import CachedIndex
from .reading import check_embedder
from .rows import INDEX_COLUMNS, to_indexed, to_vectors


def refresh(
    db: sqlite3.Connection, embedder: ExpectedEmbedder, user_id: str, cached: CachedIndex
) -> bool:
    """Load what was written since the last refresh; return whether there was anything."""
    user_key, version, rewritten = db.execute(
        "SELECT user_key, version, rewritten FROM users WHERE user_id = ?", (user_id,)
    ).fetchone() or (None, 0, 0)
    if (cached.user_key, cached.index.version) == (user_key, version):
        return False
    check_embedder(embedder, db)
    if cached.user_key != user_key or rewritten > cached.index.version:
        cached.index, cached.user_key = UserIndex(embedder.dimension), user_key
    _load(db, user_key, cached.index, embedder.dimension)
    cached.index.version = version
    return True


def _load(db: sqlite3.Connection, user_key: int | None, index: UserIndex, dimension: int) -> None:
    """Read the rows that are newer than the index."""
    (replaced,) = db.execute(
        "SELECT min(seq) FROM memories INDEXED BY memories_by_version "
        "WHERE user_key = ? AND version > ? AND written > ? AND seq <= ?",
        (user_key, index.version, index.version, index.last_key),
    ).fetchone()
    if replaced is not None:
        index.truncate(replaced)
    last = index.last_key
    columns = f"SELECT terms, {INDEX_COLUMNS} FROM memories"
    changed = db.execute(  # without INDEXED BY, SQLite reads every row of the user
        f"{columns} INDEXED BY memories_by_version WHERE user_key = ? AND version > ? AND seq <= ?",
        (user_key, index.version, last),
    ).fetchall()
    new = db.execute(
        f"{columns} WHERE user_key = ? AND seq > ? ORDER BY seq", (user_key, last)
    ).fetchall()
    blobs = db.execute(
        "SELECT vector FROM vectors WHERE user_key = ? AND seq > ? ORDER BY seq",
        (user_key, last),
    )
    vectors = [to_vectors(blob, dimension) for (blob,) in blobs]
    index.update([to_indexed(row[1:]) for row in changed])
    index.extend([to_indexed(row[1:]) for row in new], vectors, [row[0] for row in new])
