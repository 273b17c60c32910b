"""Messages of a conversation, and the turns that they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from memorybank_core.errors import InvalidInputError
from memorybank_core.messages import COMPANION_ROLES, SKIPPED_ROLES, USER_ROLES
from memorybank_core.metadata import no_metadata, require_metadata
from memorybank_core.records import Turn

from .omissions import Omissions

MAX_TEXT = 1_000_000
"""Maximum length of a message, in characters; a longer one is left out."""
_MAX_NAME = 500
"""Maximum length of an id, a session or a name, in characters; the rest becomes a hash."""

NO_TEXT = "messages without text"
TOO_LONG = f"messages of more than {MAX_TEXT:,} characters"


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a conversation.

    Attributes:
        role: The role, in any of the usual spellings: "user" or "human", "assistant" or "ai".
        text: The text, with placeholders for what is not text.
        at: Its time; None if the source has none.
        id: Its id, with the name of the source in front; None if the source has none.
        name: Name of the speaker, if it matters.
        metadata: Metadata of a turn that it begins.
    """

    role: str
    text: str
    at: datetime | None = None
    id: str | None = None
    name: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=no_metadata)

    @property
    def is_user(self) -> bool:
        """True if the user wrote it."""
        return self.role in USER_ROLES


@dataclass(frozen=True, slots=True)
class ImportedTurn:
    """A turn of a source.

    Attributes:
        turn: The turn. Without an id, one is made from its session, time and first message;
            without a time, it gets that of the source.
        user_id: The user, if the source names one.
        parts: Names by which it can be selected, such as its session.
        has_owner: Whether one of `parts` is the user, as in a namespace. Then only turns of the
            named user are imported, unless others are selected.
        is_current: Whether it replaces a stored turn with the same id and another text, because
            the source changes texts under the same id, unless its time is earlier. Otherwise both
            are kept.
    """

    turn: Turn
    user_id: str | None = None
    parts: tuple[str, ...] = ()
    has_owner: bool = False
    is_current: bool = False


@dataclass(slots=True)
class TurnBuilder:
    """Joins messages into turns: one of the user begins a turn, answers complete it.

    Attributes:
        omissions: Counts what is left out.
        session: The conversation that the turns belong to.
        metadata: Metadata of the turns.
        last: Time of the last message, or of the conversation: that of messages without one.
    """

    omissions: Omissions
    session: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=no_metadata)
    last: datetime | None = None
    _question: Message | None = None
    _answers: list[Message] = field(default_factory=list)

    def add(self, message: Message) -> Iterator[Turn]:
        """Add a message; yield the turn that it ends."""
        message = replace(message, role=message.role.strip().lower(), at=message.at or self.last)
        self.last = message.at
        if message.role in SKIPPED_ROLES or message.role not in USER_ROLES | COMPANION_ROLES:
            self.omissions.add(skipped_kind(message.role))
        elif not message.text.strip():
            self.omissions.add(NO_TEXT)
        elif len(message.text) > MAX_TEXT:
            self.omissions.add(TOO_LONG)
        elif message.is_user:
            yield from self.end()
            self._question = message
        else:
            self._answers.append(message)

    def end(self) -> Iterator[Turn]:
        """Yield the turn of the last messages, if there are any."""
        messages = [*([self._question] if self._question else []), *self._answers]
        question, answers = self._question, self._answers
        self._question, self._answers = None, []
        if not messages:
            return
        first = messages[0]
        turn = make_turn(
            self.omissions,
            query=question.text if question else "",
            response=join_texts(answer.text for answer in answers),
            at=first.at,
            id=first.id,
            session=self.session,
            user_name=question.name if question else None,
            companion_name=next((answer.name for answer in answers if answer.name), None),
            metadata={**present(self.metadata), **first.metadata},
        )
        if turn is not None:
            yield turn

    def to_turns(self, messages: Iterable[Message]) -> Iterator[Turn]:
        """Yield the turns of a whole conversation."""
        for message in messages:
            yield from self.add(message)
        yield from self.end()


def session_turns(
    messages: Iterable[Message | None], session: str | None, source: str, omissions: Omissions
) -> Iterator[ImportedTurn]:
    """Yield the turns of one session, by which they can be selected; None is left out."""
    builder = TurnBuilder(omissions, session, {"source": source})
    for turn in builder.to_turns(filter(None, messages)):
        yield ImportedTurn(turn, parts=(session or "",))


def make_turn(omissions: Omissions, *, metadata: Mapping[str, Any], **fields: Any) -> Turn | None:
    """Return a turn; None, and a fault, if its fields are not valid."""
    fields = {**fields, **{name: shortened(fields[name]) for name in ("id", "session")}}
    turn = None
    try:
        turn = Turn(**fields)
        return replace(turn, metadata=require_metadata(metadata)) if metadata else turn
    except InvalidInputError as error:
        kind = "unreadable turns" if turn is None else "metadata that do not fit"
        omissions.add_fault(kind, str(fields.get("id") or "a turn"), str(error))
        return turn


def present(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries that have a value."""
    return {key: value for key, value in metadata.items() if value not in (None, "")}


def skipped_kind(role: str) -> str:
    """Return what messages of a role are, in the plural, if they are left out."""
    if role in ("system", "developer"):
        return "system messages"
    if role in ("tool", "function"):
        return "tool results"
    return "messages of an unknown role"


def join_texts(texts: Iterable[str]) -> str:
    """Return texts on lines of their own, without empty ones; equal neighbours once."""
    lines: list[str] = []
    for text in texts:
        if text.strip() and text not in lines[-1:]:
            lines.append(text)
    return "\n".join(lines)


def shortened(text: str | None) -> str | None:
    """Return a name without characters that cannot be stored; the end of a long one is a hash."""
    if not text:
        return None
    text = text.replace("\0", " ").encode("utf-8", "replace").decode()
    if len(text) <= _MAX_NAME:
        return text
    return f"{text[: _MAX_NAME - 33]}-{hash_of(text)}"


def hash_of(*values: Any) -> str:
    """Return 32 hexadecimal digits of SHA-256 over strings, numbers and None."""
    content = json.dumps(values, default=str).encode()
    return hashlib.sha256(content).hexdigest()[:32]
