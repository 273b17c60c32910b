"""Arrays that grow at their end, and the largest values of an array or of its groups."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from memorybank_core.protocols import Array

_HEADROOM = 8  # a reserved array has room for one part in eight more


class GrowingArray:
    """Array that grows at its end; its capacity doubles, so that most additions copy nothing else.

    Args:
        dtype: Type of the values.
        width: Length of each row, or None for an array of one dimension.
    """

    def __init__(self, dtype: npt.DTypeLike, width: int | None = None) -> None:
        self._data: Array = np.empty((0,) if width is None else (0, width), dtype)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def values(self) -> Array:
        """The values, as a view that is valid until the next change."""
        return self._data[: self._size]

    @property
    def nbytes(self) -> int:
        """Size of the values in bytes; unused capacity takes no memory until it is written."""
        return self.values.nbytes

    @property
    def capacity(self) -> int:
        """Number of values for which there is room."""
        return len(self._data)

    def reserve(self, size: int) -> None:
        """Make room for `size` values in all, and some more."""
        if size > len(self._data):
            data = np.empty((size + size // _HEADROOM, *self._data.shape[1:]), self._data.dtype)
            data[: self._size] = self.values
            self._data = data

    def extend(self, values: Array) -> None:
        """Append values."""
        size = self._size + len(values)
        if size > len(self._data):
            self.reserve(max(size, 2 * self._size))
        self._data[self._size : size] = values
        self._size = size

    def truncate(self, size: int) -> None:
        """Drop all values but the first `size`."""
        self._size = size

    def compress(self, kept: Array) -> None:
        """Drop all values but those that are `kept`, bool (n,)."""
        self._data = self.values[kept]
        self._size = len(self._data)


def largest(values: Array, count: int) -> Array:
    """Return the positions of the largest values, largest first; ties go to the first position."""
    if count < len(values):
        limit = np.partition(values, -count)[-count]
        above, equal = np.flatnonzero(values > limit), np.flatnonzero(values == limit)
        positions = np.append(above, equal[: count - len(above)])
    else:
        positions = np.arange(len(values))
    ordered: Array = positions[np.argsort(-values[positions], kind="stable")]
    return ordered


def largest_of_groups(values: Array, counts: Array | None) -> tuple[Array, Array]:
    """Return the largest value of each group, float64 (n,), and its first position in `values`.

    Args:
        values: The values, group by group.
        counts: Number of values of each group, at least 1; None if each has one.
    """
    if counts is None:
        return values.astype(np.float64), np.arange(len(values))
    best = np.maximum.reduceat(values, np.cumsum(counts) - counts)
    positions = np.flatnonzero(values == np.repeat(best, counts))
    groups = np.repeat(np.arange(len(counts)), counts)[positions]
    return best.astype(np.float64), positions[np.unique(groups, return_index=True)[1]]
