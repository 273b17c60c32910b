"""The file conversations.json of the exports of ChatGPT and Claude: a list of conversations.

A file with one conversation, as programs save it, is read too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from memorybank_core.importers.content import as_object
from memorybank_core.importers.omissions import Omissions
from memorybank_core.importers.sources import Source

_FILES = r"conversations(?:[-_]\d+)?\.json"
_NAMES = frozenset({"title", "name", "id", "uuid", "conversation_id"})
"""Keys of which one conversation has at least one, unlike most other objects."""


def has_conversations(source: Source, key: str) -> bool:
    """Return whether the source has a conversation with this key."""
    names = source.find(_FILES)[:1]
    return any(
        _is_one(source, name, key)
        or any(key in as_object(value.data) for value in source.first(name))
        for name in names
    )


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
        is_one = _is_one(source, name, key)
        for value in [source.whole(name)] if is_one else source.values(name):
            place = f"{name or source.location}, conversation {value.number}"
            data = as_object(value.data)
            if isinstance(data.get(key), kind):
                yield data, place
            else:
                reason = value.fault or missing
                omissions.add_fault("unreadable conversations", place, reason)


def _is_one(source: Source, name: str, key: str) -> bool:
    """Return whether a file has one conversation, not a list."""
    if source.first_sign(name) != b"{":
        return False
    keys = {value.keys[0] for value in source.first(name) if len(value.keys) == 1}
    return key in keys and bool(keys & _NAMES)
