"""Reembed a file: compute all vectors again with another embedder, without mixing the two.

The new vectors are written to a separate table, batch by batch: a run that was interrupted can
be continued. One last transaction replaces the old table.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from memorybank_core.bulk import BATCH, batch_size, write_vectors
from memorybank_core.errors import ConfigurationError
from memorybank_core.ingest import embed_windows
from memorybank_core.protocols import Embedder
from memorybank_core.stores.rows import MEMORY_COLUMNS, Row, to_memory
from memorybank_core.stores.rules import FINGERPRINT, property_name

from .connections import Connections
from .intact_rows import convert_rows
from .startup import open_file

_COLUMNS = f"user_key, seq, version, {MEMORY_COLUMNS}"
_MISSING = (
    "SELECT {columns} FROM memories WHERE NOT EXISTS "
    "(SELECT 1 FROM vectors_next AS v WHERE (v.user_key, v.seq) = "
    "(memories.user_key, memories.seq)) AND (user_key, seq) > (?, ?) "
    "ORDER BY user_key, seq LIMIT ?"
)


def reembed(
    location: str, embedder: Embedder, progress: Callable[[int], None] | None, timeout: float
) -> int:
    """Embed every memory of the bank at `location` with `embedder`; return how many.

    Args:
        location: The path of the file.
        embedder: The new embedder.
        progress: Called with the number of memories just embedded.
        timeout: Seconds to wait for another process's write.

    Raises:
        ConfigurationError: If there is no bank.
        EmbedderError: If the embedder returned unusable vectors; the bank is unchanged.
    """
    path = Path(location)
    if not path.is_file():
        raise ConfigurationError(f"there is no bank at {location}")
    connections = open_file(path.absolute(), timeout)
    try:
        with connections.write() as db:
            _prepare(db, embedder)
        done = _embed_missing(connections, embedder, progress or (lambda _: None))
        with connections.write() as db:  # locks out other writers
            for batch in _read_batches(lambda: nullcontext(db), BATCH):
                done += _insert(db, _embed(batch, embedder))
            _replace_vectors(db, embedder)
        with connections.exclusive() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connections.close()
    return done


def _prepare(db: sqlite3.Connection, embedder: Embedder) -> None:
    """Create the table of new vectors; drop that of an earlier run with another embedder."""
    row = db.execute("SELECT value FROM meta WHERE name = 'next_embedder'").fetchone()
    if row and row[0] != embedder.name:
        db.execute("DROP TABLE vectors_next")
    db.execute("INSERT OR REPLACE INTO meta VALUES ('next_embedder', ?)", (embedder.name,))
    db.execute(
        "CREATE TABLE IF NOT EXISTS vectors_next (user_key INTEGER NOT NULL, seq INTEGER NOT NULL, "
        "vector BLOB NOT NULL, PRIMARY KEY (user_key, seq)) WITHOUT ROWID"
    )


def _embed_missing(
    connections: Connections, embedder: Embedder, progress: Callable[[int], None]
) -> int:
    """Embed the memories without new vectors; others may write between the batches."""
    limit = batch_size(embedder, BATCH)

    def embedded() -> Iterator[list[Row]]:
        for batch in _read_batches(connections.read, limit):
            yield _embed(batch, embedder)

    def write(entries: list[Row]) -> int:
        with connections.write() as db:
            return _insert(db, entries)

    return write_vectors(embedded(), write, progress)


def _read_batches(
    read: Callable[[], AbstractContextManager[sqlite3.Connection]], limit: int
) -> Iterator[list[Row]]:
    """Yield user, sequence number, version and text of intact memories without new vectors."""
    after: Row = (0, 0)
    while True:
        values = (*after, limit)
        with read() as db:
            keys = db.execute(_MISSING.format(columns="user_key, seq"), values).fetchall()
            batch = convert_rows(
                db,
                lambda: db.execute(_MISSING.format(columns=_COLUMNS), values),  # noqa: B023
                lambda row: (*row[:3], to_memory("", row[3:]).text),
                lambda row: f"memory number {row[1]} of user number {row[0]}",
            )
        if not keys:
            return
        yield batch
        after = keys[-1]


def _embed(batch: list[Row], embedder: Embedder) -> list[Row]:
    matrices = embed_windows([text for *_, text in batch], embedder)
    pairs = zip(batch, matrices, strict=True)
    return [(matrix.tobytes(), *row[:3]) for row, matrix in pairs]


def _insert(db: sqlite3.Connection, entries: list[Row]) -> int:
    """Store the vectors of memories that have not changed since they were embedded."""
    return db.executemany(
        "INSERT OR REPLACE INTO vectors_next SELECT user_key, seq, ? FROM memories "
        "WHERE (user_key, seq, version) = (?, ?, ?)",
        entries,
    ).rowcount


def _replace_vectors(db: sqlite3.Connection, embedder: Embedder) -> None:
    """Replace the old vectors by the new ones, and invalidate every cached index."""
    db.execute(
        "DELETE FROM vectors_next WHERE NOT EXISTS (SELECT 1 FROM memories AS m "
        "WHERE (m.user_key, m.seq) = (vectors_next.user_key, vectors_next.seq))"
    )
    db.execute("DROP TABLE vectors")
    db.execute("ALTER TABLE vectors_next RENAME TO vectors")
    db.execute("UPDATE items SET vectors = NULL WHERE vectors IS NOT NULL")
    names = ("next_embedder", property_name(FINGERPRINT))
    db.execute("DELETE FROM meta WHERE name IN (?, ?)", names)
    db.executemany(
        "INSERT OR REPLACE INTO meta VALUES (?, ?)",
        (("embedder", embedder.name), ("dimension", str(embedder.dimension))),
    )
    db.execute("UPDATE users SET version = version + 1, rewritten = version + 1")
