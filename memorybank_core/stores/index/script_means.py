"""Mean vector of each script, without which cosines compare topics rather than languages.

Embedders give all texts of one language a common direction, and texts of another language another
one, so that plain cosines compare languages more than topics. Subtracting the mean vector of each
language leaves the topics (Libovický et al. 2020, "On the Language Neutrality of Pre-trained
Multilingual Representations"). The script of a text stands for its language.
"""

from __future__ import annotations

import numpy as np

from memorybank_core.protocols import Array, Matrix, Vector
from memorybank_core.search.traits import ALL_SCRIPTS, SCRIPTS

from .vectors import inner_products

_PRIOR = 20  # pseudo-count that shrinks a script's mean to the user's mean, and that to zero
_GROUPS = ALL_SCRIPTS // SCRIPTS[0] + 1


def script_groups(flags: Array) -> Array:
    """Return the group of each memory, int (n,): which scripts it is written in, from its flags."""
    groups: Array = (flags & ALL_SCRIPTS) // SCRIPTS[0]
    return groups


class ScriptMeans:
    """Mean vector of a user's memories in each script or combination of scripts.

    A memory counts once, whatever the number of its windows, so that one long text is not the mean.
    """

    def __init__(self, dimension: int) -> None:
        self._sums = np.zeros((_GROUPS, dimension))
        self._counts = np.zeros(_GROUPS, np.int64)
        self._means: dict[int, Array] = {}  # those that were needed since the last change

    @property
    def nbytes(self) -> int:
        """Size of the arrays in bytes."""
        return 2 * self._sums.nbytes + self._counts.nbytes  # with the means, at most

    @property
    def groups(self) -> list[int]:
        """The groups that have memories."""
        return [group for group, count in enumerate(self._counts.tolist()) if count]

    @property
    def scripts(self) -> list[int]:
        """The flags of the scripts that memories are written in."""
        used = self.groups
        return [script for script in SCRIPTS if any(g * SCRIPTS[0] & script for g in used)]

    def add(self, vectors: Matrix, windows: Array | None, flags: Array) -> None:
        """Count memories in.

        Args:
            vectors: Their vectors, memory by memory, float32 (sum of `windows`, d).
            windows: The number of vectors of each; None for one each.
            flags: Their flags; see `search.traits`.
        """
        self._count(vectors, windows, flags, 1)

    def remove(self, vectors: Matrix, windows: Array | None, flags: Array) -> None:
        """Count memories out; the arguments are those of `add`."""
        self._count(vectors, windows, flags, -1)

    def _count(self, vectors: Matrix, windows: Array | None, flags: Array, sign: int) -> None:
        if windows is not None:
            starts = np.cumsum(windows) - windows
            sums = np.add.reduceat(vectors, starts, axis=0, dtype=np.float64)
            vectors = (sums / windows[:, None]).astype(np.float32)
        self._means.clear()
        groups = script_groups(flags)
        for group in np.unique(groups):  # sums of float32 in float64: any order gives the same
            rows = groups == group
            self._sums[group] += sign * vectors[rows].sum(axis=0, dtype=np.float64)
            self._counts[group] += sign * np.count_nonzero(rows)

    def centre(self, query: Vector, scripts: int) -> Vector:
        """Return a query without the mean of its scripts, float32 (d,) of unit length.

        Args:
            query: The query's vector.
            scripts: The scripts that it is written in, as flags.
        """
        centred = query - self._mean((scripts & ALL_SCRIPTS) // SCRIPTS[0])
        length = float(np.linalg.norm(centred))
        return (centred / length if length else centred).astype(np.float32)

    def cosines(self, vectors: Matrix, groups: Array, query: Vector) -> Array:
        """Return the cosines of a centred query to vectors without the mean of their group.

        Args:
            vectors: float32 (n, d), of unit length.
            groups: The group of each, int (n,).
            query: The query from `centre`.
        """
        cosines = inner_products(vectors, query).astype(np.float64)
        present = self.groups
        for group in present:
            of_group = slice(None) if len(present) == 1 else (groups == group).nonzero()[0]
            rows, mean = vectors[of_group], self._mean(group)
            along = inner_products(rows, mean.astype(np.float32)).astype(np.float64)
            lengths = np.sqrt(np.maximum(1.0 - 2.0 * along + mean @ mean, 1e-6))
            cosines[of_group] = (cosines[of_group] - query @ mean) / lengths
        return cosines

    def _mean(self, group: int) -> Array:
        """Return the mean of a group, shrunk to the user's mean, which is shrunk to zero."""
        known = self._means.get(group)
        if known is not None:
            return known
        mean = self._sums.sum(axis=0) / (int(self._counts.sum()) + _PRIOR)
        result: Array = (self._sums[group] + _PRIOR * mean) / (self._counts[group] + _PRIOR)
        self._means[group] = result
        return result
