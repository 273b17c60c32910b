"""Fields of the entries of plain chat logs, under the names that programs give them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from memorybank_core.importers.content import as_list, as_object, as_text
from memorybank_core.importers.omissions import Omissions
from memorybank_core.importers.times import parse_time
from memorybank_core.messages import COMPANION_ROLES, SKIPPED_ROLES, USER_ROLES


def _spellings(*keys: str) -> tuple[str, ...]:
    """Return keys and their spellings in camel case, such as "created_at" and "createdAt"."""
    words = [key.split("_") for key in keys]
    camel = [first + "".join(map(str.capitalize, rest)) for first, *rest in words]
    return tuple(dict.fromkeys(name for pair in zip(keys, camel, strict=True) for name in pair))


ROLE = ("role", "sender", "from", "author", "speaker", "type")
TEXT = ("content", "text", "message", "value", "body", "refusal")
TIME = _spellings("time", "timestamp", "created_at", "create_time", "at", "ts", "date")
ID = _spellings("id", "message_id", "uuid")
SESSION = _spellings("session", "session_id", "conversation_id", "thread_id", "chat_id")
USER = _spellings("user_id", "user")
EXCHANGE = (("query", "response"), ("question", "answer"), ("prompt", "completion"))
MESSAGES = ("messages", "conversations", "conversation")
HIDDEN = ("isMeta", "isSidechain")
"""Flags of messages that the user neither wrote nor saw, in the logs of Claude Code."""

_ROLES = USER_ROLES | COMPANION_ROLES | SKIPPED_ROLES
_EMPTY: tuple[Any, ...] = (None, "", [])
_SYNONYMS = {"gpt": "assistant", "bot": "assistant", "companion": "assistant"}


def is_known(entry: Mapping[str, Any]) -> bool:
    """Return whether an entry is a message, an exchange or a conversation."""
    is_message = read_role(entry) in _ROLES and any(key in entry for key in TEXT)
    items = [item for key in MESSAGES for item in as_list(entry.get(key))]
    is_conversation = any(read_role(as_object(item)) in _ROLES for item in items)
    return is_message or is_conversation or any(set(pair) <= entry.keys() for pair in EXCHANGE)


def read_role(entry: Mapping[str, Any]) -> str:
    """Return the role of a message in lower case; "" if it has none."""
    for key in ROLE:
        value = entry.get(key)
        role = as_text(as_object(value).get("role")) or as_text(value)
        if role:
            return _SYNONYMS.get(role.strip().lower(), role.strip().lower())
    return ""


def read_time(
    entry: Mapping[str, Any], zone: tzinfo, place: str, omissions: Omissions
) -> datetime | None:
    """Return the first of an entry's times that can be read; if none can, it is a fault."""
    values = [entry[key] for key in TIME if entry.get(key) not in _EMPTY]
    date, time = as_text(entry.get("date")), as_text(entry.get("time"))
    both = [f"{date} {time}"] if date and time else []
    for value in [*both, *values]:
        if moment := parse_time(value, zone):
            return moment
    if values:
        omissions.add_fault("unreadable times", place, f"{values[0]!r:.60} is not a time")
    return None


def first_of(entry: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    """Return the value of the first of these keys that has one."""
    return next((entry[key] for key in keys if entry.get(key) not in _EMPTY), None)
