"""Columns of the fields of items by which searches filter, so that they do not read every value.

A column is loaded when the first filter needs it, and follows the changes of the index. It may
accept more items than the filter does, but never fewer: long values are not in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from memorybank_core.item_filter import find_field
from memorybank_core.protocols import Array

from .arrays import GrowingArray
from .distinct_values import DistinctValues

_MOST_FIELDS = 16
"""Maximum number of columns; those loaded first are dropped."""
_LONGEST = 256  # characters of a value in a column
_UNKNOWN = -1


class FieldColumns:
    """Columns of fields; the positions are those of the index."""

    def __init__(self) -> None:
        self._columns: dict[str, _FieldColumn] = {}

    def __bool__(self) -> bool:
        return bool(self._columns)

    @property
    def nbytes(self) -> int:
        """Size of the columns in bytes; that of values is estimated."""
        return sum(column.nbytes for column in self._columns.values())

    def lack(self, names: Sequence[str]) -> list[str]:
        """Return which of these fields have no column."""
        return [name for name in names if name not in self._columns]

    def load(self, values: Mapping[str, Sequence[Any]], positions: Array, size: int) -> None:
        """Add columns.

        Args:
            values: The values of each new field.
            positions: The position of each value.
            size: Number of positions of the index.
        """
        for name, column_values in values.items():
            column = self._columns[name] = _FieldColumn()
            column.codes.extend(np.full(size, _UNKNOWN, np.int32))
            column.codes.values[positions] = [column.encode(value) for value in column_values]
        for name in list(self._columns)[: -_MOST_FIELDS or None]:
            del self._columns[name]

    def extend(self, texts: Sequence[str]) -> None:
        """Add the values of new items, as JSON."""
        if not self._columns:
            return
        values = [_parse(text) for text in texts]
        for name, column in self._columns.items():
            codes = [column.encode(find_field(value, name)) for value in values]
            column.codes.extend(np.array(codes, np.int32))

    def remove(self, positions: Sequence[int]) -> None:
        """Remove the values of removed items."""
        for column in self._columns.values():
            column.remove(positions)

    def compress(self, kept: Array) -> None:
        """Drop all positions but those that are `kept`, bool (n,)."""
        for column in self._columns.values():
            column.compress(kept)

    def select(self, conditions: Mapping[str, Any], size: int) -> Array:
        """Return which positions may satisfy all conditions, bool (size,); all need columns."""
        selected = np.ones(size, bool)
        for name, condition in conditions.items():
            selected &= self._columns[name].select(condition)
        return selected


class _FieldColumn:
    """The values of one field, as codes of its distinct values.

    Attributes:
        codes: The code of each item's value, int32; negative if it is unknown.
    """

    def __init__(self) -> None:
        self.codes = GrowingArray(np.int32)
        self._distinct = DistinctValues()
        self._counts: list[int] = []

    @property
    def nbytes(self) -> int:
        return self.codes.nbytes + self._distinct.nbytes + 8 * len(self._counts)

    def encode(self, value: Any) -> int:
        """Return the code of a value, which is counted."""
        if _is_long(value):
            return _UNKNOWN
        code = self._distinct.add(value)
        if code == len(self._counts):
            self._counts.append(0)
        self._counts[code] += 1
        return code

    def remove(self, positions: Sequence[int]) -> None:
        codes = self.codes.values
        for code in codes[positions].tolist():
            if code >= 0:
                self._counts[code] -= 1
                if not self._counts[code]:
                    self._distinct.remove(code)
        codes[positions] = _UNKNOWN

    def compress(self, kept: Array) -> None:
        self.codes.compress(kept)
        codes = self.codes.values
        known = codes >= 0
        used, codes[known] = np.unique(codes[known], return_inverse=True)
        self._counts = [self._counts[code] for code in used.tolist()]
        self._distinct.keep(used.tolist())

    def select(self, condition: Any) -> Array:
        """Return which items may satisfy a condition, bool (n,)."""
        accepted = np.append(self._distinct.accept(condition), True)  # the last: unknown
        selected: Array = accepted[self.codes.values]
        return selected


def _is_long(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) > _LONGEST
    return isinstance(value, (dict, list)) and len(json.dumps(value)) > _LONGEST


def _parse(text: str) -> Any:
    """Return a JSON value, or None if the text is damaged."""
    try:
        return json.loads(text)
    except ValueError:
        return None
