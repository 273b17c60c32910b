"""with_memory and recalled: a chain of LangChain's that remembers, in one line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from langchain_core.messages import BaseMessage
from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableSequence

from memorybank_core import (
    ConfigurationError,
    Context,
    InvalidInputError,
    MemoryBank,
    Turn,
)
from memorybank_core.context import CONTEXT_TOKENS
from memorybank_core.validation import require_k

from .messages import text_of
from .recall import InputRecall
from .run_config import session_of


def with_memory(
    chain: Runnable[Any, Any],
    bank: MemoryBank,
    *,
    user_id: str | None = None,
    input_key: str = "input",
    memory_key: str = "memory",
    history_key: str | None = None,
    output_key: str = "output",
    session: str | None = None,
    k: int = 5,
    max_tokens: int = CONTEXT_TOKENS,
    recent: int = 6,
    on_recall: Callable[[Context], object] | None = None,
) -> Runnable[Any, Any]:
    """`chain` with a memory: it is told what is recalled, and each turn is remembered.

    The chain gets its input as a dictionary, with the recalled text at `memory_key` ("" where
    there is none). What the user says is on disk before the chain is asked, its answer when it is
    whole, and what was recalled is strengthened then, once. A chain that fails leaves what the
    user said; a stream that is not read to its end, what was read. It streams where the chain
    does. Around it, `with_retry` would remember every try: put that on the chain inside.

    Args:
        chain: What answers, such as `prompt | model`: with a string, a message, or a dictionary
            that has either at `output_key`.
        bank: Where the memories are.
        user_id: Whose memory; None reads `config["configurable"]["user_id"]` of each call.
        input_key: Where in the input the user's words are: a string, a message, or messages, of
            which the last human one counts. The input may also be just that.
        memory_key: The prompt's variable for the recalled text.
        history_key: Its variable for the latest turns of the conversation as messages, which are
            not recalled too; None shows none.
        output_key: Where the answer is, where the chain gives a dictionary.
        session: The conversation; None reads `thread_id` or `session_id` of the config, and
            without them takes the day's.
        k: How many memories at most, 1 or more.
        max_tokens: How long the recalled text may become.
        recent: How many of the latest turns stand at `history_key`, 1 or more.
        on_recall: Called with what was recalled, before the chain is asked: to show why it answers
            as it does.

    Raises:
        ConfigurationError: The chain begins with a prompt that has no variable `memory_key`, or
            `history_key`.
        InvalidInputError: A call names no user, or its input or output has no words.
    """
    require_k(recent, "recent")
    first = chain.first if isinstance(chain, RunnableSequence) else chain
    if isinstance(first, BasePromptTemplate):
        variables = {*first.input_variables, *first.optional_variables}
        for name, key in (("memory_key", memory_key), ("history_key", history_key)):
            if key is not None and key not in variables:
                raise ConfigurationError(
                    f"the prompt has no {{{key}}} to put the memory into, only "
                    f"{sorted(variables)}; add it, or name another {name}"
                )
    recall = InputRecall(bank, user_id, input_key, k, max_tokens, recent if history_key else 0)
    keys = (memory_key, history_key, output_key)
    return _WithMemory(chain, recall, keys, session, on_recall)


def recalled(
    bank: MemoryBank,
    *,
    user_id: str | None = None,
    input_key: str = "input",
    k: int = 5,
    max_tokens: int = CONTEXT_TOKENS,
) -> Runnable[Any, str]:
    """What is recalled for an input, as text: a step of a chain, which writes nothing.

    `RunnablePassthrough.assign(memory=recalled(bank)) | prompt | model` reads the memory; where
    the turn shall also be remembered, `with_memory` does both. The arguments are those of
    `with_memory`.

    Raises:
        InvalidInputError: A call names no user, or its input has no words.
    """
    recall = InputRecall(bank, user_id, input_key, k, max_tokens)

    def text(input: Any, config: RunnableConfig) -> str:
        return recall.of(input, config)[2].text

    return RunnableLambda(text, name="recalled")


@dataclass(frozen=True)
class _Talk:
    """One turn under way."""

    id: str
    user_id: str
    session: str | None
    at: datetime
    query: str
    context: Context
    input: dict[str, Any]


class _WithMemory(Runnable[Any, Any]):
    """A chain, what is recalled for it, and what is remembered of it."""

    def __init__(
        self,
        chain: Runnable[Any, Any],
        recall: InputRecall,
        keys: tuple[str, str | None, str],
        session: str | None,
        on_recall: Callable[[Context], object] | None,
    ) -> None:
        self.name = "with_memory"
        self._chain, self._recall = chain, recall
        self._memory_key, self._history_key, self._output_key = keys
        self._session, self._on_recall = session, on_recall

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        talk = self._begin(input, config)
        answer = self._chain.invoke(talk.input, config, **kwargs)
        self._end(talk, [self._words(answer)])
        return answer

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        talk = await asyncio.to_thread(self._begin, input, config)
        answer = await self._chain.ainvoke(talk.input, config, **kwargs)
        await asyncio.to_thread(self._end, talk, [self._words(answer)])
        return answer

    def stream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any | None
    ) -> Iterator[Any]:
        talk = self._begin(input, config)
        said: list[str | None] = []
        try:
            for chunk in self._chain.stream(talk.input, config, **kwargs):
                said.append(self._words(chunk))
                yield chunk
        except Exception:
            raise  # what a failed chain began to say is no answer
        except BaseException:  # nobody reads on
            self._break_off(talk, said)
            raise
        self._end(talk, said)

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any | None
    ) -> AsyncIterator[Any]:
        talk = await asyncio.to_thread(self._begin, input, config)
        said: list[str | None] = []
        try:
            async for chunk in self._chain.astream(talk.input, config, **kwargs):
                said.append(self._words(chunk))
                yield chunk
        except Exception:
            raise
        except BaseException:  # nobody reads on; where all is cancelled, nothing can be awaited
            self._break_off(talk, said)
            raise
        await asyncio.to_thread(self._end, talk, said)

    def _begin(self, input: Any, config: RunnableConfig | None) -> _Talk:
        """Recalls first, so that a question never finds itself; then keeps what the user says."""
        at = datetime.now(timezone.utc)
        session = session_of(self._session, config)
        user_id, query, context, latest = self._recall.of(input, config, session)
        if self._on_recall:
            self._on_recall(context)
        told = input if isinstance(input, Mapping) else {self._recall.input_key: input}
        shown = {**told, self._memory_key: context.text}
        if self._history_key:
            shown[self._history_key] = latest
        talk = _Talk(uuid4().hex, user_id, session, at, query, context, shown)
        self._keep(talk, "")
        return talk

    def _end(self, talk: _Talk, said: Sequence[str | None]) -> None:
        words = [one for one in said if one is not None]
        if said and not words:
            raise InvalidInputError(
                "the chain's answer has no words that could be remembered: it must be a string, a "
                f"message, or a dictionary with either at {self._output_key!r} (see output_key). "
                "Put what makes something else of it behind: with_memory(...) | parser"
            )
        self._keep(talk, "".join(words))
        self._recall.bank.reinforce(talk.context.ids, user_id=talk.user_id, turn=talk.id)

    def _break_off(self, talk: _Talk, said: Sequence[str | None]) -> None:
        if any(said):
            self._end(talk, said)

    def _keep(self, talk: _Talk, response: str) -> None:
        if (talk.query + response).strip():
            turn = Turn(talk.query, response, talk.at, talk.id, talk.session)
            self._recall.bank.add([turn], user_id=talk.user_id, replace=True)

    def _words(self, output: Any) -> str | None:
        """The text of an answer or of a piece of one; None where it has none."""
        found = output.get(self._output_key) if isinstance(output, Mapping) else output
        if isinstance(found, BaseMessage):
            return text_of(found)
        return found if isinstance(found, str) else None
