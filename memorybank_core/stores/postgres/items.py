"""Store items in the table `items`: JSON values under keys in namespaces.

The first label of a namespace, by which the table is partitioned, is also a separate column.
Vectors are compared in this process, not in the database: an item may have several, and a bank has
few items.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from memorybank_core.protocols import Item, Matrix, Namespace, Vector
from memorybank_core.stores.damage import convert_all, report_damage
from memorybank_core.stores.index.cache import IndexCache
from memorybank_core.stores.index.item_search import search_items
from memorybank_core.stores.item_rows import (
    ITEM_COLUMNS,
    expiry_time,
    item_name,
    namespace_of,
    path_of,
    to_blob,
    to_item,
    to_row,
)
from memorybank_core.stores.rows import to_micros
from memorybank_core.stores.rules import ExpectedEmbedder

from .connections import Connections, Session
from .item_source import ALIVE, UNDER, PostgresItemSource, condition_of, values_of
from .item_versions import OF_PATH, concatenate, number_rows, record_removals, values_of_path
from .reading import STORED_EMBEDDER, check_embedder
from .row_security import items_scope
from .statements import Rows, Statement

_KEY = f"{OF_PATH} AND key = %(key)s"
_GET = f"SELECT {ITEM_COLUMNS} FROM memorybank.items WHERE {_KEY} AND {ALIVE}"
_NAMES = [*ITEM_COLUMNS.split(", "), "expires_at", "vectors", "version"]
_CHANGED = ("value", "updated_at", "ttl", "fields", "expires_at", "vectors", "version")
_INSERT = (
    f"INSERT INTO memorybank.items (root, {', '.join(_NAMES)}) "
    f"VALUES (%(root)s, {', '.join(f'%({name})s' for name in _NAMES)}) "
    "ON CONFLICT (root, path, key) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _CHANGED)
)
_DELETE = f"DELETE FROM memorybank.items WHERE {_KEY} RETURNING path, version"
_LOCK_EXPIRED = """
    SELECT path FROM memorybank.item_paths WHERE root = %(root)s AND path IN (
        SELECT path FROM memorybank.items WHERE root = %(root)s AND expires_at <= %(now)s
    )
    FOR UPDATE SKIP LOCKED
"""
_DELETE_EXPIRED = (
    f"DELETE FROM memorybank.items WHERE {OF_PATH} AND expires_at <= %(now)s "
    "RETURNING path, version"
)
_EXPIRED_ROOTS = "SELECT DISTINCT root FROM memorybank.items WHERE expires_at <= %(now)s"
_REFRESH = f"UPDATE memorybank.items SET expires_at = %(expires_at)s WHERE {_KEY} AND ttl = %(ttl)s"
_SET_VECTORS = (
    f"UPDATE memorybank.items SET (vectors, version) = (%(vectors)s, %(version)s) "
    f"WHERE {_KEY} AND updated_at = %(updated_at)s AND value = %(value)s"
)
_NAMESPACES = f"""
    WITH RECURSIVE paths (path) AS (
        SELECT min(path) FROM memorybank.items WHERE root = %(root)s AND {UNDER}
        UNION ALL
        SELECT (
            SELECT min(i.path) FROM memorybank.items AS i
            WHERE i.root = %(root)s AND i.path > paths.path AND i.path < %(end)s
        )
        FROM paths WHERE paths.path IS NOT NULL
    )
    SELECT path FROM paths WHERE EXISTS (
        SELECT FROM memorybank.items AS i
        WHERE i.root = %(root)s AND i.path = paths.path AND {ALIVE}
    )
    ORDER BY path
"""  # jumps from each path to the next instead of reading every item
# Citus runs no recursion over several shards.
_ALL_NAMESPACES = f"SELECT DISTINCT path FROM memorybank.items WHERE {ALIVE} ORDER BY path"


class PostgresItems:
    """The `ItemStore` of a `PostgresStore`.

    Args:
        connections: Connections to the database.
        embedder: The embedder of the vectors.
        cache: The indexes of the store.
    """

    def __init__(
        self, connections: Connections, embedder: ExpectedEmbedder, cache: IndexCache
    ) -> None:
        self._connections, self._embedder, self._cache = connections, embedder, cache

    def get(self, namespace: Namespace, key: str, now: datetime) -> Item | None:
        """Return the item of a key."""
        select = Statement(_GET, {**_build_key(namespace, key), "now": to_micros(now)})
        rows = self._read(select, namespace)
        items = self._convert(rows)
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
        embedded = vector is not None
        return search_items(
            self._cache,
            path_of(prefix),
            PostgresItemSource(self._connections, self._embedder, prefix, now, embedded=embedded),
            vector=vector,
            accepts=accepts,
            limit=limit,
            offset=offset,
        )

    def namespaces(self, prefix: Namespace, now: datetime) -> list[Namespace]:
        """Return every namespace that has an item."""
        text = _NAMESPACES if prefix else _ALL_NAMESPACES
        rows = self._read(Statement(text, {**values_of(prefix), "now": to_micros(now)}), prefix)
        return [namespace_of(path) for (path,) in rows]

    def write(
        self,
        items: Sequence[Item],
        vectors: Sequence[Matrix | None],
        deleted: Collection[tuple[Namespace, str]],
        now: datetime,
        refreshed: Sequence[Item] = (),
    ) -> bool:
        """Store items, delete others and restart the time of others, in one transaction.

        Also deletes expired items: those under the first labels of these namespaces, or all if
        there is nothing to store or delete; but none of namespaces that others write at the moment.

        Returns:
            False if items are deleted: their bytes remain in the server's files until VACUUM.

        Raises:
            EmbedderMismatchError: If the bank now belongs to another embedder.
        """
        namespaces = [item.namespace for item in items] + [namespace for namespace, _ in deleted]
        gone = set(deleted)
        rows = [
            {"root": item.namespace[0], **dict(zip(_NAMES, to_row(item, matrix), strict=False))}
            for item, matrix in zip(items, vectors, strict=True)
            if (item.namespace, item.key) not in gone
        ]
        keys = [_build_key(namespace, key) for namespace, key in sorted(gone)]
        roots = {namespace[0] for namespace in namespaces}
        changes = _build_refreshes(refreshed, now)

        def write(session: Session) -> None:
            deletions = [Statement(_DELETE, key) for key in keys]
            locks = _lock_expired(roots, now)
            versions, results = number_rows(
                session, rows, map(path_of, namespaces), [STORED_EMBEDDER, *deletions, *locks]
            )
            if any(matrix is not None for matrix in vectors):
                check_embedder(self._embedder, results[0])
            removed = concatenate(results[1 : len(keys) + 1])
            if changes:
                session.execute(Statement(_REFRESH, changes))
            expired_versions, expired = _delete_expired(session, results[len(keys) + 1 :], now)
            versions |= expired_versions
            if rows:
                session.execute(Statement(_INSERT, rows))
            emptied = versions.keys() - {row["path"] for row in rows}
            record_removals(session, versions, [*removed, *expired], emptied)

        if not (namespaces or changes):
            self.sweep(now)
            return True
        scope = items_scope([*namespaces, *(item.namespace for item in refreshed)])
        self._connections.run(write, scope, writes=True)
        self._cache.erase_items((key["path"], key["key"]) for key in keys)
        return not keys

    def refresh(self, items: Sequence[Item], now: datetime) -> None:
        """Restart the time to live of items that have one, if the bank can be written."""
        changes = [] if self._connections.options.readonly else _build_refreshes(items, now)
        if changes:
            update = Statement(_REFRESH, changes)
            scope = items_scope([item.namespace for item in items])
            self._connections.run(lambda session: session.execute(update), scope, writes=True)

    def sweep(self, now: datetime) -> int:
        """Delete all expired items, except for those of namespaces that others write just now."""

        def sweep(session: Session) -> int:
            [roots] = session.execute(Statement(_EXPIRED_ROOTS, {"now": to_micros(now)}))
            locks = _lock_expired([root for (root,) in roots], now)
            paths = session.execute(*locks) if locks else []
            versions, expired = _delete_expired(session, paths, now)
            record_removals(session, versions, expired, versions)
            return len(expired)

        return self._connections.run(sweep, items_scope([]), writes=True)

    def unembedded(self, prefix: Namespace, now: datetime) -> list[Item]:
        """Return items with `fields` but without vectors, as after a change of the embedder."""
        text = f"SELECT {ITEM_COLUMNS} FROM memorybank.items WHERE {condition_of(prefix)}"
        text += f" AND {UNDER} AND {ALIVE}"
        text += " AND fields IS NOT NULL AND vectors IS NULL ORDER BY path, key"
        rows = self._read(Statement(text, {**values_of(prefix), "now": to_micros(now)}), prefix)
        return self._convert(rows)

    def _convert(self, rows: Rows) -> list[Item]:
        """Return the items of rows, without those that are damaged."""
        location = self._embedder.location
        return convert_all(rows, to_item, lambda row: report_damage(location, item_name(row)))

    def set_vectors(self, items: Sequence[Item], vectors: Sequence[Matrix]) -> None:
        """Store vectors of items, except for items that were written in the meantime.

        Raises:
            EmbedderMismatchError: If the bank now belongs to another embedder.
        """
        changes = [
            {
                **_build_key(item.namespace, item.key),
                "updated_at": to_micros(item.updated_at),
                "value": item.value,
                "vectors": to_blob(matrix),
            }
            for item, matrix in zip(items, vectors, strict=True)
        ]

        def write(session: Session) -> None:
            versions, [stored_embedder] = number_rows(session, changes, (), [STORED_EMBEDDER])
            check_embedder(self._embedder, stored_embedder)
            session.execute(Statement(_SET_VECTORS, changes))
            record_removals(session, versions, (), versions)  # if all were deleted

        if changes:
            scope = items_scope([item.namespace for item in items])
            self._connections.run(write, scope, writes=True)

    def _read(self, select: Statement, namespace: Namespace) -> Rows:
        """Return the rows of a SELECT about a namespace or prefix."""
        [rows] = self._connections.run(
            lambda session: session.execute(select), items_scope([namespace]), writes=False
        )
        return rows


def _build_key(namespace: Namespace, key: str) -> dict[str, Any]:
    return {"root": namespace[0], "path": path_of(namespace), "key": key}


def _build_refreshes(items: Iterable[Item], now: datetime) -> list[dict[str, Any]]:
    """Return the values of `_REFRESH` for items with a time to live, sorted by key."""
    changes = [
        {
            **_build_key(item.namespace, item.key),
            "ttl": item.ttl,
            "expires_at": expiry_time(item.ttl, now),
        }
        for item in items
        if item.ttl is not None
    ]
    return sorted(changes, key=lambda change: (change["path"], change["key"]))


def _lock_expired(roots: Iterable[str], now: datetime) -> list[Statement]:
    """Return statements that lock the namespaces with expired items, and return their paths."""
    at = {"now": to_micros(now)}
    return [Statement(_LOCK_EXPIRED, {"root": root, **at}) for root in sorted(roots)]


def _delete_expired(
    session: Session, paths: Iterable[Rows], now: datetime
) -> tuple[dict[str, int], Rows]:
    """Delete the expired items of locked namespaces.

    Returns:
        The last change of each namespace, and the path and version of each deleted item.
    """
    expired = [path for (path,) in concatenate(paths)]
    if not expired:
        return {}, []
    at = {"now": to_micros(now)}
    deletions = [Statement(_DELETE_EXPIRED, {**values_of_path(path), **at}) for path in expired]
    versions, results = number_rows(session, (), expired, deletions)
    return versions, concatenate(results)
