"""Exchanges in a list of messages, and the turns that a history stores for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from memorybank_core import Memory, Turn
from memorybank_core.context import without_recalled
from memorybank_core.metadata import Metadata
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

    Args:
        memories: The latest stored turns, oldest first.
        session: The conversation; None for all turns of a user.
        metadata: Metadata of new turns.
        now: The present.
    """

    def __init__(
        self,
        memories: Sequence[Memory],
        session: str | None,
        metadata: Metadata,
        now: datetime,
    ) -> None:
        self._turns = {memory.id: memory.turn for memory in memories if memory.turn}
        self._recent = [item.id for item in memories if now - item.created_at <= RETRY_WINDOW]
        self._session, self._metadata, self._prefix = session, metadata, id_prefix(session or "")

    def add(self, exchanges: Sequence[Exchange]) -> list[Turn]:
        """Return the turns to write: new ones, and stored ones that the exchanges change."""
        changed: dict[str, Turn] = {}
        for exchange in exchanges:
            id = self._find_id(exchange) or f"{self._prefix}{exchange.id or uuid4().hex}"
            if id in self._turns:
                turn = self._update(id, exchange)
            elif (exchange.query + exchange.response).strip():
                texts = exchange.query, exchange.response
                turn = Turn(*texts, id=id, session=self._session, metadata=self._metadata)
            else:
                continue
            changed[id] = self._turns[id] = turn
        return list(changed.values())

    def _find_id(self, exchange: Exchange) -> str | None:
        """Return the id of the stored turn that an exchange repeats, edits or continues."""
        if exchange.message is None:
            own = (id for id in self._turns if self._answer_id(id) == exchange.id)
            return next(own, next(reversed(self._turns), None))
        ids = (exchange.id, f"{self._prefix}{exchange.id}") if exchange.id else ()
        known = next((id for id in ids if id in self._turns), None)
        return known or self._find_other(exchange)

    def _find_other(self, exchange: Exchange) -> str | None:
        """Return the id of the turn that another writer, such as a chain, stored for an exchange.

        It has the same message and answer, or no answer yet. Each is found once.
        """
        candidates = list(self._turns) if exchange.id and exchange.response else self._recent
        for responses in ([exchange.response], [""]):
            for id in reversed(candidates):
                turn = self._turns[id]
                is_same = turn.query == exchange.query and turn.response in responses
                if is_same and not id.startswith(self._prefix):
                    if id in self._recent:
                        self._recent.remove(id)
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
        return self._add_answers(turn, exchange)

    def _add_answers(self, turn: Turn, exchange: Exchange) -> Turn:
        """Return `turn` with the answers of the exchange that are not stored yet.

        If the exchange has no human message, an answer with an id may repeat an answer of any
        stored turn, and an answer without one that of the last turn, stored by another writer.
        Such an answer is omitted, unless the last turn has no answer yet.
        """
        responses = [turn.response]
        if exchange.message is None and exchange.id:
            responses = [item.response for item in self._turns.values()] if turn.response else []
        texts = map(extract_text, exchange.answers)
        if exchange.message is None and exchange.id is None:
            new = [text for text in texts if text != turn.response]
        else:
            new = [text for text in texts if not _contains_answer(text, responses)]
        return replace(turn, response="\n".join([turn.response, *new] if turn.response else new))

    def _answer_id(self, id: str) -> str:
        return answer_id(id.removeprefix(self._prefix))


def _contains_answer(text: str, responses: Sequence[str]) -> bool:
    """Return whether `text` is one of the answers joined in `responses`."""
    return any(f"\n{text}\n" in f"\n{response}\n" for response in responses)
