"""Filters on values and match conditions on namespaces, as LangGraph defines them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.store.base import MatchCondition

from memorybank_core import InvalidInputError
from memorybank_core.conditions import matches_value

from .store_items import require_namespace, to_plain


def matches_filter(value: Mapping[str, Any], filter: Mapping[str, Any]) -> bool:
    """Return whether each field in the filter equals its condition or satisfies its operators.

    As in LangGraph's own store in memory, a missing field counts as None. As in its `SqliteStore`,
    the name of a field may also be a path to it, with dots between the names.

    Raises:
        InvalidInputError: If the filter has an unknown operator.
    """
    return all(matches_value(find_field(value, name), part) for name, part in filter.items())


def find_field(value: Mapping[str, Any], name: str) -> Any:
    """Return the field of a name, otherwise the one at the path of this name, otherwise None."""
    if name in value or "." not in name:
        return value.get(name)
    field: Any = value
    for part in name.split("."):
        if not isinstance(field, Mapping):
            return None
        field = field.get(part)
    return field


def require_condition(condition: MatchCondition) -> MatchCondition:
    """Return a condition on namespaces; a single string is a path of one label.

    Raises:
        InvalidInputError: If it is neither a prefix nor a suffix, or its path is not valid.
    """
    path: Any = condition.path
    if condition.match_type not in ("prefix", "suffix"):
        raise InvalidInputError(
            f"match_type must be 'prefix' or 'suffix', not {condition.match_type!r}"
        )
    labels = require_namespace((path,) if isinstance(path, str) else path)
    return condition._replace(path=labels)


def matches_condition(namespace: tuple[str, ...], condition: MatchCondition) -> bool:
    """Return whether a namespace begins or ends with a path, in which "*" matches any label."""
    kind, path = condition
    if len(namespace) < len(path):
        return False
    part = namespace[: len(path)] if kind == "prefix" else namespace[len(namespace) - len(path) :]
    return all(pattern in ("*", label) for label, pattern in zip(part, path, strict=True))


def require_filter(filter: Any) -> dict[str, Any] | None:
    """Return a filter with its values as JSON has them, to compare them with stored values.

    Raises:
        InvalidInputError: If the filter is not an object whose keys are strings.
    """
    if filter is None:
        return None
    try:
        plain = to_plain(filter)
    except TypeError as error:
        raise InvalidInputError(f"a filter is not valid: {error}") from error
    if not isinstance(plain, dict):
        raise InvalidInputError(f"a filter must be a JSON object, not {type(filter).__name__}")
    return plain
