"""The bank as the memory of LlamaIndex's chat engines, agents and agent workflows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory.types import BaseMemory
from pydantic import Field, PrivateAttr

from memorybank_core import Memory, MemoryBank
from memorybank_core.context import CONTEXT_TOKENS, Tokenizer, token_counter

from .bank_registry import path_of, reopened
from .conversation import (
    ConversationState,
    ShownTurn,
    TurnRecall,
    begun,
    given,
    messages_in,
    of_conversation,
    recognised,
    resumed,
)
from .messages import copied, messages_of, with_block

TOKEN_LIMIT = 3000
"""How many tokens the latest messages may take, unless told otherwise."""
_REOPENED = 100
"""How many turns are looked at, at most, where a conversation goes on."""


class MemoryBankMemory(BaseMemory):
    """Long-term memory for one user's conversation, kept in a bank.

    `memory=MemoryBankMemory.from_defaults(bank=bank, user_id="alice@example.com")` goes where a
    `ChatMemoryBuffer` or `Memory` went: into chat engines, agents and agent workflows, sync or
    async.

    Every turn is stored at once: what the user says when it is put, the answer with it when that
    is put, both under one id. Words are kept; tool calls, their results and images are shown as
    long as they are recent. `get` gives the latest turns as they were, whole, and what is recalled
    from all of this user's conversations: looked up once a turn and strengthened once, however
    often an agent asks. It stands at the end of the user's message, after all that was said
    before, so that prefix caches stay warm; or, where the engine adds that message later, at the
    end of the first system message. What was deleted from the bank is no longer shown.

    It is for one conversation, one turn at a time, as every memory of LlamaIndex's. It is plain
    JSON (`to_dict`, a workflow's `Context`): the bank is found again by its file or its URL, which
    this process may have open, and is else opened with the embedder that wrote it, when it is
    first needed. An error of the bank is raised; nothing is lost silently.

    Attributes:
        user_id: Whose memory.
        session: Which conversation: of it are the latest turns, and to it belong the new ones;
            recall spans them all. None takes all of this user's turns for one conversation.
        k: How many memories are recalled at most.
        max_tokens: How long the recalled text may become; the latest messages come on top.
        token_limit: How many tokens of the latest messages are shown; the last turn always is.
        tokenizer: Counts the tokens, as in `MemoryBank.context`. It is not serialised.
        path: The bank's file, or its URL without the password, which PGPASSWORD or .pgpass then
            give; with `language` and `timezone`, for when it is opened again.
        conversation: Where the conversation stands.

    Raises:
        ValidationError: An argument is not what it must be (also a ValueError).
    """

    user_id: str = Field(min_length=1)
    session: str | None = Field(None, min_length=1)
    k: int = Field(5, ge=1)
    max_tokens: int = Field(CONTEXT_TOKENS, ge=1)
    token_limit: int = Field(TOKEN_LIMIT, ge=1)
    tokenizer: Any = Field(None, exclude=True)
    path: str | None = None
    language: str = "en"
    timezone: str = "UTC"
    conversation: ConversationState | None = None
    _bank: MemoryBank | None = PrivateAttr(None)

    @classmethod
    def class_name(cls) -> str:
        return "MemoryBankMemory"

    @classmethod
    def from_defaults(  # type: ignore[override]  # LlamaIndex's own name what they take, too
        cls,
        bank: MemoryBank,
        user_id: str,
        session: str | None = None,
        k: int = 5,
        max_tokens: int = CONTEXT_TOKENS,
        token_limit: int = TOKEN_LIMIT,
        tokenizer: Tokenizer | None = None,
    ) -> MemoryBankMemory:
        """The memory of this user in this bank; the arguments are the attributes."""
        memory = cls(
            user_id=user_id,
            session=session,
            k=k,
            max_tokens=max_tokens,
            token_limit=token_limit,
            tokenizer=tokenizer,
            path=path_of(bank),
            language=bank.language,
            timezone=bank.timezone.key,
        )
        memory._bank = bank
        return memory

    @property
    def bank(self) -> MemoryBank:
        """Where the turns are kept; opened again where this memory came from JSON.

        Raises:
            ConfigurationError: It is gone, or its embedder cannot be loaded by its name: open the
                bank with that embedder, and make any memory with it first.
            StoreError: It cannot be opened.
        """
        if self._bank is None:
            self._bank = reopened(self.path, self.language, self.timezone)
        return self._bank

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """Plain JSON values, which `from_dict` takes."""
        return self.model_dump(mode="json", **kwargs)

    def get(self, input: str | None = None, **kwargs: Any) -> list[ChatMessage]:
        """The latest messages, with what is known of the user and recalled for the question.

        Args:
            input: What the user says now; None takes what they said last.
            **kwargs: What LlamaIndex's engines pass to its own memories; unused.

        Raises:
            EmbedderError: The embedder gave a vector that cannot be used.
            StoreError: It could not be read, or the recall not be noted.
        """
        talk = self._current()
        id, query, turn = talk.asked(input)
        shown = talk.within(self.token_limit, token_counter(self.tokenizer))
        recall = talk.recall
        if recall is None or (recall.turn, recall.query) != (id, query):
            recall = self._recalled(id, query, shown)
        self.conversation = talk.model_copy(update={"recall": recall})
        told = copied([*talk.opening, *messages_in(shown)])
        return with_block(told, recall.block, in_last=turn is not None)

    def get_all(self) -> list[ChatMessage]:
        """The whole conversation, as it was said; of turns long ago the words alone."""
        talk = self._current()
        shown = {turn.id for turn in talk.turns}
        memories = of_conversation(self._latest(None), talk.name)
        earlier = [
            one for memory in memories if memory.id not in shown for one in messages_of(memory)
        ]
        return copied([*talk.opening, *earlier, *messages_in(talk.turns)])

    def put(self, message: ChatMessage) -> None:
        """Takes in a message; otherwise like `put_messages`."""
        self.put_messages([message])

    def put_messages(self, messages: list[ChatMessage]) -> None:
        """Takes in messages. When it returns the words are on disk, in one transaction.

        Raises:
            EmbedderError: The embedder gave vectors that cannot be used.
            StoreError: They could not be stored; nothing of this call was.
        """
        talk = self._current(last=1)
        grown = talk.after(copied(messages), datetime.now(timezone.utc))
        self._keep(grown.since(talk))
        self.conversation = grown.shortened(self.token_limit, token_counter(self.tokenizer))

    def set(self, messages: list[ChatMessage]) -> None:
        """Shows these messages in place of those said so far.

        The caller says that they were said before, so they are not stored, except a question at
        their end that waits for its answer. Nothing is forgotten.

        Raises:
            EmbedderError: The embedder gave vectors that cannot be used.
            StoreError: It could not be read or stored.
        """
        told = given(copied(messages))
        latest = self._latest(_REOPENED) if told.turns else []
        talk = recognised(told, latest, datetime.now(timezone.utc))
        self._keep([turn for turn in talk.turns[-1:] if turn.is_open and turn.is_stored])
        self.conversation = talk

    def reset(self) -> None:
        """Begins a new conversation; nothing is forgotten (to erase: `clear`)."""
        self.conversation = begun()

    def clear(self) -> None:
        """Erases for good: with a `session` its turns, otherwise everything of this user.

        With turns goes what was derived from them, the digests of their days.

        Raises:
            StoreError: It could not be erased.
        """
        if self.session is None:
            self.bank.delete(user_id=self.user_id)
        elif doomed := self._latest(None):
            self.bank.delete(user_id=self.user_id, ids=[memory.id for memory in doomed])
        self.reset()

    async def aclear(self) -> None:
        """Async `clear`."""
        await asyncio.to_thread(self.clear)

    def _current(self, last: int = 0) -> ConversationState:
        """Where the conversation stands, without what was deleted from the bank since.

        Of all turns, or of the `last` so many, where no others matter.
        """
        talk = self.conversation or resumed(self._latest(_REOPENED))
        stored = {turn.id for turn in talk.turns[-last:] if turn.id and turn.is_stored}
        used = stored.union(talk.recall.ids if talk.recall else ())
        gone = used - self.bank.get(used, user_id=self.user_id).keys() if used else set()
        if not gone:
            return talk
        return talk.without(gone).model_copy(update={"recall": None})

    def _latest(self, last: int | None) -> list[Memory]:
        which: dict[str, Any] = {"user_id": self.user_id, "session": self.session, "kind": "turn"}
        return self.bank.timeline(**which, archived=True, last=last)

    def _keep(self, turns: Sequence[ShownTurn]) -> None:
        if turns:
            told = [turn.as_kept(self.session) for turn in turns]
            self.bank.add(told, user_id=self.user_id, replace=True)

    def _recalled(self, id: str, query: str, shown: Sequence[ShownTurn]) -> TurnRecall:
        """What is known and recalled for a turn, once; without what is shown as it was."""
        context = self.bank.context(
            query or None,
            user_id=self.user_id,
            k=self.k,
            max_tokens=self.max_tokens,
            tokenizer=self.tokenizer,
            without={turn.id for turn in shown if turn.id},
        )
        self.bank.reinforce(context.ids, user_id=self.user_id, turn=id)
        return TurnRecall(turn=id, query=query, block=context.text, ids=list(context.ids))
