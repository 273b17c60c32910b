"""Memory for LangChain runnables: a wrapper of a chain, and a step that only recalls."""

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
from memorybank_core.context import CONTEXT_TOKENS, MIN_RELEVANCE
from memorybank_core.metadata import Metadata, require_metadata
from memorybank_core.validation import require_count

from .messages import extract_text
from .recall import InputRecall, InputRecaller
from .run_config import resolve_session


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
    k: int | None = None,
    max_tokens: int = CONTEXT_TOKENS,
    min_relevance: float = MIN_RELEVANCE,
    recent: int = 6,
    metadata: Mapping[str, Any] | None = None,
    where: Mapping[str, Any] | None = None,
    on_recall: Callable[[Context], object] | None = None,
) -> Runnable[Any, Any]:
    """Add memory to `chain`: it receives recalled memories, and each turn is stored.

    The chain receives its input as a dictionary, with the recalled text at `memory_key` ("" if
    nothing is recalled). The user's message is on disk before the chain is called. The complete
    answer is stored afterwards, and the recalled memories are strengthened once. If the chain
    fails, the stored turn has no answer; if a stream is closed early, it has the part that was
    read. Streaming works if the chain streams. Apply `with_retry` to the inner chain: applied to
    the returned chain, it would store a turn for every attempt.

    Args:
        chain: A runnable such as `prompt | model` that returns a string, a message, or a
            dictionary with either at `output_key`.
        bank: Bank that stores the memories.
        user_id: User the memory belongs to; None reads `config["configurable"]["user_id"]` of
            each call.
        input_key: Key of the user's message in the input: a string, a message, or messages, of
            which the last human message is used. The input may also be such a value itself.
        memory_key: Prompt variable for the recalled text.
        history_key: Prompt variable for the latest turns of the conversation as messages, which
            are excluded from recall; None passes no history.
        output_key: Key of the answer if the chain returns a dictionary.
        session: The conversation; None reads `thread_id` or `session_id` of the config, and
            without them uses one conversation per day.
        k: Maximum number of recalled memories, 1 or more; None takes as many as fit.
        max_tokens: Maximum length of the recalled text.
        min_relevance: Relevance below which memories are left out, as in `MemoryBank.context`.
        recent: Number of latest turns at `history_key`, 1 or more.
        metadata: Metadata of the turns that are stored, such as {"agent": "coder"}.
        where: Conditions on the metadata of recalled memories and latest turns, as in `search`.
        on_recall: Called with the recalled context before the chain is called, for example to
            display it.

    Raises:
        ConfigurationError: If the chain begins with a prompt that lacks the variable `memory_key`
            or `history_key`.
        InvalidInputError: If the user of a call is missing, its input has no message of the user,
            or its output has no text.
    """
    require_count(recent, "recent")
    first = chain.first if isinstance(chain, RunnableSequence) else chain
    if isinstance(first, BasePromptTemplate):
        variables = {*first.input_variables, *first.optional_variables}
        for name, key in (("memory_key", memory_key), ("history_key", history_key)):
            if key is not None and key not in variables:
                raise ConfigurationError(
                    f"the prompt has no variable {{{key}}}, only {sorted(variables)}; add it, or "
                    f"set {name} to one of these"
                )
    options = (k, max_tokens, min_relevance, recent if history_key else 0, where)
    recaller = InputRecaller(bank, user_id, input_key, *options)
    keys = (memory_key, history_key, output_key)
    return _ChainWithMemory(chain, recaller, keys, session, on_recall, require_metadata(metadata))


def recalled(
    bank: MemoryBank,
    *,
    user_id: str | None = None,
    input_key: str = "input",
    k: int | None = None,
    max_tokens: int = CONTEXT_TOKENS,
    min_relevance: float = MIN_RELEVANCE,
    where: Mapping[str, Any] | None = None,
) -> Runnable[Any, str]:
    """Return a chain step that returns the text recalled for its input and writes nothing.

    An example is `RunnablePassthrough.assign(memory=recalled(bank)) | prompt | model`. To store
    turns as well, use `with_memory`, whose arguments have the same meaning.

    Raises:
        InvalidInputError: If the user of a call is missing, or its input has no message of the
            user.
    """
    recaller = InputRecaller(bank, user_id, input_key, k, max_tokens, min_relevance, where=where)

    def recall_text(input: Any, config: RunnableConfig) -> str:
        return recaller.recall(input, config).context.text

    return RunnableLambda(recall_text, name="recalled")


@dataclass(frozen=True)
class _PendingTurn:
    """A turn that awaits its answer, and the chain's input for it."""

    id: str
    session: str | None
    at: datetime
    recall: InputRecall
    input: dict[str, Any]


class _ChainWithMemory(Runnable[Any, Any]):
    """A chain with memory; see `with_memory`."""

    def __init__(
        self,
        chain: Runnable[Any, Any],
        recaller: InputRecaller,
        keys: tuple[str, str | None, str],
        session: str | None,
        on_recall: Callable[[Context], object] | None,
        metadata: Metadata,
    ) -> None:
        self.name = "with_memory"
        self._chain, self._recaller = chain, recaller
        self._memory_key, self._history_key, self._output_key = keys
        self._session, self._on_recall, self._metadata = session, on_recall, metadata

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Call the chain with recalled memories, and store the turn."""
        turn = self._begin(input, config)
        answer = self._chain.invoke(turn.input, config, **kwargs)
        self._end(turn, [self._extract_answer(answer)])
        return answer

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Async `invoke`."""
        turn = await asyncio.to_thread(self._begin, input, config)
        answer = await self._chain.ainvoke(turn.input, config, **kwargs)
        await asyncio.to_thread(self._end, turn, [self._extract_answer(answer)])
        return answer

    def stream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any | None
    ) -> Iterator[Any]:
        """Stream the chain's answer; the turn is stored at its end."""
        turn = self._begin(input, config)
        texts: list[str | None] = []
        try:
            for chunk in self._chain.stream(turn.input, config, **kwargs):
                texts.append(self._extract_answer(chunk))
                yield chunk
        except Exception:
            raise  # the partial text of a failed chain is not an answer
        except BaseException:  # the reader stopped
            self._end_early(turn, texts)
            raise
        self._end(turn, texts)

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any | None
    ) -> AsyncIterator[Any]:
        """Async `stream`."""
        turn = await asyncio.to_thread(self._begin, input, config)
        texts: list[str | None] = []
        try:
            async for chunk in self._chain.astream(turn.input, config, **kwargs):
                texts.append(self._extract_answer(chunk))
                yield chunk
        except Exception:
            raise
        except BaseException:  # the reader stopped; a cancelled task cannot await
            self._end_early(turn, texts)
            raise
        await asyncio.to_thread(self._end, turn, texts)

    def _begin(self, input: Any, config: RunnableConfig | None) -> _PendingTurn:
        """Recall first and store the message afterwards, so that it does not recall itself."""
        at = datetime.now(timezone.utc)
        session = resolve_session(self._session, config)
        recall = self._recaller.recall(input, config, session)
        if self._on_recall:
            self._on_recall(recall.context)
        values = input if isinstance(input, Mapping) else {self._recaller.input_key: input}
        chain_input = {**values, self._memory_key: recall.context.text}
        if self._history_key:
            chain_input[self._history_key] = recall.latest
        turn = _PendingTurn(uuid4().hex, session, at, recall, chain_input)
        self._store(turn, "")
        return turn

    def _end(self, turn: _PendingTurn, texts: Sequence[str | None]) -> None:
        """Store the answer and strengthen the recalled memories."""
        pieces = [text for text in texts if text is not None]
        if texts and not pieces:
            raise InvalidInputError(
                "the chain's answer has no text to store: it must be a string, a message, or a "
                f"dictionary with either at {self._output_key!r} (see output_key). If a parser "
                "converts the answer to another type, use with_memory(...) | parser"
            )
        self._store(turn, "".join(pieces))
        bank, recall = self._recaller.bank, turn.recall
        bank.reinforce(recall.context.best_ids, user_id=recall.user_id, turn=turn.id)

    def _end_early(self, turn: _PendingTurn, texts: Sequence[str | None]) -> None:
        if any(texts):
            self._end(turn, texts)

    def _store(self, turn: _PendingTurn, response: str) -> None:
        user_id, query = turn.recall.user_id, turn.recall.query
        if (query + response).strip():
            stored = Turn(query, response, turn.at, turn.id, turn.session, metadata=self._metadata)
            self._recaller.bank.add([stored], user_id=user_id, replace=True, pending=True)

    def _extract_answer(self, output: Any) -> str | None:
        """Return the text of an answer or of a chunk of it; None if it has no text."""
        value = output.get(self._output_key) if isinstance(output, Mapping) else output
        if isinstance(value, BaseMessage):
            return extract_text(value)
        return value if isinstance(value, str) else None
