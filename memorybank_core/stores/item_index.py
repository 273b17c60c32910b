"""Search index of the items under one prefix: their names, versions, times and vectors.

It is a cache, built from the store's rows, and can be dropped at any time. Values are not in it: a
search reads the rows of the items that it ranks first.

Each change of an item's value or vectors gives it a new version, so that a version identifies one
state of one item. Stores number the changes of a root (PostgreSQL) or of a file (SQLite) in the
order of their commits, and keep the versions of removed states for the last `KEPT` changes.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import faiss
import numpy as np

from memorybank_core.protocols import Array, Matrix, Vector

from .rows import Row

KEPT = 10_000
"""Number of changes for which stores keep the removed versions; an older index is built again."""

Name = tuple[str, str]
"""Path and key of an item."""

_ROW = np.dtype(
    [("version", "i8"), ("updated", "i8"), ("first", "i8"), ("windows", "i8"), ("alive", "?")]
)
"""The columns of an item: its vectors are `windows` rows from `first` on."""

_ROUNDING = 1e-5  # how far two ways to compute a cosine in single precision may differ
_NAME_BYTES = 240  # of a tuple, its place in a dict and its strings, without their characters
_FEWEST_REMOVED = 256  # below this number, the space of removed items is not reused


@dataclass(frozen=True, slots=True)
class RankedItem:
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
        seen: The last change that it holds, by root; None before the first load.
    """

    def __init__(self, dimension: int, *, embedded: bool) -> None:
        self.embedded, self.seen = embedded, None
        self.seen: dict[str, int] | None = None
        self._names: list[Name | None] = []  # None: removed
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

    def apply(self, rows: Sequence[Row], removed: Collection[int] = ()) -> None:
        """Add or replace items, and remove others.

        Args:
            rows: Version, path, key, time of the last update, and the vectors (bytes or None) if
                the index is `embedded`.
            removed: Versions to remove.
        """
        if removed:
            is_removed = self._rows["alive"] & np.isin(self._rows["version"], list(removed))
            self._remove(np.flatnonzero(is_removed).tolist())
        self.erase((row[1], row[2]) for row in rows)
        if rows:
            self._append(rows)

    def erase(self, names: Iterable[Name]) -> None:
        """Remove items by name, and overwrite their vectors."""
        self._remove([self._positions[name] for name in names if name in self._positions])

    def rank(self, vector: Vector | None, count: int) -> Iterator[RankedItem]:
        """Yield the first `count` items in the order of a search; see `ItemStore.search`."""
        alive = self._rows["alive"]
        if vector is not None and self._vectors.ntotal:
            near = np.flatnonzero(alive & (self._rows["windows"] > 0))
            alive = alive & (self._rows["windows"] == 0)
            if len(near):
                yield from self._rank_by_cosine(near, vector, count)
                count -= len(near)
        if count > 0:
            yield from self._rank_by_time(np.flatnonzero(alive), count)

    def _rank_by_cosine(self, near: Array, vector: Vector, count: int) -> Iterator[RankedItem]:
        """Yield the items nearest to a vector; those as near, by time."""
        with_vectors = np.flatnonzero(self._rows["windows"])
        cosines = _view_vectors(self._vectors) @ vector
        best = np.full(len(self._rows), -np.inf, np.float32)
        best[with_vectors] = np.maximum.reduceat(cosines, self._rows["first"][with_vectors])
        if count < len(near):
            limit = np.partition(best[near], -count)[-count] - _ROUNDING
            near = near[best[near] >= limit]
        exact = self._compute_cosines(near, vector)
        order = self._sort(near, exact)[:count]
        for index in order:
            yield self._to_ranked(int(near[index]), float(exact[index]))

    def _rank_by_time(self, positions: Array, count: int) -> Iterator[RankedItem]:
        """Yield the items that were updated last."""
        if count < len(positions):
            updated = self._rows["updated"][positions]
            positions = positions[updated >= np.partition(updated, -count)[-count]]
        for index in self._sort(positions, np.zeros(len(positions), np.float32))[:count]:
            yield self._to_ranked(int(positions[index]), None)

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
                ties.sort(key=lambda index: self._names[positions[index]] or ("", ""))
                sorted_order[start:end] = ties
        return sorted_order

    def _compute_cosines(self, positions: Array, vector: Vector) -> Array:
        """Return the best cosine of each item, rounded to float32, so that equal ones are equal."""
        first, windows = self._rows["first"][positions], self._rows["windows"][positions]
        starts = np.cumsum(windows) - windows
        rows = np.repeat(first - starts, windows) + np.arange(windows.sum())
        vectors = _view_vectors(self._vectors)[rows].astype(np.float64)
        cosines: Array = np.maximum.reduceat(vectors @ vector.astype(np.float64), starts)
        return cosines.astype(np.float32)

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
            if name is not None:
                del self._positions[name]
                self._name_bytes -= _NAME_BYTES + len(name[1])
            self._names[position] = None
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
        self._positions = {name: n for n, name in enumerate(self._names) if name is not None}

    def _to_ranked(self, position: int, score: float | None) -> RankedItem:
        name = self._names[position]
        assert name is not None
        return RankedItem(name, int(self._rows["version"][position]), score)


def _view_vectors(index: faiss.IndexFlatIP) -> Matrix:
    """Return the vectors of a flat index, (n, d), as a view: valid until the next `add`."""
    if not index.ntotal:
        return np.zeros((0, index.d), np.float32)
    view: Matrix = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    return view.reshape(index.ntotal, index.d)
