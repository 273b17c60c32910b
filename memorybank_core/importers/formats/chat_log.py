"""Plain chat logs: JSON lines, or a JSON list, of messages or of exchanges.

A message is an object with a role and a text. Each line may also be an exchange ("query" and
"response"), or a whole conversation ("messages", or "conversations" as ShareGPT has it).
`memorybank export --to jsonl` writes such lines, and reading them returns the same turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from itertools import islice
from typing import Any

from memorybank_core.errors import FormatError
from memorybank_core.importers.content import as_id, as_object, as_text
from memorybank_core.importers.conversations import ImportedTurn, Message, TurnBuilder, make_turn
from memorybank_core.importers.entries import has_entries
from memorybank_core.importers.json_stream import JsonValue
from memorybank_core.importers.omissions import Omissions
from memorybank_core.importers.parts import read_content
from memorybank_core.importers.sources import Source
from memorybank_core.messages import USER_ROLES

from .chat_log_entries import (
    EXCHANGE,
    HIDDEN,
    ID,
    MESSAGES,
    SESSION,
    TEXT,
    TIME,
    USER,
    first_of,
    is_known,
    read_role,
    read_time,
)

FILES = r"(?i)[^.].*\.(?:json|jsonl|ndjson)"
NAME = "log"
TURN = "turn"
"""Key of our own lines: the id of the turn that the message belongs to."""

_LISTS = [(key,) for key in MESSAGES]
_OUTER = {*USER, *SESSION, *ID, *TIME}
_TRIED_FILES = 200
"""Maximum number of files in which messages are looked for."""
_TRIED = 20
"""Number of entries among which a message is looked for."""
_MAX_OPEN = 1_000
"""Maximum number of sessions whose last exchange is kept open for its answer."""
_MAX_SESSIONS = 100_000
"""Maximum number of sessions whose user is remembered."""

Key = tuple[str | None, str | None]
"""User and session."""


def recognize(source: Source) -> bool:
    """Return whether the source has a chat log."""
    names = source.find(FILES)[:_TRIED_FILES]
    return any(has_entries(_values(source, name), is_known) for name in names)


def read(source: Source, omissions: Omissions) -> Iterator[ImportedTurn]:
    """Yield the turns of all files."""
    for name in source.choose(FILES):
        if name and not _may_have_messages(source, name):
            omissions.add("files without messages")
            continue
        file = name or source.location
        log = _Log(source.zone, omissions)
        if _is_on_several_lines(source, name):
            log = log.open_conversation(_read_outer(source, name), file)
        for value in _values(source, name):
            place = f"{file}, entry {value.number}"
            if isinstance(value.data, dict):
                yield from log.add(value.data, place)
            else:
                omissions.add_fault("unreadable entries", place, value.fault or "not an object")
        yield from log.end()


def _may_have_messages(source: Source, name: str) -> bool:
    """Return whether a file has a message or a fault among its first entries."""
    done = source.done
    values = list(islice(_values(source, name), _TRIED))
    source.done = done
    return any(value.fault or is_known(as_object(value.data)) for value in values)


def _values(source: Source, name: str) -> Iterator[JsonValue]:
    """Return the entries of a file with JSON lines, a list, or an object with "messages"."""
    if source.first_sign(name) == b"[":
        return source.values(name)
    if _is_on_several_lines(source, name):
        members = source.values(name, depth=2)
        return (value for value in members if value.fault or value.keys[:1] in _LISTS)
    return source.lines(name)


def _is_on_several_lines(source: Source, name: str) -> bool:
    """Return whether a file has one object, as programs print it with indentation."""
    first = source.first_lines(name, 2)
    return source.first_sign(name) == b"{" and all(value.fault for value in first)


def _read_outer(source: Source, name: str) -> dict[str, Any]:
    """Return user, session and time of a conversation, which may follow its messages.

    Raises:
        FormatError: If the file has several objects.
    """
    outer: dict[str, Any] = {}
    for value in source.peek(name, depth=2):
        key = value.keys[0] if len(value.keys) == 1 else ""
        if key in _OUTER and outer.setdefault(key, value.data) != value.data:
            raise FormatError(
                f"{name or source.location} has several objects on several lines each: write each "
                "on one line, for example with jq -c ."
            )
    return outer


@dataclass(slots=True)
class _Log:
    """Reads entries, in which the sessions of several users may alternate.

    Attributes:
        zone: The time zone of times that name none.
        omissions: Counts what is left out.
        user: The user of entries that name none.
        session: The session of entries that name none.
        started: The time of first messages that have none.
    """

    zone: tzinfo
    omissions: Omissions
    user: str | None = None
    session: str | None = None
    started: datetime | None = None
    _open: dict[Key, TurnBuilder] = field(default_factory=dict)
    _turns: dict[Key, str | None] = field(default_factory=dict)
    _users: dict[str, str] = field(default_factory=dict)  # last user of each session
    _last: Key = None, None  # of the last message

    def add(self, entry: Mapping[str, Any], place: str) -> Iterator[ImportedTurn]:
        """Yield the turns that an entry ends."""
        pair = next((keys for keys in EXCHANGE if keys[0] in entry or keys[1] in entry), None)
        messages = _messages_of(entry)
        if messages is not None:
            yield from self._add_conversation(messages, entry, place)
        elif pair is not None and "role" not in entry:
            yield from self._add_exchange(entry, pair, place)
        elif any(entry.get(flag) is True for flag in HIDDEN):
            self.omissions.add("hidden messages")
        elif not read_role(entry):
            self.omissions.add_fault("unreadable entries", place, "it has no role")
        else:
            yield from self._add_message(entry, place)

    def open_conversation(self, entry: Mapping[str, Any], place: str) -> _Log:
        """Return the log of a conversation whose user, session and time an entry has."""
        user, session = self._owner(entry, is_question=True)
        started = read_time(entry, self.zone, place, self.omissions)
        session = session or as_id(first_of(entry, ID))
        return _Log(self.zone, self.omissions, user, session, started or self.started)

    def end(self) -> Iterator[ImportedTurn]:
        """Yield the last turn of each session."""
        while self._open:
            yield from self._close(next(iter(self._open)))

    def _owner(self, entry: Mapping[str, Any], *, is_question: bool) -> Key:
        """Return user and session of an entry.

        An entry without a user is of the user of its session. If it has no session either, an
        answer belongs to the last message; a question may be anybody's.
        """
        user = as_id(first_of(entry, USER)) or self.user
        session = as_id(first_of(entry, SESSION)) or self.session
        if user is None and session is None:
            return (None, None) if is_question else self._last
        if session is not None:
            user = user or self._users.get(session)
            if user is not None:
                self._users[session] = user
            if len(self._users) > _MAX_SESSIONS:
                del self._users[next(iter(self._users))]
        return user, session

    def _add_message(self, entry: Mapping[str, Any], place: str) -> Iterator[ImportedTurn]:
        text = self._read_text(entry)
        if text is None:
            return
        turn_id = as_id(entry.get(TURN))
        key = self._owner(entry, is_question=read_role(entry) in USER_ROLES)
        if self._last != key and self._turns.get(self._last):
            yield from self._close(self._last)  # the lines of one turn follow each other
        self._last = key
        if key not in self._open and len(self._open) >= _MAX_OPEN:
            yield from self._close(next(iter(self._open)))
        conversation = self._open.setdefault(
            key, TurnBuilder(self.omissions, key[1], last=self.started)
        )
        if turn_id != self._turns.get(key):
            yield from self._as_imported(conversation.end(), key)
        self._turns[key] = turn_id
        message = Message(
            read_role(entry),
            text,
            read_time(entry, self.zone, place, self.omissions),
            turn_id or _log_id(key[1], as_id(first_of(entry, ID))),
            as_text(entry.get("name")) or None,
            as_object(entry.get("metadata")),
        )
        yield from self._as_imported(conversation.add(message), key)

    def _read_text(self, entry: Mapping[str, Any]) -> str | None:
        """Return the text of a message; None if it has only parts that are left out."""
        count = self.omissions.counts.total()
        text = read_content(first_of(entry, TEXT), self.omissions)
        return None if not text.strip() and self.omissions.counts.total() > count else text

    def _add_conversation(
        self, items: list[Any], entry: Mapping[str, Any], place: str
    ) -> Iterator[ImportedTurn]:
        log = self.open_conversation(entry, place)
        for item in items:
            if isinstance(item, dict) and _messages_of(item) is None:
                yield from log.add(item, place)
            else:
                self.omissions.add_fault("unreadable entries", place, "it has no message there")
        yield from log.end()

    def _add_exchange(
        self, entry: Mapping[str, Any], keys: tuple[str, str], place: str
    ) -> Iterator[ImportedTurn]:
        key = self._owner(entry, is_question=True)
        turn = make_turn(
            self.omissions,
            query=read_content(entry.get(keys[0]), self.omissions),
            response=read_content(entry.get(keys[1]), self.omissions),
            at=read_time(entry, self.zone, place, self.omissions),
            id=_log_id(key[1], as_id(first_of(entry, ID))),
            session=key[1],
            metadata=as_object(entry.get("metadata")),
        )
        yield from self._as_imported(iter([turn] * (turn is not None)), key)

    def _close(self, key: Key) -> Iterator[ImportedTurn]:
        self._turns.pop(key, None)
        yield from self._as_imported(self._open.pop(key).end(), key)

    def _as_imported(self, turns: Iterator[Any], key: Key) -> Iterator[ImportedTurn]:
        for turn in turns:
            yield ImportedTurn(turn, key[0], (key[1] or "",))


def _messages_of(entry: Mapping[str, Any]) -> list[Any] | None:
    """Return the messages of a conversation; None if the entry is not one."""
    return next((entry[key] for key in MESSAGES if isinstance(entry.get(key), list)), None)


def _log_id(session: str | None, id: str | None) -> str | None:
    return ":".join(filter(None, (NAME, session, id))) if id else None
