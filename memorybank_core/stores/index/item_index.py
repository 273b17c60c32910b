"""Search index of the items under one prefix: their names, versions, times and vectors.

It is a cache, built from the store's rows, and can be dropped at any time. Of the values it has
only the fields by which searches filter: a search reads the rows of the items that it ranks first.

Each change of an item's value or vectors makes a new version of it, which has a number of its own.
Stores number the changes of a namespace (PostgreSQL) or of a file (SQLite) in the order of their
commits, and keep the numbers of removed versions for the last `KEPT` changes.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import NamedTuple

import numpy as np

from memorybank_core.protocols import Array, Vector
from memorybank_core.stores.item_rows import join_vectors
from memorybank_core.stores.rows import Row

from .arrays import GrowingArray
from .field_columns import FieldColumns
from .vectors import VectorIndex

KEPT = 10_000
"""Number of changes for which stores keep the removed versions; an older index is built again."""

Name = tuple[str, str]
"""Path and key of an item."""

Removal = tuple[str | None, int]
"""Path and number of a removed version; the path is None where versions are numbered by file."""

_ROW = np.dtype(
    [("version", "i8"), ("updated", "i8"), ("first", "i8"), ("windows", "i8"), ("alive", "?")]
)
"""The columns of an item: its vectors are `windows` rows from `first` on."""

_NO_NAME = ("", "")  # of a removed item
_NAME_BYTES = 240  # of a tuple, its place in a dict and its strings, without their characters
_MARGIN, _GROWTH = 2, 4
"""Number of vectors to compare for each item first, and how many times more if it was too small."""
_FEWEST_REMOVED = 256  # below this number, the space of removed items is not reused
_REMOVED = 1 / 4  # part of the items beyond which it is reused


class RankedItem(NamedTuple):
    """An item in the order of a search.

    Attributes:
        name: Its path and key.
        version: The version that was ranked.
        score: The best cosine of its vectors; None if it has none, or there is no query.
    """

    name: Name
    version: int
    score: float | None


class ItemIndex:
    """Search index of the items under a prefix. Items have positions in the order of loading.

    Args:
        dimension: Length of the vectors.
        embedded: Whether it holds vectors; if not, it only sorts by the time of the last update.

    Attributes:
        seen: The last change that it holds, by path; None before the first load.
        columns: The fields by which searches filter.
        rows_read: Number of rows that filters have read because a column was missing.
    """

    def __init__(self, dimension: int, *, embedded: bool = False) -> None:
        self.embedded = embedded
        self.seen: dict[str, int] | None = None
        self.columns, self.rows_read = FieldColumns(), 0
        self._names: list[Name] = []
        self._positions: dict[Name, int] = {}
        self._name_bytes = 0
        self._items = GrowingArray(_ROW)
        self._dimension = dimension
        self._vectors = VectorIndex(dimension)
        self._owners = GrowingArray(np.int32)  # the position of each vector's item

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def nbytes(self) -> int:
        """Size of the index in bytes; that of names is estimated."""
        arrays = self._vectors.nbytes + self._owners.nbytes + self._items.nbytes
        return arrays + self._name_bytes + self.columns.nbytes

    @property
    def row_columns(self) -> str:
        """The columns of the rows that `apply` needs."""
        columns = "version, path, key, updated_at" + (", value" if self.columns else "")
        return columns + (", vectors" if self.embedded else "")

    def apply(self, rows: Sequence[Row], removed: Collection[Removal] = ()) -> None:
        """Add or replace items, and remove others.

        Args:
            rows: The `row_columns` of items; the vectors are bytes or None.
            removed: Versions to remove, if they are in the index.
        """
        if removed:
            self._remove(self._find(set(removed)))
        self.erase((row[1], row[2]) for row in rows)
        if rows:
            self._append(rows)

    def erase(self, names: Iterable[Name]) -> None:
        """Remove items by name, and overwrite their vectors."""
        self._remove([self._positions[name] for name in names if name in self._positions])

    def erase_namespaces(self, paths: Collection[str]) -> None:
        """Remove all items of these paths, and overwrite their vectors."""
        if paths:
            self.erase([name for name in self._positions if name[0] in paths])

    def load_columns(self, names: Sequence[Name], values: Mapping[str, Sequence[object]]) -> None:
        """Add columns: the values of each new field, for each of these items."""
        known = [n for n, name in enumerate(names) if name in self._positions]
        positions = np.array([self._positions[names[n]] for n in known], np.int64)
        known_values = {field: [column[n] for n in known] for field, column in values.items()}
        self.columns.load(known_values, positions, len(self._names))
        self.rows_read = 0

    def select(self, conditions: Mapping[str, object]) -> Array:
        """Return which positions may satisfy conditions on fields that have columns, bool."""
        return self.columns.select(conditions, len(self._names))

    def rank(
        self, vector: Vector | None, count: int, selected: Array | None = None
    ) -> list[RankedItem]:
        """Return the first `count` items in the order of a search; see `ItemStore.search`.

        Only those of the positions that are `selected`, bool, if it is not None.
        """
        results: list[RankedItem] = []
        rest = self._rows["alive"] if selected is None else self._rows["alive"] & selected
        if vector is not None and count > 0:
            results = self._rank_nearest(vector, count, None if selected is None else rest)
            if len(results) < count:
                rest = rest & (self._rows["windows"] == 0)
        return results + self._rank_by_time(rest, count - len(results))

    def rank_some(
        self, names: Sequence[Name], vector: Vector | None, count: int
    ) -> list[RankedItem]:
        """Return the first `count` of these items in that order, without those not in the index."""
        known = [self._positions[name] for name in names if name in self._positions]
        positions = np.array(known, np.int64)
        has_score = np.zeros(len(positions), bool)
        results: list[RankedItem] = []
        if vector is not None:
            has_score = self._rows["windows"][positions] > 0
            near = positions[has_score]
            results = self._sort_scored(near, self._compute_cosines(near, vector), count)
        return results + self._sort_unscored(positions[~has_score], count - len(results))

    def _rank_nearest(self, vector: Vector, count: int, selected: Array | None) -> list[RankedItem]:
        """Return the nearest items with vectors; of equally near ones, the last updated."""
        products, size = self._vectors.products(vector), _MARGIN * count
        allowed = None if selected is None else selected[self._owners.values]
        while True:
            windows = products.nearest(size, allowed)
            owners, cosines = self._owners.values[windows], products.at(windows)
            is_alive = self._rows["alive"][owners]
            positions, first = np.unique(owners[is_alive], return_index=True)
            best = cosines[is_alive][first]  # the largest of each item comes first
            is_all = len(windows) < size or size >= len(self._vectors)
            if is_all or np.count_nonzero(best > cosines[-1]) >= count:
                return self._sort_scored(positions, best, count)
            size *= _GROWTH

    def _rank_by_time(self, is_candidate: Array, count: int) -> list[RankedItem]:
        """Return the last updated of these items, bool (n,)."""
        if count < 1:
            return []
        positions = np.flatnonzero(is_candidate)
        if count < len(positions):
            updated = self._rows["updated"][positions]
            positions = positions[updated >= np.partition(updated, -count)[-count]]
        return self._sort_unscored(positions, count)

    def _sort_scored(self, positions: Array, scores: Array, count: int) -> list[RankedItem]:
        order = self._sort(positions, scores)[: max(count, 0)]
        return self._to_ranked(positions[order], scores[order].tolist())

    def _sort_unscored(self, positions: Array, count: int) -> list[RankedItem]:
        order = self._sort(positions, np.zeros(len(positions), np.float32))[: max(count, 0)]
        return self._to_ranked(positions[order], [None] * len(order))

    def _sort(self, positions: Array, scores: Array) -> list[int]:
        """Return the order of items: by score, the highest first, then time, then name."""
        updated = self._rows["updated"][positions]
        order = np.lexsort((-updated, -scores))
        scores, updated = scores[order], updated[order]
        differs = (scores[1:] != scores[:-1]) | (updated[1:] != updated[:-1])
        starts = np.append(0, np.flatnonzero(differs) + 1)
        ends = np.append(starts[1:], len(order))
        sorted_order: list[int] = order.tolist()
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            if end - start > 1:
                ties = sorted_order[start:end]
                ties.sort(key=lambda index: self._names[positions[index]])
                sorted_order[start:end] = ties
        return sorted_order

    def _compute_cosines(self, positions: Array, vector: Vector) -> Array:
        """Return the best cosine of each item, float32; each must have a vector."""
        items = self._rows[positions]
        products = self._vectors.products(vector).at(_vector_rows(items))
        if not len(items):
            return products
        best: Array = np.maximum.reduceat(products, np.cumsum(items["windows"]) - items["windows"])
        return best

    @property
    def _rows(self) -> Array:
        return self._items.values

    def _find(self, removed: Set[Removal]) -> list[int]:
        """Return the positions of these versions of items."""
        is_candidate = np.isin(self._rows["version"], [version for _, version in removed])
        positions = np.flatnonzero(self._rows["alive"] & is_candidate).tolist()
        versions = self._rows["version"][positions].tolist()
        return [
            position
            for position, version in zip(positions, versions, strict=True)
            if not removed.isdisjoint({(None, version), (self._names[position][0], version)})
        ]

    def _append(self, rows: Sequence[Row]) -> None:
        """Add items whose names are not in the index."""
        start = len(self._names)
        for position, row in enumerate(rows, start):
            name = sys.intern(row[1]), row[2]  # many items share a path
            self._names.append(name)
            self._positions[name] = position
            self._name_bytes += _NAME_BYTES + len(row[2])
        new = np.zeros(len(rows), _ROW)
        new["version"] = [row[0] for row in rows]
        new["updated"] = [row[3] for row in rows]
        new["alive"] = True
        if self.columns:
            self.columns.extend([row[4] for row in rows])
        if self.embedded:
            vectors, new["windows"] = join_vectors([row[-1] for row in rows], self._dimension)
            new["first"] = len(self._vectors) + np.cumsum(new["windows"]) - new["windows"]
            self._vectors.extend(vectors)
            self._owners.extend(np.repeat(np.arange(start, start + len(rows)), new["windows"]))
        self._items.extend(new)

    def _remove(self, positions: Sequence[int]) -> None:
        if not positions:
            return
        for position in positions:
            name = self._names[position]
            del self._positions[name]
            self._name_bytes -= _NAME_BYTES + len(name[1])
            self._names[position] = _NO_NAME
        self._rows["alive"][positions] = False
        self.columns.remove(positions)
        self._vectors.erase(_vector_rows(self._rows[positions]))
        removed = len(self._names) - len(self)
        if removed > max(_FEWEST_REMOVED, _REMOVED * len(self._names)):
            self._reuse_space()

    def _reuse_space(self) -> None:
        """Drop the rows and vectors of removed items."""
        kept = self._rows["alive"].copy()
        self._vectors.compress(np.repeat(kept, self._rows["windows"]))
        self._items.compress(kept)
        self.columns.compress(kept)
        windows = self._rows["windows"]
        self._rows["first"] = np.cumsum(windows) - windows
        self._owners = GrowingArray(np.int32)
        self._owners.extend(np.repeat(np.arange(len(windows)), windows))
        self._names = [self._names[position] for position in np.flatnonzero(kept)]
        self._positions = {name: n for n, name in enumerate(self._names)}

    def _to_ranked(self, positions: Array, scores: Sequence[float | None]) -> list[RankedItem]:
        names = [self._names[position] for position in positions.tolist()]
        return list(map(RankedItem, names, self._rows["version"][positions].tolist(), scores))


def _vector_rows(items: Array) -> Array:
    """Return the row numbers of the vectors of these items, item by item."""
    windows = items["windows"]
    offsets = np.repeat(items["first"] - (np.cumsum(windows) - windows), windows)
    rows: Array = offsets + np.arange(len(offsets))
    return rows
