"""Messages in the forms that applications have them, and the turns that they are.

A message is a mapping with "role" and "content", as OpenAI, Anthropic and mem0 take it, or an
object with these attributes, as LlamaIndex has it, or with `type` instead of `role`, as LangChain
has it. Neither framework is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Protocol

from .errors import InvalidInputError
from .records import Turn

USER_ROLES = frozenset({"user", "human"})
"""Roles of the user's messages."""
COMPANION_ROLES = frozenset({"assistant", "ai", "model"})
"""Roles of answers."""
SKIPPED_ROLES = frozenset({"system", "developer", "tool", "function"})
"""Roles of messages that neither the user nor the companion said; they are not stored."""


class MessageObject(Protocol):
    """A message of another package: it also has a `role` or a `type`, and perhaps a `name`."""

    @property
    def content(self) -> Any:
        """A string, or a list of parts."""
        ...


TurnInput = Turn | Mapping[str, Any] | MessageObject | tuple[str, str] | str
"""A turn, a message, a question with its answer, or what the user said."""

_ACCEPTED = (
    "Turn records, messages with a role and a content, pairs (question, answer), or strings that "
    "the user said"
)
_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
_ROLES = USER_ROLES | COMPANION_ROLES | SKIPPED_ROLES


@dataclass(slots=True)
class _Message:
    """A message of the user or the companion."""

    is_user: bool
    text: str
    name: str | None


@dataclass(slots=True)
class _Exchange:
    """A message of the user, if there is one, and the answers that follow it."""

    question: _Message | None = None
    answers: list[_Message] = field(default_factory=list)

    def to_turns(self) -> list[Turn]:
        """Return the turn, or no turn if no message has a text."""
        query = self.question.text if self.question else ""
        response = "\n".join(answer.text for answer in self.answers)
        if not (query + response).strip():
            return []
        companion_name = next((answer.name for answer in self.answers if answer.name), None)
        user_name = self.question.name if self.question else None
        return [Turn(query, response, user_name=user_name, companion_name=companion_name)]


def to_turns(
    items: Any, *, session: str | None = None, metadata: Mapping[str, Any] | None = None
) -> list[Turn]:
    """Return the turns of what an application passes to `MemoryBank.add`.

    A message of the user begins a turn, and the answers that follow complete it, joined with line
    breaks. Messages of a system or a tool are skipped, and so are answers without text.

    Args:
        items: A list of turns, messages, pairs and strings in any order; or one turn, message or
            string.
        session: Session of turns that have none.
        metadata: Metadata of turns that have none.

    Raises:
        InvalidInputError: If an item has another type, or a message has an unknown role.
    """
    if isinstance(items, (str, Turn, Mapping)) or _is_message_object(items):
        items = [items]
    if not isinstance(items, (list, tuple)):
        raise InvalidInputError(
            f"turns must be a list of Turn records or messages, not {type(items).__name__}"
        )
    if isinstance(items, tuple) and len(items) == 2 and all(isinstance(i, str) for i in items):
        raise InvalidInputError(
            "a tuple of two strings may be two messages or a pair: pass a list, as in "
            "[(question, answer)] or [first, second]"
        )
    return [_complete(turn, session, metadata) for turn in _iterate_turns(items)]


def read_text(content: Any) -> str:
    """Return the text of a message's content: a string, or a list of parts.

    Parts that are not text, such as images and tool calls, are skipped; several texts are joined
    with line breaks.

    Raises:
        InvalidInputError: If it is neither, nor None.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, (list, tuple)):
        raise InvalidInputError(
            "the content of a message must be a string or a list of parts, not "
            f"{type(content).__name__}"
        )
    return "\n".join(text for part in content if (text := _read_part(part)))


def _iterate_turns(items: Sequence[Any]) -> Iterator[Turn]:
    """Yield the turn of each item, or of several messages together."""
    exchange = _Exchange()
    for place, item in enumerate(items):
        if _is_skipped(item):
            continue
        message = _to_message(item, place)
        if message and not message.is_user:
            exchange.answers.extend([message] * bool(message.text.strip()))
            continue
        yield from exchange.to_turns()
        exchange = _Exchange(message)
        if message is None:
            yield _to_turn(item, place)
    yield from exchange.to_turns()


def _to_turn(item: Any, place: int) -> Turn:
    """Return the turn of an item that is not a message."""
    if isinstance(item, Turn):
        return item
    if isinstance(item, str):
        return Turn(item)
    if isinstance(item, (tuple, list)) and len(item) == 2:
        question, answer = item
        if isinstance(question, str) and isinstance(answer, str):
            return Turn(question, answer)
    raise InvalidInputError(
        f"turns must be {_ACCEPTED}; item {place + 1} is {_describe(item)}: {item!r:.200}"
    )


def _to_message(item: Any, place: int) -> _Message | None:
    """Return an item as a message; None if it is not one.

    Raises:
        InvalidInputError: If it has an unknown role, or a content or a name of another type.
    """
    if not _has_role(item):
        return None
    role = _read_role(item)
    if role not in _ROLES:
        raise InvalidInputError(
            f"message {place + 1} has the role {role!r}; the user's role is 'user' or 'human', the "
            "companion's 'assistant' or 'ai', and messages with the role "
            f"{', '.join(map(repr, sorted(SKIPPED_ROLES)))} are skipped"
        )
    content, name = (item[1], None) if isinstance(item, tuple) else _read_fields(item)
    return _Message(role in USER_ROLES, read_text(content), name or None)


def _read_fields(item: Any) -> tuple[Any, Any]:
    """Return content and name of a message."""
    if isinstance(item, Mapping):
        return item.get("content"), item.get("name")
    return item.content, getattr(item, "name", None)


def _read_role(item: Any) -> Any:
    """Return the role of a message in lower case: "user", "assistant" and others."""
    if isinstance(item, tuple):
        role = item[0]
    elif isinstance(item, Mapping):
        role = item.get("role", item.get("type"))
    else:
        role = getattr(item, "role", None) or getattr(item, "type", None)
    if isinstance(role, Enum):
        role = role.value
    if not isinstance(role, str):
        return role
    return role.removesuffix("MessageChunk").lower()  # a streamed message of LangChain


def _has_role(item: Any) -> bool:
    """Return whether an item is a message: it has a role, or a type, and a content."""
    if isinstance(item, tuple):  # LangChain's notation
        return len(item) == 2 and isinstance(item[0], str) and item[0] in _ROLES
    if isinstance(item, Mapping):
        return "role" in item or ("type" in item and "content" in item)
    return _is_message_object(item)


def _is_message_object(item: Any) -> bool:
    is_plain = isinstance(item, (Turn, str, Mapping, list, tuple)) or item is None
    has_role = hasattr(item, "role") or hasattr(item, "type")
    return not is_plain and has_role and hasattr(item, "content")


def _is_skipped(item: Any) -> bool:
    return _has_role(item) and _read_role(item) in SKIPPED_ROLES


def _read_part(part: Any) -> str:
    """Return the text of a part of a content; "" if it is something else than text."""
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping):
        kind, text = part.get("type", "text"), part.get("text")
    else:
        kind = getattr(part, "block_type", getattr(part, "type", "text"))
        text = getattr(part, "text", None)
    return text if kind in _TEXT_PARTS and isinstance(text, str) else ""


def _complete(turn: Turn, session: str | None, metadata: Mapping[str, Any] | None) -> Turn:
    """Return a turn with the session and the metadata of the call where it has none."""
    changes: dict[str, Any] = {}
    if session is not None and turn.session is None:
        changes["session"] = session
    if metadata and not turn.metadata:
        changes["metadata"] = metadata
    return replace(turn, **changes) if changes else turn


def _describe(item: Any) -> str:
    return "an empty value" if item is None else f"of type {type(item).__name__}"
