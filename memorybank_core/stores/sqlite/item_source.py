"""Read the items under a prefix, and what changed since an index was loaded.

Triggers of the table number the changes, so that any program may write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from memorybank_core.protocols import Namespace
from memorybank_core.stores.index.item_index import KEPT, ItemIndex, RankedItem
from memorybank_core.stores.item_rows import ITEM_COLUMNS, item_name, path_range
from memorybank_core.stores.rows import Row, to_micros
from memorybank_core.stores.rules import ExpectedEmbedder

from .connections import Connections
from .intact_rows import convert_rows, recover, select_intact
from .reading import check_embedder, select_in

ALIVE = "(expires_at IS NULL OR expires_at > ?)"
"""The condition that an item has not expired."""
UNDER = f"path >= ? AND path < ? AND {ALIVE}"
"""The condition that an item is under a prefix and has not expired."""

_REMOVED = "SELECT removed FROM item_changes WHERE version > ? AND removed IS NOT NULL"
_BATCH = 4_096  # rows of which the vectors are copied at a time


class LocalItemSource:
    """The `ItemSource` of a prefix; triggers of the table number its changes."""

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
        self._range, self._now = path_range(prefix), to_micros(now)

    def read(self, items: Sequence[RankedItem]) -> tuple[dict[str, int], list[Row]]:
        """Return the last change, and the rows of items; see `ItemSource`."""
        select = f"SELECT version, {ITEM_COLUMNS} FROM items WHERE {ALIVE}"
        versions = [item.version for item in items]
        with self._read() as db:
            rows = _read_rows(db, lambda: select_in(db, select, (self._now,), "version", versions))
            return _read_last_change(db), rows

    def filter(self, accepts: Callable[[Row], bool]) -> tuple[dict[str, int], list[Row]]:
        """Return the last change, and the accepted rows of all items; see `ItemSource`."""
        select = f"SELECT version, {ITEM_COLUMNS} FROM items WHERE {UNDER}"
        with self._read() as db:
            values = (*self._range, self._now)

            def read() -> list[Row]:
                return [row for row in db.execute(select, values) if accepts(row)]

            def read_carefully() -> list[Row]:
                rows = select_intact(db, db.execute(select, values), tuple, _name)
                return [row for row in rows if accepts(row)]

            return _read_last_change(db), recover(db, read, read_carefully)

    def read_all(self) -> Iterator[Row]:
        """Yield the rows of all items; see `ItemSource`."""
        columns = ITEM_COLUMNS + (", vectors" if self._embedded else "")
        select = f"SELECT {columns} FROM items WHERE {UNDER} ORDER BY path, key"
        with self._read() as db:
            yield from convert_rows(
                db, lambda: db.execute(select, (*self._range, self._now)), tuple, item_name
            )

    def refresh(self, index: ItemIndex) -> ItemIndex:
        """Load what changed; see `ItemSource`."""
        under = "path >= ? AND path < ?"
        with self._read() as db:
            last_change = _read_last_change(db)
            seen = -KEPT - 1 if index.seen is None else index.seen[""]
            if 0 <= last_change[""] - seen <= KEPT:
                changed = f"SELECT {index.row_columns} FROM items INDEXED BY items_by_version"
                values = seen, *self._range
                select = f"{changed} WHERE version > ? AND {under}"
                rows = _read_rows(db, lambda: db.execute(select, values))
                removed = db.execute(_REMOVED, (seen,))
                index.apply(rows, [(None, version) for (version,) in removed])
            else:
                index = self._load(db, index)
        index.seen = last_change
        return index

    def _load(self, db: sqlite3.Connection, old: ItemIndex) -> ItemIndex:
        """Return a new index of all items, like `old`."""
        select = f"SELECT {old.row_columns} FROM items WHERE path >= ? AND path < ?"

        def load() -> ItemIndex:
            index = ItemIndex(self._embedder.dimension, embedded=old.embedded)
            cursor = db.execute(select, self._range)
            while rows := cursor.fetchmany(_BATCH):
                index.apply(rows)
            return index

        def load_carefully() -> ItemIndex:
            index = ItemIndex(self._embedder.dimension, embedded=old.embedded)
            index.apply(list(select_intact(db, db.execute(select, self._range), tuple, _name)))
            return index

        return recover(db, load, load_carefully)

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; check the embedder if vectors are compared."""
        with self._connections.read() as db:
            if self._embedded:
                check_embedder(self._embedder, db)
            yield db


def _read_rows(db: sqlite3.Connection, select: Callable[[], Iterable[Row]]) -> list[Row]:
    """Return the rows of a statement whose texts are UTF-8."""
    return convert_rows(db, select, tuple, _name)


def _name(row: Row) -> str:
    """Return how a report names a row that begins with version, path and key."""
    return item_name(row[1:])


def _read_last_change(db: sqlite3.Connection) -> dict[str, int]:
    (version,) = db.execute("SELECT coalesce(max(version), 0) FROM item_changes").fetchone()
    return {"": version}
