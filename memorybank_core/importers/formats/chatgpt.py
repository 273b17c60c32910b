"""ChatGPT's data export: the .zip, its folder, or conversations.json.

A conversation is a tree: each edit and each new answer is a branch. The export names the message
that was shown last (`current_node`); the path from the root to it is what the user saw.

Source: https://help.openai.com/en/articles/7260999, and exports of 2023 to 2026.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from memorybank_core.importers.content import as_list, as_object, as_text, placeholder
from memorybank_core.importers.conversations import (
    ImportedTurn,
    Message,
    TurnBuilder,
    join_texts,
    shortened,
    skipped_kind,
)
from memorybank_core.importers.omissions import Omissions
from memorybank_core.importers.sources import Source
from memorybank_core.importers.times import parse_time

from .conversation_files import has_conversations, read_conversations

NAME = "chatgpt"

_MARKED = re.compile("\ue200[^\ue201]*\ue201")
"""A citation or a link, as the model writes it; the page shows something else in its place."""
_OLD_CITATION = re.compile("【\\d+(?::\\d+)?†[^】]*】")
_REASONING = frozenset({"thoughts", "reasoning_recap"})
_INSTRUCTIONS = frozenset({"user_editable_context", "model_editable_context"})
_IMAGE = "image_asset_pointer"
_AUDIO = frozenset({"audio_asset_pointer", "real_time_user_audio_video_asset_pointer"})


def recognize(source: Source) -> bool:
    """Return whether the source is an export of ChatGPT."""
    return has_conversations(source, "mapping")


def read(source: Source, omissions: Omissions) -> Iterator[ImportedTurn]:
    """Yield the turns of all conversations."""
    missing = "it has no mapping of messages"
    for data, place in read_conversations(source, "mapping", dict, missing, omissions):
        yield from _read_conversation(data, place, source, omissions)


def _read_conversation(
    data: Mapping[str, Any], place: str, source: Source, omissions: Omissions
) -> Iterator[ImportedTurn]:
    session = as_text(data.get("conversation_id")) or as_text(data.get("id")) or None
    metadata = {"source": NAME, "title": shortened(as_text(data.get("title")))}
    started = parse_time(data.get("create_time"), source.zone)
    conversation = TurnBuilder(omissions, session, metadata, started)
    messages = (
        _to_message(node_id, message, source, omissions)
        for node_id, message in _shown_messages(data, place, omissions)
    )
    for turn in conversation.to_turns(filter(None, messages)):
        yield ImportedTurn(turn, parts=(session or "",), is_current=True)


def _shown_messages(
    data: Mapping[str, Any], place: str, omissions: Omissions
) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the messages on the path to the current node, with their ids, in order."""
    mapping = data["mapping"]
    nodes = {id: node for id, node in mapping.items() if isinstance(node, dict)}
    if len(nodes) < len(mapping):
        omissions.add_fault("unreadable messages", place, "a node is not an object")
    path = _path(nodes, data.get("current_node"), place, omissions)
    shown = set(path)
    hidden = (node for id, node in nodes.items() if id not in shown)
    omissions.add("messages of other branches", sum(map(_is_spoken, hidden)))
    return [(id, message) for id in path if isinstance(message := nodes[id].get("message"), dict)]


def _path(
    nodes: Mapping[str, Mapping[str, Any]], current: Any, place: str, omissions: Omissions
) -> list[str]:
    """Return the ids from the root to the current node."""
    node = current if isinstance(current, str) and current in nodes else _last_leaf(nodes)
    path: dict[str, None] = {}
    while isinstance(node, str) and node in nodes:
        if node in path:
            omissions.add_fault("circles of messages", place, f"{node} follows itself")
            break
        path[node] = None
        node = nodes[node].get("parent")
    return list(path)[::-1]


def _last_leaf(nodes: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the newest node that is not a parent; of a damaged tree, the newest node."""
    parents = {parent for node in nodes.values() if isinstance(parent := node.get("parent"), str)}
    leaves = [id for id in nodes if id not in parents] or list(nodes)

    def created(id: str) -> float:
        time = as_object(nodes[id].get("message")).get("create_time")
        return time if isinstance(time, (int, float)) and math.isfinite(time) else 0.0

    return max(leaves, key=created, default=None)


def _to_message(
    node_id: str, data: Mapping[str, Any], source: Source, omissions: Omissions
) -> Message | None:
    """Return a message as it was shown; None if it was not shown."""
    role, recipient = _role(data), as_text(data.get("recipient"))
    content, metadata = as_object(data.get("content")), as_object(data.get("metadata"))
    kind = as_text(content.get("content_type"))
    text = None
    if role == "system" or kind in _INSTRUCTIONS:
        omissions.add("system messages")
    elif metadata.get("is_visually_hidden_from_conversation") is True:
        omissions.add("hidden messages")
    elif kind in _REASONING:
        omissions.add("thoughts of the model")
    elif role == "tool":
        text = _made_images(content)
        omissions.add("tool results", not text)
    elif role == "assistant" and recipient not in ("all", ""):
        text = placeholder("tool call", recipient)
    elif role in ("user", "assistant"):
        text = _as_shown(_text(content, metadata), metadata)
    else:
        omissions.add(skipped_kind(role))
    if not text and (text is None or role == "tool"):
        return None
    at, id = parse_time(data.get("create_time"), source.zone), as_text(data.get("id")) or node_id
    return Message("user" if role == "user" else "assistant", text, at, f"{NAME}:{id}")


def _text(content: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """Return the text of a message with placeholders for images and files."""
    if content.get("content_type") == "code":
        language = as_text(content.get("language")).replace("unknown", "")
        code = as_text(content.get("text"))
        return f"```{language}\n{code}\n```" if code else ""
    attachments = [as_object(item) for item in as_list(metadata.get("attachments"))]
    names = {as_text(item.get("id")): as_text(item.get("name")) for item in attachments}
    parts = as_list(content.get("parts")) or [content.get("text")]
    images = {_file_id(as_object(part)) for part in parts}
    files = [
        placeholder("file", item.get("name"))
        for item in attachments
        if as_text(item.get("id")) not in images
    ]
    return join_texts([*(_part_text(part, names) for part in parts), *files])


def _part_text(part: Any, names: Mapping[str, str]) -> str:
    """Return the text of a part, or a placeholder that names it."""
    if isinstance(part, str) or part is None:
        return part or ""
    part = as_object(part)
    kind = as_text(part.get("content_type"))
    if kind == _IMAGE:
        made = as_object(as_object(part.get("metadata")).get("dalle"))
        return placeholder("image", names.get(_file_id(part) or "") or made.get("prompt"))
    if kind in _AUDIO:
        return ""  # its transcription is a part of its own
    return as_text(part.get("text")) or placeholder(kind or "attachment")


def _file_id(part: Mapping[str, Any]) -> str | None:
    """Return the file of an image, such as "file-abc" of "file-service://file-abc"."""
    return as_text(part.get("asset_pointer")).rpartition("/")[2].partition("#")[0] or None


def _made_images(content: Mapping[str, Any]) -> str:
    """Return placeholders for the images that a tool made, which the user saw."""
    parts = [as_object(part) for part in as_list(content.get("parts"))]
    return join_texts(_part_text(p, {}) for p in parts if p.get("content_type") == _IMAGE)


def _as_shown(text: str, metadata: Mapping[str, Any]) -> str:
    """Return the text with citations as the page shows them."""
    for reference in map(as_object, as_list(metadata.get("content_references"))):
        marked = as_text(reference.get("matched_text"))
        if _MARKED.fullmatch(marked) or _OLD_CITATION.fullmatch(marked):
            text = text.replace(marked, as_text(reference.get("alt")))
    return _OLD_CITATION.sub("", _MARKED.sub("", text))


def _is_spoken(node: Mapping[str, Any]) -> bool:
    """Return whether a node holds a message of the user or an answer."""
    return _role(as_object(node.get("message"))) in ("user", "assistant")


def _role(message: Mapping[str, Any]) -> str:
    return as_text(as_object(message.get("author")).get("role"))
