"""Index of the metadata of one user's memories, by which a search selects them (`where`).

For each top-level key it holds the positions of the memories that have it, and the codes of their
values. A condition is compared with the distinct values of its key, not with every memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from memorybank_core.conditions import matches_missing
from memorybank_core.protocols import Array

from .arrays import GrowingArray
from .distinct_values import VALUE_BYTES, DistinctValues


class MetadataIndex:
    """Index of metadata; positions 0..n-1 are in the order of adding."""

    def __init__(self) -> None:
        self._keys: dict[str, _KeyIndex] = {}

    @property
    def nbytes(self) -> int:
        """Size of the index in bytes; that of values is estimated."""
        return sum(VALUE_BYTES + index.nbytes for index in self._keys.values())

    def extend(self, codes: Array, texts: Sequence[str], start: int) -> None:
        """Add memories.

        Args:
            codes: int (n,); position of each memory's metadata in `texts`, negative for none.
            texts: Metadata as JSON.
            start: The position of the first memory.
        """
        tables: dict[str, Array] = {}
        used = np.unique(codes[codes >= 0]).tolist()
        parsed = [(code, json.loads(texts[code]).items()) for code in used]  # before any change
        for code, values in parsed:
            for key, value in values:
                if key not in tables:
                    tables[key] = np.full(len(texts) + 1, -1, np.int32)  # the last: no metadata
                tables[key][code] = self._keys.setdefault(key, _KeyIndex()).add_value(value)
        for key, table in tables.items():
            self._keys[key].extend(table[codes], start)

    def truncate(self, size: int) -> None:
        """Drop all memories but the first `size`, and values that no memory has."""
        for index in self._keys.values():
            index.truncate(size)
        self._keys = {key: index for key, index in self._keys.items() if len(index)}

    def select(self, where: Mapping[str, Any], size: int) -> Array:
        """Return which of `size` memories satisfy all conditions, bool (size,)."""
        selected = np.ones(size, bool)
        for key, condition in where.items():
            selects = np.full(size, matches_missing(condition))
            if key in self._keys:
                self._keys[key].select(condition, selects)
            selected &= selects
        return selected


class _KeyIndex:
    """The values of one key: the positions of memories that have it, ascending, with codes."""

    def __init__(self) -> None:
        self._distinct = DistinctValues()
        self._positions, self._values = GrowingArray(np.int32), GrowingArray(np.int32)

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def nbytes(self) -> int:
        return self._positions.nbytes + self._values.nbytes + self._distinct.nbytes

    def add_value(self, value: Any) -> int:
        """Return the code of a value, which may be new."""
        return self._distinct.add(value)

    def extend(self, codes: Array, start: int) -> None:
        """Add memories with these codes, negative for those without the key."""
        positions = np.flatnonzero(codes >= 0)
        self._positions.extend(positions + start)
        self._values.extend(codes[positions])

    def truncate(self, size: int) -> None:
        kept = int(np.searchsorted(self._positions.values, size))
        self._positions.truncate(kept)
        self._values.truncate(kept)
        values = self._values.values
        used, values[:] = np.unique(values, return_inverse=True)
        self._distinct.keep(used.tolist())

    def select(self, condition: Any, selects: Array) -> None:
        """Set `selects` at the positions of memories with this key, bool."""
        accepted = self._distinct.accept(condition)
        selects[self._positions.values] = accepted[self._values.values]
