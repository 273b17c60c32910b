"""Exchanges in a list of messages, and the turns that a history stores for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from memorybank_core import Memory, Turn
from memorybank_core.context import without_recalled
from memorybank_core.metadata import Metadata
from memorybank_core.record_values import plain_value
from memorybank_core.turns.same_turn import RETRY_WINDOW

from .messages import answer_id, extract_text, id_prefix

_LOOKBACK = 10
"""Number of latest turns in which a message without an id may be found."""


@dataclass(slots=True)
class Exchange:
    """A human message and its answers.

    Attributes:
        message: The human message; None if the answers belong to an earlier one.
        answers: The answers that follow it.
    """

    message: HumanMessage | None
    answers: list[AIMessage] = field(default_factory=list)

    @property
    def id(self) -> str | None:
        """Id of the first message; None if it has no id."""
        return (self.message or self.answers[0]).id

    @property
    def query(self) -> str:
        """Text of the human message as it is stored; "" without one."""
        return without_recalled(extract_text(self.message)) if self.message else ""

    @property
    def response(self) -> str:
        """Texts of the answers as they are stored, joined with newlines."""
        return without_recalled("\n".join(extract_text(answer) for answer in self.answers))


def pair_messages(messages: Sequence[BaseMessage]) -> list[Exchange]:
    """Pair each human message with the answers that follow it."""
    exchanges: list[Exchange] = []
    for message in messages:
        if isinstance(message, HumanMessage):
            exchanges.append(Exchange(message))
        elif isinstance(message, AIMessage) and extract_text(message).strip():
            if not exchanges:
                exchanges.append(Exchange(None))
            exchanges[-1].answers.append(message)
    return exchanges


def choose_lookback(exchanges: Sequence[Exchange]) -> int | None:
    """Return the number of latest stored turns to compare with; None for all.

    Messages with an id may repeat any earlier turn; messages without one only recent turns.
    """
    return None if any(exchange.id for exchange in exchanges) else _LOOKBACK


class StoredConversation:
    """Turns of a conversation, to which messages are added.

    Another writer, such as a chain with memory, may have stored the same messages. They are
    compared with the turns of the last minutes; messages with ids in a call with several exchanges,
    which may copy an old conversation, with all turns.

    Args:
        memories: The latest stored turns, oldest first.
        session: The conversation; None for all turns of a user.
        metadata: Metadata of new turns.
        now: The present.
        taken: Ids of turns that are not part of it, such as those of another agent in the session.
    """

    def __init__(
        self,
        memories: Sequence[Memory],
        session: str | None,
        metadata: Metadata,
        now: datetime,
        taken: Collection[str] = (),
    ) -> None:
        self._turns = {memory.id: memory.turn for memory in memories if memory.turn}
        self._texts = {memory.id: memory.text for memory in memories}
        self._recent = [item.id for item in memories if now - item.created_at <= RETRY_WINDOW]
        self._session, self._metadata, self._prefix = session, metadata, id_prefix(session or "")
        self._compared, self._candidates = self._recent, self._recent[::-1]
        self._taken = frozenset(taken)

    def add(self, exchanges: Sequence[Exchange]) -> list[Turn]:
        """Return the turns to write: new ones, and stored ones that the exchanges change."""
        changed: dict[str, Turn] = {}
        is_copy = len(exchanges) > 1
        if is_copy:
            self._compared, self._candidates = list(self._turns), list(self._turns)
        for exchange in exchanges:
            id = self._find_id(exchange) or self._make_id(exchange.id or uuid4().hex)
            if exchange.message and is_copy and id in self._candidates:  # the next ones follow it
                del self._candidates[: self._candidates.index(id) + 1]
            if id in self._turns:
                turn = self._update(id, exchange)
            elif (exchange.query + exchange.response).strip():
                texts = exchange.query, exchange.response
                turn = Turn(*texts, id=id, session=self._session, metadata=self._metadata)
            else:
                continue
            changed[id] = self._turns[id] = turn
        return list(changed.values())

    def stored_texts(self, turns: Sequence[Turn]) -> dict[str, str]:
        """Return the texts of turns as they were read, by id; "" of a turn that was not stored."""
        return {turn.id: self._texts.get(turn.id, "") for turn in turns if turn.id}

    def _find_id(self, exchange: Exchange) -> str | None:
        """Return the id of the stored turn that an exchange repeats, edits or continues."""
        if exchange.message is None:
            return self._find_own(exchange) or next(reversed(self._turns), None)
        ids = (exchange.id, self._make_id(exchange.id)) if exchange.id else ()
        known = next((id for id in ids if id in self._turns), None)
        return known or self._find_other(exchange)

    def _make_id(self, message_id: str) -> str:
        """Return the id of the turn that a message begins."""
        id, own = self._list_ids(message_id)
        return own if id in self._taken or own in self._turns else id

    def _list_ids(self, message_id: str) -> tuple[str, str]:
        """Return the usual id of a message's turn, and the one that it gets if that is taken."""
        content = json.dumps(plain_value(self._metadata), sort_keys=True)
        digest = hashlib.sha256(content.encode()).hexdigest()[:8]
        return f"{self._prefix}{message_id}", f"{self._prefix}{message_id}-{digest}"

    def _find_own(self, exchange: Exchange) -> str | None:
        """Return the id of the turn that the id of an answer names: of its message, or its own."""
        id = self._make_id(exchange.id) if exchange.id else ""
        if id in self._turns and not self._turns[id].query:
            return id
        return next((id for id in self._turns if self._answer_id(id) == exchange.id), None)

    def _find_other(self, exchange: Exchange) -> str | None:
        """Return the id of the turn that another writer, such as a chain, stored for an exchange.

        It has the same message and answer, or no answer yet.
        """
        candidates = [id for id in self._candidates if not id.startswith(self._prefix)]
        if not (exchange.id and exchange.response):
            candidates = [id for id in candidates if id in self._recent]
        for responses in ([exchange.response], [""]):
            for id in candidates:
                turn = self._turns[id]
                if turn.query == exchange.query and turn.response in responses:
                    return id
        return None

    def _update(self, id: str, exchange: Exchange) -> Turn:
        """Return a stored turn with the text of an edited message, or with new answers.

        An edited message takes the place of the stored one, and its answers that of the old ones.
        """
        turn = self._turns[id]
        if exchange.message and exchange.query != turn.query:
            return replace(turn, query=exchange.query, response=exchange.response)
        edited = [answer for answer in exchange.answers if answer.id == self._answer_id(id)]
        if edited:
            return replace(turn, response=exchange.response)
        return self._add_answers(id, exchange)

    def _add_answers(self, id: str, exchange: Exchange) -> Turn:
        """Return a stored turn with the answers of the exchange that are not stored yet."""
        turn = self._turns[id]
        texts = map(extract_text, exchange.answers)
        new = [text for text in texts if not self._is_stored(text, id, exchange)]
        return replace(turn, response="\n".join([turn.response, *new] if turn.response else new))

    def _is_stored(self, text: str, id: str, exchange: Exchange) -> bool:
        """Return whether an answer of an exchange is stored already.

        The ids of answers are not stored. Without a human message, an answer with an id repeats an
        equal answer of any turn that is compared, and an answer without one a recent last turn of
        another writer.
        """
        turn = self._turns[id]
        if exchange.message is not None:
            return _contains_answer(text, [turn.response])
        if not turn.response:
            return False
        if exchange.id is None:
            is_own = not turn.query and id.startswith(self._prefix)
            return not is_own and id in self._recent and text == turn.response
        if id == self._find_own(exchange):
            return _contains_answer(text, [turn.response])
        return _contains_answer(text, [self._turns[other].response for other in self._compared])

    def _answer_id(self, id: str) -> str:
        return answer_id(id.removeprefix(self._prefix))


def _contains_answer(text: str, responses: Sequence[str]) -> bool:
    """Return whether `text` is one of the answers joined in `responses`."""
    return any(f"\n{text}\n" in f"\n{response}\n" for response in responses)
