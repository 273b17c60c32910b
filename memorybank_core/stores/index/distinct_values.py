"""Distinct JSON values under one key, numbered, and which of them satisfy a condition."""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from memorybank_core.conditions import matches_value
from memorybank_core.metadata import to_text
from memorybank_core.protocols import Array

VALUE_BYTES = 150
"""Size of a place in a dict with its code, about."""

_REMEMBERED = 8  # conditions whose result is kept

_Value = tuple[str, Any]
"""A value as the key of a dict, in which 1 and 1.0 are equal and 1 and true are not."""


class DistinctValues:
    """Distinct values, with codes 0..n-1 in the order of adding.

    Attributes:
        nbytes: Estimated size of the values in bytes.
    """

    def __init__(self) -> None:
        self._codes: dict[_Value, int] = {}
        self._values: list[_Value | None] = []
        self._accepted: OrderedDict[str, Array] = OrderedDict()  # by condition
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def add(self, value: Any) -> int:
        """Return the code of a value, which may be new."""
        identity = _identify(value)
        code = self._codes.setdefault(identity, len(self._values))
        if code == len(self._values):
            self._values.append(identity)
            self.nbytes += _size_of(identity)
        return code

    def remove(self, code: int) -> None:
        """Remove a value; its code is not used again."""
        identity = self._values[code]
        if identity is not None:
            del self._codes[identity]
            self._values[code] = None
            self.nbytes -= _size_of(identity)

    def keep(self, codes: Sequence[int]) -> None:
        """Drop all values but these, whose codes become 0..n-1."""
        kept = [self._values[code] for code in codes]
        self._values, self._codes, self.nbytes = [], {}, 0
        self._accepted.clear()
        for identity in kept:
            if identity is not None:
                self._codes[identity] = len(self._values)
                self.nbytes += _size_of(identity)
            self._values.append(identity)

    def accept(self, condition: Any) -> Array:
        """Return which values satisfy a condition, bool, by code."""
        accepted = np.zeros(len(self._values), bool)
        if (equal := _equal_values(condition)) is not None:
            codes = [self._codes.get(_identify(value), -1) for value in equal]
            accepted[[code for code in codes if code >= 0]] = True
            return accepted
        name = to_text({"": condition})
        known = self._accepted.pop(name, accepted[:0])
        accepted[: len(known)] = known
        for code in range(len(known), len(self._values)):
            identity = self._values[code]
            accepted[code] = identity is not None and matches_value(_decode(identity), condition)
        self._accepted[name] = accepted
        if len(self._accepted) > _REMEMBERED:
            self._accepted.popitem(last=False)
        return accepted


def _equal_values(condition: Any) -> Sequence[Any] | None:
    """Return the scalars of which a value must equal one, if that is the whole condition."""
    values: Any = [condition]
    if isinstance(condition, Mapping):
        if set(condition) == {"$eq"}:
            values = [condition["$eq"]]
        elif set(condition) == {"$in"}:
            values = condition["$in"]
        else:
            return None
        if not isinstance(values, (list, tuple)):
            return None
    return None if any(isinstance(value, (Mapping, list)) for value in values) else values


def _identify(value: Any) -> _Value:
    if isinstance(value, (Mapping, list)):
        return "json", to_text({"": value})
    return ("boolean" if isinstance(value, bool) else "", value)


def _decode(value: _Value) -> Any:
    kind, content = value
    return json.loads(content)[""] if kind == "json" else content


def _size_of(identity: _Value) -> int:
    return VALUE_BYTES + sys.getsizeof(identity[1])
