"""What goes into a store of LangGraph's and comes out of it: checked, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from langgraph.store.base import PutOp, get_text_at_path

from memorybank_core import InvalidInputError
from memorybank_core.protocols import Item, Namespace

_LONGEST = 1e9  # minutes: some 1900 years


def place_of(op: PutOp) -> tuple[Namespace, str]:
    """The namespace and the key of a write."""
    return labels(op.namespace), str(op.key)


def labels(namespace: Any) -> Namespace:
    """A namespace or a prefix; raises InvalidInputError unless it is a tuple of strings."""
    is_path = isinstance(namespace, (tuple, list))
    if not is_path or not all(isinstance(label, str) for label in namespace):
        raise InvalidInputError(f"a namespace is a tuple of strings, not {namespace!r}")
    return tuple(namespace)


def paths(fields: Any) -> tuple[str, ...]:
    """The paths of texts; raises InvalidInputError unless they are a list of strings."""
    is_list = isinstance(fields, (tuple, list))
    if not is_list or not all(isinstance(field, str) for field in fields):
        raise InvalidInputError(f"the texts to index are a list of paths, not {fields!r}")
    return tuple(fields)


def minutes(ttl: float | None) -> float | None:
    """A time to live; raises InvalidInputError unless it is a number above 0, or None."""
    is_number = isinstance(ttl, (int, float)) and not isinstance(ttl, bool)
    if ttl is not None and not (is_number and 0 < ttl <= _LONGEST):
        raise InvalidInputError(f"ttl must be a positive number of minutes or None, not {ttl!r}")
    return ttl


def require_page(limit: Any, offset: Any) -> None:
    """Raises InvalidInputError unless both are 0 or more."""
    for name, count in (("limit", limit), ("offset", offset)):
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise InvalidInputError(f"{name} must be a whole number of 0 or more, not {count!r}")


def json_of(value: Any) -> str:
    """A value as JSON; raises InvalidInputError where that would not give it back."""
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"a value must be a JSON object, not {type(value).__name__}")
    try:
        text = json.dumps(dict(value), ensure_ascii=False, allow_nan=False)
        text.encode()
        faults = list(_keys_but_strings(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"a value must be a JSON object: {error}") from error
    if faults:
        raise InvalidInputError(f"a JSON object has strings for keys, not {faults[0]!r}")
    return text


def _keys_but_strings(value: Any) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from (key for key in value if not isinstance(key, str))
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return
    for part in value:
        yield from _keys_but_strings(part)


def texts_of(item: Item) -> list[str]:
    """The texts of a value that a query is compared with."""
    value = json.loads(item.value) if item.fields else {}
    texts = (text for field in item.fields for text in get_text_at_path(value, field))
    return [text for text in texts if text.strip()]


def parts_of(item: Item) -> dict[str, Any]:
    """What LangGraph's records are made of."""
    return {
        "namespace": item.namespace,
        "key": item.key,
        "value": json.loads(item.value),
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }
