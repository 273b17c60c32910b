"""Values under keys, in the file of the memories: the `items` table.

The namespaces of a prefix are one range of the primary key: see `item_rows`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from memorybank_core.protocols import Item, Matrix, Namespace, Vector
from memorybank_core.stores.item_rows import (
    COLUMNS,
    bounds,
    expiry,
    namespace_of,
    page,
    path_of,
    to_blob,
    to_item,
    to_row,
)
from memorybank_core.stores.rows import micros

from .connections import Connections

_ALIVE = "(expires_at IS NULL OR expires_at > ?)"
_UNDER = f"path >= ? AND path < ? AND {_ALIVE}"
_UNEMBEDDED = f"{_UNDER} AND fields IS NOT NULL AND vectors IS NULL"
_LAST_FIRST = "ORDER BY updated_at DESC, path, key"
_INSERT = (
    f"INSERT INTO items ({COLUMNS}, expires_at, vectors) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (path, key) DO UPDATE SET (value, updated_at, ttl, fields, expires_at, vectors) "
    "= (excluded.value, excluded.updated_at, excluded.ttl, excluded.fields, excluded.expires_at, "
    "excluded.vectors)"
)
_NAMESPACES = f"""
    WITH RECURSIVE paths (path) AS (
        SELECT min(path) FROM items WHERE path >= ? AND path < ?
        UNION ALL
        SELECT (SELECT min(path) FROM items WHERE path > paths.path AND path < ?)
        FROM paths WHERE paths.path IS NOT NULL
    )
    SELECT path FROM paths
    WHERE EXISTS (SELECT 1 FROM items WHERE items.path = paths.path AND {_ALIVE})
"""  # leaps from one path to the next, past the items of each


class LocalItems:
    """The `ItemStore` of a `LocalStore`.

    Args:
        connections: To the file.
        check_embedder: Raises EmbedderMismatchError where another embedder writes the file now.
        erase: Wipes what deleted rows left behind.
    """

    def __init__(
        self,
        connections: Connections,
        check_embedder: Callable[[sqlite3.Connection], None],
        erase: Callable[[], bool],
    ) -> None:
        self._connections, self._check_embedder, self._erase = connections, check_embedder, erase

    def get(self, namespace: Namespace, key: str, now: datetime) -> Item | None:
        """The item of a key."""
        select = f"SELECT {COLUMNS} FROM items WHERE path = ? AND key = ? AND {_ALIVE}"
        with self._connections.reading() as db:
            row = db.execute(select, (path_of(namespace), key, micros(now))).fetchone()
        return None if row is None else to_item(row)

    def search(
        self,
        prefix: Namespace,
        now: datetime,
        *,
        vector: Vector | None = None,
        accepts: Callable[[str], bool] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> list[tuple[Item, float | None]]:
        """The items whose value `accepts` lets pass, with scores; see `ItemStore`.

        Reads and compares every vector under the prefix.
        """
        columns = COLUMNS if vector is None else f"{COLUMNS}, vectors"
        select = f"SELECT {columns} FROM items WHERE {_UNDER}"
        under = (*bounds(prefix), micros(now))
        with self._connections.reading() as db:
            if vector is not None:
                self._check_embedder(db)
            if vector is None and accepts is None:
                rows = db.execute(f"{select} {_LAST_FIRST} LIMIT ?", (*under, offset + limit))
            else:
                rows = db.execute(f"{select} ORDER BY path, key", under)
            return page(rows, vector=vector, accepts=accepts, limit=limit, offset=offset)

    def namespaces(self, prefix: Namespace, now: datetime) -> list[Namespace]:
        """Every namespace that has an item."""
        start, end = bounds(prefix)
        with self._connections.reading() as db:
            found = db.execute(_NAMESPACES, (start, end, end, micros(now)))
            return [namespace_of(path) for (path,) in found]

    def write(
        self,
        items: Sequence[Item],
        vectors: Sequence[Matrix | None],
        deleted: Collection[tuple[Namespace, str]],
        now: datetime,
    ) -> bool:
        """Stores items and erases others, in one transaction.

        Where any are `deleted`, what SQLite left of them in unused parts of the file is wiped
        afterwards, once; that reads the whole file. It is not done for what is replaced or has
        expired: that goes with the next deletion.

        Raises:
            EmbedderMismatchError: Another embedder writes the file now.
        """
        entries = [to_row(item, matrix) for item, matrix in zip(items, vectors, strict=True)]
        keys = [(path_of(namespace), key) for namespace, key in deleted]
        with self._connections.writing() as db:
            if any(matrix is not None for matrix in vectors):
                self._check_embedder(db)
            db.execute("DELETE FROM items WHERE expires_at <= ?", (micros(now),))
            db.executemany(_INSERT, entries)
            db.executemany("DELETE FROM items WHERE path = ? AND key = ?", keys)
        return self._erase() if keys else True

    def refresh(self, items: Sequence[Item], now: datetime) -> None:
        """Lets the time to live of items start anew; writes only where one has any."""
        changes = [
            (expiry(item.ttl, now), path_of(item.namespace), item.key, item.ttl)
            for item in items
            if item.ttl is not None
        ]
        if changes:
            update = "UPDATE items SET expires_at = ? WHERE path = ? AND key = ? AND ttl = ?"
            with self._connections.writing() as db:
                db.executemany(update, changes)

    def unembedded(self, prefix: Namespace, now: datetime) -> list[Item]:
        """Items with `fields` whose vectors are missing, as after a change of the embedder."""
        select = f"SELECT {COLUMNS} FROM items WHERE {_UNEMBEDDED}"
        with self._connections.reading() as db:
            return [to_item(row) for row in db.execute(select, (*bounds(prefix), micros(now)))]

    def set_vectors(self, items: Sequence[Item], vectors: Sequence[Matrix]) -> None:
        """Stores vectors of items; of one that was written meanwhile, nothing.

        Raises:
            EmbedderMismatchError: Another embedder writes the file now.
        """
        changes = [
            (
                to_blob(matrix),
                path_of(item.namespace),
                item.key,
                micros(item.updated_at),
                item.value,
            )
            for item, matrix in zip(items, vectors, strict=True)
        ]
        of_item = "path = ? AND key = ? AND updated_at = ? AND value = ?"
        with self._connections.writing() as db:
            self._check_embedder(db)
            db.executemany(f"UPDATE items SET vectors = ? WHERE {of_item}", changes)
