"""Recall of the memories relevant to a chain's input, visible to tracing callbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, HumanMessage, convert_to_messages
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import get_callback_manager_for_config

from memorybank_core import (
    Context,
    InvalidInputError,
    Memory,
    MemoryBank,
    PendingTurn,
    SearchResult,
)
from memorybank_core.conditions import require_where
from memorybank_core.integration import result_metadata
from memorybank_core.validation import require_relevance, require_user

from .messages import extract_text, to_messages
from .run_config import resolve_user


def trace_recall(
    begin: Callable[[], PendingTurn], query: str, config: RunnableConfig
) -> PendingTurn:
    """Return the turn that `begin` returns, and show its recall to the callbacks of the run.

    They receive a retriever run named "memorybank" whose documents are the recalled memories. Also
    call this with the config of an async run, in a thread.

    Args:
        begin: Begins a turn, with `MemoryBank.begin_turn`.
        query: The user's message.
        config: Config of the run that the recall belongs to.
    """
    callbacks = get_callback_manager_for_config(config)
    if not callbacks.handlers:
        return begin()
    run = callbacks.on_retriever_start(None, query, name="memorybank")
    try:
        turn = begin()
    except BaseException as error:
        run.on_retriever_error(error)
        raise
    run.on_retriever_end([to_document(result) for result in turn.context.results])
    return turn


def to_document(result: SearchResult) -> Document:
    """Return a memory as a document, with plain JSON values as its metadata."""
    memory = result.memory
    return Document(id=memory.id, page_content=memory.text, metadata=result_metadata(result))


@dataclass(frozen=True, slots=True)
class InputRecall:
    """The context recalled for one input of a chain.

    Attributes:
        user_id: The user whose memories were searched.
        query: Text of the user's message.
        context: The recalled context.
        latest: Messages of the latest turns, oldest first; the context does not repeat them.
    """

    user_id: str
    query: str
    context: Context
    latest: list[BaseMessage]


@dataclass(frozen=True)
class InputRecaller:
    """Recalls memories for inputs; the attributes are the arguments of `with_memory`."""

    bank: MemoryBank
    user_id: str | None
    input_key: str
    k: int | None
    max_tokens: int
    min_relevance: float
    recent: int = 0
    where: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        require_relevance(self.min_relevance)
        require_where(self.where)
        if self.user_id is not None:
            require_user(self.user_id)

    def recall(
        self, input: Any, config: RunnableConfig | None, session: str | None = None
    ) -> InputRecall:
        """Return the context recalled for an input, without writing anything.

        Args:
            input: Input of the chain.
            config: Config of the call; names the user if `user_id` is None.
            session: Conversation of the latest turns; None takes today's turns of the user.

        Raises:
            InvalidInputError: If the user is missing, or the input has no message of the user.
        """
        user_id, query = resolve_user(self.user_id, config), self._extract_query(input)
        latest = self._read_latest_turns(user_id, session)
        context = self.bank.context(
            query if query.strip() else None,  # an image, for example, has no text
            user_id=user_id,
            k=self.k,
            max_tokens=self.max_tokens,
            min_relevance=self.min_relevance,
            without={memory.id for memory in latest},
            where=self.where,
        )
        messages = [message for memory in latest for message in to_messages(memory)]
        return InputRecall(user_id, query, context, messages)

    def _read_latest_turns(self, user_id: str, session: str | None) -> list[Memory]:
        if not self.recent:
            return []
        since = None if session else self.bank.day_of(datetime.now(timezone.utc))
        return self.bank.timeline(
            user_id=user_id,
            kind="turn",
            session=session,
            since=since,
            last=self.recent,
            where=self.where,
        )

    def _extract_query(self, input: Any) -> str:
        """Return the text of the user's message in an input."""
        value = input
        if isinstance(input, Mapping):
            if self.input_key not in input:
                raise InvalidInputError(
                    f"the input has no {self.input_key!r}, only {sorted(map(str, input))}; "
                    "set input_key to the key of the user's message"
                )
            value = input[self.input_key]
        if isinstance(value, str):
            return value
        messages = [value] if isinstance(value, BaseMessage) else value
        if not isinstance(messages, Sequence):
            raise InvalidInputError(
                f"the user's message must be a string or messages, not {value!r:.200}"
            )
        for message in reversed(convert_to_messages(messages)):
            if isinstance(message, HumanMessage):
                return extract_text(message)
        return ""
