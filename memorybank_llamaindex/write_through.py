"""LlamaIndex's `Memory` that stores every turn in a bank immediately."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence, Set
from functools import partial
from typing import Any, NoReturn, Protocol, cast

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import Memory
from llama_index.core.storage.chat_store.base_db import MessageStatus
from typing_extensions import Self

from memorybank_core import MemoryBank

from .failures import attempt
from .messages import extract_text, is_answered

TURN_KEY = "memorybank_turn"
"""Key of the id of the stored turn in a message of the buffer; engines do not see it."""


class _Block(Protocol):
    """Interface of `MemoryBankBlock` that the memory uses."""

    bank: MemoryBank
    user_id: str
    astore: Callable[[Sequence[ChatMessage], str], Coroutine[Any, Any, list[str | None]]]
    aend: Callable[[str], Coroutine[Any, Any, None]]


class WriteThroughMemory(Memory):
    """LlamaIndex's `Memory` that stores every turn immediately; see `memory_with_bank`.

    Messages in its buffer have the ids of their turns, so that what is deleted from the bank leaves
    the buffer too.
    """

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a copy that shares the bank and the database with the messages."""
        return self.model_copy(update={"memory_blocks": list(self.memory_blocks)})

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Memory of memory_with_bank cannot be pickled, because it holds an open bank: call "
            "memory_with_bank(bank, user_id, session) again in the other process, or use a "
            "MemoryBankMemory, which can be serialized"
        )

    async def aput(self, message: ChatMessage) -> None:
        """Add one message and store its text."""
        [marked] = await self._store([message])
        await super().aput(marked)

    async def aput_messages(self, messages: list[ChatMessage]) -> None:
        """Add messages and store their text."""
        await super().aput_messages(await self._store(messages))

    async def aset(self, messages: list[ChatMessage]) -> None:
        """Replace the messages, and store a user message at their end that has no answer yet."""
        users = [i for i, message in enumerate(messages) if message.role == "user"]
        start = users[-1] if users else len(messages)
        if is_answered(messages, extract_text(messages[start]) if users else ""):
            start = len(messages)
        await super().aset([*messages[:start], *await self._store(messages[start:])])

    async def aget(
        self, input: str | ChatMessage | None = None, **block_kwargs: Any
    ) -> list[ChatMessage]:
        """Return the latest messages with the memory blocks, without what was deleted."""
        messages = await super().aget(input, **block_kwargs)
        if await self._purge(messages):
            messages = await super().aget(input, **block_kwargs)
        return _without_ids(messages)

    async def aget_all(self, status: MessageStatus | None = None) -> list[ChatMessage]:
        """Return all messages, without what was deleted."""
        messages = await super().aget_all(status)
        if await self._purge(messages):
            messages = await super().aget_all(status)
        return _without_ids(messages)

    async def areset(self, status: MessageStatus | None = None) -> None:
        """Remove the messages; nothing is deleted from the bank."""
        await super().areset(status)
        await self._block.aend(self.session_id)

    @property
    def _block(self) -> _Block:
        blocks = (block for block in self.memory_blocks if hasattr(block, "astore"))
        return cast(_Block, next(blocks))

    async def _store(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        """Store messages; return copies with the ids of their turns."""
        ids = await self._block.astore(messages, self.session_id) if messages else []
        return [_with_id(message, id) for message, id in zip(messages, ids, strict=True)]

    async def _purge(self, messages: Sequence[ChatMessage]) -> bool:
        """Remove turns that the bank does not have any more; return whether there were any.

        Args:
            messages: Messages of the buffer.
        """
        ids = {id for message in messages if (id := message.additional_kwargs.get(TURN_KEY))}
        deleted = await asyncio.to_thread(_find_deleted, self._block, ids) if ids else set()
        if not deleted:
            return False
        kept = {}
        for status in (MessageStatus.ARCHIVED, MessageStatus.ACTIVE):
            stored = await self.sql_store.get_messages(self.session_id, status=status)
            kept[status] = [m for m in stored if m.additional_kwargs.get(TURN_KEY) not in deleted]
        await self.sql_store.delete_messages(self.session_id)
        for status, remaining in kept.items():
            await self.sql_store.add_messages(self.session_id, remaining, status=status)
        return True

    def _estimate_token_count(self, message_or_blocks: Any) -> int:
        """Count a message without the id of its turn."""
        if isinstance(message_or_blocks, ChatMessage):
            [message_or_blocks] = _without_ids([message_or_blocks])
        return super()._estimate_token_count(message_or_blocks)


def _find_deleted(block: _Block, ids: Set[str]) -> set[str]:
    """Return those of the ids whose turns the bank does not have; none if it fails."""
    waiting = block.bank.backlog.waiting(block.user_id)  # before the bank is read
    read = partial(block.bank.get, ids, user_id=block.user_id)
    stored = attempt(block.bank, block.user_id, "look up turns", read, None)
    return set() if stored is None else ids - stored.keys() - waiting.keys()


def _with_id(message: ChatMessage, id: str | None) -> ChatMessage:
    if id is None:
        return message
    kwargs = message.additional_kwargs | {TURN_KEY: id}
    return message.model_copy(update={"additional_kwargs": kwargs})


def _without_ids(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Return the messages as they were put."""
    result = []
    for message in messages:
        kwargs = {k: v for k, v in message.additional_kwargs.items() if k != TURN_KEY}
        result.append(message.model_copy(update={"additional_kwargs": kwargs}))
    return result
