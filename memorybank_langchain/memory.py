"""Memory for classic chains such as `ConversationChain` and `LLMChain`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

from langchain_classic.base_memory import BaseMemory
from langchain_classic.memory.utils import get_prompt_input_key
from langchain_core.messages import BaseMessage, SystemMessage, get_buffer_string
from langchain_core.runnables.config import ensure_config
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from memorybank_core import Context, Memory, MemoryBank, Turn
from memorybank_core.conditions import require_where
from memorybank_core.context import (
    CONTEXT_TOKENS,
    MIN_RELEVANCE,
    token_counter,
    without_recalled,
)
from memorybank_core.metadata import require_metadata

from .answers import extract_answer, extract_query
from .history import MemoryBankChatMessageHistory
from .messages import to_messages
from .open_turns import OpenTurns
from .recall import trace_recall
from .run_config import USER_ID_KEY, resolve_user, to_user_id

RECENT = 4
"""Default number of latest turns in the prompt."""
_MAX_RECENT = 1000
"""Maximum number of latest turns that `max_token_limit` admits to the prompt."""
_open_turns = OpenTurns()

_MetadataField = Annotated[dict[str, Any], AfterValidator(lambda value: require_metadata(value))]
_UserField = Annotated[
    str | None, BeforeValidator(lambda value: None if value is None else to_user_id(value))
]
_WhereField = Annotated[dict[str, Any] | None, AfterValidator(lambda value: require_where(value))]


class MemoryBankMemory(BaseMemory):
    """Long-term memory for a classic chain, stored in a bank.

    `MemoryBankMemory(bank=bank, user_id="alice@example.com")` replaces a
    `ConversationBufferMemory`. The chain receives the digests of the user, the memories relevant
    to the input from all the user's conversations, and the latest turns verbatim. Loading writes
    nothing. Saving stores the turn and strengthens the recalled memories, once per turn, however
    often the variables are loaded.

    Threads may share an instance, and instances may share a bank; copies share it too. Unlike the
    other classes, errors of the bank, the tokenizer and `on_recall` are raised: a classic chain
    offers no way to report them.

    Attributes:
        bank: Bank that stores the memories.
        user_id: User the memory belongs to; None reads `user_id_key` of the run. A classic chain
            does not pass its config on to its memory: call it as a runnable of LangChain's core,
            `RunnableLambda(chain.invoke)`.
        user_id_key: Key of the user in the run's context, else in its configurable values.
        session: Conversation that turns are stored in and that the latest turns come from; recall
            covers all conversations. None treats all turns of the user as one conversation.
        memory_key: Name of the prompt variable.
        input_key: Name of the input with the user's message; required if a chain has several.
        output_key: Name of the output with the answer; required if a chain has several.
        return_messages: Whether to return messages instead of a string, the first of them a system
            message with the recalled context.
        human_prefix: Name of the user in the string.
        ai_prefix: Name of the companion in the string.
        k: Maximum number of recalled memories; None takes as many as fit.
        max_tokens: Maximum length of the recalled context, without the latest turns.
        min_relevance: Relevance below which memories are left out, as in `MemoryBank.context`.
        recent: Number of latest turns to include verbatim; they are excluded from recall. None
            takes 4 or, with `max_token_limit`, as many as fit.
        max_token_limit: Maximum length of the latest turns, of which the last messages that fit are
            included, as in `ConversationTokenBufferMemory`.
        tokenizer: Counts tokens, as in `MemoryBank.context`, such as `llm.get_num_tokens`.
        metadata: Metadata of the turns that are stored, such as {"agent": "coder"}.
        where: Conditions on the metadata of recalled memories and latest turns, as in `search`.
        on_recall: Called with the recalled context, for example to display it.

    Raises:
        ValidationError: If an argument is invalid or unknown (also a ValueError).
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    bank: MemoryBank
    user_id: _UserField = None
    user_id_key: str = USER_ID_KEY
    session: str | None = Field(None, min_length=1)
    memory_key: str = "history"
    input_key: str | None = None
    output_key: str | None = None
    return_messages: bool = False
    human_prefix: str = "Human"
    ai_prefix: str = "AI"
    k: int | None = Field(None, ge=1)
    max_tokens: int = Field(CONTEXT_TOKENS, ge=1)
    min_relevance: float = Field(MIN_RELEVANCE, ge=0, le=1)
    recent: int | None = Field(None, ge=0)
    max_token_limit: int | None = Field(None, ge=1)
    tokenizer: Any = None
    metadata: _MetadataField = Field(default_factory=dict)
    where: _WhereField = None
    on_recall: Callable[[Context], object] | None = None

    @property
    def memory_variables(self) -> list[str]:
        """Names of the prompt variables: only `memory_key`."""
        return [self.memory_key]

    @property
    def chat_memory(self) -> MemoryBankChatMessageHistory:
        """History of the conversation: all its messages, to read, add or clear."""
        return MemoryBankChatMessageHistory(
            bank=self.bank,
            user_id=self._resolve_user(),
            session=self.session,
            metadata=self.metadata,
            where=self.where,
        )

    @property
    def buffer(self) -> str | list[BaseMessage]:
        """The conversation verbatim, as `return_messages` says: all of it, or what fits.

        `recent` and `max_token_limit` limit it if they are set.
        """
        return self.buffer_as_messages if self.return_messages else self.buffer_as_str

    @property
    def buffer_as_str(self) -> str:
        """The buffer as a string."""
        return self._to_string(self.buffer_as_messages)

    @property
    def buffer_as_messages(self) -> list[BaseMessage]:
        """The buffer as messages."""
        last = None if self.recent is None else max(self.recent, 1)
        memories = self.bank.timeline(**self._timeline_options(last=last))
        return self._fit(() if self.recent == 0 else memories)

    async def abuffer(self) -> str | list[BaseMessage]:
        """Async `buffer`."""
        return await asyncio.to_thread(lambda: self.buffer)

    async def abuffer_as_str(self) -> str:
        """Async `buffer_as_str`."""
        return await asyncio.to_thread(lambda: self.buffer_as_str)

    async def abuffer_as_messages(self) -> list[BaseMessage]:
        """Async `buffer_as_messages`."""
        return await asyncio.to_thread(lambda: self.buffer_as_messages)

    def load_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the digests, the memories recalled for the input, and the latest turns.

        Nothing is written, and nothing is recalled without an input.

        Raises:
            ValueError: If there are several inputs and no `input_key`, or the user is missing.
            EmbedderError: If the embedder returns an unusable vector.
            StoreError: If the store cannot be read.
        """
        query = self._extract_query(inputs)
        count = self._count_latest()
        latest = self.bank.timeline(**self._timeline_options(last=count)) if count else []
        messages = self._fit(latest)
        begin = partial(
            self.bank.begin_turn,
            query,
            user_id=self._resolve_user(),
            session=self.session,
            shown=self._find_shown(latest, messages),
            k=self.k,
            max_tokens=self.max_tokens,
            min_relevance=self.min_relevance,
            tokenizer=self.tokenizer,
            metadata=self.metadata,
            where=self.where,
            pending=False,
        )
        turn = trace_recall(begin, query, ensure_config())
        if query:
            _open_turns.put(turn)
        if self.on_recall:
            self.on_recall(turn.context)
        return {self.memory_key: self._format_variable(turn.context, messages)}

    async def aload_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Async `load_memory_variables`."""
        return await asyncio.to_thread(self.load_memory_variables, inputs)

    def save_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Store the turn, and strengthen what was recalled for it if it was loaded before.

        The turn is on disk when the call returns. Without loading, nothing was recalled.

        Raises:
            ValueError: If there are several inputs or outputs, and no `input_key` or `output_key`,
                or the user is missing.
            EmbedderError: If the embedder returns unusable vectors.
            StoreError: If the store cannot be written.
        """
        query, response = self._extract_input(inputs), self._extract_output(outputs)
        if not (query + response).strip():
            return
        user_id, message = self._resolve_user(), without_recalled(query).strip()
        turn = _open_turns.take(self.bank, user_id, self.session, message) if message else None
        if turn and response.strip():
            turn.complete(response, query=query)
        else:
            new = Turn(query, response, session=self.session, metadata=self.metadata)
            self.bank.add([new], user_id=user_id)

    async def asave_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Async `save_context`."""
        await asyncio.to_thread(self.save_context, inputs, outputs)

    def clear(self) -> None:
        """Permanently delete the turns of `session` and `where`; without both, all the user's data.

        The digests of the days of deleted turns are also deleted.

        Raises:
            StoreError: If the store cannot be written.
        """
        if self.session is None and not self.where:
            self.bank.delete(user_id=self._resolve_user())
        else:
            self.chat_memory.clear()

    async def aclear(self) -> None:
        """Async `clear`."""
        await asyncio.to_thread(self.clear)

    def _extract_query(self, inputs: dict[str, Any]) -> str:
        """Return the text of the user's message; "" without any input."""
        has_input = inputs.keys() - {self.memory_key, "stop"}
        return without_recalled(self._extract_input(inputs)).strip() if has_input else ""

    def _extract_input(self, inputs: dict[str, Any]) -> str:
        key = self.input_key or get_prompt_input_key(inputs, self.memory_variables)
        return extract_query(inputs[key])

    def _extract_output(self, outputs: dict[str, Any]) -> str:
        keys = [self.output_key] if self.output_key else list(outputs)
        if len(keys) != 1 and "output" not in keys:
            raise ValueError(
                f"the chain has several outputs {keys}: set output_key to the name of the answer"
            )
        return extract_answer(outputs[keys[0] if len(keys) == 1 else "output"])

    def _resolve_user(self) -> str:
        return resolve_user(self.user_id, None, key=self.user_id_key)

    def _timeline_options(self, **options: Any) -> dict[str, Any]:
        """Return the timeline options for the turns of this conversation, archived ones too."""
        scope = {"user_id": self._resolve_user(), "session": self.session, "where": self.where}
        return {**scope, "kind": "turn", "archived": True, **options}

    def _count_latest(self) -> int:
        """Return the number of latest turns to read for the prompt."""
        if self.recent is not None:
            return self.recent
        return RECENT if self.max_token_limit is None else min(self.max_token_limit, _MAX_RECENT)

    def _fit(self, memories: Sequence[Memory]) -> list[BaseMessage]:
        """Return the messages of turns, the last ones within `max_token_limit`."""
        messages = [message for memory in memories for message in to_messages(memory)]
        if self.max_token_limit is None:
            return messages
        count = token_counter(self.tokenizer or getattr(self.bank.llm, "count_tokens", None))
        start, left = len(messages), self.max_token_limit
        while start and left >= (tokens := count(f"{self._to_string([messages[start - 1]])}\n")):
            start, left = start - 1, left - tokens
        return messages[start:]

    def _find_shown(self, memories: Sequence[Memory], messages: Sequence[BaseMessage]) -> list[str]:
        """Return the ids of the turns of which the prompt has all messages."""
        ids = {message.id for message in messages}
        return [m.id for m in memories if ids.issuperset(item.id for item in to_messages(m))]

    def _format_variable(
        self, context: Context, messages: list[BaseMessage]
    ) -> str | list[BaseMessage]:
        """Return the value of the prompt variable."""
        if self.return_messages:
            return [SystemMessage(context.text), *messages] if context.text else messages
        parts = context.text, self._to_string(messages)
        return "\n\n".join(part for part in parts if part)

    def _to_string(self, messages: Sequence[BaseMessage]) -> str:
        return get_buffer_string(messages, human_prefix=self.human_prefix, ai_prefix=self.ai_prefix)
