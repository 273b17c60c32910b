"""Chat message history in a bank, for `RunnableWithMessageHistory`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from memorybank_core import InvalidInputError, Memory, MemoryBank, Turn
from memorybank_core.conditions import require_where
from memorybank_core.metadata import Metadata, require_metadata
from memorybank_core.validation import require_count, require_user

from .messages import extract_text, id_prefix, to_messages


class MemoryBankChatMessageHistory(BaseChatMessageHistory):
    """Messages of one conversation of a user, stored as turns in a bank.

    Instances hold no state: create one wherever you need it. Only text is stored: images, tool
    calls, system messages and tool messages are dropped. Several answers to one message are joined
    with newlines. Archived (forgotten) turns are included; deleted turns are not.

    Args:
        bank: Bank that stores the turns.
        user_id: User the conversation belongs to.
        session: Name of the conversation.
        limit: Maximum number of turns returned, the latest ones; None returns all.
        metadata: Metadata of the turns that are stored, such as {"agent": "coder"}.
        where: Conditions on the metadata of the turns that belong to the conversation, as in
            `MemoryBank.search`; None for all of the session.

    Raises:
        InvalidInputError: If an argument is invalid.
    """

    def __init__(
        self,
        *,
        bank: MemoryBank,
        user_id: str,
        session: str,
        limit: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        require_user(user_id)
        if not isinstance(session, str) or not session:
            raise InvalidInputError(f"session must be a non-empty string, not {session!r}")
        if limit is not None:
            require_count(limit, "limit")
        self.bank, self.user_id, self.session, self.limit = bank, user_id, session, limit
        self.metadata, self.where = require_metadata(metadata), require_where(where)

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # LangChain allows a property
        """Messages of the conversation, oldest first; their ids are stable.

        Raises:
            StoreError: If the store cannot be read.
        """
        return self._to_messages(self.bank.timeline(**self._timeline_options(self.limit)))

    async def aget_messages(self) -> list[BaseMessage]:
        """Async `messages`."""
        return self._to_messages(await self.bank.atimeline(**self._timeline_options(self.limit)))

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Store messages in one transaction; they are on disk when the call returns.

        A human message begins a turn, which is stored immediately. The answers that follow, in
        this call or a later one, complete it. A human message with an id that is already stored is
        not stored again, and neither are its answers. Messages without an id are always new.

        Raises:
            EmbedderError: If the embedder returns unusable vectors.
            StoreError: If the store cannot be written; no message of this call is stored then.
        """
        exchanges = _pair_messages(messages)
        if exchanges:
            stored = self.bank.timeline(**self._timeline_options(_choose_lookback(exchanges)))
            turns = _to_turns(exchanges, stored, self.session, self.metadata)
            self.bank.add(turns, user_id=self.user_id, replace=True, pending=True)

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Async `add_messages`."""
        exchanges = _pair_messages(messages)
        if exchanges:
            stored = await self.bank.atimeline(
                **self._timeline_options(_choose_lookback(exchanges))
            )
            turns = _to_turns(exchanges, stored, self.session, self.metadata)
            await self.bank.aadd(turns, user_id=self.user_id, replace=True, pending=True)

    def clear(self) -> None:
        """Permanently delete this conversation and the digests of its days.

        Raises:
            StoreError: If the store cannot be written.
        """
        memories = self.bank.timeline(**self._timeline_options(None))
        if memories:
            self.bank.delete(user_id=self.user_id, ids=[memory.id for memory in memories])

    async def aclear(self) -> None:
        """Async `clear`."""
        memories = await self.bank.atimeline(**self._timeline_options(None))
        if memories:
            await self.bank.adelete(user_id=self.user_id, ids=[memory.id for memory in memories])

    def _timeline_options(self, last: int | None) -> dict[str, Any]:
        """Return the timeline options for the `last` turns of this conversation, or for all."""
        options = {"user_id": self.user_id, "session": self.session, "kind": "turn"}
        return {**options, "archived": True, "last": last, "where": self.where}

    def _to_messages(self, memories: Sequence[Memory]) -> list[BaseMessage]:
        prefix = id_prefix(self.session)
        return [message for memory in memories for message in to_messages(memory, prefix)]


@dataclass(slots=True)
class _Exchange:
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


def _pair_messages(messages: Sequence[BaseMessage]) -> list[_Exchange]:
    """Pair each human message with the answers that follow it."""
    exchanges: list[_Exchange] = []
    for message in messages:
        if isinstance(message, HumanMessage):
            exchanges.append(_Exchange(message))
        elif isinstance(message, AIMessage) and extract_text(message).strip():
            if not exchanges:
                exchanges.append(_Exchange(None))
            exchanges[-1].answers.append(message)
    return exchanges


def _choose_lookback(exchanges: Sequence[_Exchange]) -> int | None:
    """Return the number of latest stored turns to compare with; None for all.

    Messages with an id may repeat any earlier turn; messages without one only continue the last.
    """
    return None if any(exchange.id for exchange in exchanges) else 1


def _to_turns(
    exchanges: Sequence[_Exchange],
    memories: Sequence[Memory],
    session: str,
    metadata: Metadata,
) -> list[Turn]:
    """Convert exchanges to the turns to write: new turns, and stored turns with new answers."""
    stored = {memory.id: memory.turn for memory in memories if memory.turn}
    turns: dict[str, Turn] = {}
    for exchange in exchanges:
        id = _resolve_turn_id(exchange, stored, session)
        if id in stored:
            turn = _add_answers(stored[id], exchange, stored)
        else:
            query = extract_text(exchange.message) if exchange.message else ""
            response = "\n".join(extract_text(answer) for answer in exchange.answers)
            if not (query + response).strip():
                continue
            turn = Turn(query, response, id=id, session=session, metadata=metadata)
        turns[id] = stored[id] = turn
    return list(turns.values())


def _resolve_turn_id(exchange: _Exchange, stored: dict[str, Turn], session: str) -> str:
    """Return the id of the turn that an exchange begins, repeats or continues."""
    if exchange.message is None and stored:
        return next(reversed(stored))
    id = exchange.message and exchange.message.id
    return id if id and id in stored else f"{id_prefix(session)}{id or uuid4().hex}"


def _add_answers(turn: Turn, exchange: _Exchange, stored: Mapping[str, Turn]) -> Turn:
    """Return `turn` with the answers of the exchange that are not stored yet.

    If the exchange has no human message, an answer with an id may repeat an answer of any stored
    turn. Such an answer is omitted, unless the last turn has no answer yet.
    """
    responses = [turn.response]
    if exchange.message is None:
        responses = [item.response for item in stored.values()] if turn.response else []
    new = [
        extract_text(answer)
        for answer in exchange.answers
        if not (
            (exchange.message or answer.id) and _contains_answer(extract_text(answer), responses)
        )
    ]
    return replace(turn, response="\n".join([turn.response, *new] if turn.response else new))


def _contains_answer(text: str, responses: Sequence[str]) -> bool:
    """Return whether `text` is one of the answers joined in `responses`."""
    return any(f"\n{text}\n" in f"\n{response}\n" for response in responses)
