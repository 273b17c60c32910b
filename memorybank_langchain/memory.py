"""Memory for classic chains such as `ConversationChain` and `LLMChain`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from langchain_classic.base_memory import BaseMemory
from langchain_classic.memory.utils import get_prompt_input_key
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, get_buffer_string
from pydantic import AfterValidator, ConfigDict, Field

from memorybank_core import Context, Memory, MemoryBank, Turn
from memorybank_core.conditions import require_where
from memorybank_core.context import CONTEXT_TOKENS, MIN_RELEVANCE
from memorybank_core.integration import recall_id
from memorybank_core.metadata import require_metadata

from .messages import extract_text, to_messages

_MetadataField = Annotated[dict[str, Any], AfterValidator(lambda value: require_metadata(value))]
_WhereField = Annotated[dict[str, Any] | None, AfterValidator(lambda value: require_where(value))]


class MemoryBankMemory(BaseMemory):
    """Long-term memory of one user for a chain, stored in a bank.

    `MemoryBankMemory(bank=bank, user_id="alice@example.com")` replaces a
    `ConversationBufferMemory`. The chain receives the digests of the user, the memories relevant
    to the input from all the user's conversations, and the latest turns verbatim. Recalled
    memories are strengthened once per turn, however often the variables are loaded.

    An instance keeps no state between calls: threads may share it, and restarts have no effect.
    Errors of the bank are raised.

    Attributes:
        bank: Bank that stores the memories.
        user_id: User the memory belongs to.
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
        recent: Number of latest turns to include verbatim; they are excluded from recall.
        tokenizer: Counts tokens, as in `MemoryBank.context`.
        metadata: Metadata of the turns that are stored, such as {"agent": "coder"}.
        where: Conditions on the metadata of recalled memories and latest turns, as in `search`.

    Raises:
        ValidationError: If an argument is invalid (also a ValueError).
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    bank: MemoryBank
    user_id: str = Field(min_length=1)
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
    recent: int = Field(4, ge=0)
    tokenizer: Any = None
    metadata: _MetadataField = Field(default_factory=dict)
    where: _WhereField = None

    @property
    def memory_variables(self) -> list[str]:
        """Names of the prompt variables: only `memory_key`."""
        return [self.memory_key]

    def load_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the digests, the memories recalled for the input, and the latest turns.

        Nothing is recalled without an input.

        Raises:
            ValueError: If there are several inputs and no `input_key`.
            EmbedderError: If the embedder returns an unusable vector.
            StoreError: If the store cannot be read, or the recall cannot be recorded.
        """
        query = self._extract_query(inputs)
        latest = self.bank.timeline(**self._latest_options())
        context = self.bank.context(query or None, **self._context_options(latest))
        self.bank.reinforce(context.best_ids, **self._reinforce_options(query, latest))
        return {self.memory_key: self._format_variable(context, latest)}

    async def aload_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Async `load_memory_variables`."""
        query = self._extract_query(inputs)
        latest = await self.bank.atimeline(**self._latest_options())
        context = await self.bank.acontext(query or None, **self._context_options(latest))
        await self.bank.areinforce(context.best_ids, **self._reinforce_options(query, latest))
        return {self.memory_key: self._format_variable(context, latest)}

    def save_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Store the turn, which is on disk when the call returns.

        Raises:
            ValueError: If there are several inputs or outputs, and no `input_key` or `output_key`.
            EmbedderError: If the embedder returns unusable vectors.
            StoreError: If the store cannot be written.
        """
        self.bank.add(self._make_turns(inputs, outputs), user_id=self.user_id)

    async def asave_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Async `save_context`."""
        await self.bank.aadd(self._make_turns(inputs, outputs), user_id=self.user_id)

    def clear(self) -> None:
        """Permanently delete the turns of `session` and `where`; without both, all the user's data.

        The digests of the days of deleted turns are also deleted.

        Raises:
            StoreError: If the store cannot be written.
        """
        if self.session is None and not self.where:
            self.bank.delete(user_id=self.user_id)
        elif memories := self.bank.timeline(**self._timeline_options(archived=True)):
            self.bank.delete(user_id=self.user_id, ids=[memory.id for memory in memories])

    async def aclear(self) -> None:
        """Async `clear`."""
        await asyncio.to_thread(self.clear)

    def _extract_query(self, inputs: dict[str, Any]) -> str:
        """Return the text of the user's message; "" without any input."""
        has_input = inputs.keys() - {self.memory_key, "stop"}
        return self._extract_input(inputs).strip() if has_input else ""

    def _extract_input(self, inputs: dict[str, Any]) -> str:
        key = self.input_key or get_prompt_input_key(inputs, self.memory_variables)
        return _to_text(inputs[key])

    def _extract_output(self, outputs: dict[str, Any]) -> str:
        keys = [self.output_key] if self.output_key else list(outputs)
        if len(keys) != 1 and "output" not in keys:
            raise ValueError(
                f"the chain has several outputs {keys}: set output_key to the name of the answer"
            )
        return _to_text(outputs[keys[0] if len(keys) == 1 else "output"])

    def _make_turns(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> list[Turn]:
        """Return a list with the turn to store; it is empty if the turn has no text."""
        query, response = self._extract_input(inputs), self._extract_output(outputs)
        if not (query + response).strip():
            return []
        return [Turn(query, response, session=self.session, metadata=self.metadata)]

    def _latest_options(self) -> dict[str, Any]:
        """Return the timeline options for the latest turns.

        They include at least one turn, because the id of the last turn identifies the recall.
        """
        return self._timeline_options(last=max(self.recent, 1))

    def _timeline_options(self, **options: Any) -> dict[str, Any]:
        """Return the timeline options for the turns of this conversation."""
        scope = {"user_id": self.user_id, "session": self.session, "where": self.where}
        return {**scope, "kind": "turn", **options}

    def _context_options(self, latest: Sequence[Memory]) -> dict[str, Any]:
        """Return the options of the recalled context, which excludes turns shown verbatim."""
        return {
            "user_id": self.user_id,
            "k": self.k,
            "max_tokens": self.max_tokens,
            "min_relevance": self.min_relevance,
            "tokenizer": self.tokenizer,
            "without": {memory.id for memory in latest} if self.recent else (),
            "where": self.where,
        }

    def _reinforce_options(self, query: str, latest: Sequence[Memory]) -> dict[str, Any]:
        last_turn = latest[-1].id if latest else None
        return {"user_id": self.user_id, "turn": recall_id(self.session, last_turn, query)}

    def _format_variable(
        self, context: Context, latest: Sequence[Memory]
    ) -> str | list[BaseMessage]:
        """Return the value of the prompt variable."""
        recent = latest if self.recent else ()
        messages = [message for memory in recent for message in to_messages(memory)]
        if self.return_messages:
            return [SystemMessage(context.text), *messages] if context.text else messages
        lines = get_buffer_string(
            messages, human_prefix=self.human_prefix, ai_prefix=self.ai_prefix
        )
        return "\n\n".join(part for part in (context.text, lines) if part)


def _to_text(value: Any) -> str:
    """Return the text of an input or output: a string, a message, or a message's content."""
    return extract_text(value if isinstance(value, BaseMessage) else HumanMessage(value))
