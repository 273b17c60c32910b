"""Validation of the arguments of a LangGraph store, and conversion of its items."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from enum import Enum
from typing import Any
from uuid import UUID

from langgraph.store.base import InvalidNamespaceError, PutOp, get_text_at_path

from memorybank_core import InvalidInputError
from memorybank_core.protocols import Item, Namespace

_MAX_TTL = 1e9
"""Maximum time to live, in minutes: about 1900 years."""

RESERVED_LABEL = "langgraph"
"""The first label that LangGraph reserves: `put` refuses it, and a batch accepts it."""


class BadNamespaceError(InvalidInputError, InvalidNamespaceError):
    """A namespace is not valid: an `InvalidInputError`, and LangGraph's own error too."""


def parse_full_key(op: PutOp) -> tuple[Namespace, str]:
    """Return the validated namespace and the key of a write."""
    namespace = require_namespace(op.namespace)
    if not namespace:
        raise BadNamespaceError("a namespace must have at least one label, such as ('notes',)")
    return namespace, str(op.key)


def require_namespace(namespace: Any) -> Namespace:
    """Return a namespace or prefix.

    Raises:
        InvalidInputError: If it is not a tuple of strings, or a label is empty, as the label of a
            user whose id is missing would be. It is LangGraph's `InvalidNamespaceError` too.
    """
    is_sequence = isinstance(namespace, (tuple, list))
    if not is_sequence or not all(isinstance(label, str) for label in namespace):
        raise BadNamespaceError(f"a namespace must be a tuple of strings, not {namespace!r}")
    if not all(namespace):
        raise BadNamespaceError(f"the labels of a namespace must not be empty: {namespace!r}")
    return tuple(namespace)


def require_unreserved(namespace: Any) -> None:
    """Raise InvalidInputError if a namespace begins with the label that LangGraph reserves."""
    if namespace and require_namespace(namespace)[0] == RESERVED_LABEL:
        raise BadNamespaceError(f"LangGraph reserves the first label {RESERVED_LABEL!r}")


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
    """Return a value as JSON, with the conversions of `to_plain`.

    Raises:
        InvalidInputError: If it is not a mapping of JSON values and those that are converted.
    """
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"a value must be a JSON object, not {type(value).__name__}")
    try:
        text = json.dumps(to_plain(value), ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"a value must be a JSON object: {error}") from error
    return text


def to_plain(value: Any) -> Any:
    """Return a value with its parts as JSON has them; what cannot be converted is left as it is.

    As in LangGraph's stores in databases, which use orjson, dates and times become ISO 8601, a UUID
    its text, an enumeration member its value, and a dataclass an object without private fields.

    Raises:
        TypeError: If the key of an object is not a string.
    """
    if isinstance(value, Enum):
        return to_plain(value.value)
    if isinstance(value, (str, int, float, type(None))):
        return value
    if isinstance(value, Mapping):
        _require_string_keys(value)
        return {str(key): to_plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(part) for part in value]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in fields(value) if not field.name.startswith("_"))
        return {name: to_plain(getattr(value, name)) for name in names}
    return value


def _require_string_keys(keys: Iterable[Any]) -> None:
    for key in keys:
        if not isinstance(key, str):
            raise TypeError(f"the keys of a JSON object must be strings, not {key!r}")


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
