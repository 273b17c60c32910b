"""Memory for LlamaIndex chat engines, agents and agent workflows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import partial
from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory.types import BaseMemory
from pydantic import ConfigDict, Field, PrivateAttr, model_validator
from typing_extensions import Self

from memorybank_core import Memory, MemoryBank
from memorybank_core.context import CONTEXT_TOKENS, MIN_RELEVANCE, Shown, Tokenizer
from memorybank_core.turns.conversation_deletion import delete_conversation
from memorybank_core.validation import to_user_id

from .bank_registry import find_bank, register_bank
from .conversation import ConversationState, collect_messages, list_shown
from .failures import attempt, failure_reporter, tolerant_counter
from .fields import MetadataField, TokenizerField, UserField, UserId, WhereField, share
from .former_state import upgrade_memory
from .messages import copy_messages, extract_text, to_messages, with_block
from .recall import recall
from .synchronization import (
    RESUME_TURNS,
    end_conversation,
    load,
    match_stored,
    select_conversation,
)
from .turn_writer import TurnWriter

TOKEN_LIMIT = 3000
"""Default for the maximum length of the latest messages, in tokens."""


class MemoryBankMemory(BaseMemory):
    """Long-term memory for a conversation of one user, stored in a bank.

    `memory=MemoryBankMemory.from_defaults(bank=bank, user_id="alice@example.com")` replaces a
    `ChatMemoryBuffer` or `Memory` in chat engines, agents and agent workflows, sync or async.

    The user's message is stored when it is put, and its answer completes the turn. Only text is
    stored; tool calls, their results and images are returned while they are recent.

    `get` returns the latest turns complete and verbatim, together with memories recalled from all
    conversations of the user. Recall happens once per turn, however often an agent calls `get`, and
    strengthens the relevant memories when the answer is put. The recalled text is appended to the
    user's message, after all earlier messages, so that the cached prefix of the prompt stays valid.
    If the engine has not put that message yet, the text is appended to the first system message.

    If the bank fails, the chat continues without it: the error is logged, `events.MemoryFailed` is
    emitted, and what is said is stored when the store is back, as with `on_failure` of
    `MemoryBank.begin_turn`. Only `reset`, `clear` and reopening a bank raise its errors.

    An instance serves one conversation, one turn at a time. Several instances of a session see each
    other's turns, deletions and resets. A memory serializes to plain JSON (`to_dict`, a workflow's
    `Context`). A deserialized memory finds its bank by file or URL among the open banks of the
    process, or opens it on first use with the embedder that wrote it.

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

    model_config = ConfigDict(extra="forbid")

    user_id: UserField
    session: str | None = Field(None, min_length=1)
    k: int | None = Field(None, ge=1)
    max_tokens: int = Field(CONTEXT_TOKENS, ge=1)
    min_relevance: float = Field(MIN_RELEVANCE, ge=0, le=1)
    token_limit: int = Field(TOKEN_LIMIT, ge=1)
    tokenizer: TokenizerField = Field(None, exclude=True)
    metadata: MetadataField = Field(default_factory=dict)
    where: WhereField = None
    path: str | None = None
    language: str = "en"
    timezone: str = "UTC"
    conversation: ConversationState | None = None
    _bank: MemoryBank | None = PrivateAttr(None)

    @model_validator(mode="before")
    @classmethod
    def _upgrade(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Accept what `model_dump` returns, also of a former version."""
        return upgrade_memory({name: data[name] for name in data if name != "class_name"})

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serializes the class."""
        return "MemoryBankMemory"

    @classmethod
    def from_defaults(  # type: ignore[override]  # subclasses in LlamaIndex change it too
        cls,
        bank: MemoryBank,
        user_id: UserId,
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
            user_id=to_user_id(user_id),
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

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return super().__deepcopy__(share(memo, self.tokenizer))

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

    def get(self, input: str | ChatMessage | None = None, **kwargs: Any) -> list[ChatMessage]:
        """Return the latest messages with the digests of the user and the recalled memories.

        Args:
            input: The user's message or its text; None uses the last message.
            **kwargs: Arguments that LlamaIndex's engines pass to its own memories; ignored.
        """
        state = self._load()
        latest = state.latest_within(self.token_limit, self._make_counter())
        text = extract_text(input) if isinstance(input, ChatMessage) else input
        query, is_last = state.find_query(text)
        self.conversation, block = recall(
            state, query, self, self.session, list_shown(state, latest), is_last=is_last
        )
        messages = copy_messages([*state.opening, *collect_messages(latest)])
        return with_block(messages, block, in_last=is_last)

    def get_all(self) -> list[ChatMessage]:
        """Return the whole conversation verbatim; older turns have only their text."""
        self.conversation = state = self._load()
        memories = self._try_read(None)
        buffered = {turn.id for turn in state.turns}
        earlier = [
            message
            for memory in select_conversation(memories)
            if memory.id not in buffered and state.is_part(memory)
            for message in to_messages(memory)
        ]
        callers = [turn for turn in state.turns if state.is_callers(turn)]
        first = [*state.opening, *collect_messages(callers), *earlier]
        return copy_messages([*first, *collect_messages(state.turns[len(callers) :])])

    def put(self, message: ChatMessage) -> None:
        """Add one message; see `put_messages`."""
        self.put_messages([message])

    def put_messages(self, messages: list[ChatMessage]) -> None:
        """Add messages; their text is on disk when the call returns.

        A user's message without an answer is stored after the recall for it, and its answer
        completes that turn. An answer to nothing is a turn of its own. Equal messages are different
        turns, unless one repeats the message before it, not yet answered, within five minutes.
        """
        state = self._load(only_end=True)
        state = self._make_writer().store(state, copy_messages(messages))
        self.conversation = state.truncated(self.token_limit, self._make_counter())

    def set(self, messages: list[ChatMessage]) -> None:
        """Replace the messages of the conversation; nothing is deleted from the bank.

        The messages are not stored, except a user message at their end that has no answer yet.
        """
        state = ConversationState.of_caller(copy_messages(messages), datetime.now(timezone.utc))
        last = state.turns.pop() if state.turns and state.turns[-1].is_open else None
        state = match_stored(state, self._try_read(RESUME_TURNS) if state.turns else [])
        self.conversation = state if last is None else self._make_writer().begin(state, last)

    def reset(self) -> None:
        """Begin a new conversation, in every memory of the session; nothing is deleted.

        The stored turns of the conversation get a mark in their metadata.

        Raises:
            StoreError: If the store cannot be read or written.
        """
        self.bank.backlog.flush(failure_reporter(self.user_id))
        if metadata := end_conversation(self._read_latest(RESUME_TURNS)):
            self.bank.store.set_metadata(self.user_id, metadata)
        self.conversation = ConversationState(since=datetime.now(timezone.utc))

    def clear(self) -> None:
        """Permanently delete the turns of `session` and `where`; without both, all the user's data.

        The digests of the days of deleted turns are also deleted.

        Raises:
            StoreError: If the store cannot be written.
        """
        if self.session is None and not self.where:
            self.bank.delete(user_id=self.user_id)
        else:
            user_id, session, where = self.user_id, self.session, self.where
            delete_conversation(self.bank, user_id=user_id, session=session, where=where)
        self.conversation = ConversationState(since=datetime.now(timezone.utc))

    async def aclear(self) -> None:
        """Async `clear`."""
        await asyncio.to_thread(self.clear)

    def _load(self, *, only_end: bool = False) -> ConversationState:
        return load(self.conversation, self._read_latest, self, only_end=only_end)

    def _read_latest(self, last: int | None) -> list[Memory]:
        return self.bank.timeline(
            user_id=self.user_id,
            session=self.session,
            kind="turn",
            archived=True,
            last=last,
            where=self.where,
        )

    def _try_read(self, last: int | None) -> list[Memory]:
        """Read latest turns; none if the bank fails."""
        read = partial(self._read_latest, last)
        return attempt(self.bank, self.user_id, "read the conversation", read, [])

    def _make_counter(self) -> Callable[[str], int]:
        return tolerant_counter(self.tokenizer, self.user_id)

    def _make_writer(self) -> TurnWriter:
        count = self._make_counter()

        def list_latest(state: ConversationState) -> Shown:
            return list_shown(state, state.latest_within(self.token_limit, count))

        return TurnWriter(self, self.session, datetime.now(timezone.utc), list_latest)
