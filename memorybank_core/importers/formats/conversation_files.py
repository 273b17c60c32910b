"""The file conversations.json of the exports of ChatGPT and Claude: a list of conversations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from memorybank_core.importers.content import as_object
from memorybank_core.importers.omissions import Omissions
from memorybank_core.importers.sources import Source

_FILES = r"conversations(?:[-_]\d+)?\.json"


def has_conversations(source: Source, key: str) -> bool:
    """Return whether the source has a conversation with this key."""
    names = source.find(_FILES)[:1]
    return any(key in as_object(value.data) for name in names for value in source.first(name))


def read_conversations(
    source: Source, key: str, kind: type, missing: str, omissions: Omissions
) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield each conversation with its place in the source.

    Args:
        source: The source.
        key: Key of the messages.
        kind: Type of the messages: dict or list.
        missing: Reason why a conversation without them cannot be read.
        omissions: Counts conversations that cannot be read.
    """
    for name in source.choose(_FILES):
        for value in source.values(name):
            place = f"{name or source.location}, conversation {value.number}"
            data = as_object(value.data)
            if isinstance(data.get(key), kind):
                yield data, place
            else:
                reason = value.fault or missing
                omissions.add_fault("unreadable conversations", place, reason)
