"""Filters on values and match conditions on namespaces, as LangGraph defines them."""

from __future__ import annotations

from collections.abc import Mapping
from operator import ge, gt, le, lt
from typing import Any

from langgraph.store.base import MatchCondition

from memorybank_core import InvalidInputError

_ORDER_OPERATORS = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}


def matches_filter(value: Mapping[str, Any], filter: Mapping[str, Any]) -> bool:
    """Return whether each field in the filter equals its condition or satisfies its operators.

    Raises:
        InvalidInputError: If the filter has an unknown operator.
    """
    return all(_matches(value.get(name), condition) for name, condition in filter.items())


def matches_condition(namespace: tuple[str, ...], condition: MatchCondition) -> bool:
    """Return whether a namespace begins or ends with a path, in which "*" matches any label.

    Raises:
        InvalidInputError: If the condition is neither a prefix nor a suffix.
    """
    kind, path = condition.match_type, condition.path
    if kind not in ("prefix", "suffix"):
        raise InvalidInputError(f"match_type must be 'prefix' or 'suffix', not {kind!r}")
    if len(namespace) < len(path):
        return False
    part = namespace[: len(path)] if kind == "prefix" else namespace[len(namespace) - len(path) :]
    return all(pattern in ("*", label) for label, pattern in zip(part, path, strict=True))


def _matches(value: Any, condition: Any) -> bool:
    if isinstance(condition, dict):
        if any(key.startswith("$") for key in condition):
            return all(_compare(value, key, operand) for key, operand in condition.items())
        return isinstance(value, dict) and matches_filter(value, condition)
    if isinstance(condition, (list, tuple)):
        if not isinstance(value, list) or len(value) != len(condition):
            return False
        return all(_matches(item, part) for item, part in zip(value, condition, strict=True))
    return bool(value == condition)


def _compare(value: Any, operator: str, operand: Any) -> bool:
    if operator == "$eq":
        return bool(value == operand)
    if operator == "$ne":
        return bool(value != operand)
    if operator not in _ORDER_OPERATORS:
        known = ", ".join(["$eq", "$ne", *_ORDER_OPERATORS])
        raise InvalidInputError(f"a filter operator must be one of {known}, not {operator!r}")
    left, right = _parse_number(value), _parse_number(operand)
    if left is not None and right is not None:
        return bool(_ORDER_OPERATORS[operator](left, right))
    are_strings = isinstance(value, str) and isinstance(operand, str)  # such as ISO 8601 dates
    return are_strings and bool(_ORDER_OPERATORS[operator](value, operand))


def _parse_number(value: Any) -> float | None:
    """Return a number or the number that a string contains; None for anything else."""
    if isinstance(value, (int, float)):
        return value
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None
