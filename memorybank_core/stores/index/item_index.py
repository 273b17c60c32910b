"""Search index of the items under one prefix: their names, versions, times and vectors.

It is a cache, built from the store's rows, and can be dropped at any time. Values are not in it: a
search reads the rows of the items that it ranks first.

Each change of an item's value or vectors gives it a new version, so that a version identifies one
state of one item. Stores number the changes of a namespace (PostgreSQL) or of a file (SQLite) in
the order of their commits, and keep the versions of removed states for the last `KEPT` changes.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence, Set
from typing import NamedTuple

import faiss
import numpy as np

from memorybank_core.protocols import Array, Matrix, Vector
from memorybank_core.stores.item_rows import best_cosines
from memorybank_core.stores.rows import Row

KEPT = 10_000
"""Number of changes for which stores keep the removed versions; an older index is built again."""

Name = tuple[str, str]
"""Path and key of an item."""

Removal = tuple[str | None, int]
"""Path and version of a removed state; the path is None where versions are numbered by file."""

_ROW = np.dtype(
    [("version", "i8"), ("updated", "i8"), ("first", "i8"), ("windows", "i8"), ("alive", "?")]
)
"""The columns of an item: its vectors are `windows` rows from `first` on."""

_NO_NAME = ("", "")  # of a removed item
_ROUNDING = 1e-5  # how far two ways to compute a cosine in single precision may differ
_NAME_BYTES = 240  # of a tuple, its place in a dict and its strings, without their characters
_BATCH = 4_096  # items whose vectors are copied at a time
_FEWEST_REMOVED = 256  # below this number, the space of removed items is not reused


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
    """

    def __init__(self, dimension: int, *, embedded: bool = False) -> None:
        self.embedded = embedded
        self.seen: dict[str, int] | None = None
        self._names: list[Name] = []
        self._positions: dict[Name, int] = {}
        self._name_bytes = 0
        self._rows = np.zeros(0, _ROW)
        self._vectors = faiss.IndexFlatIP(dimension)

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def nbytes(self) -> int:
        """Size of the index in bytes; that of names is estimated."""
        vectors = self._vectors.ntotal * self._vectors.d * 4
        return vectors + self._rows.nbytes + self._name_bytes

    def apply(self, rows: Sequence[Row], removed: Collection[Removal] = ()) -> None:
        """Add or replace items, and remove others.

        Args:
            rows: Version, path, key, time of the last update, and the vectors (bytes or None) if
                the index is `embedded`.
            removed: States to remove, if they are in the index.
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

    def rank(self, vector: Vector | None, count: int) -> list[RankedItem]:
        """Return the first `count` items in the order of a search; see `ItemStore.search`."""
        rest = self._rows["alive"]
        results: list[RankedItem] = []
        if vector is not None:
            near = rest & (self._rows["windows"] > 0)
            rest = rest & (self._rows["windows"] == 0)
            results = self._rank_by_cosine(np.flatnonzero(near), vector, count)
        return results + self._rank_by_time(np.flatnonzero(rest), count - len(results))

    def _rank_by_cosine(self, near: Array, vector: Vector, count: int) -> list[RankedItem]:
        """Return the nearest of items with vectors; of equally near ones, the last updated."""
        if count < 1 or not len(near):
            return []
        if count < len(near):
            best = self._estimate_cosines(vector)[near]
            near = near[best >= np.partition(best, -count)[-count] - _ROUNDING]
        cosines = self._compute_cosines(near, vector)
        order = self._sort(near, cosines)[:count]
        return self._to_ranked(near[order], cosines[order].tolist())

    def _rank_by_time(self, positions: Array, count: int) -> list[RankedItem]:
        """Return the last updated items."""
        if count < 1 or not len(positions):
            return []
        if count < len(positions):
            updated = self._rows["updated"][positions]
            positions = positions[updated >= np.partition(updated, -count)[-count]]
        order = self._sort(positions, np.zeros(len(positions), np.float32))[:count]
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

    def _estimate_cosines(self, vector: Vector) -> Array:
        """Return the best cosine of each position, except for rounding; -inf without vectors."""
        best = np.full(len(self._rows), -np.inf, np.float32)
        positions = np.flatnonzero(self._rows["windows"])
        cosines = _view_vectors(self._vectors) @ vector
        best[positions] = np.maximum.reduceat(cosines, self._rows["first"][positions])
        return best

    def _compute_cosines(self, positions: Array, vector: Vector) -> Array:
        """Return the best cosine of each item, see `best_cosines`."""
        exact = np.zeros(len(positions), np.float32)
        vectors = _view_vectors(self._vectors)
        for start in range(0, len(positions), _BATCH):
            items = self._rows[positions[start : start + _BATCH]]
            windows = items["windows"]
            rows = np.repeat(items["first"] - (np.cumsum(windows) - windows), windows)
            near = vectors[rows + np.arange(len(rows))]
            exact[start : start + _BATCH] = best_cosines(near, windows, vector)
        return exact

    def _find(self, states: Set[Removal]) -> list[int]:
        """Return the positions of these states of items."""
        is_candidate = np.isin(self._rows["version"], [version for _, version in states])
        positions = np.flatnonzero(self._rows["alive"] & is_candidate).tolist()
        versions = self._rows["version"][positions].tolist()
        return [
            position
            for position, version in zip(positions, versions, strict=True)
            if not states.isdisjoint({(None, version), (self._names[position][0], version)})
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
        if self.embedded:
            vectors = np.frombuffer(b"".join(row[4] or b"" for row in rows), np.float32)
            new["windows"] = [len(row[4] or b"") // (4 * self._vectors.d) for row in rows]
            new["first"] = self._vectors.ntotal + np.cumsum(new["windows"]) - new["windows"]
            self._vectors.add(vectors.reshape(-1, self._vectors.d))
        self._rows = np.append(self._rows, new)

    def _remove(self, positions: Sequence[int]) -> None:
        for position in positions:
            name = self._names[position]
            del self._positions[name]
            self._name_bytes -= _NAME_BYTES + len(name[1])
            self._names[position] = _NO_NAME
            first, windows = self._rows["first"][position], self._rows["windows"][position]
            _view_vectors(self._vectors)[first : first + windows] = 0
            self._rows["alive"][position] = False
        if len(self._names) - len(self) > max(_FEWEST_REMOVED, len(self)):
            self._reuse_space()

    def _reuse_space(self) -> None:
        """Drop the rows and vectors of removed items."""
        kept = np.flatnonzero(self._rows["alive"])
        keeps_vector = np.repeat(self._rows["alive"], self._rows["windows"])
        vectors = faiss.IndexFlatIP(self._vectors.d)
        vectors.add(_view_vectors(self._vectors)[keeps_vector])
        self._vectors, self._rows = vectors, self._rows[kept]
        self._rows["first"] = np.cumsum(self._rows["windows"]) - self._rows["windows"]
        self._names = [self._names[position] for position in kept]
        self._positions = {name: n for n, name in enumerate(self._names)}

    def _to_ranked(self, positions: Array, scores: Sequence[float | None]) -> list[RankedItem]:
        names = [self._names[position] for position in positions.tolist()]
        return list(map(RankedItem, names, self._rows["version"][positions].tolist(), scores))


def _view_vectors(index: faiss.IndexFlatIP) -> Matrix:
    """Return the vectors of a flat index, (n, d), as a view: valid until the next `add`."""
    if not index.ntotal:
        return np.zeros((0, index.d), np.float32)
    view: Matrix = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    return view.reshape(index.ntotal, index.d)
