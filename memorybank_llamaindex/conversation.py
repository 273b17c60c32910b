"""A conversation in progress: its latest turns, as messages, and where it stands.

Everything here is plain JSON and pure: a message gives a new conversation and what is to be kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timezone
from uuid import uuid4

from llama_index.core.base.llms.types import ChatMessage
from pydantic import BaseModel, Field

from memorybank_core import Memory, Turn
from memorybank_core.context import without_recalled

from .messages import answer_of, is_users, messages_of, size_of, text_of

_NAME = re.compile(r"conversation-[0-9a-f]{12}(?=:)")


class ShownTurn(BaseModel):
    """A turn as it is shown: whole, with its tool calls and their results.

    Attributes:
        id: Its id in the bank; None where it is not kept there.
        query: What the user said.
        response: What was answered; "" while it is open.
        at: When the user said it; None where that is not known.
        messages: All its messages.
    """

    id: str | None = None
    query: str = ""
    response: str = ""
    at: datetime | None = None
    messages: list[ChatMessage] = Field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether the user waits for an answer."""
        return not self.response and any(map(is_users, self.messages))

    @property
    def is_stored(self) -> bool:
        """Whether the bank has it, unless it was deleted."""
        return self.id is not None and bool((self.query + self.response).strip())

    def as_kept(self, session: str | None) -> Turn:
        """The turn as the bank keeps it."""
        return Turn(self.query, self.response, self.at, self.id, session)


class TurnRecall(BaseModel):
    """What was recalled in a turn: it is looked up once.

    Attributes:
        turn: The id of the turn.
        query: What was asked.
        block: What goes into the prompt.
        ids: The memories in it.
    """

    turn: str
    query: str
    block: str
    ids: list[str]


class ConversationState(BaseModel):
    """The latest turns of a conversation.

    Attributes:
        name: Begins the ids of its turns, so that after a restart they are told from those before
            a reset; "" before any reset.
        opening: What came before any turn: system messages, as a rule.
        turns: The turns, oldest first.
        upcoming: The id of the next turn.
        recall: What was recalled last.
    """

    name: str = ""
    opening: list[ChatMessage] = Field(default_factory=list)
    turns: list[ShownTurn] = Field(default_factory=list)
    upcoming: str = ""
    recall: TurnRecall | None = None

    def after(self, messages: Sequence[ChatMessage], now: datetime) -> ConversationState:
        """The conversation with these messages at its end.

        A message of the user begins a turn; the same one again, unanswered, is a retry of it.
        Answers complete the turn, several of them a line each. All else goes with the turn in
        which it came.
        """
        grown = self.model_copy(update={"turns": list(self.turns), "opening": [*self.opening]})
        for message in messages:
            grown._take(message, now)
        return grown

    def since(self, earlier: ConversationState) -> list[ShownTurn]:
        """The turns that are new or changed and have words: what is to be kept."""
        known = {turn.id: turn for turn in earlier.turns}
        return [one for one in self.turns if one.is_stored and not _same(known.get(one.id), one)]

    def within(self, limit: int, count: Callable[[str], int]) -> list[ShownTurn]:
        """The latest turns that fit, whole, so that no call loses its result; one at least."""
        room = limit - size_of(self.opening, count)
        first = len(self.turns)
        while first > 0:
            room -= size_of(self.turns[first - 1].messages, count)
            if room < 0 and first < len(self.turns):
                break
            first -= 1
        return self.turns[first:]

    def without(self, ids: Collection[str]) -> ConversationState:
        """The conversation without these turns; what answers the last of them begins its own."""
        kept = [one for one in self.turns if one.id not in ids]
        is_cut = bool(self.turns) and self.turns[-1].id in ids
        return self.model_copy(update={"turns": [*kept, ShownTurn()] if is_cut else kept})

    def shortened(self, limit: int, count: Callable[[str], int]) -> ConversationState:
        """Without what has no room and is found in the bank, of this conversation."""
        shown = {turn.id for turn in self.within(limit, count)}
        ours = (one for one in self.turns if one.is_stored and one.id not in shown)
        return self.without({one.id for one in ours if one.id and one.id.startswith(self.name)})

    def asked(self, input: str | None) -> tuple[str, str, ShownTurn | None]:
        """The turn of a question: its id, its words, and the turn unless it is yet to come.

        Agents ask without an input: then it is what the user said last.
        """
        last = self.turns[-1] if self.turns else None
        words = None if input is None else without_recalled(input).strip()
        if last and (words is None or (last.is_open and words == last.query.strip())):
            return last.id or self.upcoming, last.query.strip(), last
        return self.upcoming, words or "", None

    def _take(self, message: ChatMessage, now: datetime) -> None:
        last = self.turns[-1] if self.turns else None
        answer = without_recalled(answer_of(message))
        if is_users(message):
            self._begin(message, last, now)
        elif answer.strip() and (last is None or last.id is None):
            self._append(ShownTurn(response=answer, at=now, messages=[message]))
        elif last is None:
            self.opening.append(message)
        else:
            said = [last.response, answer] if last.response and answer else [last.response + answer]
            grown = {"response": "\n".join(said), "messages": [*last.messages, message]}
            self.turns[-1] = last.model_copy(update=grown)

    def _begin(self, message: ChatMessage, last: ShownTurn | None, now: datetime) -> None:
        query = without_recalled(text_of(message))
        if last and last.id and last.is_open and last.query == query:
            self.turns[-1] = last.model_copy(update={"messages": [message]})
        else:
            self._append(ShownTurn(query=query, at=now, messages=[message]))

    def _append(self, turn: ShownTurn) -> None:
        self.turns.append(turn.model_copy(update={"id": self.upcoming}))
        self.upcoming = new_id(self.name)


def messages_in(turns: Sequence[ShownTurn]) -> list[ChatMessage]:
    """All messages of these turns."""
    return [message for turn in turns for message in turn.messages]


def new_id(name: str) -> str:
    """An id for a turn of the conversation of this name."""
    return f"{name}:{uuid4().hex}" if name else uuid4().hex


def begun() -> ConversationState:
    """A new conversation, in which nothing was said."""
    name = f"conversation-{uuid4().hex[:12]}"
    return ConversationState(name=name, upcoming=new_id(name))


def given(messages: Sequence[ChatMessage]) -> ConversationState:
    """A new conversation in which all this was said before, as the caller has it: none is kept."""
    shown = begun().after(messages, datetime.now(timezone.utc))
    turns = [turn.model_copy(update={"id": None, "at": None}) for turn in shown.turns]
    return shown.model_copy(update={"turns": turns})


def recognised(
    talk: ConversationState, memories: Sequence[Memory], now: datetime
) -> ConversationState:
    """What was said by the caller's account, with the ids of those turns that the bank has.

    A question that is still open is to be answered, so it is one of ours: the last turn of the
    bank, if that waits for an answer to the same words, or else a new one.
    """
    known = {
        (memory.turn.query, memory.turn.response): memory for memory in memories if memory.turn
    }
    turns = [_identified(turn, known.get((turn.query, turn.response))) for turn in talk.turns]
    if not turns or not turns[-1].is_open:
        return talk.model_copy(update={"turns": turns})
    asked = talk.turns[-1].model_copy(update={"id": talk.upcoming, "at": now})
    last = memories[-1].turn if memories else None
    if last and not last.response and last.query == asked.query:
        asked = _identified(asked, memories[-1])
    return talk.model_copy(
        update={"turns": [*turns[:-1], asked], "upcoming": new_id(talk.name)},
    )


def resumed(memories: Sequence[Memory]) -> ConversationState:
    """The conversation that these turns of the bank end with."""
    names = [_name_of(memory) for memory in memories]
    name = next((name for name in reversed(names) if name), "")
    return ConversationState(
        name=name,
        turns=[_shown(memory) for memory in of_conversation(memories, name)],
        upcoming=new_id(name),
    )


def of_conversation(memories: Sequence[Memory], name: str) -> list[Memory]:
    """Those from the first of this conversation on."""
    if not name:
        return list(memories)
    places = (i for i, memory in enumerate(memories) if _name_of(memory) == name)
    return list(memories[next(places, len(memories)) :])


def _name_of(memory: Memory) -> str:
    found = _NAME.match(memory.id)
    return found[0] if found else ""


def _identified(turn: ShownTurn, memory: Memory | None) -> ShownTurn:
    if memory is None:
        return turn
    return turn.model_copy(update={"id": memory.id, "at": memory.created_at})


def _shown(memory: Memory) -> ShownTurn:
    turn = memory.turn
    query, response = (turn.query, turn.response) if turn else ("", "")
    shown = ShownTurn(id=memory.id, query=query, response=response, at=memory.created_at)
    return shown.model_copy(update={"messages": messages_of(memory)})


def _same(old: ShownTurn | None, new: ShownTurn) -> bool:
    return old is not None and (old.query, old.response) == (new.query, new.response)
