"""Filter on the JSON values of items, as LangGraph defines it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .conditions import matches_value


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Conditions on fields of a value, all of which must be satisfied.

    A missing field counts as None. The name of a field may also be a path to it, with dots between
    the names. Stores find the items that a filter accepts without reading every value, if it is one
    of these; see `ItemStore.search`.

    Attributes:
        conditions: A condition for each field: a value that must be equal, or operators.
    """

    conditions: Mapping[str, Any]

    def __call__(self, value: str) -> bool:
        """Return whether a value, as JSON, satisfies all conditions.

        Raises:
            InvalidInputError: If a condition has an unknown operator.
        """
        try:
            fields = json.loads(value)
        except ValueError:  # damaged: whatever returns such an item reports it
            return False
        return all(
            matches_value(find_field(fields, name), condition)
            for name, condition in self.conditions.items()
        )


def find_field(value: Any, name: str) -> Any:
    """Return the field of a name, otherwise the one at the path of this name, otherwise None."""
    if not isinstance(value, Mapping):
        return None
    if name in value or "." not in name:
        return value.get(name)
    field: Any = value
    for part in name.split("."):
        if not isinstance(field, Mapping):
            return None
        field = field.get(part)
    return field
