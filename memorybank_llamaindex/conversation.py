"""State of a conversation: its latest turns with their messages, and the open turn.

The state serializes to plain JSON, and its functions are pure: each returns a new state.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from pydantic import BaseModel, Field

from memorybank_core import Memory
from memorybank_core.context import without_recalled

from .messages import (
    count_tokens,
    extract_answer,
    extract_text,
    is_user_message,
    join_answers,
    to_messages,
    to_plain,
)
from .open_turn import OpenTurn


class BufferedTurn(BaseModel):
    """A turn with all its messages, including tool calls and their results.

    Attributes:
        id: Id of the turn in the bank; None if it is not stored there.
        query: Text of the user's message.
        response: Text of the answer; "" if there is no answer yet.
        at: Time of the user's message; None if unknown.
        messages: All messages of the turn.
    """

    id: str | None = None
    query: str = ""
    response: str = ""
    at: datetime | None = None
    messages: list[ChatMessage] = Field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Return whether the user's message has no answer yet."""
        return not self.response and any(map(is_user_message, self.messages))

    @property
    def is_stored(self) -> bool:
        """Return whether the bank stores the turn, unless it was deleted there."""
        return self.id is not None and bool((self.query + self.response).strip())

    def equals(self, memory: Memory) -> bool:
        """Return whether the turn has the id and the texts of a stored one."""
        turn = memory.turn
        texts = (turn.query, turn.response) if turn else None
        return self.id == memory.id and (self.query, self.response) == texts


class ConversationState(BaseModel):
    """The latest turns of a conversation.

    Attributes:
        opening: Messages before the first turn, usually system messages.
        turns: The turns, oldest first; an open turn is the last one.
        open_turn: The turn in progress, or the last one that was answered.
        since: Time of a reset, or at which the caller replaced the messages: what the bank stored
            until then is not part of the conversation, unless it is in `turns`.
    """

    opening: list[ChatMessage] = Field(default_factory=list)
    turns: list[BufferedTurn] = Field(default_factory=list)
    open_turn: OpenTurn | None = None
    since: datetime | None = None

    @classmethod
    def of_caller(cls, messages: Sequence[ChatMessage], now: datetime) -> ConversationState:
        """Return a conversation with the caller's messages; its turns have no ids yet."""
        first, turns = split_turns(messages)
        starts = (i for i, message in enumerate(first) if extract_answer(message).strip())
        start = next(starts, len(first))
        if greeting := first[start:]:
            turns.insert(0, BufferedTurn(response=join_answers(greeting), messages=greeting))
        return cls(opening=first[:start], turns=turns, since=now)

    def changed(self, **fields: Any) -> ConversationState:
        """Return the conversation with other values of these fields."""
        return self.model_copy(update=fields)

    def with_begun(self, open_turn: OpenTurn, messages: Sequence[ChatMessage]) -> ConversationState:
        """Return the conversation with a begun turn; it replaces the turn that it repeats."""
        turns = [turn for turn in self.turns if turn.id != open_turn.id]
        at = datetime.fromisoformat(open_turn.pending["at"])
        new = BufferedTurn(id=open_turn.id, query=open_turn.query, at=at, messages=list(messages))
        return self.changed(turns=[*turns, new], open_turn=open_turn)

    def with_answered(
        self, open_turn: OpenTurn, id: str | None, messages: Sequence[ChatMessage]
    ) -> ConversationState:
        """Return the conversation with the open turn's answer; without the turn if `id` is None."""
        open_id = self.open_turn.id if self.open_turn else None
        turns = []
        for turn in self.turns:
            if turn.id != open_id:
                turns.append(turn)
            elif id is not None:
                all_messages = [*turn.messages, *messages]
                update = {"id": id, "response": join_answers(messages), "messages": all_messages}
                turns.append(turn.model_copy(update=update))
        return self.changed(turns=turns, open_turn=open_turn if id is not None else None)

    def with_messages(self, messages: Sequence[ChatMessage]) -> ConversationState:
        """Return the conversation with messages added to its last turn, or to the opening."""
        if not self.turns:
            return self.changed(opening=[*self.opening, *messages])
        last = self.turns[-1]
        last = last.model_copy(update={"messages": [*last.messages, *messages]})
        return self.changed(turns=[*self.turns[:-1], last])

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

    def truncated(self, limit: int, count: Callable[[str], int]) -> ConversationState:
        """Return the conversation without the oldest stored turns that exceed `limit` tokens."""
        fitting = len(self.latest_within(limit, count))
        excess = self.turns[: len(self.turns) - fitting]
        kept = [turn for turn in excess if self.is_callers(turn) or not turn.is_stored]
        return self.changed(turns=[*kept, *self.turns[len(excess) :]])

    def without(self, ids: Collection[str]) -> ConversationState:
        """Return the conversation without these turns, which were deleted."""
        turns = [turn for turn in self.turns if turn.id not in ids]
        is_open_deleted = self.open_turn is not None and self.open_turn.id in ids
        return self.changed(turns=turns, open_turn=None if is_open_deleted else self.open_turn)

    def is_callers(self, turn: BufferedTurn) -> bool:
        """Return whether the caller brought a turn, when the messages were replaced."""
        return self.since is not None and (turn.at is None or turn.at <= self.since)

    def is_part(self, memory: Memory) -> bool:
        """Return whether a stored turn that is not buffered belongs to the conversation."""
        return self.since is None or memory.created_at > self.since

    def find_query(self, input: str | None) -> tuple[str, bool]:
        """Return the query to recall for, and whether it is the last message of the user.

        If `input` is None, as in calls by agents, the query is that message.
        """
        last = self.turns[-1] if self.turns else None
        query = None if input is None else without_recalled(input)
        if last and (query is None or (last.is_open and query.strip() == last.query.strip())):
            return last.query, True
        return query or "", False


def split_turns(
    messages: Sequence[ChatMessage],
) -> tuple[list[ChatMessage], list[BufferedTurn]]:
    """Return the messages before the first of a user, and the turns that follow.

    A user message begins a turn. The answers that follow complete it; several are joined.
    """
    starts = [i for i, message in enumerate(messages) if is_user_message(message)]
    ends = [*starts[1:], len(messages)]
    parts = [messages[start:end] for start, end in zip(starts, ends, strict=False)]
    turns = [
        BufferedTurn(
            query=without_recalled(extract_text(part[0])),
            response=join_answers(part),
            messages=list(part),
        )
        for part in parts
    ]
    return list(messages[: starts[0] if starts else len(messages)]), turns


def collect_messages(turns: Sequence[BufferedTurn]) -> list[ChatMessage]:
    """Return all messages of these turns."""
    return [message for turn in turns for message in turn.messages]


def list_shown(state: ConversationState, turns: Sequence[BufferedTurn]) -> list[Any]:
    """Return what a prompt with these turns shows: ids of stored turns, and other messages."""
    ids: list[Any] = [turn.id for turn in turns if turn.is_stored]
    unstored = collect_messages([turn for turn in turns if not turn.is_stored])
    return ids + to_plain([*state.opening, *unstored])


def to_buffered(memory: Memory) -> BufferedTurn:
    """Convert a stored turn to a turn of a conversation."""
    turn = memory.turn
    query, response = (turn.query, turn.response) if turn else ("", "")
    return BufferedTurn(
        id=memory.id,
        query=query,
        response=response,
        at=memory.created_at,
        messages=to_messages(memory),
    )
