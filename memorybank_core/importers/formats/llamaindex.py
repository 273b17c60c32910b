"""Chat stores of LlamaIndex: tables of `Memory` and `SQLAlchemyChatStore`, JSON of the older ones.

The JSON is that of `SimpleChatStore.persist`, or of `ChatMemoryBuffer.to_string`, which has a chat
store in it. It has no times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any

from memorybank_core.importers.content import as_list, as_object, as_text, placeholder
from memorybank_core.importers.conversations import ImportedTurn, Message, join_texts, session_turns
from memorybank_core.importers.databases import Database, find_tables, quoted
from memorybank_core.importers.json_stream import JsonValue
from memorybank_core.importers.message_tables import read_sessions
from memorybank_core.importers.omissions import Omissions
from memorybank_core.importers.sources import Source

FILES = r"(?i).+\.json"
NAME = "llamaindex"

_COLUMNS = "id", "key", "timestamp", "role", "status", "data"
_ROOTS = (("store",), ("chat_store", "store"))
_FILES = frozenset({"image", "audio", "video", "document", "citable"})


def recognize(source: Source) -> bool:
    """Return whether the source is a chat store of LlamaIndex."""
    return bool(find_tables(source.database, *_COLUMNS)) or any(map(_root, *_names(source)))


def read(source: Source, omissions: Omissions) -> Iterator[ImportedTurn]:
    """Yield the turns of all tables or files."""
    if source.database is not None:
        for table in find_tables(source.database, *_COLUMNS):
            yield from _read_table(source.database, table, source, omissions)
        return
    for name in source.choose(FILES):
        yield from _read_file(source, name, omissions)


def _names(source: Source) -> tuple[Iterable[Source], Iterable[str]]:
    names = source.find(FILES)[:1]
    return [source] * len(names), names


def _root(source: Source, name: str) -> tuple[str, ...]:
    """Return the keys of the sessions in a file; empty if it has none."""
    for root in _ROOTS:
        values = source.first(name, depth=len(root) + 2)
        if any(value.keys[: len(root)] == root and _is_message(value.data) for value in values):
            return root
    return ()


def _read_file(source: Source, name: str, omissions: Omissions) -> Iterator[ImportedTurn]:
    root = _root(source, name)
    values = source.values(name, depth=len(root) + 2)
    length = len(root)
    own = (v for v in values if v.fault or (len(v.keys) > length and v.keys[:length] == root))
    for session, group in groupby(own, lambda value: value.keys[-1] if value.keys else ""):
        messages = _read_values(group, name or source.location, omissions)
        yield from session_turns(messages, session or None, NAME, omissions)


def _read_values(
    values: Iterable[JsonValue], place: str, omissions: Omissions
) -> Iterator[Message | None]:
    for value in values:
        entry = f"{place}, entry {value.number}"
        yield _to_message(value.data, None, entry, value.fault, omissions)


def _read_table(
    database: Database, table: str, source: Source, omissions: Omissions
) -> Iterator[ImportedTurn]:
    """Yield the turns of a table, those too that `Memory` has moved out of its window."""
    query = f"SELECT key, id, data, timestamp FROM {quoted(table)} ORDER BY key, timestamp, id"
    rows = database.rows(query)
    for key, messages in read_sessions(rows, table, source, _to_message, omissions):
        yield from session_turns(messages, str(key), NAME, omissions)


def _to_message(
    data: Any, at: datetime | None, place: str, fault: str, omissions: Omissions
) -> Message | None:
    if fault or not _is_message(data):
        reason = fault or "it is not a message of LlamaIndex"
        omissions.add_fault("unreadable messages", place, reason)
        return None
    blocks = [as_object(block) for block in as_list(data.get("blocks"))]
    content = data.get("content")
    texts = [content] if isinstance(content, str) else [_block_text(block) for block in blocks]
    calls = as_list(as_object(data.get("additional_kwargs")).get("tool_calls"))
    names = [as_object(as_object(call).get("function", call)).get("name") for call in calls]
    shown = [placeholder("tool call", name) for name in names]
    return Message(as_text(data.get("role")), join_texts([*texts, *shown]), at)


def _block_text(block: Mapping[str, Any]) -> str:
    """Return the text of a block, or a placeholder that names it."""
    kind = as_text(block.get("block_type"))
    if kind == "text":
        return as_text(block.get("text"))
    if kind == "tool_call":
        return placeholder("tool call", block.get("tool_name"))
    if kind in _FILES:
        path = as_text(block.get("path")).replace("\\", "/").rpartition("/")[2]
        return placeholder(kind, block.get("title") or path)
    return ""


def _is_message(data: Any) -> bool:
    data = as_object(data)
    return bool(as_text(data.get("role"))) and ("blocks" in data or "content" in data)
