"""The turns of an agent: begun, continued, recalled again and completed in a bank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig

from memorybank_core import MemoryBank, MemoryBankError
from memorybank_core.context import Tokenizer
from memorybank_core.logs import get_logger
from memorybank_core.metadata import Metadata
from memorybank_core.turns.pending_turn import PendingTurn
from memorybank_core.turns.same_turn import RETRY_WINDOW

from .agent_answers import find_answer
from .agent_state import (
    AgentTurn,
    current_query,
    derive_id,
    following,
    join_texts,
    to_shown,
)
from .failures import OnRecall, Report, call_on_recall, failure_reporter
from .recalled_texts import RecalledTexts
from .run_config import resolve_session
from .traces import recall_run

_logger = get_logger(f"{__package__}.middleware")


@dataclass(frozen=True)
class AgentMemory:
    """Turns of agents; the attributes are arguments of `MemoryBankMiddleware`."""

    bank: MemoryBank
    k: int | None
    max_tokens: int
    min_relevance: float
    tokenizer: Tokenizer | None
    metadata: Metadata
    where: Mapping[str, Any] | None
    remember: bool
    on_recall: OnRecall | None
    _texts: RecalledTexts = field(default_factory=RecalledTexts)

    def begin(
        self,
        user_id: str,
        previous: AgentTurn | None,
        question: Sequence[HumanMessage],
        messages: Sequence[AnyMessage],
        config: RunnableConfig,
    ) -> AgentTurn:
        """Begin the turn of a question, or find the stored turn that it repeats.

        Args:
            user_id: The user.
            previous: The user's previous turn in the thread.
            question: The human messages of the turn.
            messages: All messages of the thread.
            config: Config of the run.
        """
        session = resolve_session(None, config)
        id = derive_id(session, question[0].id, self.metadata)
        question = self._without_answered(question, user_id, id, config)
        id, is_stable = derive_id(session, question[0].id, self.metadata), False
        if previous and session:
            find = partial(self._find_repeated, previous, session, join_texts(question))
            on_failure = self._on_failure(config, user_id, id)
            id = self.bank.backlog.attempt("find the turn", find, None, on_failure) or id
            is_stable = True
        identity = {"user_id": user_id, "session": session, "id": id, "id_is_stable": is_stable}
        return self._begin(question, messages, config, **identity)

    def go_on(
        self,
        turn: AgentTurn,
        question: Sequence[HumanMessage],
        messages: Sequence[AnyMessage],
        config: RunnableConfig,
    ) -> AgentTurn:
        """Return the turn in a later run: retried, edited, with more messages, or as it is."""
        data, is_open = turn["turn"], question[-1] is messages[-1]
        if join_texts(question) == data["query"]:
            ids = [message.id for message in question]
            is_answered = turn["is_answered"] and not is_open  # its answer was removed
            return {**turn, "messages": ids, "is_answered": is_answered}
        if turn["is_answered"] and not is_open:
            return turn
        remaining = self._without_answered(question, data["user_id"], data["id"], config)
        if len(remaining) < len(question):
            return self.begin(data["user_id"], turn, remaining, messages, config)
        identity = {name: data[name] for name in ("user_id", "session", "id")}
        return self._begin(question, messages, config, **identity)

    def find_text(self, turn: AgentTurn) -> str | None:
        """Return the recalled text of a turn; None if this process no longer has it."""
        return self._texts.get(turn["turn"]["user_id"], turn["turn"]["id"])

    def recall_again(
        self, turn: AgentTurn, messages: Sequence[AnyMessage], config: RunnableConfig
    ) -> str:
        """Return the text of a turn that began in another process, or before a deletion."""
        data = turn["turn"]
        question = [item for item in messages if item.id in turn["messages"]]
        pending = self._recall(
            data["query"],
            to_shown(messages, question),
            config,
            user_id=data["user_id"],
            id=data["id"],
            now=datetime.fromisoformat(data["at"]),
            remember=False,
        )
        return pending.context.text

    def complete(
        self,
        turn: AgentTurn,
        messages: Sequence[AnyMessage],
        structured: Any,
        config: RunnableConfig,
    ) -> AgentTurn:
        """Store the answer and strengthen the recalled memories.

        Args:
            turn: The turn.
            messages: All messages of the thread.
            structured: The structured response in the agent's state.
            config: Config of the run.
        """
        data, query = turn["turn"], current_query(turn, messages)
        answer = find_answer(following(turn, messages), structured)
        on_failure = self._on_failure(config, data["user_id"], data["id"])
        self.bank.resume_turn(data, on_failure=on_failure).complete(answer, query=query)
        return {**turn, "turn": {**data, "query": query}, "is_answered": bool(answer.strip())}

    def _begin(
        self,
        question: Sequence[HumanMessage],
        messages: Sequence[AnyMessage],
        config: RunnableConfig,
        **identity: Any,
    ) -> AgentTurn:
        """Recall and store the message; from then on, the thread identifies the turn."""
        query, shown = join_texts(question), to_shown(messages, question)
        pending = self._recall(query, shown, config, remember=self.remember, **identity)
        report = self._on_failure(config, pending.user_id, pending.id)
        call_on_recall(self.on_recall, pending.context, report)
        data = pending.to_dict()
        data["is_identified"] = pending.is_identified or pending.session is not None
        ids = [message.id for message in question]
        return AgentTurn(turn=data, messages=ids, is_answered=False)

    def _recall(
        self,
        query: str,
        shown: Sequence[Mapping[str, Any]],
        config: RunnableConfig,
        *,
        user_id: str,
        id: str,
        **options: Any,
    ) -> PendingTurn:
        """Begin a turn in the bank, show it to callbacks and keep the text of its context."""
        report = self._on_failure(config, user_id, id)
        with recall_run(query, config) as run:

            def on_failure(action: str, error: MemoryBankError) -> None:
                if action == "recall":
                    run.error = error
                report(action, error)

            pending = self.bank.begin_turn(
                query,
                user_id=user_id,
                id=id,
                shown=shown,
                k=self.k,
                max_tokens=self.max_tokens,
                tokenizer=self.tokenizer,
                min_relevance=self.min_relevance,
                metadata=self.metadata,
                where=self.where,
                on_failure=on_failure,
                **options,
            )
            run.results = pending.context.results
        self._texts.put(user_id, pending.id, pending.context.text)
        return pending

    def _without_answered(
        self, question: Sequence[HumanMessage], user_id: str, id: str, config: RunnableConfig
    ) -> Sequence[HumanMessage]:
        """Return the messages without those that were answered in another branch of the thread.

        Args:
            question: The messages.
            user_id: The user.
            id: Id of the turn that the first of them began.
            config: Config of the run.
        """

        def count_answered() -> int:
            stored = self.bank.get([id], user_id=user_id).get(id)
            if stored is None or stored.turn is None or not stored.turn.response:
                return 0
            counts = range(1, len(question))
            texts = ((count, join_texts(question[:count])) for count in counts)
            return next((count for count, text in texts if text == stored.turn.query), 0)

        if len(question) == 1:
            return question
        on_failure = self._on_failure(config, user_id, id)
        return question[self.bank.backlog.attempt("find the turn", count_answered, 0, on_failure) :]

    def _find_repeated(self, previous: AgentTurn, session: str, query: str) -> str | None:
        """Return the id of the stored turn that a message repeats; None for a new message.

        LangGraph gives a message without an id another one at each replay and retry. A replay is
        recognized by its text and its place after the previous turn of the thread, a retry by the
        text of the previous turn, if that has no answer and is recent.
        """
        data = previous["turn"]
        after = datetime.fromisoformat(data["at"])
        read = partial(self.bank.timeline, user_id=data["user_id"], session=session, kind="turn")
        last = next(iter(read(last=1)), None)
        if not query or last is None:
            return None
        if last.created_at <= after:
            is_recent = datetime.now(timezone.utc) - last.created_at <= RETRY_WINDOW
            is_open = last.turn is not None and not last.turn.response
            candidates = [last] if is_recent and is_open else []
        else:
            later = read(since=self.bank.day_of(after))
            candidates = [item for item in later if item.created_at > after]
        same = (
            item.id
            for item in candidates
            if item.turn and item.turn.query == query and item.metadata == self.metadata
        )
        return next(same, None)

    def _on_failure(self, config: RunnableConfig, user_id: str, turn_id: str) -> Report:
        """Return a function that reports a failure of the bank during a turn."""
        return failure_reporter(config, _logger, user_id=user_id, turn=turn_id)
