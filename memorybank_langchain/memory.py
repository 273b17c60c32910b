"""The bank as the memory of a classic chain: `ConversationChain`, `LLMChain` and their kin."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from langchain_classic.base_memory import BaseMemory
from langchain_classic.memory.utils import get_prompt_input_key
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, get_buffer_string
from pydantic import ConfigDict, Field

from memorybank_core import Context, Memory, MemoryBank, Turn
from memorybank_core.context import CONTEXT_TOKENS

from .history import MemoryBankChatMessageHistory
from .messages import messages_of, text_of


class MemoryBankMemory(BaseMemory):
    """Long-term memory for a chain: one user's, kept in a bank.

    `MemoryBankMemory(bank=bank, user_id="alice@example.com")` goes where a
    `ConversationBufferMemory` went. A chain is given what is known of the user, what answers the
    input from all their conversations, and the latest turns as they were. What is recalled grows
    stronger, once for each input that follows a turn, however often it is loaded.

    It holds nothing between calls: threads may share one, and a restart changes nothing. An error
    of the bank is raised, as by every memory of a chain; nothing is lost silently.

    Attributes:
        bank: Where the memories are kept.
        user_id: Whose memory.
        session: Which conversation: of it are the latest turns, and to it belong the new ones;
            recall spans them all. None takes all of this user's turns for one conversation.
        memory_key: Under which name the prompt has it.
        input_key: Which input is what the user says; needed where a chain has several.
        output_key: Which output is the answer; needed where a chain has several.
        return_messages: Give messages, the recalled context as a system message first, in place
            of one string.
        human_prefix: Who the user is called in the string.
        ai_prefix: Who the companion is called there.
        k: How many memories are recalled at most.
        max_tokens: How long the recalled context may become; the latest turns come on top.
        recent: How many of the latest turns are shown as they were; they are not recalled too.
        tokenizer: Counts the tokens, as in `MemoryBank.context`.

    Raises:
        ValidationError: An argument is not what it must be (also a ValueError).
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
    k: int = Field(5, ge=1)
    max_tokens: int = Field(CONTEXT_TOKENS, ge=1)
    recent: int = Field(4, ge=0)
    tokenizer: Any = None

    @property
    def memory_variables(self) -> list[str]:
        """The one variable that a prompt is given: `memory_key`."""
        return [self.memory_key]

    def load_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """What is known, recalled for the input, and said last; without an input, no recall.

        Raises:
            ValueError: There are several inputs and no `input_key`.
            EmbedderError: The embedder gave a vector that cannot be used.
            StoreError: It could not be read, or the recall not be noted.
        """
        query = self._query(inputs)
        latest = self.bank.timeline(**self._latest())
        context = self.bank.context(query or None, **self._wanted(latest))
        self.bank.reinforce(context.ids, **self._recall(query, latest))
        return {self.memory_key: self._told(context, latest)}

    async def aload_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Async `load_memory_variables`."""
        query = self._query(inputs)
        latest = await self.bank.atimeline(**self._latest())
        context = await self.bank.acontext(query or None, **self._wanted(latest))
        await self.bank.areinforce(context.ids, **self._recall(query, latest))
        return {self.memory_key: self._told(context, latest)}

    def save_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Remembers the turn. When it returns, it is on disk.

        Raises:
            ValueError: There are several inputs or outputs, and no `input_key` or `output_key`.
            EmbedderError: The embedder gave vectors that cannot be used.
            StoreError: It could not be stored.
        """
        self.bank.add(self._turns(inputs, outputs), user_id=self.user_id)

    async def asave_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Async `save_context`."""
        await self.bank.aadd(self._turns(inputs, outputs), user_id=self.user_id)

    def clear(self) -> None:
        """Erases for good: with a `session` its turns, otherwise everything of this user.

        With turns goes what was derived from them, the digests of their days.

        Raises:
            StoreError: It could not be erased.
        """
        if self.session is None:
            self.bank.delete(user_id=self.user_id)
        else:
            self._conversation(self.session).clear()

    async def aclear(self) -> None:
        """Async `clear`."""
        if self.session is None:
            await self.bank.adelete(user_id=self.user_id)
        else:
            await self._conversation(self.session).aclear()

    def _conversation(self, session: str) -> MemoryBankChatMessageHistory:
        return MemoryBankChatMessageHistory(bank=self.bank, user_id=self.user_id, session=session)

    def _query(self, inputs: dict[str, Any]) -> str:
        """What the user says; "" where there is no input at all."""
        return self._said(inputs).strip() if inputs.keys() - {self.memory_key, "stop"} else ""

    def _said(self, inputs: dict[str, Any]) -> str:
        key = self.input_key or get_prompt_input_key(inputs, self.memory_variables)
        return _text(inputs[key])

    def _answered(self, outputs: dict[str, Any]) -> str:
        keys = [self.output_key] if self.output_key else list(outputs)
        if len(keys) != 1 and "output" not in keys:
            raise ValueError(
                f"which of the outputs {keys} is the answer? Set output_key to its name"
            )
        return _text(outputs[keys[0] if len(keys) == 1 else "output"])

    def _turns(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> list[Turn]:
        """The turn to remember; none where nothing was said."""
        query, response = self._said(inputs), self._answered(outputs)
        if not (query + response).strip():
            return []
        return [Turn(query, response, session=self.session)]

    def _latest(self) -> dict[str, Any]:
        """Which turns to read: those to show; one at least, to know where the talk stands."""
        which = {"user_id": self.user_id, "session": self.session, "kind": "turn"}
        return {**which, "last": max(self.recent, 1)}

    def _wanted(self, latest: Sequence[Memory]) -> dict[str, Any]:
        """How the context is to be; without the turns that are shown as they were."""
        return {
            "user_id": self.user_id,
            "k": self.k,
            "max_tokens": self.max_tokens,
            "tokenizer": self.tokenizer,
            "without": {memory.id for memory in latest} if self.recent else (),
        }

    def _recall(self, query: str, latest: Sequence[Memory]) -> dict[str, Any]:
        """Whose recall it is, and in which turn: the same until the next turn is remembered."""
        place = json.dumps([self.session, latest[-1].id if latest else None, query])
        return {"user_id": self.user_id, "turn": hashlib.sha256(place.encode()).hexdigest()[:32]}

    def _told(self, context: Context, latest: Sequence[Memory]) -> str | list[BaseMessage]:
        """What the prompt gets."""
        shown = latest if self.recent else ()
        said = [message for memory in shown for message in messages_of(memory)]
        if self.return_messages:
            return [SystemMessage(context.text), *said] if context.text else said
        lines = get_buffer_string(said, human_prefix=self.human_prefix, ai_prefix=self.ai_prefix)
        return "\n\n".join(part for part in (context.text, lines) if part)


def _text(value: Any) -> str:
    """The text of an input or output: a string, a message, or the content of one."""
    return text_of(value if isinstance(value, BaseMessage) else HumanMessage(value))
