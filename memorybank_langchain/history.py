"""A conversation kept in the bank, for `RunnableWithMessageHistory`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from memorybank_core import InvalidInputError, Memory, MemoryBank, Turn
from memorybank_core.validation import require_k, require_user

from .messages import messages_of, text_of


class MemoryBankChatMessageHistory(BaseChatMessageHistory):
    """The messages of one conversation of one user, each exchange a turn of the bank.

    It holds nothing itself: make one wherever it is needed. Words are kept, nothing else: an
    image or a tool call leaves no trace, nor do system and tool messages. Several answers to one
    message become one, a line each. What has faded and was archived is still shown, for it was
    said; what was deleted is not.

    Args:
        bank: Where the turns are kept.
        user_id: Whose conversation.
        session: Which of this user's conversations.
        limit: Show the latest so many turns only; None shows all.

    Raises:
        InvalidInputError: An argument is not what it must be.
    """

    def __init__(
        self, *, bank: MemoryBank, user_id: str, session: str, limit: int | None = None
    ) -> None:
        super().__init__()
        require_user(user_id)
        if not isinstance(session, str) or not session:
            raise InvalidInputError(f"session must be a non-empty string, not {session!r}")
        if limit is not None:
            require_k(limit, "limit")
        self.bank, self.user_id, self.session, self.limit = bank, user_id, session, limit

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # LangChain allows a property
        """The conversation, oldest message first; a message's id is the same every time.

        Raises:
            StoreError: It could not be read.
        """
        return self._told(self.bank.timeline(**self._latest(self.limit)))

    async def aget_messages(self) -> list[BaseMessage]:
        """Async `messages`."""
        return self._told(await self.bank.atimeline(**self._latest(self.limit)))

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Keeps messages. When it returns they are on disk, in one transaction.

        A message of the user begins a turn, at once; the answers after it, in this call or a
        later one, complete it. A user's message whose id is known is not taken again, nor are the
        answers that it has; without an id, the same words said twice are said twice.

        Raises:
            EmbedderError: The embedder gave vectors that cannot be used.
            StoreError: They could not be stored; nothing of this call was.
        """
        exchanges = _exchanges(messages)
        if exchanges:
            known = self.bank.timeline(**self._latest(_reach(exchanges)))
            turns = _turns(exchanges, known, self.session)
            self.bank.add(turns, user_id=self.user_id, replace=True)

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Async `add_messages`."""
        exchanges = _exchanges(messages)
        if exchanges:
            known = await self.bank.atimeline(**self._latest(_reach(exchanges)))
            turns = _turns(exchanges, known, self.session)
            await self.bank.aadd(turns, user_id=self.user_id, replace=True)

    def clear(self) -> None:
        """Erases this conversation for good, and no other.

        What was derived from it, the digests of its days, goes with it.

        Raises:
            StoreError: It could not be erased.
        """
        doomed = self.bank.timeline(**self._latest(None))
        if doomed:
            self.bank.delete(user_id=self.user_id, ids=[memory.id for memory in doomed])

    async def aclear(self) -> None:
        """Async `clear`."""
        doomed = await self.bank.atimeline(**self._latest(None))
        if doomed:
            await self.bank.adelete(user_id=self.user_id, ids=[memory.id for memory in doomed])

    def _latest(self, last: int | None) -> dict[str, Any]:
        """Which turns to read: the last so many, or all, of this conversation."""
        which = {"user_id": self.user_id, "session": self.session, "kind": "turn"}
        return {**which, "archived": True, "last": last}

    def _told(self, memories: Sequence[Memory]) -> list[BaseMessage]:
        prefix = _prefix(self.session)
        return [message for memory in memories for message in messages_of(memory, prefix)]


@dataclass(slots=True)
class _Exchange:
    """A message of the user and what was answered; None: the answers follow an earlier one."""

    asked: HumanMessage | None
    answers: list[AIMessage] = field(default_factory=list)

    @property
    def id(self) -> str | None:
        """The id of its first message, where that has one."""
        return (self.asked or self.answers[0]).id


def _exchanges(messages: Sequence[BaseMessage]) -> list[_Exchange]:
    """The messages paired: each of the user with the answers that follow it."""
    exchanges: list[_Exchange] = []
    for message in messages:
        if isinstance(message, HumanMessage):
            exchanges.append(_Exchange(message))
        elif isinstance(message, AIMessage) and text_of(message).strip():
            if not exchanges:
                exchanges.append(_Exchange(None))
            exchanges[-1].answers.append(message)
    return exchanges


def _reach(exchanges: Sequence[_Exchange]) -> int | None:
    """How far back to look: what has an id may have come before, all else follows the last."""
    return None if any(exchange.id for exchange in exchanges) else 1


def _turns(exchanges: Sequence[_Exchange], memories: Sequence[Memory], session: str) -> list[Turn]:
    """The exchanges as turns: new ones, and known ones with what was answered since."""
    known = {memory.id: memory.turn for memory in memories if memory.turn}
    turns: dict[str, Turn] = {}
    for exchange in exchanges:
        id = _id_of(exchange, known, session)
        if id in known:
            turn = _continued(known[id], exchange, known)
        else:
            query = text_of(exchange.asked) if exchange.asked else ""
            response = "\n".join(text_of(answer) for answer in exchange.answers)
            if not (query + response).strip():
                continue
            turn = Turn(query, response, id=id, session=session)
        turns[id] = known[id] = turn
    return list(turns.values())


def _id_of(exchange: _Exchange, known: dict[str, Turn], session: str) -> str:
    """The id of the turn that an exchange is, or goes on with."""
    if exchange.asked is None and known:
        return next(reversed(known))
    id = exchange.asked and exchange.asked.id
    return id if id and id in known else f"{_prefix(session)}{id or uuid4().hex}"


def _prefix(session: str) -> str:
    """What the ids of a session's turns begin with: message ids may be the same in another."""
    return f"{quote(session, safe='')}:"


def _continued(turn: Turn, exchange: _Exchange, known: Mapping[str, Turn]) -> Turn:
    """`turn` with the answers that it has not yet.

    Where no question is repeated, answers with an id may have come twice, too: those that are
    known are left out, unless the turn waits for one.
    """
    said = [turn.response]
    if exchange.asked is None:
        said = [one.response for one in known.values()] if turn.response else []
    new = [
        text_of(answer)
        for answer in exchange.answers
        if not ((exchange.asked or answer.id) and _is_in(text_of(answer), said))
    ]
    return replace(turn, response="\n".join([turn.response, *new] if turn.response else new))


def _is_in(text: str, responses: Sequence[str]) -> bool:
    """Whether `text` is one of the answers that the responses were joined from."""
    return any(f"\n{text}\n" in f"\n{response}\n" for response in responses)
