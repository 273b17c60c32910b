"""Values under keys, beside the memories: the `items` table.

The first label of a namespace, by which the table is spread, is also a column of its own. Vectors
are compared here and not in the engine: an item may have several, and there are few.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

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

from .base import WRITTEN_BY
from .connections import Connections, Rows, Scope, Statement, Steps

_ALIVE = "(expires_at IS NULL OR expires_at > %(now)s)"
_UNDER = "path >= %(start)s AND path < %(end)s"
_OF_ROOT = f"root = %(root)s AND {_UNDER}"
_KEY = "root = %(root)s AND path = %(path)s AND key = %(key)s"
_GET = f"SELECT {COLUMNS} FROM memorybank.items WHERE {_KEY} AND {_ALIVE}"
_NAMES = [*COLUMNS.split(", "), "expires_at", "vectors"]
_CHANGED = ("value", "updated_at", "ttl", "fields", "expires_at", "vectors")
_INSERT = (
    f"INSERT INTO memorybank.items (root, {', '.join(_NAMES)}) "
    f"VALUES (%(root)s, {', '.join(f'%({name})s' for name in _NAMES)}) "
    "ON CONFLICT (root, path, key) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _CHANGED)
)
_DELETE = f"DELETE FROM memorybank.items WHERE {_KEY}"
_SWEEP = "DELETE FROM memorybank.items WHERE expires_at <= %(now)s"
_SWEEP_SOME = f"{_SWEEP} AND root = ANY(%(roots)s::text[])"
_REFRESH = f"UPDATE memorybank.items SET expires_at = %(expires_at)s WHERE {_KEY} AND ttl = %(ttl)s"
_SET_VECTORS = (
    f"UPDATE memorybank.items SET vectors = %(vectors)s "
    f"WHERE {_KEY} AND updated_at = %(updated_at)s AND value = %(value)s"
)
_NAMESPACES = f"""
    WITH RECURSIVE paths (path) AS (
        SELECT min(path) FROM memorybank.items WHERE {{under}}
        UNION ALL
        SELECT (
            SELECT min(i.path) FROM memorybank.items AS i
            WHERE {{root}} i.path > paths.path AND i.path < %(end)s
        )
        FROM paths WHERE paths.path IS NOT NULL
    )
    SELECT path FROM paths WHERE EXISTS (
        SELECT FROM memorybank.items AS i WHERE {{root}} i.path = paths.path AND {_ALIVE}
    )
    ORDER BY path
"""  # leaps from one path to the next, past the items of each


class PostgresItems:
    """The `ItemStore` of a `PostgresStore`.

    Args:
        connections: To the database.
        check_embedder: Takes the rows of `WRITTEN_BY`; raises EmbedderMismatchError where another
            embedder writes the bank now.
    """

    def __init__(self, connections: Connections, check_embedder: Callable[[Rows], None]) -> None:
        self._connections, self._check_embedder = connections, check_embedder

    def get(self, namespace: Namespace, key: str, now: datetime) -> Item | None:
        """The item of a key."""

        def steps() -> Steps[Item | None]:
            values = {**_place(namespace, key), "now": micros(now)}
            [found] = yield [Statement(_GET, values)]
            return to_item(found[0]) if found else None

        return self._connections.run(steps, _scope([namespace]), writes=False)

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
        under, values = _under(prefix)
        select = f"SELECT {columns} FROM memorybank.items WHERE {under} AND {_ALIVE}"
        select += " ORDER BY updated_at DESC, path, key"
        if vector is None and accepts is None:
            select += " LIMIT %(last)s"
        values |= {"now": micros(now), "last": offset + limit}

        def steps() -> Steps[Rows]:
            found, written_by = yield [Statement(select, values), WRITTEN_BY]
            if vector is not None:
                self._check_embedder(written_by)
            return found

        rows = self._connections.run(steps, _scope([prefix]), writes=False)
        return page(rows, vector=vector, accepts=accepts, limit=limit, offset=offset)

    def namespaces(self, prefix: Namespace, now: datetime) -> list[Namespace]:
        """Every namespace that has an item."""
        under, values = _under(prefix)
        select = _NAMESPACES.format(under=under, root="i.root = %(root)s AND" if prefix else "")

        def steps() -> Steps[list[Namespace]]:
            [found] = yield [Statement(select, {**values, "now": micros(now)})]
            return [namespace_of(path) for (path,) in found]

        return self._connections.run(steps, _scope([prefix]), writes=False)

    def write(
        self,
        items: Sequence[Item],
        vectors: Sequence[Matrix | None],
        deleted: Collection[tuple[Namespace, str]],
        now: datetime,
    ) -> bool:
        """Stores items and erases others, in one transaction.

        What has expired under the first labels of these goes with it; where there are none,
        everything that has. As of memories, the bytes of what is `deleted` stay a while.

        Raises:
            EmbedderMismatchError: Another embedder writes the bank now.
        """
        namespaces = [item.namespace for item in items] + [namespace for namespace, _ in deleted]
        roots = sorted({namespace[0] for namespace in namespaces})
        rows = [
            {"root": item.namespace[0], **dict(zip(_NAMES, to_row(item, matrix), strict=True))}
            for item, matrix in zip(items, vectors, strict=True)
        ]
        gone = [_place(namespace, key) for namespace, key in deleted]

        def steps() -> Steps[None]:
            sweep = Statement(
                _SWEEP_SOME if roots else _SWEEP, {"now": micros(now), "roots": roots}
            )
            written_by, _ = yield [WRITTEN_BY, sweep]
            if any(matrix is not None for matrix in vectors):
                self._check_embedder(written_by)
            batch = [Statement(_INSERT, rows), Statement(_DELETE, gone)]
            yield [statement for statement in batch if statement.values]

        self._connections.run(steps, _scope(namespaces), writes=True)
        return not gone

    def refresh(self, items: Sequence[Item], now: datetime) -> None:
        """Lets the time to live of items start anew; writes only where one has any."""
        changes = [
            {
                **_place(item.namespace, item.key),
                "ttl": item.ttl,
                "expires_at": expiry(item.ttl, now),
            }
            for item in items
            if item.ttl is not None
        ]
        if changes:
            self._write(_REFRESH, changes, items)

    def unembedded(self, prefix: Namespace, now: datetime) -> list[Item]:
        """Items with `fields` whose vectors are missing, as after a change of the embedder."""
        under, values = _under(prefix)
        select = f"SELECT {COLUMNS} FROM memorybank.items WHERE {under} AND {_ALIVE}"
        select += " AND fields IS NOT NULL AND vectors IS NULL ORDER BY path, key"

        def steps() -> Steps[list[Item]]:
            [found] = yield [Statement(select, {**values, "now": micros(now)})]
            return [to_item(row) for row in found]

        return self._connections.run(steps, _scope([prefix]), writes=False)

    def set_vectors(self, items: Sequence[Item], vectors: Sequence[Matrix]) -> None:
        """Stores vectors of items; of one that was written meanwhile, nothing.

        Raises:
            EmbedderMismatchError: Another embedder writes the bank now.
        """
        changes = [
            {
                **_place(item.namespace, item.key),
                "updated_at": micros(item.updated_at),
                "value": item.value,
                "vectors": to_blob(matrix),
            }
            for item, matrix in zip(items, vectors, strict=True)
        ]
        if changes:
            self._write(_SET_VECTORS, changes, items)

    def _write(self, text: str, changes: list[dict[str, Any]], items: Sequence[Item]) -> None:
        """Runs a statement for each of these items, in one transaction."""

        def steps() -> Steps[None]:
            [written_by] = yield [WRITTEN_BY]
            if text is _SET_VECTORS:
                self._check_embedder(written_by)
            yield [Statement(text, changes)]

        self._connections.run(steps, _scope([item.namespace for item in items]), writes=True)


def _place(namespace: Namespace, key: str) -> dict[str, Any]:
    return {"root": namespace[0], "path": path_of(namespace), "key": key}


def _under(prefix: Namespace) -> tuple[str, dict[str, Any]]:
    """The condition for what is under a prefix, with its values."""
    start, end = bounds(prefix)
    values = {"start": start, "end": end}
    return (_OF_ROOT, {**values, "root": prefix[0]}) if prefix else (_UNDER, values)


def _scope(namespaces: Sequence[Namespace]) -> Scope:
    """What a call about these namespaces may see: what is under their common prefix."""
    shared = []
    for labels in zip(*namespaces, strict=False):
        if len(set(labels)) > 1:
            break
        shared.append(labels[0])
    return Scope("path", path_of(tuple(shared)))
