"""Recall of the memories relevant to a chain's input, visible to tracing callbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig

from memorybank_core import (
    Context,
    Memory,
    MemoryBank,
    PendingTurn,
)
from memorybank_core.conditions import require_where
from memorybank_core.context import CONTEXT_TOKENS, MIN_RELEVANCE, Tokenizer, require_options
from memorybank_core.metadata import UNREMEMBERED_ANSWER, Metadata, no_metadata

from .failures import Report, call_on_recall, failure_reporter
from .inputs import ChainInput, parse_input
from .messages import id_prefix, to_messages, to_shown
from .run_config import USER_ID_KEY, UserId, find_replaced, resolve_user, to_user_id
from .traces import recall_run


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
    with recall_run(query, config) as run:
        turn = begin()
        run.results = turn.context.results
    return turn


@dataclass(frozen=True, slots=True)
class BegunTurn:
    """A turn begun for one input of a chain.

    Attributes:
        turn: The turn, with the recalled context.
        latest: Messages of the latest turns, oldest first; the context does not repeat them.
        values: Input of the chain as a dictionary, without what histories show of this turn.
    """

    turn: PendingTurn
    latest: list[BaseMessage]
    values: dict[str, Any]


@dataclass(frozen=True)
class InputRecaller:
    """Begins turns for inputs; the attributes are the arguments of `with_memory`.

    Raises:
        InvalidInputError: If an argument is invalid.
    """

    bank: MemoryBank
    user_id: UserId | None = None
    user_id_key: str = USER_ID_KEY
    input_key: str = "input"
    k: int | None = None
    max_tokens: int = CONTEXT_TOKENS
    min_relevance: float = MIN_RELEVANCE
    tokenizer: Tokenizer | None = None
    recent: int = 0
    metadata: Metadata = field(default_factory=no_metadata)
    where: Mapping[str, Any] | None = None
    on_recall: Callable[[Context], object] | None = None
    remember: bool = True

    def __post_init__(self) -> None:
        if self.user_id is not None:
            to_user_id(self.user_id)
        require_options(self.k, self.max_tokens, self.min_relevance, self.tokenizer)
        require_where(self.where)

    def begin(self, input: Any, config: RunnableConfig, session: str | None = None) -> BegunTurn:
        """Begin the turn of an input: recall, and store the user's message.

        A turn that replaces a stored one (`REPLACED_KEY`) stores nothing before its answer. If the
        bank fails, callbacks of the run receive `ERROR_EVENT`, and nothing is recalled.

        Args:
            input: Input of the chain.
            config: Config of the run.
            session: Conversation of the turn; None takes the one of the day.

        Raises:
            InvalidInputError: If the user is missing, or the input has no message of the user.
        """
        user_id = resolve_user(self.user_id, config, key=self.user_id_key)
        report = failure_reporter(config, user_id=user_id)
        parsed = self._parse(input, user_id, session, report)
        replaced = find_replaced(config)
        latest = self._read_latest_turns(parsed.query, user_id, session, report, replaced)
        begin = partial(
            self.bank.begin_turn,
            parsed.query,
            user_id=user_id,
            session=session,
            shown=[*(memory.id for memory in latest), *map(to_shown, parsed.shown)],
            k=self.k,
            max_tokens=self.max_tokens,
            min_relevance=self.min_relevance,
            tokenizer=self.tokenizer,
            metadata=_keep_metadata(replaced) if replaced else self.metadata,
            id=replaced.id if replaced else None,
            pending=replaced is None,
            where=self.where,
            remember=self.remember,
            on_failure=report,
        )
        turn = trace_recall(begin, parsed.query, config)
        if replaced:
            turn = replace(turn, is_stored=True)  # if it is deleted meanwhile, it stays deleted
        call_on_recall(self.on_recall, turn.context, report)
        messages = [message for memory in latest for message in to_messages(memory)]
        return BegunTurn(turn, messages, parsed.without_turn(turn))

    def _parse(self, input: Any, user_id: str, session: str | None, report: Report) -> ChainInput:
        """Return the parts of an input; messages that are stored already are not new."""
        parsed = parse_input(input, self.input_key)
        first = {message.id for message in parsed.new[:-1] if message.id}
        if not first:
            return parsed
        prefix = id_prefix(session or "")
        ids = [*first, *(f"{prefix}{id}" for id in first)]
        read = partial(self.bank.get, ids, user_id=user_id)
        none: dict[str, Memory] = {}
        stored = self.bank.backlog.attempt("look up earlier messages", read, none, report)
        return parsed.without_stored({id.removeprefix(prefix) for id in stored})

    def _read_latest_turns(
        self,
        query: str,
        user_id: str,
        session: str | None,
        report: Report,
        replaced: Memory | None,
    ) -> list[Memory]:
        """Return the latest turns without the one that this input retries or replaces."""
        if not self.recent:
            return []
        read = partial(
            self.bank.timeline,
            user_id=user_id,
            kind="turn",
            session=session or self.bank.day_of(datetime.now(timezone.utc)).isoformat(),
            archived=True,
            last=self.recent + 1,
            where=self.where,
        )
        none: list[Memory] = []
        latest = self.bank.backlog.attempt("read the latest turns", read, none, report)
        if replaced:
            return [memory for memory in latest if memory.id != replaced.id][-self.recent :]
        turn = latest[-1].turn if latest else None
        if turn and turn.query == query and not turn.answer:
            return latest[:-1]
        return latest[-self.recent :]


def _keep_metadata(replaced: Memory) -> Mapping[str, Any]:
    """Return the metadata of a replaced turn, without its earlier answer."""
    return {key: value for key, value in replaced.metadata.items() if key != UNREMEMBERED_ANSWER}
