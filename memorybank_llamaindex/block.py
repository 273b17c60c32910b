"""The bank as a block of LlamaIndex's own `Memory`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import BaseMemoryBlock, InsertMethod, Memory
from pydantic import ConfigDict, Field

from memorybank_core import Memory as Remembered
from memorybank_core import MemoryBank
from memorybank_core.concurrency import in_thread
from memorybank_core.context import CONTEXT_TOKENS, without_recalled

from .conversation import given, resumed
from .messages import copied, is_users, text_of

_REACH = 20
"""How many of a session's latest turns are looked at to know those that are in the prompt."""


class MemoryBankBlock(BaseMemoryBlock[str]):
    """What is known of a user and what answers their last message, for a `Memory`.

    `Memory.from_defaults(memory_blocks=[MemoryBankBlock(bank=bank, user_id=...)])`. By itself it
    is handed, and then stores, only what overflows that memory's token limit; with
    `memory_with_bank` every turn is stored at once. The session is that of the memory, each time;
    the block holds nothing between calls, and any number of sessions may share one.

    Attributes:
        name: Names it within the memory.
        bank: Where the turns are kept.
        user_id: Whose memory.
        k: How many memories are recalled at most.
        max_tokens: How long the text may become.
        tokenizer: Counts the tokens, as in `MemoryBank.context`.

    Raises:
        ValidationError: An argument is not what it must be (also a ValueError).
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    name: str = "MemoryBank"
    bank: MemoryBank = Field(exclude=True)
    user_id: str = Field(min_length=1)
    k: int = Field(default=5, ge=1)
    max_tokens: int = Field(default=CONTEXT_TOKENS, ge=1)
    tokenizer: Any = Field(default=None, exclude=True)

    async def aput(
        self,
        messages: list[ChatMessage],
        from_short_term_memory: bool = False,
        session_id: str | None = None,
    ) -> None:
        """Stores the words of these messages of a session. When it returns, they are on disk.

        A message of the user begins a turn, the answers after it, in this call or a later one,
        complete it.

        Raises:
            EmbedderError: The embedder gave vectors that cannot be used.
            StoreError: They could not be stored; nothing of this call was.
        """
        if self.accept_short_term_memory or not from_short_term_memory:
            await self._akeep(messages, session_id)

    async def aopen(self, messages: list[ChatMessage], session_id: str | None = None) -> None:
        """Stores the question at the end of these messages if it waits for an answer.

        Raises:
            EmbedderError: The embedder gave vectors that cannot be used.
            StoreError: It could not be stored.
        """
        last = given(messages).turns[-1:]
        if last and last[0].is_open:
            await self._akeep(last[0].messages, session_id)

    async def _aput(self, messages: list[ChatMessage]) -> None:
        await self._akeep(messages, None)

    async def _aget(
        self,
        messages: list[ChatMessage] | None = None,
        session_id: str | None = None,
        **block_kwargs: Any,
    ) -> str:
        return await self._arecalled(messages or [], session_id)

    def _keep(self, messages: Sequence[ChatMessage], session: str | None) -> None:
        talk = resumed(self._latest(session, 1))
        turns = talk.after(copied(messages), datetime.now(timezone.utc)).since(talk)
        if turns:
            told = [turn.as_kept(session) for turn in turns]
            self.bank.add(told, user_id=self.user_id, replace=True)

    def _recalled(self, messages: Sequence[ChatMessage], session: str | None) -> str:
        said = [without_recalled(text_of(one)).strip() for one in messages if is_users(one)]
        query, latest = said[-1] if said else "", self._latest(session, _REACH)
        shown = [one.id for one in latest if one.turn and one.turn.query.strip() in said]
        context = self.bank.context(
            query or None,
            user_id=self.user_id,
            k=self.k,
            max_tokens=self.max_tokens,
            tokenizer=self.tokenizer,
            without=shown,
        )
        turn = _turn_of(query, session, latest)
        self.bank.reinforce(context.ids, user_id=self.user_id, turn=turn)
        return context.text

    def _latest(self, session: str | None, last: int) -> list[Remembered]:
        which: dict[str, Any] = {"user_id": self.user_id, "session": session, "kind": "turn"}
        return self.bank.timeline(**which, archived=True, last=last)

    _akeep = in_thread(_keep)
    _arecalled = in_thread(_recalled)


class LoggedMemory(Memory):
    """LlamaIndex's `Memory`, in which every turn is stored at once; see `memory_with_bank`."""

    async def aput(self, message: ChatMessage) -> None:
        await self._block.aput([message], session_id=self.session_id)
        await super().aput(message)

    async def aput_messages(self, messages: list[ChatMessage]) -> None:
        await self._block.aput(messages, session_id=self.session_id)
        await super().aput_messages(messages)

    async def aset(self, messages: list[ChatMessage]) -> None:
        await self._block.aopen(messages, session_id=self.session_id)
        await super().aset(messages)

    @property
    def _block(self) -> MemoryBankBlock:
        return next(one for one in self.memory_blocks if isinstance(one, MemoryBankBlock))


def memory_with_bank(
    bank: MemoryBank,
    user_id: str,
    session: str | None = None,
    *,
    k: int = 5,
    max_tokens: int = CONTEXT_TOKENS,
    **options: Any,
) -> Memory:
    """LlamaIndex's own `Memory` with the bank as a block, in which nothing waits for an overflow.

    What is recalled goes into the user's message, unless `insert_method` says otherwise: a
    `ReActAgent` drops system messages, and caches of what was said before stay warm. A workflow's
    `Context` cannot carry LlamaIndex's memories with blocks; `MemoryBankMemory` it can.

    Args:
        bank: Where the turns are kept.
        user_id: Whose memory.
        session: Which conversation; None begins a new one.
        k: How many memories are recalled at most.
        max_tokens: How long the recalled text may become.
        **options: Of `Memory.from_defaults`; further `memory_blocks` among them.

    Raises:
        ValidationError: An argument is not what it must be (also a ValueError).
    """
    block = MemoryBankBlock(
        bank=bank, user_id=user_id, k=k, max_tokens=max_tokens, accept_short_term_memory=False
    )
    blocks = [block, *options.pop("memory_blocks", ())]
    options = {"insert_method": InsertMethod.USER, **options}
    return LoggedMemory.from_defaults(session_id=session, memory_blocks=blocks, **options)


def _turn_of(query: str, session: str | None, latest: Sequence[Remembered]) -> str:
    """The turn of a question: the session's last one, or the one that follows it."""
    last = latest[-1] if latest else None
    if last and last.turn and last.turn.query.strip() == query:
        return last.id
    place = json.dumps([session, last and last.id, query])
    return hashlib.sha256(place.encode()).hexdigest()[:32]
