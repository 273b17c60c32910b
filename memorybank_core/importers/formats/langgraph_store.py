"""Items of LangGraph's store: values under a namespace and a key, such as LangMem's memories."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timezone
from itertools import accumulate
from typing import Any

from memorybank_core.importers.content import as_object, as_text
from memorybank_core.importers.conversations import (
    MAX_TEXT,
    TOO_LONG,
    ImportedTurn,
    hash_of,
    make_turn,
)
from memorybank_core.importers.databases import Database, quoted
from memorybank_core.importers.omissions import Omissions
from memorybank_core.importers.times import parse_time

COLUMNS = "prefix", "key", "value", "created_at"
NAME = "langgraph"

_TEXT = ("content", "text", "memory", "data", "value", "summary")
"""Keys that hold the text of a memory, if it has one of them."""


def read_items(database: Database, table: str, omissions: Omissions) -> Iterator[ImportedTurn]:
    """Yield each item as a turn; one part of its namespace may name its user."""
    is_versioned = "updated_at" in database.tables()[table]
    time = "COALESCE(updated_at, created_at)" if is_versioned else "created_at"
    query = f"SELECT prefix, key, value, {time} FROM {quoted(table)} ORDER BY prefix, key"
    for prefix, key, value, at in database.rows(query):
        if isinstance(value, (str, bytes)):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError) as error:
                omissions.add_fault("unreadable items", f"{prefix}, {key}", str(error))
                continue
        text = read_value(value)
        if not text or len(text) > MAX_TEXT:
            omissions.add(TOO_LONG if text else "items without text")
            continue
        segments = str(prefix).split(".")
        turn = make_turn(
            omissions,
            query=text,
            at=parse_time(at, timezone.utc),
            id=f"{NAME}:{hash_of(prefix, key)}",
            session=None,
            metadata={"source": NAME, "namespace": str(prefix), "key": str(key)},
        )
        if turn is not None:
            prefixes = accumulate(segments, lambda start, segment: f"{start}.{segment}")
            parts = (str(prefix), *prefixes, *segments)
            yield ImportedTurn(turn, parts=parts, has_owner=True, is_current=True)


def read_value(value: Any) -> str:
    """Return the text of a value: of its key for texts, else of all its texts and numbers."""
    if isinstance(value, str):
        return as_text(value)
    data = as_object(value)
    for key in _TEXT:
        if text := as_text(data.get(key)):
            return text
        if isinstance(data.get(key), Mapping):  # {"kind": "Memory", "content": {"content": …}}
            return read_value(data[key])
    return "\n".join(f"{key}: {leaf}" for key, leaf in _leaves(data))


def _leaves(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the texts and numbers in a value, with their keys."""
    stack: list[tuple[str, Any]] = list(data.items())[::-1]
    while stack:
        key, value = stack.pop()
        if isinstance(value, Mapping):
            stack += [(f"{key}.{name}", item) for name, item in list(value.items())[::-1]]
        elif isinstance(value, list):
            stack += [(key, item) for item in reversed(value)]
        elif value not in (None, ""):
            yield key, str(value)
