"""Plain chat logs: JSON lines, or a JSON list, of messages or of exchanges.

A message is an object with a role and a text. Each line may also be an exchange ("query" and
"response"), or a whole conversation ("messages", or "conversations" as ShareGPT has it).
`memorybank export --to jsonl` writes such lines, and reading them returns the same turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Any

from memorybank_core.importers.content import as_id, as_list, as_object, as_text, placeholder
from memorybank_core.importers.conversations import (
    ImportedTurn,
    Message,
    TurnBuilder,
    join_texts,
    make_turn,
)
from memorybank_core.importers.entries import has_entries
from memorybank_core.importers.json_stream import JsonValue
from memorybank_core.importers.omissions import Omissions
from memorybank_core.importers.sources import Source
from memorybank_core.importers.times import parse_time
from memorybank_core.messages import COMPANION_ROLES, SKIPPED_ROLES, USER_ROLES

FILES = r"(?i).+\.(?:jsonl|ndjson)"
NAME = "log"

ROLE = ("role", "sender", "from", "author", "speaker", "type")
TEXT = ("content", "text", "message", "value", "body")
TIME = ("time", "timestamp", "created_at", "create_time", "at", "ts", "date")
ID = ("id", "message_id", "uuid")
SESSION = ("session", "session_id", "conversation_id", "thread_id", "chat_id")
USER = ("user_id", "user")
EXCHANGE = (("query", "response"), ("question", "answer"), ("prompt", "completion"))
MESSAGES = ("messages", "conversations", "conversation")
TURN = "turn"
"""Key of our own lines: the id of the turn that the message belongs to."""

_ROLES = USER_ROLES | COMPANION_ROLES | SKIPPED_ROLES
_GPT = {"gpt": "assistant", "bot": "assistant", "companion": "assistant"}
_LISTS = [(key,) for key in MESSAGES]
_MAX_OPEN = 1_000
"""Maximum number of sessions whose last exchange is kept open for its answer."""


def recognize(source: Source) -> bool:
    """Return whether the source is a chat log."""
    values = (value for name in source.find(FILES)[:1] for value in _values(source, name))
    return has_entries(values, _is_known)


def read(source: Source, omissions: Omissions) -> Iterator[ImportedTurn]:
    """Yield the turns of all files."""
    for name in source.choose(FILES):
        log = _Log(source.zone, omissions)
        for value in _values(source, name):
            place = f"{name or source.location}, entry {value.number}"
            if isinstance(value.data, dict):
                yield from log.add(value.data, place)
            else:
                omissions.add_fault("unreadable entries", place, value.fault or "not an object")
        yield from log.end()


def _values(source: Source, name: str) -> Iterator[JsonValue]:
    """Return the entries of a file with JSON lines, a list, or an object with "messages"."""
    sign = source.first_sign(name)
    if sign == b"[":
        return source.values(name)
    first = next(source.lines(name), JsonValue(0, ()))
    if sign == b"{" and first.fault:  # an object on several lines
        members = source.values(name, depth=2)
        return (value for value in members if value.fault or value.keys[:1] in _LISTS)
    return source.lines(name)


@dataclass(slots=True)
class _Log:
    """Reads entries, in which the sessions of several users may alternate."""

    zone: tzinfo
    omissions: Omissions
    _open: dict[tuple[str | None, str | None], TurnBuilder] = field(default_factory=dict)
    _turns: dict[tuple[str | None, str | None], str | None] = field(default_factory=dict)
    _last: tuple[str | None, str | None] = None, None  # the session of the last message

    def add(self, entry: Mapping[str, Any], place: str) -> Iterator[ImportedTurn]:
        """Yield the turns that an entry ends."""
        user, session = as_id(_first(entry, USER)), as_id(_first(entry, SESSION))
        pair = next((keys for keys in EXCHANGE if keys[0] in entry or keys[1] in entry), None)
        messages = next((entry[k] for k in MESSAGES if isinstance(entry.get(k), list)), None)
        if messages is not None:
            yield from self._add_conversation(messages, entry, user, session)
        elif pair is not None and "role" not in entry:
            yield from self._add_exchange(entry, pair, user, session)
        elif not _read_role(entry):
            self.omissions.add_fault("unreadable entries", place, "it has no role")
        else:
            yield from self._add_message(entry, user, session)

    def end(self) -> Iterator[ImportedTurn]:
        """Yield the last turn of each session."""
        while self._open:
            yield from self._close(next(iter(self._open)))

    def _add_message(
        self, entry: Mapping[str, Any], user: str | None, session: str | None
    ) -> Iterator[ImportedTurn]:
        key, turn_id = (user, session), as_id(entry.get(TURN))
        if self._last != key and self._turns.get(self._last):
            yield from self._close(self._last)  # the lines of one turn follow each other
        self._last = key
        if key not in self._open and len(self._open) >= _MAX_OPEN:
            yield from self._close(next(iter(self._open)))
        conversation = self._open.setdefault(key, TurnBuilder(self.omissions, session))
        if turn_id != self._turns.get(key):
            yield from self._as_imported(conversation.end(), user, session)
        self._turns[key] = turn_id
        message = self._to_message(entry, session)
        message = replace(message, id=turn_id) if turn_id else message
        yield from self._as_imported(conversation.add(message), user, session)

    def _add_conversation(
        self, items: list[Any], entry: Mapping[str, Any], user: str | None, session: str | None
    ) -> Iterator[ImportedTurn]:
        session = session or as_id(_first(entry, ID))
        started = parse_time(_first(entry, TIME), self.zone)
        conversation = TurnBuilder(self.omissions, session, last=started)
        messages = (self._to_message(as_object(item), session) for item in items)
        yield from self._as_imported(conversation.to_turns(messages), user, session)

    def _add_exchange(
        self,
        entry: Mapping[str, Any],
        keys: tuple[str, str],
        user: str | None,
        session: str | None,
    ) -> Iterator[ImportedTurn]:
        id = as_id(_first(entry, ID))
        turn = make_turn(
            self.omissions,
            query=_content(entry.get(keys[0])),
            response=_content(entry.get(keys[1])),
            at=parse_time(_first(entry, TIME), self.zone),
            id=_log_id(session, id),
            session=session,
            metadata=as_object(entry.get("metadata")),
        )
        yield from self._as_imported(iter([turn] * (turn is not None)), user, session)

    def _close(self, key: tuple[str | None, str | None]) -> Iterator[ImportedTurn]:
        self._turns.pop(key, None)
        yield from self._as_imported(self._open.pop(key).end(), *key)

    def _as_imported(
        self, turns: Iterator[Any], user: str | None, session: str | None
    ) -> Iterator[ImportedTurn]:
        for turn in turns:
            yield ImportedTurn(turn, user, (session or "",))

    def _to_message(self, entry: Mapping[str, Any], session: str | None) -> Message:
        return Message(
            _read_role(entry) or "unknown",
            _content(_first(entry, TEXT)),
            parse_time(_first(entry, TIME), self.zone),
            _log_id(session, as_id(_first(entry, ID))),
            as_text(entry.get("name")) or None,
            as_object(entry.get("metadata")),
        )


def _is_known(entry: Mapping[str, Any]) -> bool:
    """Return whether an entry is a message, an exchange or a conversation."""
    is_message = _read_role(entry) in _ROLES and any(key in entry for key in TEXT)
    items = [item for key in MESSAGES for item in as_list(entry.get(key))]
    is_conversation = any(_read_role(as_object(item)) in _ROLES for item in items)
    return is_message or is_conversation or any(set(pair) <= entry.keys() for pair in EXCHANGE)


def _read_role(entry: Mapping[str, Any]) -> str:
    """Return the role of a message in lower case; "" if it has none."""
    for key in ROLE:
        value = entry.get(key)
        role = as_text(as_object(value).get("role")) or as_text(value)
        if role:
            return _GPT.get(role.strip().lower(), role.strip().lower())
    return ""


def _content(content: Any) -> str:
    """Return the text of a content: a string, a list of parts, or an object with parts."""
    if isinstance(content, Mapping):
        return _content(content.get("parts", content.get("text")))
    if isinstance(content, list):
        return join_texts(_part_text(part) for part in content)
    return content if isinstance(content, str) else ""


def _part_text(part: Any) -> str:
    """Return the text of a part, or a placeholder that names it."""
    if isinstance(part, str):
        return part
    part = as_object(part)
    kind = as_text(part.get("type"))
    if text := as_text(part.get("text")):
        return text
    name = part.get("name") or part.get("filename") or part.get("file_name")
    return placeholder(kind.removesuffix("_url") or "attachment", name)


def _first(entry: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    """Return the value of the first of these keys that has one."""
    return next((entry[key] for key in keys if entry.get(key) not in (None, "")), None)


def _log_id(session: str | None, id: str | None) -> str | None:
    return ":".join(filter(None, (NAME, session, id))) if id else None
