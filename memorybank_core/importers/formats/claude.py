"""Claude's data export: the .zip, its folder, or conversations.json.

Source: https://support.claude.com/en/articles/9450526, and exports of 2024 to 2026.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from memorybank_core.importers.content import as_list, as_object, as_text, placeholder
from memorybank_core.importers.conversations import (
    ImportedTurn,
    Message,
    TurnBuilder,
    join_texts,
    shortened,
)
from memorybank_core.importers.omissions import Omissions
from memorybank_core.importers.parts import is_call, silent_kind
from memorybank_core.importers.sources import Source
from memorybank_core.importers.times import parse_time

from .conversation_files import has_conversations, read_conversations

NAME = "claude"

_ROOT = "00000000-0000-4000-8000-000000000000"
"""Parent of the first message of a conversation."""
_MAX_PASTED = 100_000
"""Maximum length of a pasted text, in characters; a longer one is like a file."""


def recognize(source: Source) -> bool:
    """Return whether the source is an export of Claude."""
    return has_conversations(source, "chat_messages")


def read(source: Source, omissions: Omissions) -> Iterator[ImportedTurn]:
    """Yield the turns of all conversations."""
    missing = "it has no chat_messages"
    for data, place in read_conversations(source, "chat_messages", list, missing, omissions):
        yield from _read_conversation(data, place, source, omissions)
    for name in source.find(r"memories\.json|projects\.json"):
        if name:
            omissions.add(f"files {name.rpartition('/')[2]}")


def _read_conversation(
    data: Mapping[str, Any], place: str, source: Source, omissions: Omissions
) -> Iterator[ImportedTurn]:
    session = as_text(data.get("uuid")) or None
    metadata = {"source": NAME, "title": shortened(as_text(data.get("name")))}
    started = parse_time(data.get("created_at"), source.zone)
    conversation = TurnBuilder(omissions, session, metadata, started)
    items = [item for item in as_list(data["chat_messages"]) if isinstance(item, dict)]
    if len(items) < len(data["chat_messages"]):
        omissions.add_fault("unreadable messages", place, "a message is not an object")
    shown = _shown_messages(items, as_text(data.get("current_leaf_message_uuid")), omissions)
    messages = (_to_message(item, source, omissions) for item in shown)
    for turn in conversation.to_turns(messages):
        yield ImportedTurn(turn, parts=(session or "",), is_current=True)


def _shown_messages(
    items: Sequence[Mapping[str, Any]], leaf: str, omissions: Omissions
) -> Sequence[Mapping[str, Any]]:
    """Return the messages of the branch that was shown last, in order.

    Newer exports name the parent of each message. Without parents, all messages are one branch.
    """
    by_id = {as_text(item.get("uuid")): item for item in items}
    parents = {id: as_text(item.get("parent_message_uuid")) for id, item in by_id.items()}
    if "" in by_id or not any(parent in by_id for parent in parents.values()):
        return items
    node = leaf if leaf in by_id else next(reversed(by_id))
    path: dict[str, None] = {}
    while node in by_id and node not in path:
        path[node] = None
        node = parents[node]
    if node and node != _ROOT:  # a parent is missing: which messages were shown is unknown
        return items
    omissions.add("messages of other branches", len(items) - len(path))
    return [by_id[id] for id in reversed(path)]


def _to_message(item: Mapping[str, Any], source: Source, omissions: Omissions) -> Message:
    blocks = [as_object(block) for block in as_list(item.get("content"))]
    text = join_texts(_block_text(block, omissions) for block in blocks)
    files = [
        _file_text(as_object(file), omissions)
        for key in ("attachments", "files", "files_v2")
        for file in as_list(item.get(key))
    ]
    return Message(
        as_text(item.get("sender")) or "unknown",
        join_texts([text or as_text(item.get("text")), *dict.fromkeys(files)]),
        parse_time(item.get("created_at"), source.zone),
        f"{NAME}:{id}" if (id := as_text(item.get("uuid"))) else None,
    )


def _file_text(file: Mapping[str, Any], omissions: Omissions) -> str:
    """Return the text that the user pasted, or a placeholder that names a file."""
    name, content = as_text(file.get("file_name")), as_text(file.get("extracted_content"))
    if content and not name and len(content) <= _MAX_PASTED:
        return content
    omissions.add("contents of files", bool(content))
    return placeholder("file", name or "pasted text")


def _block_text(block: Mapping[str, Any], omissions: Omissions) -> str:
    """Return the text of a block, or a placeholder that names it."""
    kind = as_text(block.get("type")) or "text"
    if kind == "text":
        return as_text(block.get("text"))
    if silent := silent_kind(kind):
        omissions.add(silent)
        return ""
    if is_call(kind):
        return placeholder("tool call", block.get("name"))
    if kind in ("image", "document", "file"):
        return placeholder(kind, block.get("file_name") or block.get("title"))
    omissions.add(f"blocks of the kind {kind[:40]!r}")
    return ""
