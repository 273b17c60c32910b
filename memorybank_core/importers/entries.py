"""Entries of JSON files, which hold them as a list, as lines, or in the lists of an object."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from .content import as_object
from .json_stream import JsonValue
from .sources import Source

IsEntry = Callable[[Mapping[str, Any]], bool]

_TRIED = 20
"""Number of values in which an entry is looked for."""


def has_entries(values: Iterator[JsonValue], is_entry: IsEntry) -> bool:
    """Return whether one of the first values is an entry."""
    return any(is_entry(as_object(value.data)) for value in islice(values, _TRIED))


def read_entries(source: Source, name: str, is_entry: IsEntry) -> Iterator[JsonValue]:
    """Return the members of a list, the values of JSON lines, or the members of an object's lists.

    Args:
        source: The source.
        name: The file in it.
        is_entry: Whether an object is an entry; the first lines are asked.
    """
    if source.first_sign(name) == b"[":
        return source.values(name)
    first = source.first_lines(name, 2)
    if any(is_entry(as_object(value.data)) for value in first):
        return source.lines(name)
    return source.values(name, depth=2)
