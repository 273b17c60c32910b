"""Chat message history in a bank, for `RunnableWithMessageHistory`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage
from langchain_core.runnables.config import ensure_config

from memorybank_core import ConflictError, InvalidInputError, Memory, MemoryBank
from memorybank_core.conditions import require_where
from memorybank_core.metadata import require_metadata
from memorybank_core.turns.conversation_deletion import delete_conversation
from memorybank_core.validation import require_count, require_moment

from .exchanges import Exchange, StoredConversation, choose_lookback, pair_messages
from .messages import id_prefix, to_messages
from .run_config import TURN_KEY, UserId, to_user_id

_ATTEMPTS = 100
"""Maximum number of attempts to add messages; of the writers that conflict, one succeeds each time.
"""


class MemoryBankChatMessageHistory(BaseChatMessageHistory):
    """Messages of one conversation of a user, stored as turns in a bank.

    Instances hold no state: create one wherever you need it. Only text is stored: images, tool
    calls, system messages and tool messages are dropped. Several answers to one message are joined
    with newlines. Archived (forgotten) turns are included; deleted turns are not.

    A history and a chain with memory (`with_memory`, `MemoryBankMemory`) may store the same
    conversation: an exchange that the other has stored within the last five minutes, or the message
    of it, is kept once. So is any earlier one if a call copies a conversation, that is if it has
    several exchanges, whose messages have ids. Threads and processes may add to one conversation at
    the same time. Errors of the bank are raised.

    Args:
        bank: Bank that stores the turns.
        user_id: User the conversation belongs to.
        session: Name of the conversation; None for all turns of the user, in which new ones are
            stored as conversations of a day.
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
        user_id: UserId,
        session: str | int | UUID | None,
        limit: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if session is not None:
            session = _to_session(session)
        if limit is not None:
            require_count(limit, "limit")
        self.bank, self.user_id = bank, to_user_id(user_id)
        self.session, self.limit = session, limit
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
        return await asyncio.to_thread(lambda: self.messages)

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Store messages in one transaction; they are on disk when the call returns.

        A human message begins a turn, which is stored immediately. The answers that follow, in
        this call or a later one, complete it. A message with an id that is already stored is not
        stored again; with another text it is an edited message, which replaces the stored one and,
        if it is a human message, its answers. Messages with a new id, or without one, are new,
        unless another writer has just stored them. Of answers, the bank keeps no ids: one that
        comes alone, with an id, is new unless a turn of the last five minutes has the same answer.

        Raises:
            EmbedderError: If the embedder returns unusable vectors.
            StoreError: If the store cannot be written; no message of this call is stored then.
        """
        exchanges = pair_messages(messages)
        for _ in range(_ATTEMPTS - 1):
            with suppress(ConflictError):
                return self._add(exchanges)
        return self._add(exchanges)

    def _add(self, exchanges: Sequence[Exchange]) -> None:
        """Store exchanges; raise ConflictError if another writer changes their turns meanwhile."""
        if not exchanges:
            return
        stored = self.bank.timeline(**self._timeline_options(choose_lookback(exchanges)))
        now, taken = require_moment(None), self._find_taken(exchanges, stored)
        conversation = StoredConversation(stored, self.session, self.metadata, now, taken)
        turns = conversation.add(exchanges)
        expected = conversation.stored_texts(turns)
        options: dict[str, Any] = {"user_id": self.user_id, "expected": expected}
        self.bank.add(turns, replace=True, pending=True, **options)

    def _find_taken(self, exchanges: Sequence[Exchange], stored: Sequence[Memory]) -> set[str]:
        """Return the ids of messages that turns outside the conversation's `where` have."""
        if not self.where:
            return set()
        prefix = id_prefix(self.session or "")
        ids = {f"{prefix}{exchange.id}" for exchange in exchanges if exchange.id}
        ids -= {memory.id for memory in stored}
        return set(self.bank.get(ids, user_id=self.user_id)) if ids else set()

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Async `add_messages`."""
        await asyncio.to_thread(self.add_messages, messages)

    def clear(self) -> None:
        """Permanently delete this conversation and the digests of its days.

        Raises:
            StoreError: If the store cannot be written.
        """
        user_id, session, where = self.user_id, self.session, self.where
        delete_conversation(self.bank, user_id=user_id, session=session, where=where)

    async def aclear(self) -> None:
        """Async `clear`."""
        await asyncio.to_thread(self.clear)

    def _timeline_options(self, last: int | None) -> dict[str, Any]:
        """Return the timeline options for the `last` turns of this conversation, or for all."""
        options = {"user_id": self.user_id, "session": self.session, "kind": "turn"}
        return {**options, "archived": True, "last": last, "where": self.where}

    def _to_messages(self, memories: Sequence[Memory]) -> list[BaseMessage]:
        """Return the messages of turns, without the message that a chain is answering now."""
        prefix = id_prefix(self.session or "")
        in_progress = ensure_config()["configurable"].get(TURN_KEY)
        return [
            message
            for memory in memories
            if memory.id != in_progress or (memory.turn and memory.turn.response)
            for message in to_messages(memory, prefix)
        ]


def _to_session(value: Any) -> str:
    """Return the name of a conversation as text; integers and UUIDs are accepted."""
    if isinstance(value, UUID) or (isinstance(value, int) and not isinstance(value, bool)):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise InvalidInputError(f"session must be a non-empty string, not {value!r}")
    return value
