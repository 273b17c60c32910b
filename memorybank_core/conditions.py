"""Conditions on JSON values: the `where` of memories, and the filters of LangGraph's store.

A condition is a value that must be equal, or operators such as {"$gt": 3}, or an object with the
conditions of some of the value's keys. Numbers, strings that contain numbers, and booleans (as 0
and 1) are ordered as numbers; other strings are ordered by their characters, as ISO 8601 dates are.
Within an object, a missing key counts as null, as in LangGraph's own store in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import ge, gt, le, lt
from typing import Any

from .errors import InvalidInputError
from .metadata import Metadata, to_read_only

_ORDER = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}
OPERATORS = ("$eq", "$ne", *_ORDER, "$in")
"""The operators of a condition."""


def require_where(where: Any, name: str = "where") -> Metadata | None:
    """Return the conditions as a read-only copy, or None without any.

    Raises:
        InvalidInputError: If `where` is not an object of keys and conditions; the message names
            the operator or operand that is not valid.
    """
    if where is None:
        return None
    if not isinstance(where, Mapping):
        raise InvalidInputError(
            f'{name} must be a dictionary such as {{"agent": "coder"}}, not {where!r:.80}'
        )
    copied = to_read_only(where, name)
    for key, condition in copied.items():
        if key.startswith("$"):
            raise InvalidInputError(f"{name} begins with keys, not with the operator {key!r}")
        _require_condition(condition, f"{name}[{key!r}]")
    return copied or None


def matches(metadata: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Return whether metadata has a matching value under every key of `where`.

    A missing key matches only "$ne".
    """
    return all(
        matches_value(metadata[key], condition) if key in metadata else matches_missing(condition)
        for key, condition in where.items()
    )


def matches_missing(condition: Any) -> bool:
    """Return whether a condition is true of a key that is missing: it consists of "$ne"."""
    return isinstance(condition, Mapping) and set(condition) == {"$ne"}


def matches_value(value: Any, condition: Any) -> bool:
    """Return whether a value satisfies a condition.

    Raises:
        InvalidInputError: If the condition has an unknown operator.
    """
    if isinstance(condition, Mapping):
        if is_operation(condition):
            return all(_compare(value, key, operand) for key, operand in condition.items())
        return isinstance(value, Mapping) and all(
            matches_value(value.get(key), part) for key, part in condition.items()
        )
    if isinstance(condition, (list, tuple)):
        if not isinstance(value, list) or len(value) != len(condition):
            return False
        return all(matches_value(item, part) for item, part in zip(value, condition, strict=True))
    return equals(value, condition)


def is_operation(condition: Mapping[str, Any]) -> bool:
    """Return whether a condition consists of operators, not of keys."""
    return any(key.startswith("$") for key in condition)


def equals(left: Any, right: Any) -> bool:
    """Return whether two JSON values are equal: 1 and 1.0 are, 1 and true are not."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(equals(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(equals, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _compare(value: Any, operator: str, operand: Any) -> bool:
    if operator == "$eq":
        return equals(value, operand)
    if operator == "$ne":
        return not equals(value, operand)
    if operator == "$in" and isinstance(operand, (list, tuple)):
        return any(equals(value, item) for item in operand)
    if operator not in _ORDER:
        raise InvalidInputError(_fault(operator, operand))
    left, right = _parse_number(value), _parse_number(operand)
    if left is not None and right is not None:
        return bool(_ORDER[operator](left, right))
    are_strings = isinstance(value, str) and isinstance(operand, str)
    return are_strings and bool(_ORDER[operator](value, operand))


def _parse_number(value: Any) -> float | None:
    """Return a number or the number that a string contains; None for anything else."""
    if isinstance(value, (int, float)):
        return value
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _fault(operator: str, operand: Any) -> str:
    if operator == "$in":
        return f"$in needs a list of values, not {operand!r:.80}"
    return f"a filter operator must be one of {', '.join(OPERATORS)}, not {operator!r}"


def _require_condition(condition: Any, name: str) -> None:
    """Raise InvalidInputError if a condition has an operator or operand that is not valid."""
    if isinstance(condition, list):
        for part in condition:
            _require_condition(part, name)
    if not isinstance(condition, Mapping):
        return
    for key, operand in condition.items():
        if not is_operation(condition):
            _require_condition(operand, f"{name}[{key!r}]")
        elif key not in OPERATORS or (key == "$in" and not isinstance(operand, list)):
            raise InvalidInputError(f"{name}: {_fault(key, operand)}")
        elif key in _ORDER and not isinstance(operand, (int, float, str)):
            raise InvalidInputError(
                f"{name}: {key} needs a number or a string, not {operand!r:.80}"
            )
