"""Index of the metadata of one user's memories, by which a search selects them (`where`).

For each top-level key it holds the positions of the memories that have it, and the codes of their
values. A condition is compared with the distinct values of its key, not with every memory.
"""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from memorybank_core.conditions import matches_missing, matches_value
from memorybank_core.metadata import to_text
from memorybank_core.protocols import Array

from .arrays import GrowingArray

_VALUE_BYTES = 150  # of a place in a dict with its code, about
_REMEMBERED = 8  # conditions of a key whose result is kept

_Value = tuple[str, Any]
"""A value as the key of a dict, in which 1 and 1.0 are equal and 1 and true are not."""


class MetadataIndex:
    """Index of metadata; positions 0..n-1 are in the order of adding."""

    def __init__(self) -> None:
        self._keys: dict[str, _KeyIndex] = {}

    @property
    def nbytes(self) -> int:
        """Size of the index in bytes; that of values is estimated."""
        return sum(_VALUE_BYTES + index.nbytes for index in self._keys.values())

    def extend(self, codes: Array, texts: Sequence[str], start: int) -> None:
        """Add memories.

        Args:
            codes: int (n,); position of each memory's metadata in `texts`, negative for none.
            texts: Metadata as JSON.
            start: The position of the first memory.
        """
        tables: dict[str, Array] = {}
        for code in np.unique(codes[codes >= 0]).tolist():
            for key, value in json.loads(texts[code]).items():
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
        self._codes: dict[_Value, int] = {}
        self._positions, self._values = GrowingArray(np.int32), GrowingArray(np.int32)
        self._value_bytes = 0
        self._accepted: OrderedDict[str, Array] = OrderedDict()  # by condition

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def nbytes(self) -> int:
        accepted = sum(table.nbytes for table in self._accepted.values())
        return self._positions.nbytes + self._values.nbytes + self._value_bytes + accepted

    def add_value(self, value: Any) -> int:
        """Return the code of a value, which may be new."""
        identity = _identify(value)
        if identity not in self._codes:
            self._codes[identity] = len(self._codes)
            self._value_bytes += _VALUE_BYTES + sys.getsizeof(identity[1])
        return self._codes[identity]

    def extend(self, codes: Array, start: int) -> None:
        """Add memories with these codes, negative for those without the key."""
        positions = np.flatnonzero(codes >= 0)
        self._positions.extend(positions + start)
        self._values.extend(codes[positions])

    def truncate(self, size: int) -> None:
        kept = int(np.searchsorted(self._positions.values, size))
        self._positions.truncate(kept)
        self._values.truncate(kept)
        values, old = self._values.values, list(self._codes)
        used, values[:] = np.unique(values, return_inverse=True)
        self._codes, self._value_bytes = {}, 0
        for code in used.tolist():
            self._codes[old[code]] = len(self._codes)
            self._value_bytes += _VALUE_BYTES + sys.getsizeof(old[code][1])
        self._accepted.clear()

    def select(self, condition: Any, selects: Array) -> None:
        """Set `selects` at the positions of memories with this key, bool."""
        accepted = self._accept(condition)
        selects[self._positions.values] = accepted[self._values.values]

    def _accept(self, condition: Any) -> Array:
        """Return which values satisfy a condition, bool, by code."""
        accepted = np.zeros(len(self._codes), bool)
        if (equal := _equal_values(condition)) is not None:
            codes = [self._codes.get(_identify(value), -1) for value in equal]
            accepted[[code for code in codes if code >= 0]] = True
            return accepted
        name = to_text({"": condition})
        known = self._accepted.pop(name, accepted[:0])
        accepted[: len(known)] = known
        for code, value in enumerate(islice(self._codes, len(known), None), len(known)):
            accepted[code] = matches_value(_decode(value), condition)
        self._accepted[name] = accepted
        if len(self._accepted) > _REMEMBERED:
            self._accepted.popitem(last=False)
        return accepted


def _equal_values(condition: Any) -> Sequence[Any] | None:
    """Return the scalars of which a value must equal one, if that is the whole condition."""
    if isinstance(condition, Mapping):
        if set(condition) == {"$eq"}:
            values = [condition["$eq"]]
        elif set(condition) == {"$in"}:
            values = condition["$in"]
        else:
            return None
    else:
        values = [condition]
    return None if any(isinstance(value, (Mapping, list)) for value in values) else values


def _identify(value: Any) -> _Value:
    if isinstance(value, (Mapping, list)):
        return "json", to_text({"": value})
    return ("boolean" if isinstance(value, bool) else "", value)


def _decode(value: _Value) -> Any:
    kind, content = value
    return json.loads(content)[""] if kind == "json" else content
