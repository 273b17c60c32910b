"""State of a conversation: its latest turns with their messages, and the last recall.

The state serializes to plain JSON, and its functions are pure: adding messages returns a new
state, and the caller stores the turns that changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from llama_index.core.base.llms.types import ChatMessage
from pydantic import BaseModel, Field

from memorybank_core import Memory, Turn
from memorybank_core.context import without_recalled

from .messages import count_tokens, extract_answer, extract_text, is_user_message, to_messages

_NAME_PATTERN = re.compile(r"conversation-[0-9a-f]{12}(?=:)")


class BufferedTurn(BaseModel):
    """A turn with all its messages, including tool calls and their results.

    Attributes:
        id: Id of the turn in the bank; None if it is not stored there.
        query: Text of the user's message.
        response: Text of the answer; "" if there is no answer yet.
        at: Time of the user's message; None if unknown.
        messages: All messages of the turn.
        metadata: Metadata with which the bank stores it already; {} if it has none, or is new.
    """

    id: str | None = None
    query: str = ""
    response: str = ""
    at: datetime | None = None
    messages: list[ChatMessage] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Return whether the user's message has no answer yet."""
        return not self.response and any(map(is_user_message, self.messages))

    @property
    def is_stored(self) -> bool:
        """Return whether the bank stores the turn, unless it was deleted there."""
        return self.id is not None and bool((self.query + self.response).strip())

    def to_turn(self, session: str | None, metadata: Mapping[str, Any]) -> Turn:
        """Return the turn as the bank stores it, with this metadata if it is new."""
        texts, metadata = (self.query, self.response), self.metadata or metadata
        return Turn(*texts, self.at, self.id, session, metadata=metadata)


class TurnRecall(BaseModel):
    """The recall of a turn, kept so that it is not repeated.

    Attributes:
        turn: Id of the turn.
        query: Query of the recall.
        block: The recalled text as it is inserted into the prompt.
        ids: Ids of the memories in `block`.
    """

    turn: str
    query: str
    block: str
    ids: list[str]


class ConversationState(BaseModel):
    """The latest turns of a conversation.

    Attributes:
        name: Prefix of the ids of its turns, which distinguishes them in the bank from the turns
            before a reset; "" before the first reset.
        opening: Messages before the first turn, usually system messages.
        turns: The turns, oldest first.
        upcoming: Id of the next turn.
        recall: The last recall; None before the first.
    """

    name: str = ""
    opening: list[ChatMessage] = Field(default_factory=list)
    turns: list[BufferedTurn] = Field(default_factory=list)
    upcoming: str = ""
    recall: TurnRecall | None = None

    def with_messages(self, messages: Sequence[ChatMessage], now: datetime) -> ConversationState:
        """Return the conversation with messages added at its end.

        A user message begins a turn. If it repeats the last one, which has no answer yet, it is a
        retry of that turn. Answers complete the turn; several are joined with newlines. All other
        messages are added to the current turn.
        """
        state = self.model_copy(update={"turns": list(self.turns), "opening": [*self.opening]})
        for message in messages:
            state._add(message, now)
        return state

    def changes_since(self, earlier: ConversationState) -> list[BufferedTurn]:
        """Return the turns to store: those with new or changed text."""
        before = {turn.id: turn for turn in earlier.turns}
        return [
            turn
            for turn in self.turns
            if turn.is_stored and not _has_same_text(before.get(turn.id), turn)
        ]

    def latest_within(self, limit: int, count: Callable[[str], int]) -> list[BufferedTurn]:
        """Return the latest turns that fit into `limit` tokens, but at least the last turn.

        Turns are not split, so that no tool call loses its result.
        """
        remaining = limit - count_tokens(self.opening, count)
        first = len(self.turns)
        while first > 0:
            remaining -= count_tokens(self.turns[first - 1].messages, count)
            if remaining < 0 and first < len(self.turns):
                break
            first -= 1
        return self.turns[first:]

    def without(self, ids: Collection[str]) -> ConversationState:
        """Return the conversation without these turns.

        If the last turn is removed, an empty turn replaces it, so that a later answer to it is not
        added to the previous turn.
        """
        turns = [turn for turn in self.turns if turn.id not in ids]
        if self.turns and self.turns[-1].id in ids:
            turns.append(BufferedTurn())
        return self.model_copy(update={"turns": turns})

    def truncated(self, limit: int, count: Callable[[str], int]) -> ConversationState:
        """Return the conversation without the oldest stored turns that exceed `limit` tokens."""
        fitting = {turn.id for turn in self.latest_within(limit, count)}
        excess = {turn.id for turn in self.turns if turn.is_stored} - fitting
        return self.without({id for id in excess if id and id.startswith(self.name)})

    def find_current_query(self, input: str | None) -> tuple[str, str, BufferedTurn | None]:
        """Return the turn id and the query to recall for, and the turn if it has begun.

        If `input` is None, as in calls by agents, the query is the user's last message.
        """
        last = self.turns[-1] if self.turns else None
        query = None if input is None else without_recalled(input).strip()
        if last and (query is None or (last.is_open and query == last.query.strip())):
            return last.id or self.upcoming, last.query.strip(), last
        return self.upcoming, query or "", None

    def _add(self, message: ChatMessage, now: datetime) -> None:
        last = self.turns[-1] if self.turns else None
        answer = without_recalled(extract_answer(message))
        if is_user_message(message):
            self._begin_turn(message, last, now)
        elif answer.strip() and (last is None or last.id is None):
            self._append(BufferedTurn(response=answer, at=now, messages=[message]))
        elif last is None:
            self.opening.append(message)
        else:
            separator = "\n" if last.response and answer else ""
            response = f"{last.response}{separator}{answer}"
            update = {"response": response, "messages": [*last.messages, message]}
            self.turns[-1] = last.model_copy(update=update)

    def _begin_turn(self, message: ChatMessage, last: BufferedTurn | None, now: datetime) -> None:
        query = without_recalled(extract_text(message))
        if last and last.id and last.is_open and last.query == query:
            self.turns[-1] = last.model_copy(update={"messages": [message]})
        else:
            self._append(BufferedTurn(query=query, at=now, messages=[message]))

    def _append(self, turn: BufferedTurn) -> None:
        self.turns.append(turn.model_copy(update={"id": self.upcoming}))
        self.upcoming = create_turn_id(self.name)


def collect_messages(turns: Sequence[BufferedTurn]) -> list[ChatMessage]:
    """Return all messages of these turns."""
    return [message for turn in turns for message in turn.messages]


def create_turn_id(name: str) -> str:
    """Return a new turn id for the conversation `name`."""
    return f"{name}:{uuid4().hex}" if name else uuid4().hex


def create_conversation() -> ConversationState:
    """Return an empty conversation with a new name."""
    name = f"conversation-{uuid4().hex[:12]}"
    return ConversationState(name=name, upcoming=create_turn_id(name))


def build_conversation(messages: Sequence[ChatMessage]) -> ConversationState:
    """Return a new conversation with the caller's messages; its turns have no ids."""
    state = create_conversation().with_messages(messages, datetime.now(timezone.utc))
    turns = [turn.model_copy(update={"id": None, "at": None}) for turn in state.turns]
    return state.model_copy(update={"turns": turns})


def match_stored_turns(
    state: ConversationState, memories: Sequence[Memory], now: datetime
) -> ConversationState:
    """Return the conversation with ids added to the turns that the bank already stores.

    A user message without an answer at the end also gets an id, so that it is stored: the id of
    the bank's last turn if that is the same message without an answer, otherwise a new id.

    Args:
        state: A conversation with the caller's messages.
        memories: The latest turns in the bank, oldest first.
        now: Time of a new turn.
    """
    stored = {
        (memory.turn.query, memory.turn.response): memory for memory in memories if memory.turn
    }
    turns = [_with_stored_id(turn, stored.get((turn.query, turn.response))) for turn in state.turns]
    if not turns or not turns[-1].is_open:
        return state.model_copy(update={"turns": turns})
    question = state.turns[-1].model_copy(update={"id": state.upcoming, "at": now})
    last = memories[-1].turn if memories else None
    if last and not last.response and last.query == question.query:
        question = _with_stored_id(question, memories[-1])
    return state.model_copy(
        update={"turns": [*turns[:-1], question], "upcoming": create_turn_id(state.name)},
    )


def resume_conversation(memories: Sequence[Memory]) -> ConversationState:
    """Return the conversation that the last of these stored turns belongs to."""
    names = [_parse_conversation_name(memory) for memory in memories]
    name = next((name for name in reversed(names) if name), "")
    return ConversationState(
        name=name,
        turns=[_to_buffered(memory) for memory in select_conversation(memories, name)],
        upcoming=create_turn_id(name),
    )


def select_conversation(memories: Sequence[Memory], name: str) -> list[Memory]:
    """Return the memories from the first turn of the conversation `name` on; "" returns all."""
    if not name:
        return list(memories)
    positions = (i for i, memory in enumerate(memories) if _parse_conversation_name(memory) == name)
    return list(memories[next(positions, len(memories)) :])


def _parse_conversation_name(memory: Memory) -> str:
    match = _NAME_PATTERN.match(memory.id)
    return match[0] if match else ""


def _with_stored_id(turn: BufferedTurn, memory: Memory | None) -> BufferedTurn:
    if memory is None:
        return turn
    update = {"id": memory.id, "at": memory.created_at, "metadata": dict(memory.metadata)}
    return turn.model_copy(update=update)


def _to_buffered(memory: Memory) -> BufferedTurn:
    turn = memory.turn
    query, response = (turn.query, turn.response) if turn else ("", "")
    buffered = BufferedTurn(id=memory.id, query=query, response=response, at=memory.created_at)
    update = {"messages": to_messages(memory), "metadata": dict(memory.metadata)}
    return buffered.model_copy(update=update)


def _has_same_text(old: BufferedTurn | None, new: BufferedTurn) -> bool:
    return old is not None and (old.query, old.response) == (new.query, new.response)
