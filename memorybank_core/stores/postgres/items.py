"""Store items in the table `items`: JSON values under keys in namespaces.

The first label of a namespace, by which the table is partitioned, is also a separate column.
Vectors are compared in this process, not in the database: an item may have several, and a bank has
few items.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from memorybank_core.protocols import Item, Matrix, Namespace, Vector
from memorybank_core.stores.item_rows import (
    ITEM_COLUMNS,
    expiry_time,
    namespace_of,
    path_of,
    path_range,
    select_page,
    to_blob,
    to_item,
    to_row,
)
from memorybank_core.stores.rows import to_micros
from memorybank_core.stores.rules import ExpectedEmbedder

from .connections import Connections, Session
from .reading import STORED_EMBEDDER, check_embedder
from .row_security import items_scope
from .statements import Rows, Statement

_ALIVE = "(expires_at IS NULL OR expires_at > %(now)s)"
_UNDER = "path >= %(start)s AND path < %(end)s"
_OF_ROOT = f"root = %(root)s AND {_UNDER}"
_KEY = "root = %(root)s AND path = %(path)s AND key = %(key)s"
_GET = f"SELECT {ITEM_COLUMNS} FROM memorybank.items WHERE {_KEY} AND {_ALIVE}"
_NAMES = [*ITEM_COLUMNS.split(", "), "expires_at", "vectors"]
_CHANGED = ("value", "updated_at", "ttl", "fields", "expires_at", "vectors")
_INSERT = (
    f"INSERT INTO memorybank.items (root, {', '.join(_NAMES)}) "
    f"VALUES (%(root)s, {', '.join(f'%({name})s' for name in _NAMES)}) "
    "ON CONFLICT (root, path, key) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _CHANGED)
)
_DELETE = f"DELETE FROM memorybank.items WHERE {_KEY}"
_DELETE_EXPIRED = "DELETE FROM memorybank.items WHERE expires_at <= %(now)s"
_DELETE_EXPIRED_OF_ROOTS = f"{_DELETE_EXPIRED} AND root = ANY(%(roots)s::text[])"
_REFRESH = f"UPDATE memorybank.items SET expires_at = %(expires_at)s WHERE {_KEY} AND ttl = %(ttl)s"
_SET_VECTORS = (
    f"UPDATE memorybank.items SET vectors = %(vectors)s "
    f"WHERE {_KEY} AND updated_at = %(updated_at)s AND value = %(value)s"
)
_NAMESPACES = f"""
    WITH RECURSIVE paths (path) AS (
        SELECT min(path) FROM memorybank.items WHERE {_OF_ROOT}
        UNION ALL
        SELECT (
            SELECT min(i.path) FROM memorybank.items AS i
            WHERE i.root = %(root)s AND i.path > paths.path AND i.path < %(end)s
        )
        FROM paths WHERE paths.path IS NOT NULL
    )
    SELECT path FROM paths WHERE EXISTS (
        SELECT FROM memorybank.items AS i
        WHERE i.root = %(root)s AND i.path = paths.path AND {_ALIVE}
    )
    ORDER BY path
"""  # jumps from each path to the next instead of reading every item
# Citus runs no recursion over several shards.
_ALL_NAMESPACES = f"SELECT DISTINCT path FROM memorybank.items WHERE {_ALIVE} ORDER BY path"


class PostgresItems:
    """The `ItemStore` of a `PostgresStore`.

    Args:
        connections: Connections to the database.
        embedder: The embedder of the vectors.
    """

    def __init__(self, connections: Connections, embedder: ExpectedEmbedder) -> None:
        self._connections, self._embedder = connections, embedder

    def get(self, namespace: Namespace, key: str, now: datetime) -> Item | None:
        """Return the item of a key."""
        select = Statement(_GET, {**_build_key(namespace, key), "now": to_micros(now)})
        rows = self._read(select, namespace)
        return to_item(rows[0]) if rows else None

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
        """Return the items whose value `accepts` accepts, with scores; see `ItemStore`.

        Reads and compares every vector under the prefix.
        """
        columns = ITEM_COLUMNS if vector is None else f"{ITEM_COLUMNS}, vectors"
        condition, values = _build_prefix_condition(prefix)
        text = f"SELECT {columns} FROM memorybank.items WHERE {condition} AND {_ALIVE}"
        text += " ORDER BY updated_at DESC, path, key"
        if vector is None and accepts is None:
            text += " LIMIT %(last)s"
        select = Statement(text, {**values, "now": to_micros(now), "last": offset + limit})
        rows = self._read(select, prefix, check=vector is not None)
        return select_page(rows, vector=vector, accepts=accepts, limit=limit, offset=offset)

    def namespaces(self, prefix: Namespace, now: datetime) -> list[Namespace]:
        """Return every namespace that has an item."""
        _, values = _build_prefix_condition(prefix)
        text = _NAMESPACES if prefix else _ALL_NAMESPACES
        rows = self._read(Statement(text, {**values, "now": to_micros(now)}), prefix)
        return [namespace_of(path) for (path,) in rows]

    def write(
        self,
        items: Sequence[Item],
        vectors: Sequence[Matrix | None],
        deleted: Collection[tuple[Namespace, str]],
        now: datetime,
    ) -> bool:
        """Store items and delete others, in one transaction.

        Also deletes expired items: those under the first labels of these namespaces, or all if
        there is nothing to store or delete.

        Returns:
            False if items are deleted: their bytes remain in the server's files until VACUUM.

        Raises:
            EmbedderMismatchError: If the bank now belongs to another embedder.
        """
        namespaces = [item.namespace for item in items] + [namespace for namespace, _ in deleted]
        roots = sorted({namespace[0] for namespace in namespaces})
        delete_expired = Statement(
            _DELETE_EXPIRED_OF_ROOTS if roots else _DELETE_EXPIRED,
            {"now": to_micros(now), "roots": roots},
        )
        rows = [
            {"root": item.namespace[0], **dict(zip(_NAMES, to_row(item, matrix), strict=True))}
            for item, matrix in zip(items, vectors, strict=True)
        ]
        keys = [_build_key(namespace, key) for namespace, key in deleted]

        def write(session: Session) -> None:
            stored_embedder, _ = session.execute(STORED_EMBEDDER, delete_expired)
            if any(matrix is not None for matrix in vectors):
                check_embedder(self._embedder, stored_embedder)
            statements = [Statement(_INSERT, rows), Statement(_DELETE, keys)]
            session.execute(*(statement for statement in statements if statement.values))

        self._connections.run(write, items_scope(namespaces), writes=True)
        return not keys

    def refresh(self, items: Sequence[Item], now: datetime) -> None:
        """Restart the time to live of items; writes only if an item has one."""
        changes = [
            {
                **_build_key(item.namespace, item.key),
                "ttl": item.ttl,
                "expires_at": expiry_time(item.ttl, now),
            }
            for item in items
            if item.ttl is not None
        ]
        self._update(Statement(_REFRESH, changes), items, check=False)

    def unembedded(self, prefix: Namespace, now: datetime) -> list[Item]:
        """Return items with `fields` but without vectors, as after a change of the embedder."""
        condition, values = _build_prefix_condition(prefix)
        text = f"SELECT {ITEM_COLUMNS} FROM memorybank.items WHERE {condition} AND {_ALIVE}"
        text += " AND fields IS NOT NULL AND vectors IS NULL ORDER BY path, key"
        rows = self._read(Statement(text, {**values, "now": to_micros(now)}), prefix)
        return [to_item(row) for row in rows]

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
        self._update(Statement(_SET_VECTORS, changes), items, check=True)

    def _read(self, select: Statement, namespace: Namespace, *, check: bool = False) -> Rows:
        """Return the rows of a SELECT about a namespace or prefix; may check the embedder."""

        def read(session: Session) -> Rows:
            if not check:
                [rows] = session.execute(select)
                return rows
            rows, stored_embedder = session.execute(select, STORED_EMBEDDER)
            check_embedder(self._embedder, stored_embedder)
            return rows

        return self._connections.run(read, items_scope([namespace]), writes=False)

    def _update(self, update: Statement, items: Sequence[Item], *, check: bool) -> None:
        """Run an UPDATE once for each of these items, in one transaction."""

        def write(session: Session) -> None:
            if check:
                [stored_embedder] = session.execute(STORED_EMBEDDER)
                check_embedder(self._embedder, stored_embedder)
            session.execute(update)

        if update.values:
            scope = items_scope([item.namespace for item in items])
            self._connections.run(write, scope, writes=True)


def _build_key(namespace: Namespace, key: str) -> dict[str, Any]:
    return {"root": namespace[0], "path": path_of(namespace), "key": key}


def _build_prefix_condition(prefix: Namespace) -> tuple[str, dict[str, Any]]:
    """Return the condition for the items under a prefix, with its values."""
    start, end = path_range(prefix)
    values = {"start": start, "end": end}
    return (_OF_ROOT, {**values, "root": prefix[0]}) if prefix else (_UNDER, values)
