"""Which values and which namespaces LangGraph's filters and match conditions mean."""

from __future__ import annotations

from collections.abc import Mapping
from operator import ge, gt, le, lt
from typing import Any

from langgraph.store.base import MatchCondition

from memorybank_core import InvalidInputError

_ORDERED = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}


def passes(value: Mapping[str, Any], filter: Mapping[str, Any]) -> bool:
    """Whether a value has what a filter names: equal parts, or parts that its operators allow.

    Raises:
        InvalidInputError: There is no such operator.
    """
    return all(_equals(value.get(name), wanted) for name, wanted in filter.items())


def matches(namespace: tuple[str, ...], condition: MatchCondition) -> bool:
    """Whether a namespace begins or ends with a path, in which "*" is any label.

    Raises:
        InvalidInputError: The condition is neither of the two.
    """
    kind, path = condition.match_type, condition.path
    if kind not in ("prefix", "suffix"):
        raise InvalidInputError(f"match_type must be 'prefix' or 'suffix', not {kind!r}")
    if len(namespace) < len(path):
        return False
    part = namespace[: len(path)] if kind == "prefix" else namespace[len(namespace) - len(path) :]
    return all(wanted in ("*", label) for label, wanted in zip(part, path, strict=True))


def _equals(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        if any(name.startswith("$") for name in wanted):
            return all(_allows(value, name, bound) for name, bound in wanted.items())
        return isinstance(value, dict) and passes(value, wanted)
    if isinstance(wanted, (list, tuple)):
        if not isinstance(value, list) or len(value) != len(wanted):
            return False
        return all(_equals(part, other) for part, other in zip(value, wanted, strict=True))
    return bool(value == wanted)


def _allows(value: Any, operator: str, bound: Any) -> bool:
    if operator == "$eq":
        return bool(value == bound)
    if operator == "$ne":
        return bool(value != bound)
    if operator not in _ORDERED:
        known = ", ".join(["$eq", "$ne", *_ORDERED])
        raise InvalidInputError(f"a filter knows {known}, not {operator!r}")
    left, right = _number(value), _number(bound)
    if left is not None and right is not None:
        return bool(_ORDERED[operator](left, right))
    texts = isinstance(value, str) and isinstance(bound, str)  # such as dates in ISO 8601
    return texts and bool(_ORDERED[operator](value, bound))


def _number(value: Any) -> float | None:
    """A number, or what a string of one says; None for anything else."""
    if isinstance(value, (int, float)):
        return value
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None
