"""Store items in the table `items`: JSON values under keys in namespaces.

The namespaces under a prefix are one range of the primary key: see `item_rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from memorybank_core.protocols import Item, Matrix, Namespace, Vector
from memorybank_core.stores.index.cache import IndexCache
from memorybank_core.stores.index.item_search import search_items
from memorybank_core.stores.item_rows import (
    ITEM_COLUMNS,
    expiry_time,
    item_name,
    namespace_of,
    path_of,
    path_range,
    to_blob,
    to_item,
    to_row,
)
from memorybank_core.stores.rows import to_micros
from memorybank_core.stores.rules import ExpectedEmbedder

from .connections import Connections
from .full_disk import retry_after_checkpoint
from .intact_rows import convert_rows
from .item_source import ALIVE, UNDER, LocalItemSource
from .reading import check_embedder

_UNEMBEDDED = f"{UNDER} AND fields IS NOT NULL AND vectors IS NULL"
_INSERT = (
    f"INSERT INTO items ({ITEM_COLUMNS}, expires_at, vectors) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (path, key) DO UPDATE SET (value, updated_at, ttl, fields, expires_at, vectors) "
    "= (excluded.value, excluded.updated_at, excluded.ttl, excluded.fields, excluded.expires_at, "
    "excluded.vectors)"
)
_REFRESH = "UPDATE items SET expires_at = ? WHERE path = ? AND key = ? AND ttl = ?"
_DELETE_EXPIRED = "DELETE FROM items WHERE expires_at <= ?"
_NAMESPACES = f"""
    WITH RECURSIVE paths (path) AS (
        SELECT min(path) FROM items WHERE path >= ? AND path < ?
        UNION ALL
        SELECT (SELECT min(path) FROM items WHERE path > paths.path AND path < ?)
        FROM paths WHERE paths.path IS NOT NULL
    )
    SELECT path FROM paths
    WHERE EXISTS (SELECT 1 FROM items WHERE items.path = paths.path AND {ALIVE})
"""  # jumps from each path to the next instead of reading every item


class LocalItems:
    """The `ItemStore` of a `LocalStore`.

    Args:
        connections: Connections to the file.
        embedder: The embedder of the vectors.
        cache: The indexes of the store.
        erase: Overwrites the remains of deleted rows; returns False if it could not.
    """

    def __init__(
        self,
        connections: Connections,
        embedder: ExpectedEmbedder,
        cache: IndexCache,
        erase: Callable[[], bool],
    ) -> None:
        self._connections, self._embedder, self._erase = connections, embedder, erase
        self._cache = cache

    def get(self, namespace: Namespace, key: str, now: datetime) -> Item | None:
        """Return the item of a key."""
        select = f"SELECT {ITEM_COLUMNS} FROM items WHERE path = ? AND key = ? AND {ALIVE}"
        with self._connections.read() as db:
            values = (path_of(namespace), key, to_micros(now))
            items = convert_rows(db, lambda: db.execute(select, values), to_item, item_name)
        return items[0] if items else None

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
        """Return the items whose value `accepts` accepts, with scores; see `ItemStore`."""
        source = LocalItemSource(
            self._connections, self._embedder, prefix, now, embedded=vector is not None
        )
        return search_items(
            self._cache,
            path_of(prefix),
            source,
            vector=vector,
            accepts=accepts,
            limit=limit,
            offset=offset,
        )

    def namespaces(self, prefix: Namespace, now: datetime) -> list[Namespace]:
        """Return every namespace that has an item."""
        start, end = path_range(prefix)
        with self._connections.read() as db:
            values = (start, end, end, to_micros(now))
            return convert_rows(
                db,
                lambda: db.execute(_NAMESPACES, values),
                lambda row: namespace_of(row[0]),
                lambda row: f"an item of {row[0]!r}",
            )

    def write(
        self,
        items: Sequence[Item],
        vectors: Sequence[Matrix | None],
        deleted: Collection[tuple[Namespace, str]],
        now: datetime,
        refreshed: Sequence[Item] = (),
    ) -> bool:
        """Store items, delete others and restart the time of others, in one transaction.

        If items are deleted, the copies of them that SQLite left in unused parts of the file are
        overwritten afterwards, which reads the whole file once. Copies of replaced and expired
        items are overwritten at the next deletion.

        Raises:
            EmbedderMismatchError: If the file now belongs to another embedder.
        """
        rows = [to_row(item, matrix) for item, matrix in zip(items, vectors, strict=True)]
        keys = [(path_of(namespace), key) for namespace, key in deleted]

        def write() -> None:
            with self._connections.write() as db:
                if any(matrix is not None for matrix in vectors):
                    check_embedder(self._embedder, db)
                db.executemany(_REFRESH, _refresh_values(refreshed, now))
                db.execute(_DELETE_EXPIRED, (to_micros(now),))
                db.executemany(_INSERT, rows)
                db.executemany("DELETE FROM items WHERE path = ? AND key = ?", keys)

        retry_after_checkpoint(self._connections, write)
        self._cache.erase_items(keys)
        return self._erase() if keys else True

    def refresh(self, items: Sequence[Item], now: datetime) -> None:
        """Restart the time to live of items that have one, if the file can be written."""
        changes = _refresh_values(items, now)
        if changes and not self._connections.readonly:
            with self._connections.write() as db:
                db.executemany(_REFRESH, changes)

    def sweep(self, now: datetime) -> int:
        """Delete all expired items, and overwrite their bytes; see `write`."""
        with self._connections.write() as db:
            count = db.execute(_DELETE_EXPIRED, (to_micros(now),)).rowcount
        if count:
            self._erase()
        return count

    def unembedded(self, prefix: Namespace, now: datetime) -> list[Item]:
        """Return items with `fields` but without vectors, as after a change of the embedder."""
        select = f"SELECT {ITEM_COLUMNS} FROM items WHERE {_UNEMBEDDED}"
        with self._connections.read() as db:
            values = (*path_range(prefix), to_micros(now))
            return convert_rows(db, lambda: db.execute(select, values), to_item, item_name)

    def set_vectors(self, items: Sequence[Item], vectors: Sequence[Matrix]) -> None:
        """Store vectors of items, except for items that were written in the meantime.

        Raises:
            EmbedderMismatchError: If the file now belongs to another embedder.
        """
        changes = [
            (
                to_blob(matrix),
                path_of(item.namespace),
                item.key,
                to_micros(item.updated_at),
                item.value,
            )
            for item, matrix in zip(items, vectors, strict=True)
        ]
        of_item = "path = ? AND key = ? AND updated_at = ? AND value = ?"
        with self._connections.write() as db:
            check_embedder(self._embedder, db)
            db.executemany(f"UPDATE items SET vectors = ? WHERE {of_item}", changes)


def _refresh_values(items: Sequence[Item], now: datetime) -> list[tuple[object, ...]]:
    """Return the values of `_REFRESH` for the items that have a time to live."""
    return [
        (expiry_time(item.ttl, now), path_of(item.namespace), item.key, item.ttl)
        for item in items
        if item.ttl is not None
    ]
