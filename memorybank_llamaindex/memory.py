"""Memory for LlamaIndex chat engines, agents and agent workflows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory.types import BaseMemory
from pydantic import Field, PrivateAttr

from memorybank_core import Memory, MemoryBank
from memorybank_core.context import CONTEXT_TOKENS, MIN_RELEVANCE, Tokenizer, token_counter

from .bank_registry import find_bank, register_bank
from .conversation import (
    BufferedTurn,
    ConversationState,
    TurnRecall,
    build_conversation,
    collect_messages,
    create_conversation,
    match_stored_turns,
    resume_conversation,
    select_conversation,
)
from .fields import MetadataField, WhereField
from .messages import copy_messages, to_messages, with_block

TOKEN_LIMIT = 3000
"""Default for the maximum length of the latest messages, in tokens."""
_RESUME_TURNS = 100
"""Number of latest turns that are read to resume a conversation."""


class MemoryBankMemory(BaseMemory):
    """Long-term memory for a conversation of one user, stored in a bank.

    `memory=MemoryBankMemory.from_defaults(bank=bank, user_id="alice@example.com")` replaces a
    `ChatMemoryBuffer` or `Memory` in chat engines, agents and agent workflows, sync or async.

    Every turn is stored immediately: the user's message when it is put, and the answer, under the
    same id, when it is put. Only text is stored; tool calls, their results and images are returned
    while they are recent.

    `get` returns the latest turns complete and verbatim, together with memories recalled from all
    conversations of the user. Recall happens once per turn and strengthens the memories once,
    however often an agent calls `get`. The recalled text is appended to the user's message, after
    all earlier messages, so that the cached prefix of the prompt stays valid. If the engine has
    not put that message yet, the text is appended to the first system message. Turns deleted from
    the bank are no longer returned.

    As with every LlamaIndex memory, one instance serves one conversation, one turn at a time. It
    serializes to plain JSON (`to_dict`, a workflow's `Context`). A deserialized memory finds its
    bank by file or URL among the open banks of the process, or opens it on first use with the
    embedder that wrote it. Errors of the bank are raised.

    Attributes:
        user_id: User the memory belongs to.
        session: Conversation that turns are stored in and that the latest turns come from; recall
            covers all conversations. None treats all turns of the user as one conversation.
        k: Maximum number of recalled memories; None takes as many as fit.
        max_tokens: Maximum length of the recalled text, without the latest messages.
        min_relevance: Relevance below which memories are left out, as in `MemoryBank.context`.
        token_limit: Maximum length of the latest messages, in tokens; the last turn is always
            included.
        tokenizer: Counts tokens, as in `MemoryBank.context`. It is not serialized.
        metadata: Metadata of the turns that are stored, such as {"agent": "coder"}.
        where: Conditions on the metadata of recalled memories and latest turns, as in `search`.
        path: The bank's file, or its URL without the password, which is then read from PGPASSWORD
            or .pgpass. It is used with `language` and `timezone` to reopen the bank.
        conversation: The state of the conversation.

    Raises:
        ValidationError: If an argument is invalid (also a ValueError).
    """

    user_id: str = Field(min_length=1)
    session: str | None = Field(None, min_length=1)
    k: int | None = Field(None, ge=1)
    max_tokens: int = Field(CONTEXT_TOKENS, ge=1)
    min_relevance: float = Field(MIN_RELEVANCE, ge=0, le=1)
    token_limit: int = Field(TOKEN_LIMIT, ge=1)
    tokenizer: Any = Field(None, exclude=True)
    metadata: MetadataField = Field(default_factory=dict)
    where: WhereField = None
    path: str | None = None
    language: str = "en"
    timezone: str = "UTC"
    conversation: ConversationState | None = None
    _bank: MemoryBank | None = PrivateAttr(None)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serializes the class."""
        return "MemoryBankMemory"

    @classmethod
    def from_defaults(  # type: ignore[override]  # subclasses in LlamaIndex change it too
        cls,
        bank: MemoryBank,
        user_id: str,
        session: str | None = None,
        k: int | None = None,
        max_tokens: int = CONTEXT_TOKENS,
        token_limit: int = TOKEN_LIMIT,
        tokenizer: Tokenizer | None = None,
        min_relevance: float = MIN_RELEVANCE,
        metadata: Mapping[str, Any] | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> MemoryBankMemory:
        """Return the memory of a user in a bank.

        Args:
            bank: Bank that stores the turns.
            user_id: User the memory belongs to.
            session: Conversation that turns are stored in; None treats all turns of the user as
                one conversation.
            k: Maximum number of recalled memories; None takes as many as fit.
            max_tokens: Maximum length of the recalled text.
            token_limit: Maximum length of the latest messages, in tokens.
            tokenizer: Counts tokens, as in `MemoryBank.context`.
            min_relevance: Relevance below which memories are left out, as in
                `MemoryBank.context`.
            metadata: Metadata of the turns that are stored, such as {"agent": "coder"}.
            where: Conditions on the metadata of recalled memories and latest turns, as in `search`.

        Raises:
            ValidationError: If an argument is invalid (also a ValueError).
        """
        memory = cls(
            user_id=user_id,
            session=session,
            k=k,
            max_tokens=max_tokens,
            min_relevance=min_relevance,
            token_limit=token_limit,
            tokenizer=tokenizer,
            metadata={} if metadata is None else dict(metadata),
            where=None if where is None else dict(where),
            path=register_bank(bank),
            language=bank.language,
            timezone=bank.timezone.key,
        )
        memory._bank = bank
        return memory

    @property
    def bank(self) -> MemoryBank:
        """Bank that stores the turns; reopened if this memory was deserialized.

        Raises:
            ConfigurationError: If the bank no longer exists, or its embedder cannot be loaded by
                name. In the latter case, first open the bank with that embedder and create a
                memory with it.
            StoreError: If the bank cannot be opened.
        """
        if self._bank is None:
            self._bank = find_bank(self.path, self.language, self.timezone)
        return self._bank

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """Return the memory as plain JSON values, which `from_dict` reads."""
        return self.model_dump(mode="json", **kwargs)

    def get(self, input: str | None = None, **kwargs: Any) -> list[ChatMessage]:
        """Return the latest messages with the digests of the user and the recalled memories.

        Args:
            input: Text of the user's message; None uses the last message.
            **kwargs: Arguments that LlamaIndex's engines pass to its own memories; ignored.

        Raises:
            EmbedderError: If the embedder returns an unusable vector.
            StoreError: If the store cannot be read, or the recall cannot be recorded.
        """
        conversation = self._load_conversation()
        id, query, turn = conversation.find_current_query(input)
        latest = conversation.latest_within(self.token_limit, token_counter(self.tokenizer))
        recall = conversation.recall
        if recall is None or (recall.turn, recall.query) != (id, query):
            recall = self._recall(id, query, latest)
        self.conversation = conversation.model_copy(update={"recall": recall})
        messages = copy_messages([*conversation.opening, *collect_messages(latest)])
        return with_block(messages, recall.block, in_last=turn is not None)

    def get_all(self) -> list[ChatMessage]:
        """Return the whole conversation verbatim; older turns have only their text."""
        conversation = self._load_conversation()
        buffered = {turn.id for turn in conversation.turns}
        memories = select_conversation(self._read_latest(None), conversation.name)
        earlier = [
            message
            for memory in memories
            if memory.id not in buffered
            for message in to_messages(memory)
        ]
        return copy_messages(
            [*conversation.opening, *earlier, *collect_messages(conversation.turns)]
        )

    def put(self, message: ChatMessage) -> None:
        """Add one message; see `put_messages`."""
        self.put_messages([message])

    def put_messages(self, messages: list[ChatMessage]) -> None:
        """Add messages; their text is on disk when the call returns, in one transaction.

        Raises:
            EmbedderError: If the embedder returns unusable vectors.
            StoreError: If the store cannot be written; no message of this call is stored then.
        """
        before = self._load_conversation(last=1)
        after = before.with_messages(copy_messages(messages), datetime.now(timezone.utc))
        self._store(after.changes_since(before))
        self.conversation = after.truncated(self.token_limit, token_counter(self.tokenizer))

    def set(self, messages: list[ChatMessage]) -> None:
        """Replace the messages of the conversation; nothing is deleted from the bank.

        The messages are not stored, except a user message at their end that has no answer yet.

        Raises:
            EmbedderError: If the embedder returns unusable vectors.
            StoreError: If the store cannot be read or written.
        """
        conversation = build_conversation(copy_messages(messages))
        latest = self._read_latest(_RESUME_TURNS) if conversation.turns else []
        conversation = match_stored_turns(conversation, latest, datetime.now(timezone.utc))
        last = conversation.turns[-1:]
        self._store([turn for turn in last if turn.is_open and turn.is_stored])
        self.conversation = conversation

    def reset(self) -> None:
        """Begin a new conversation; nothing is deleted from the bank."""
        self.conversation = create_conversation()

    def clear(self) -> None:
        """Permanently delete the turns of `session` and `where`; without both, all the user's data.

        The digests of the days of deleted turns are also deleted.

        Raises:
            StoreError: If the store cannot be written.
        """
        if self.session is None and not self.where:
            self.bank.delete(user_id=self.user_id)
        elif memories := self._read_latest(None):
            self.bank.delete(user_id=self.user_id, ids=[memory.id for memory in memories])
        self.reset()

    async def aclear(self) -> None:
        """Async `clear`."""
        await asyncio.to_thread(self.clear)

    def _load_conversation(self, last: int = 0) -> ConversationState:
        """Return the conversation without the turns that were deleted from the bank.

        Args:
            last: Number of latest turns to check; 0 checks all.
        """
        conversation = self.conversation or resume_conversation(self._read_latest(_RESUME_TURNS))
        stored = {turn.id for turn in conversation.turns[-last:] if turn.id and turn.is_stored}
        used = stored.union(conversation.recall.ids if conversation.recall else ())
        deleted = used - self.bank.get(used, user_id=self.user_id).keys() if used else set()
        if not deleted:
            return conversation
        return conversation.without(deleted).model_copy(update={"recall": None})

    def _read_latest(self, last: int | None) -> list[Memory]:
        return self.bank.timeline(
            user_id=self.user_id,
            session=self.session,
            kind="turn",
            archived=True,
            last=last,
            where=self.where,
        )

    def _store(self, turns: Sequence[BufferedTurn]) -> None:
        if turns:
            stored = [turn.to_turn(self.session, self.metadata) for turn in turns]
            self.bank.add(stored, user_id=self.user_id, replace=True, pending=True)

    def _recall(self, id: str, query: str, latest: Sequence[BufferedTurn]) -> TurnRecall:
        """Recall memories for a turn, except the turns shown verbatim, and strengthen them."""
        context = self.bank.context(
            query or None,
            user_id=self.user_id,
            k=self.k,
            max_tokens=self.max_tokens,
            tokenizer=self.tokenizer,
            min_relevance=self.min_relevance,
            without={turn.id for turn in latest if turn.id},
            where=self.where,
        )
        self.bank.reinforce(context.best_ids, user_id=self.user_id, turn=id)
        return TurnRecall(turn=id, query=query, block=context.text, ids=list(context.ids))
