"""Agent files of Letta (.af): the messages of agents, and what their memory blocks say of the user.

Source: `letta/schemas/agent_file.py` and `letta/serialize_schemas/pydantic_agent_schema.py` (older
files, of one agent), as of letta 0.16.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timezone
from typing import Any

from memorybank_core.importers.content import as_list, as_object, as_text, placeholder
from memorybank_core.importers.conversations import (
    ImportedTurn,
    Message,
    TurnBuilder,
    hash_of,
    join_texts,
    make_turn,
)
from memorybank_core.importers.omissions import Omissions
from memorybank_core.importers.sources import Source
from memorybank_core.importers.times import parse_time

FILES = r"(?i).+\.(?:af|json)"
NAME = "letta"

_AGENT_FILE, _OLD_FILE = {"agents", "blocks"}, {"agent_type", "messages", "core_memory"}
_SAY = "send_message"
_MEMORY_TOOLS = ("core_memory", "archival_memory", "conversation_search", "memory", "rethink")
_PERSONA = "persona"
_REASONING = frozenset(
    {"reasoning", "redacted_reasoning", "omitted_reasoning", "summarized_reasoning"}
)


def recognize(source: Source) -> bool:
    """Return whether the source is an agent file."""
    for name in source.find(FILES)[:1]:
        keys = {value.keys[0] for value in source.first(name, count=40) if value.keys}
        return keys >= _AGENT_FILE or keys >= _OLD_FILE
    return False


def read(source: Source, omissions: Omissions) -> Iterator[ImportedTurn]:
    """Yield the turns of the agents, and their memory blocks as turns."""
    for name in source.choose(FILES):
        agent = _Agent(omissions)  # of an older file, whose keys are sorted
        for value in source.values(name, depth=2):
            data, key = as_object(value.data), value.keys[0] if value.keys else ""
            if value.fault:
                place = f"{name or source.location}, entry {value.number}"
                omissions.add_fault("unreadable entries", place, value.fault)
            elif key == "agent_type":
                agent.type = as_text(value.data)
            elif key == "messages":
                yield from agent.add(data)
            elif key in ("core_memory", "blocks"):
                yield from _read_block(data, omissions)
            elif key == "agents":
                yield from _read_agent(data, omissions)
            elif key == "files":
                omissions.add("files")
        yield from agent.end()


def _read_agent(data: Mapping[str, Any], omissions: Omissions) -> Iterator[ImportedTurn]:
    agent = _Agent(omissions, as_text(data.get("agent_type")), as_text(data.get("name")) or None)
    for message in as_list(data.get("messages")):
        yield from agent.add(as_object(message))
    yield from agent.end()


def _read_block(data: Mapping[str, Any], omissions: Omissions) -> Iterator[ImportedTurn]:
    """Yield what a block says, unless it is about the agent itself."""
    label, text = as_text(data.get("label")) or "block", as_text(data.get("value"))
    if label == _PERSONA or not text:
        omissions.add("memory blocks about the agent" if text else "empty memory blocks")
        return
    at = parse_time(data.get("updated_at") or data.get("created_at"), timezone.utc)
    id, metadata = f"{NAME}:block:{hash_of(label, text)}", {"source": NAME, "block": label}
    turn = make_turn(omissions, query=text, at=at, id=id, session=None, metadata=metadata)
    if turn is not None:
        yield ImportedTurn(turn, parts=(label,))


@dataclass(slots=True)
class _Agent:
    """Reads the messages of one agent."""

    omissions: Omissions
    type: str = ""
    name: str | None = None
    _builder: TurnBuilder | None = field(default=None)

    def add(self, data: Mapping[str, Any]) -> Iterator[ImportedTurn]:
        """Yield the turns that a message ends."""
        if self._builder is None:
            self._builder = TurnBuilder(self.omissions, self.name, {"source": NAME})
        message = self._to_message(data)
        if message is not None:
            yield from (self._imported(turn) for turn in self._builder.add(message))

    def end(self) -> Iterator[ImportedTurn]:
        """Yield the last turn."""
        if self._builder is not None:
            yield from (self._imported(turn) for turn in self._builder.end())

    def _imported(self, turn: Any) -> ImportedTurn:
        return ImportedTurn(turn, parts=(self.name or "",))

    def _to_message(self, data: Mapping[str, Any]) -> Message | None:
        """Return a message as the user saw it; None if the user did not."""
        role = as_text(data.get("role"))
        text = self._read_content(data.get("content"))
        if role == "user":
            unpacked = _unpack(text)
            if unpacked is None:
                self.omissions.add("events of the agent")
                return None
            text = unpacked
        elif role in ("assistant", "approval"):
            role, text = "assistant", self._read_answer(data, text)
            if not text:
                return None
        at = parse_time(data.get("created_at"), timezone.utc)
        return Message(role or "unknown", text, at, None, as_text(data.get("name")) or None)

    def _read_answer(self, data: Mapping[str, Any], text: str) -> str:
        """Return what an agent said: in agents of MemGPT's kind, only what it sent as a message."""
        functions = [as_object(call).get("function") for call in as_list(data.get("tool_calls"))]
        calls = list(map(as_object, functions))
        sent = [_argument(call, "message") for call in calls if call.get("name") == _SAY]
        used = [
            placeholder("tool call", name)
            for call in calls
            if (name := as_text(call.get("name"))) != _SAY and not name.startswith(_MEMORY_TOOLS)
        ]
        if sent or self.type.startswith("memgpt"):
            self.omissions.add("thoughts of the agent", bool(text))
            text = ""
        return join_texts([text, *used, *sent])

    def _read_content(self, content: Any) -> str:
        if isinstance(content, str):
            return content
        texts = []
        for part in map(as_object, as_list(content)):
            kind = as_text(part.get("type"))
            if kind in _REASONING:
                self.omissions.add("thoughts of the agent")
            elif kind == "text":
                texts.append(as_text(part.get("text")))
            elif kind == "image":
                texts.append(placeholder("image"))
        return join_texts(texts)


def _unpack(text: str) -> str | None:
    """Return the user's text of a message that the server packed in JSON; None for an event."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        data = as_object(json.loads(text))
    except (ValueError, RecursionError):
        return text
    kind = as_text(data.get("type"))
    if kind == "user_message":
        return as_text(data.get("message"))
    return None if kind in ("heartbeat", "login", "system_alert", "system") else text


def _argument(call: Mapping[str, Any], name: str) -> str:
    """Return an argument of a tool call."""
    arguments = call.get("arguments")
    try:
        data = json.loads(arguments) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        return as_text(arguments)
    return as_text(as_object(data).get(name))
