"""Filters on values and match conditions on namespaces, as LangGraph defines them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from langgraph.store.base import MatchCondition

from memorybank_core import InvalidInputError
from memorybank_core.item_filter import ItemFilter

from .store_items import require_namespace, to_plain


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


def require_filter(filter: Any) -> ItemFilter | None:
    """Return a filter with its values as JSON has them, to compare them with stored values.

    Raises:
        InvalidInputError: If the filter is not an object of JSON values and those that are
            converted.
    """
    if not filter and (filter is None or isinstance(filter, Mapping)):
        return None
    try:
        plain = to_plain(filter)
        json.dumps(plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"a filter must be a JSON object: {error}") from error
    if not isinstance(plain, dict):
        raise InvalidInputError(f"a filter must be a JSON object, not {type(filter).__name__}")
    return ItemFilter(plain)
