"""Read the items under a prefix, and what changed since an index was loaded.

Each write about a namespace raises `item_paths.version`, which stays locked until the commit: so
the changes of a namespace have the order of their commits, and writers of other namespaces do not
wait. Items get versions of their own from it, and `item_removals` keeps those of deleted items. The
row of a namespace without items is deleted; it begins with a random number, so that a later one of
the same name is not mistaken for it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from datetime import datetime

from memorybank_core.protocols import Namespace
from memorybank_core.stores.index.item_index import KEPT, ItemIndex, RankedItem
from memorybank_core.stores.item_rows import ITEM_COLUMNS, path_range
from memorybank_core.stores.rows import Row, to_micros
from memorybank_core.stores.rules import ExpectedEmbedder

from .connections import Connections
from .reading import STORED_EMBEDDER, check_embedder
from .row_security import items_scope
from .statements import Rows, Statement

ALIVE = "(expires_at IS NULL OR expires_at > %(now)s)"
"""The condition that an item has not expired."""
UNDER = "path >= %(start)s AND path < %(end)s"
"""The condition that an item is under a prefix; its values are `values_of`."""
_OF_ROOT = "root = %(root)s"

_LAST_CHANGE = f"SELECT path, version FROM memorybank.item_paths WHERE {{root}} AND {UNDER}"
_READ = (
    f"SELECT version, {ITEM_COLUMNS} FROM memorybank.items "
    "JOIN unnest(%(paths)s::text[], %(versions)s::bigint[]) AS ranked (of_path, of_version) "
    f"ON path = of_path AND version = of_version WHERE {{root}} AND {ALIVE}"
)
_CHANGED = (
    "SELECT {columns} FROM memorybank.items "
    "JOIN unnest(%(paths)s::text[], %(versions)s::bigint[]) AS changed (of_path, seen) "
    "ON path = of_path AND version > seen WHERE {root}"
)
_REMOVED = _CHANGED.replace("{columns}", "path, removed").replace(".items", ".item_removals")
_LOAD = (
    f"SELECT {{columns}} FROM memorybank.items WHERE {{root}} AND {UNDER} "
    "AND (path, key) > (%(path)s, %(key)s) ORDER BY path, key LIMIT %(limit)s"
)
_READ_ALL = f"SELECT {{columns}} FROM memorybank.items WHERE {{root}} AND {UNDER} AND {ALIVE}"
_BATCH = 4_096  # rows loaded at a time


def condition_of(prefix: Namespace) -> str:
    """Return the condition for the root of a prefix, by which the tables are partitioned."""
    return _OF_ROOT if prefix else "true"


def values_of(prefix: Namespace) -> dict[str, str]:
    """Return the values of the conditions for the items under a prefix."""
    start, end = path_range(prefix)
    return {"start": start, "end": end, "root": prefix[0] if prefix else ""}


class PostgresItemSource:
    """The `ItemSource` of a prefix.

    Args:
        connections: Connections to the database.
        embedder: The embedder of the vectors.
        prefix: The prefix.
        now: The time at which items may have expired.
        embedded: Whether vectors are compared.
    """

    def __init__(
        self,
        connections: Connections,
        embedder: ExpectedEmbedder,
        prefix: Namespace,
        now: datetime,
        *,
        embedded: bool,
    ) -> None:
        self._connections, self._embedder, self._embedded = connections, embedder, embedded
        self.location = embedder.location
        self._scope, self._root = items_scope([prefix]), condition_of(prefix)
        self._values = {**values_of(prefix), "now": to_micros(now)}

    def read(self, items: Sequence[RankedItem]) -> tuple[dict[str, int], list[Row]]:
        """Return the last change of each namespace, and the rows of items; see `ItemSource`."""
        read = self._statement(
            _READ,
            paths=[item.name[0] for item in items],
            versions=[item.version for item in items],
        )
        last_change, rows = self._execute(self._statement(_LAST_CHANGE), read)
        return dict(last_change), rows

    def filter(self, accepts: Callable[[Row], bool]) -> tuple[dict[str, int], list[Row]]:
        """Return the last change of each namespace, and the accepted rows of all items."""
        read = self._statement(_READ_ALL.replace("{columns}", f"version, {ITEM_COLUMNS}"))
        last_change, rows = self._execute(self._statement(_LAST_CHANGE), read)
        accepted = [row for row in rows if accepts(row)]
        return dict(last_change), accepted

    def read_all(self) -> Iterator[Row]:
        """Yield the rows of all items; see `ItemSource`."""
        columns = ITEM_COLUMNS + (", vectors" if self._embedded else "")
        text = f"{_READ_ALL} ORDER BY path, key".replace("{columns}", columns)
        yield from self._execute(self._statement(text))[0]

    def refresh(self, index: ItemIndex) -> ItemIndex:
        """Load what changed; see `ItemSource`."""
        [rows] = self._execute(self._statement(_LAST_CHANGE))
        last_change: dict[str, int] = dict(rows)
        seen = index.seen or {}
        known = {
            path: version
            for path, version in seen.items()
            if 0 <= last_change.get(path, -1) - version <= KEPT
        }
        if known:
            index.erase_namespaces(seen.keys() - known.keys())
            changed = {
                path: known.get(path, -1)
                for path, version in last_change.items()
                if known.get(path) != version
            }
            self._load_changes(index, changed)
        else:
            index = ItemIndex(self._embedder.dimension, embedded=index.embedded)
            self._load(index, last_change)
        index.seen = last_change
        return index

    def _load_changes(self, index: ItemIndex, changed: dict[str, int]) -> None:
        """Load what changed in these namespaces since the versions that the index has seen."""
        values = {"paths": list(changed), "versions": list(changed.values())}
        rows, removed = self._execute(
            self._statement(_CHANGED.replace("{columns}", index.row_columns), **values),
            self._statement(_REMOVED, **values),
        )
        index.apply(rows, removed)

    def _load(self, index: ItemIndex, paths: Container[str]) -> None:
        """Load all items of these namespaces.

        What others change in the meantime is loaded again afterwards.
        """
        text, last = _LOAD.replace("{columns}", index.row_columns), ("", "")
        while True:
            select = self._statement(text, path=last[0], key=last[1], limit=_BATCH)
            [rows] = self._execute(select)
            index.apply([row for row in rows if row[1] in paths])
            if len(rows) < _BATCH:
                return
            last = rows[-1][1:3]

    def _statement(self, text: str, **values: object) -> Statement:
        return Statement(text.replace("{root}", self._root), {**self._values, **values})

    def _execute(self, *statements: Statement) -> list[Rows]:
        """Return the rows of SELECTs of one moment; check the embedder if vectors are compared."""
        check = [STORED_EMBEDDER] if self._embedded else []
        results = self._connections.run(
            lambda session: session.execute(*statements, *check), self._scope, writes=False
        )
        if check:
            check_embedder(self._embedder, results.pop())
        return results
