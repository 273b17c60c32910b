"""Memory block for LlamaIndex's own `Memory`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import BaseMemoryBlock, InsertMethod, Memory
from pydantic import ConfigDict, Field

from memorybank_core import Memory as StoredMemory
from memorybank_core import MemoryBank
from memorybank_core.concurrency import in_thread
from memorybank_core.context import CONTEXT_TOKENS, MIN_RELEVANCE, without_recalled
from memorybank_core.integration import recall_id

from .conversation import build_conversation, resume_conversation
from .fields import MetadataField, WhereField
from .messages import copy_messages, extract_text, is_user_message

_LOOKBACK = 20
"""Number of a session's latest turns that are compared with the messages in the prompt."""


class MemoryBankBlock(BaseMemoryBlock[str]):
    """Block of a `Memory` with a user's digests and the memories relevant to the last message.

    `Memory.from_defaults(memory_blocks=[MemoryBankBlock(bank=bank, user_id=...)])`. LlamaIndex
    passes a block only the messages that exceed the token limit of the `Memory`, so that only they
    are stored; with `memory_with_bank` every turn is stored immediately. The conversation is the
    session of the `Memory`. A block keeps no state, and any number of sessions may share it.

    Attributes:
        name: Name of the block within the memory.
        bank: Bank that stores the turns.
        user_id: User the memories belong to.
        k: Maximum number of recalled memories; None takes as many as fit.
        max_tokens: Maximum length of the recalled text.
        min_relevance: Relevance below which memories are left out, as in `MemoryBank.context`.
        tokenizer: Counts tokens, as in `MemoryBank.context`.
        metadata: Metadata of the turns that are stored, such as {"agent": "coder"}.
        where: Conditions on the metadata of recalled memories and latest turns, as in `search`.

    Raises:
        ValidationError: If an argument is invalid (also a ValueError).
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    name: str = "MemoryBank"
    bank: MemoryBank = Field(exclude=True)
    user_id: str = Field(min_length=1)
    k: int | None = Field(default=None, ge=1)
    max_tokens: int = Field(default=CONTEXT_TOKENS, ge=1)
    min_relevance: float = Field(default=MIN_RELEVANCE, ge=0, le=1)
    tokenizer: Any = Field(default=None, exclude=True)
    metadata: MetadataField = Field(default_factory=dict)
    where: WhereField = None

    async def aput(
        self,
        messages: list[ChatMessage],
        from_short_term_memory: bool = False,
        session_id: str | None = None,
    ) -> None:
        """Store the text of a session's messages, which is on disk when the call returns.

        A user message begins a turn; the answers that follow, in this call or a later one,
        complete it.

        Args:
            messages: The messages.
            from_short_term_memory: Whether the messages were moved out of the short-term memory;
                such messages are ignored if `accept_short_term_memory` is False.
            session_id: Session of the messages.

        Raises:
            EmbedderError: If the embedder returns unusable vectors.
            StoreError: If the store cannot be written; no message of this call is stored then.
        """
        if self.accept_short_term_memory or not from_short_term_memory:
            await self._astore(messages, session_id)

    async def aopen(self, messages: list[ChatMessage], session_id: str | None = None) -> None:
        """Store the user message at the end of these messages if it has no answer yet.

        Raises:
            EmbedderError: If the embedder returns unusable vectors.
            StoreError: If the store cannot be written.
        """
        last = build_conversation(messages).turns[-1:]
        if last and last[0].is_open:
            await self._astore(last[0].messages, session_id)

    async def _aput(self, messages: list[ChatMessage]) -> None:
        await self._astore(messages, None)

    async def _aget(
        self,
        messages: list[ChatMessage] | None = None,
        session_id: str | None = None,
        **block_kwargs: Any,
    ) -> str:
        return await self._arecall(messages or [], session_id)

    def _store(self, messages: Sequence[ChatMessage], session: str | None) -> None:
        before = resume_conversation(self._read_latest(session, 1))
        after = before.with_messages(copy_messages(messages), datetime.now(timezone.utc))
        turns = [turn.to_turn(session, self.metadata) for turn in after.changes_since(before)]
        if turns:
            self.bank.add(turns, user_id=self.user_id, replace=True, pending=True)

    def _recall(self, messages: Sequence[ChatMessage], session: str | None) -> str:
        queries = [
            without_recalled(extract_text(message)).strip()
            for message in messages
            if is_user_message(message)
        ]
        query, latest = queries[-1] if queries else "", self._read_latest(session, _LOOKBACK)
        in_prompt = [
            memory.id for memory in latest if memory.turn and memory.turn.query.strip() in queries
        ]
        context = self.bank.context(
            query or None,
            user_id=self.user_id,
            k=self.k,
            max_tokens=self.max_tokens,
            tokenizer=self.tokenizer,
            min_relevance=self.min_relevance,
            without=in_prompt,
            where=self.where,
        )
        turn = _find_turn_id(query, session, latest)
        self.bank.reinforce(context.best_ids, user_id=self.user_id, turn=turn)
        return context.text

    def _read_latest(self, session: str | None, last: int) -> list[StoredMemory]:
        return self.bank.timeline(
            user_id=self.user_id,
            session=session,
            kind="turn",
            archived=True,
            last=last,
            where=self.where,
        )

    _astore = in_thread(_store)
    _arecall = in_thread(_recall)


class WriteThroughMemory(Memory):
    """LlamaIndex's `Memory` that stores every turn immediately; see `memory_with_bank`."""

    async def aput(self, message: ChatMessage) -> None:
        """Add one message and store its text."""
        await self._block.aput([message], session_id=self.session_id)
        await super().aput(message)

    async def aput_messages(self, messages: list[ChatMessage]) -> None:
        """Add messages and store their text."""
        await self._block.aput(messages, session_id=self.session_id)
        await super().aput_messages(messages)

    async def aset(self, messages: list[ChatMessage]) -> None:
        """Replace the messages, and store a user message at their end that has no answer yet."""
        await self._block.aopen(messages, session_id=self.session_id)
        await super().aset(messages)

    @property
    def _block(self) -> MemoryBankBlock:
        return next(block for block in self.memory_blocks if isinstance(block, MemoryBankBlock))


def memory_with_bank(
    bank: MemoryBank,
    user_id: str,
    session: str | None = None,
    *,
    k: int | None = None,
    max_tokens: int = CONTEXT_TOKENS,
    min_relevance: float = MIN_RELEVANCE,
    metadata: Mapping[str, Any] | None = None,
    where: Mapping[str, Any] | None = None,
    **options: Any,
) -> Memory:
    """Return LlamaIndex's own `Memory` with a block that stores every turn immediately.

    By default the recalled text is inserted into the user's message, because a `ReActAgent` drops
    system messages and the cached prefix of the prompt stays valid; `insert_method` changes this.
    A workflow's `Context` cannot serialize a `Memory` with blocks; use `MemoryBankMemory` there.

    Args:
        bank: Bank that stores the turns.
        user_id: User the memories belong to.
        session: Name of the conversation; None begins a new one.
        k: Maximum number of recalled memories; None takes as many as fit.
        max_tokens: Maximum length of the recalled text.
        min_relevance: Relevance below which memories are left out, as in `MemoryBank.context`.
        metadata: Metadata of the turns that are stored, such as {"agent": "coder"}.
        where: Conditions on the metadata of recalled memories, as in `MemoryBank.search`; None
            for all.
        **options: Options of `Memory.from_defaults`, including further `memory_blocks`.

    Raises:
        ValidationError: If an argument is invalid (also a ValueError).
    """
    block = MemoryBankBlock(
        bank=bank,
        user_id=user_id,
        k=k,
        max_tokens=max_tokens,
        min_relevance=min_relevance,
        metadata={} if metadata is None else dict(metadata),
        where=None if where is None else dict(where),
        accept_short_term_memory=False,
    )
    blocks = [block, *options.pop("memory_blocks", ())]
    options = {"insert_method": InsertMethod.USER, **options}
    return WriteThroughMemory.from_defaults(session_id=session, memory_blocks=blocks, **options)


def _find_turn_id(query: str, session: str | None, latest: Sequence[StoredMemory]) -> str:
    """Return the id of a query's turn: the session's last turn, or the turn that follows it."""
    last = latest[-1] if latest else None
    if last and last.turn and last.turn.query.strip() == query:
        return last.id
    return recall_id(session, last.id if last else None, query)
