"""Validation of the arguments of a LangGraph store, and conversion of its items."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from langgraph.store.base import PutOp, get_text_at_path

from memorybank_core import InvalidInputError
from memorybank_core.protocols import Item, Namespace

_MAX_TTL = 1e9
"""Maximum time to live, in minutes: about 1900 years."""


def parse_full_key(op: PutOp) -> tuple[Namespace, str]:
    """Return the validated namespace and the key of a write."""
    return require_namespace(op.namespace), str(op.key)


def require_namespace(namespace: Any) -> Namespace:
    """Return a namespace or prefix; raise InvalidInputError unless it is a tuple of strings."""
    is_sequence = isinstance(namespace, (tuple, list))
    if not is_sequence or not all(isinstance(label, str) for label in namespace):
        raise InvalidInputError(f"a namespace must be a tuple of strings, not {namespace!r}")
    return tuple(namespace)


def require_fields(fields: Any) -> tuple[str, ...]:
    """Return the paths to index; raise InvalidInputError unless they are a list of strings."""
    is_sequence = isinstance(fields, (tuple, list))
    if not is_sequence or not all(isinstance(field, str) for field in fields):
        raise InvalidInputError(f"the fields to index must be a list of paths, not {fields!r}")
    return tuple(fields)


def require_ttl(ttl: float | None) -> float | None:
    """Return a time to live in minutes; raise InvalidInputError unless it is positive or None."""
    is_number = isinstance(ttl, (int, float)) and not isinstance(ttl, bool)
    if ttl is not None and not (is_number and 0 < ttl <= _MAX_TTL):
        raise InvalidInputError(f"ttl must be a positive number of minutes or None, not {ttl!r}")
    return ttl


def require_page(limit: Any, offset: Any) -> None:
    """Raise InvalidInputError unless `limit` and `offset` are integers of 0 or more."""
    for name, count in (("limit", limit), ("offset", offset)):
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise InvalidInputError(f"{name} must be an integer of 0 or more, not {count!r}")


def encode_value(value: Any) -> str:
    """Return a value as JSON; raise InvalidInputError if it does not survive the round trip."""
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"a value must be a JSON object, not {type(value).__name__}")
    try:
        text = json.dumps(dict(value), ensure_ascii=False, allow_nan=False)
        text.encode()
        invalid_keys = list(_find_invalid_keys(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"a value must be a JSON object: {error}") from error
    if invalid_keys:
        raise InvalidInputError(
            f"the keys of a JSON object must be strings, not {invalid_keys[0]!r}"
        )
    return text


def _find_invalid_keys(value: Any) -> Iterator[object]:
    """Yield the keys that are not strings, at any depth."""
    if isinstance(value, Mapping):
        yield from (key for key in value if not isinstance(key, str))
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return
    for item in value:
        yield from _find_invalid_keys(item)


def extract_indexed_texts(item: Item) -> list[str]:
    """Return the texts of a value that a query is compared with."""
    value = json.loads(item.value) if item.fields else {}
    texts = (text for field in item.fields for text in get_text_at_path(value, field))
    return [text for text in texts if text.strip()]


def to_item_arguments(item: Item) -> dict[str, Any]:
    """Convert a stored item to the arguments of LangGraph's `Item` or `SearchItem`."""
    return {
        "namespace": item.namespace,
        "key": item.key,
        "value": json.loads(item.value),
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }
