"""Episodes of Graphiti and Zep: JSON of `EpisodicNode`, as a list, as lines or under "episodes".

The graph that was made of them, its entities and facts, is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timezone
from typing import Any

from memorybank_core.importers.content import as_id, as_object, as_text
from memorybank_core.importers.conversations import ImportedTurn, Message, TurnBuilder
from memorybank_core.importers.entries import has_entries, read_entries
from memorybank_core.importers.omissions import Omissions
from memorybank_core.importers.sources import Source
from memorybank_core.importers.times import parse_time
from memorybank_core.messages import COMPANION_ROLES, SKIPPED_ROLES, USER_ROLES

from .langgraph_store import read_value

FILES = r"(?i).+\.(?:json|jsonl|ndjson)"
NAME = "graphiti"

_LISTS = ("episodes", "episodic_nodes")
_SPEAKER = re.compile(
    r"^([^\W\d][^\n:：]{0,60}?)(?:\s*\((\w+)\))?\s*[:：](?!//)[ \t]*", re.MULTILINE
)
_KINDS = frozenset({"message", "text", "json", "fact_triple"})
_ROLES = USER_ROLES | COMPANION_ROLES | SKIPPED_ROLES


def recognize(source: Source) -> bool:
    """Return whether the source has episodes of Graphiti."""
    names = source.find(FILES)[:1]
    values = (value for name in names for value in read_entries(source, name, _is_episode))
    return has_entries(values, _is_episode)


def read(source: Source, omissions: Omissions) -> Iterator[ImportedTurn]:
    """Yield the turns of each episode."""
    for name in source.choose(FILES):
        for value in read_entries(source, name, _is_episode):
            data = as_object(value.data)
            if value.keys and value.keys[0] not in _LISTS and not value.fault:
                omissions.add(f"entries of {value.keys[0][:40]!r}")
            elif _is_episode(data):
                yield from _read_episode(data, omissions)
            else:
                place = f"{name or source.location}, entry {value.number}"
                reason = value.fault or "it is not an episode"
                omissions.add_fault("unreadable episodes", place, reason)


def _is_episode(data: Mapping[str, Any]) -> bool:
    kind = as_text(data.get("source")).removeprefix("EpisodeType.")
    return "uuid" in data and "content" in data and kind in _KINDS


def _read_episode(data: Mapping[str, Any], omissions: Omissions) -> Iterator[ImportedTurn]:
    """Yield the turns of an episode; messages in it are "speaker: text", one after another."""
    group = as_id(data.get("group_id"))
    metadata = {
        "source": NAME,
        "title": as_text(data.get("name"))[:200],
        "description": as_text(data.get("source_description"))[:200],
        **as_object(data.get("episode_metadata")),
    }
    at = parse_time(data.get("valid_at") or data.get("created_at"), timezone.utc)
    builder = TurnBuilder(omissions, None, metadata, at)
    id = f"{NAME}:{as_id(data['uuid'])}"
    kind, content = as_text(data.get("source")), as_text(data["content"])
    if kind.endswith("message"):
        messages = list(_split_messages(content, id))
    else:
        text = _read_json(content) if kind.endswith("json") else content
        messages = [Message("user", text, id=id)]
    for turn in builder.to_turns(messages):
        yield ImportedTurn(turn, group, (group or "",), is_current=True)


def _split_messages(content: str, id: str) -> Iterator[Message]:
    """Yield the messages of an episode; one whose speaker has only a name is the user's.

    If the first speaker has a role, each one has: "Flour: 200 g" is then a line of a message.
    """
    starts = list(_SPEAKER.finditer(content))
    spoken = [match for match in starts if _role_of(match) not in SKIPPED_ROLES]
    if spoken and _role_of(spoken[0]) in _ROLES:
        starts = [match for match in starts if _role_of(match) in _ROLES]
    if not starts or content[: starts[0].start()].strip():
        yield Message("user", content, id=id)
        return
    ends = [match.start() for match in starts[1:]] + [len(content)]
    for number, (match, end) in enumerate(zip(starts, ends, strict=True), 1):
        speaker, role = match[1].strip(), _role_of(match)
        name = None if speaker.lower() in _ROLES else speaker
        text = content[match.end() : end].strip()
        own = id if number == 1 else f"{id}-{number}"
        yield Message(role if role in _ROLES else "user", text, id=own, name=name)


def _role_of(match: re.Match[str]) -> str:
    """Return the role of a speaker: in parentheses, or the name itself."""
    return (match[2] or match[1]).strip().lower()


def _read_json(content: str) -> str:
    try:
        return read_value(json.loads(content)) or content
    except (ValueError, RecursionError):
        return content
