"""Messages of LangChain, as JSON or as the state of a graph has them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from memorybank_core.importers.content import as_id, as_list, as_object, as_text, placeholder
from memorybank_core.importers.conversations import Message, join_texts

_TYPES = frozenset({"human", "ai", "system", "tool", "function", "chat", "developer", "remove"})
_KINDS = {"image_url": "image", "input_audio": "audio"}
_SILENT = frozenset({"thinking", "reasoning", "redacted_thinking", "tool_use", "function_call"})
"""Parts of a content that the user did not see, or that are listed as tool calls too."""


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


def to_message(fields: Mapping[str, Any], at: datetime | None, prefix: str) -> Message:
    """Return a message.

    Args:
        fields: Its fields, as `unwrap` returns them.
        at: Its time.
        prefix: Prefix of its id.
    """
    role = as_text(fields.get("role")) if fields["type"] == "chat" else fields["type"]
    calls = [as_object(call).get("name") for call in as_list(fields.get("tool_calls"))]
    text = join_texts(
        [read_content(fields.get("content")), *(placeholder("tool call", c) for c in calls)]
    )
    id = as_id(fields.get("id"))
    return Message(role or "unknown", text, at, f"{prefix}:{id}" if id else None, _name_of(fields))


def read_content(content: Any) -> str:
    """Return the text of a content: a string, or a list of parts with placeholders."""
    if isinstance(content, str):
        return content
    return join_texts(_part_text(part) for part in as_list(content))


def _part_text(part: Any) -> str:
    if isinstance(part, str):
        return part
    part = as_object(part)
    kind = as_text(part.get("type"))
    if kind in _SILENT:
        return ""
    if text := as_text(part.get("text")):
        return text
    name = part.get("name") or part.get("filename") or as_object(part.get("file")).get("filename")
    return placeholder(_KINDS.get(kind, kind) or "attachment", name)


def _type_of(name: str) -> str:
    """Return the type of a message class: "human" of "HumanMessageChunk"."""
    return name.removesuffix("Chunk").removesuffix("Message").lower()


def _name_of(fields: Mapping[str, Any]) -> str | None:
    name = as_text(fields.get("name"))
    return name if name and fields["type"] == "human" else None
