"""Filters on values and match conditions on namespaces, as LangGraph defines them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.store.base import MatchCondition

from memorybank_core import InvalidInputError
from memorybank_core.conditions import matches_value


def matches_filter(value: Mapping[str, Any], filter: Mapping[str, Any]) -> bool:
    """Return whether each field in the filter equals its condition or satisfies its operators.

    As in LangGraph's own store in memory, a missing field counts as None.

    Raises:
        InvalidInputError: If the filter has an unknown operator.
    """
    return all(matches_value(value.get(name), condition) for name, condition in filter.items())


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
