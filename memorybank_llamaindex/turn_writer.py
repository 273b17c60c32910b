"""Storage of the messages of a conversation by the turn protocol of the bank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import uuid4

from llama_index.core.base.llms.types import ChatMessage

from memorybank_core import Turn
from memorybank_core.context import Shown

from .conversation import BufferedTurn, ConversationState, split_turns
from .failures import attempt
from .messages import join_answers
from .open_turn import OpenTurn, TurnOptions


@dataclass(frozen=True, slots=True)
class TurnWriter:
    """Stores the messages of one call, and returns the conversation with them.

    Attributes:
        options: The bank and the options of the recall.
        session: Name of the conversation in the bank.
        now: Time of the messages.
        list_shown: Returns what the prompt of a conversation shows; None defers the recall.
    """

    options: TurnOptions
    session: str | None
    now: datetime
    list_shown: Callable[[ConversationState], Shown] | None = None

    def store(self, state: ConversationState, messages: Sequence[ChatMessage]) -> ConversationState:
        """Store messages: a user's begins a turn, and the answers that follow complete it.

        An answer to nothing is a turn of its own.
        """
        answers, turns = split_turns(messages)
        state = self._put_answers(state, answers)
        open_turn = state.open_turn
        if turns and open_turn and open_turn.is_repeated_by(turns[0].query, self.now):
            message, *answers = turns.pop(0).messages
            state = state.with_begun(open_turn.store_message(self.options), [message])
            state = self._put_answers(state, answers)
        last = turns.pop() if turns and turns[-1].is_open else None
        state = self._add_turns(state, turns)
        return state if last is None else self.begin(state, last)

    def begin(self, state: ConversationState, turn: BufferedTurn) -> ConversationState:
        """Recall memories for the message of a turn, store it, and add the turn."""
        options, session = self.options, self.session
        if self.list_shown is None:
            open_turn = OpenTurn.store(options, session, turn.query)
        else:
            shown = self.list_shown(state.changed(turns=[*state.turns, turn]))
            open_turn = OpenTurn.begin(options, session, turn.query, shown, phase="begun")
        return state.with_begun(open_turn, turn.messages)

    def _put_answers(
        self, state: ConversationState, messages: Sequence[ChatMessage]
    ) -> ConversationState:
        """Complete the open turn with the messages that follow it."""
        answer = join_answers(messages)
        if not answer:
            return state.with_messages(messages) if messages else state
        if state.open_turn and state.open_turn.awaits_answer:
            open_turn, id = state.open_turn.complete(self.options, answer)
            return state.with_answered(open_turn, id, messages)
        return self._add_turns(state, [BufferedTurn(response=answer, messages=list(messages))])

    def _add_turns(
        self, state: ConversationState, turns: Sequence[BufferedTurn]
    ) -> ConversationState:
        """Store turns that need no recall, in one transaction, and add them."""
        if not turns:
            return state
        new = [turn.model_copy(update={"id": uuid4().hex, "at": self.now}) for turn in turns]
        stored = [
            Turn(t.query, t.response, t.at, t.id, self.session, metadata=self.options.metadata)
            for t in new
            if t.is_stored
        ]
        if stored:
            self._add(stored)
        return state.changed(turns=[*state.turns, *new], open_turn=None)

    def _add(self, turns: Sequence[Turn]) -> None:
        """Store turns; if the bank fails, they wait in memory."""
        bank, user_id = self.options.bank, self.options.user_id
        add = partial(bank.add, user_id=user_id)
        if attempt(bank, user_id, "store turns", partial(add, turns), None) is not None:
            return
        for turn in turns:
            day = bank.day_of(self.now)
            bank.backlog.keep(user_id, turn, write=partial(add, [turn]), day=day)
