"""Messages of LangChain, as JSON or as the state of a graph has them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from memorybank_core.importers.content import as_id, as_list, as_object, as_text, placeholder
from memorybank_core.importers.conversations import Message, join_texts
from memorybank_core.importers.omissions import Omissions
from memorybank_core.importers.parts import read_content

_TYPES = frozenset({"human", "ai", "system", "tool", "function", "chat", "developer", "remove"})


def unwrap(data: Any) -> Mapping[str, Any]:
    """Return the fields of a message, with its type; an empty object if it is not one.

    A message is {"type", "data"} (`message_to_dict`), {"lc", "id", "kwargs"} (`dumpd`), or has
    type and content next to each other (`model_dump`).
    """
    data = as_object(data)
    if as_text(data.get("type")) == "constructor":
        name = str(next(iter(as_list(data.get("id"))[-1:]), ""))
        data = {"type": _type_of(name), **as_object(data.get("kwargs"))}
    elif isinstance(data.get("data"), dict):
        data = {**data["data"], "type": data.get("type")}
    kind = _type_of(as_text(data.get("type")))
    is_message = kind in _TYPES and ("content" in data or kind == "remove")
    return {**data, "type": kind} if is_message else {}


def to_message(
    fields: Mapping[str, Any], at: datetime | None, prefix: str, omissions: Omissions
) -> Message | None:
    """Return a message; None if it has only parts that are left out.

    Args:
        fields: Its fields, as `unwrap` returns them.
        at: Its time.
        prefix: Prefix of its id.
        omissions: Counts thoughts and results of tools.
    """
    role = as_text(fields.get("role")) if fields["type"] == "chat" else fields["type"]
    calls = [as_object(call).get("name") for call in as_list(fields.get("tool_calls"))]
    count = omissions.counts.total()
    content = read_content(fields.get("content"), omissions, shows_calls=False)
    text = join_texts([content, *(placeholder("tool call", name) for name in calls)])
    if not text and omissions.counts.total() > count:
        return None
    id = as_id(fields.get("id"))
    return Message(role or "unknown", text, at, f"{prefix}:{id}" if id else None, _name_of(fields))


def _type_of(name: str) -> str:
    """Return the type of a message class: "human" of "HumanMessageChunk"."""
    return name.removesuffix("Chunk").removesuffix("Message").lower()


def _name_of(fields: Mapping[str, Any]) -> str | None:
    name = as_text(fields.get("name"))
    return name if name and fields["type"] == "human" else None
