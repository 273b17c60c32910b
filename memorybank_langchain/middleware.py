"""Middleware that gives agents of `langchain.agents.create_agent` a memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any, cast

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langgraph.runtime import Runtime

from memorybank_core import (
    ConflictError,
    Context,
    InvalidInputError,
    MemoryBank,
    MemoryBankError,
)
from memorybank_core.conditions import require_where
from memorybank_core.context import (
    CONTEXT_TOKENS,
    MIN_RELEVANCE,
    Tokenizer,
    require_max_tokens,
    token_counter,
)
from memorybank_core.metadata import require_metadata
from memorybank_core.validation import require_count, require_relevance

from .agent_state import (
    AgentTurn,
    MemoryBankState,
    begin_turn,
    find_last_human_message,
    is_turn_of,
    to_turn,
    with_answer,
    with_block,
)
from .run_config import USER_ID_KEY, find_user, resolve_session, resolve_user, to_user_id

ERROR_EVENT = "memorybank_error"
"""Custom event sent to callbacks when the memory fails and the chat continues."""

_logger = logging.getLogger(__name__)
_NO_CONFIG: RunnableConfig = {}
"""Default of the hooks' `config`, which LangGraph passes by name."""


class MemoryBankMiddleware(AgentMiddleware[MemoryBankState, Any]):
    """Long-term memory for an agent: stores turns, recalls memories and strengthens them.

    `create_agent(model, tools, middleware=[MemoryBankMiddleware(bank)], context_schema=User)`,
    then `agent.invoke({"messages": [...]}, context=User(user_id="alice@example.com"))`. The user
    is read from the `context` of the run (an attribute or key) or from
    `config={"configurable": {"user_id": ...}}`, never from a model or a message. A run without a
    user raises an error. A run can only be resumed for the user who began it.

    The user's message is stored before the model is called, so that it survives a failure of the
    model. The answer completes the stored turn and does not change its time. Replays, retries and
    resumed runs recognize the turn and never store it twice.

    Recall happens once per turn. In every prompt of the turn, the recalled text is appended to a
    copy of the user's message. There it comes after all earlier messages, so that the cached
    prefix of the prompt stays valid, and its position is the same in every model call. All
    providers accept it there; some reject a separate message after a tool result, or a system
    message that is not the first. The messages in the graph's state never contain it.

    If the bank fails, the chat continues: the error is logged with `logging`, and callbacks
    receive the custom event "memorybank_error". One instance can serve any number of users,
    threads and event loops.

    Args:
        bank: Bank that holds the memories.
        k: Maximum number of recalled memories, 1 or more; None takes as many as fit.
        max_tokens: Maximum length of the recalled text.
        min_relevance: Relevance below which memories are left out, as in `MemoryBank.context`.
        tokenizer: Counts tokens, as in `MemoryBank.context`.
        user_id_key: Attribute or key of the user's id.
        metadata: Metadata of the turns that are stored, such as {"agent": "coder"}.
        where: Conditions on the metadata of recalled memories, as in `MemoryBank.search`; None
            recalls all. With the same values as `metadata`, each agent has its own memory.

    Raises:
        InvalidInputError: If an argument is invalid; from a run, if the user is missing, or is not
            the user who began the turn.
    """

    state_schema = MemoryBankState

    def __init__(
        self,
        bank: MemoryBank,
        *,
        k: int | None = None,
        max_tokens: int = CONTEXT_TOKENS,
        min_relevance: float = MIN_RELEVANCE,
        tokenizer: Tokenizer | None = None,
        user_id_key: str = USER_ID_KEY,
        metadata: Mapping[str, Any] | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if k is not None:
            require_count(k)
        require_max_tokens(max_tokens)
        require_relevance(min_relevance)
        self.bank, self.k, self.max_tokens, self.user_id_key = bank, k, max_tokens, user_id_key
        self.min_relevance = min_relevance
        token_counter(tokenizer)  # raises if it is not a tokenizer
        self.tokenizer = tokenizer
        self.metadata, self.where = require_metadata(metadata), require_where(where)

    def before_agent(
        self, state: MemoryBankState, runtime: Runtime[Any], config: RunnableConfig = _NO_CONFIG
    ) -> dict[str, Any] | None:
        """Recall memories for the user's message and store it, once per turn."""
        user_id = self._require_user(runtime, config)
        turn, message = state.get("memorybank"), find_last_human_message(state["messages"])
        if message is None:
            return {"memorybank": None}
        if turn and is_turn_of(turn, user_id, message):
            is_reopened = turn["response"] and message is state["messages"][-1]  # answer removed
            return {"memorybank": {**turn, "response": ""}} if is_reopened else None
        session, now = resolve_session(None, config), datetime.now(timezone.utc)
        new = begin_turn(message, user_id, session, after=turn, at=now)
        return {"memorybank": self._begin(new, config) if new["query"].strip() else new}

    async def abefore_agent(
        self, state: MemoryBankState, runtime: Runtime[Any], config: RunnableConfig = _NO_CONFIG
    ) -> dict[str, Any] | None:
        """Async `before_agent`."""
        return await asyncio.to_thread(self.before_agent, state, runtime, config)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Call the model with the recalled text in the prompt."""
        return handler(self._with_recall(request))

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Async `wrap_model_call`."""
        return await handler(self._with_recall(request))

    def after_agent(
        self, state: MemoryBankState, runtime: Runtime[Any], config: RunnableConfig = _NO_CONFIG
    ) -> dict[str, Any] | None:
        """Complete the turn with the answer and strengthen the recalled memories."""
        turn = state.get("memorybank")
        if not turn or turn["response"]:
            return None
        self._require_same_user(turn, runtime, config)
        turn = with_answer(turn, state["messages"])
        if turn["response"]:  # otherwise the stored message of the user stays as it is
            with _report_failure("store the turn", turn, config):
                stored = to_turn(turn, self.metadata)
                self.bank.add([stored], user_id=turn["user_id"], replace=True)
        with _report_failure("strengthen the recalled memories", turn, config):
            self.bank.reinforce(turn["ids"], user_id=turn["user_id"], turn=turn["id"])
        return {"memorybank": turn}

    async def aafter_agent(
        self, state: MemoryBankState, runtime: Runtime[Any], config: RunnableConfig = _NO_CONFIG
    ) -> dict[str, Any] | None:
        """Async `after_agent`."""
        return await asyncio.to_thread(self.after_agent, state, runtime, config)

    def _require_user(self, runtime: Runtime[Any], config: RunnableConfig) -> str:
        return resolve_user(None, config, key=self.user_id_key, context=runtime.context)

    def _require_same_user(
        self, turn: AgentTurn, runtime: Runtime[Any], config: RunnableConfig
    ) -> None:
        user_id = find_user(config, key=self.user_id_key, context=runtime.context)
        if user_id is not None and to_user_id(user_id) != turn["user_id"]:
            raise InvalidInputError(
                f"the turn in progress does not belong to the user {user_id!r}: resume it for the "
                f"user who began it, or without a {self.user_id_key}"
            )

    def _begin(self, turn: AgentTurn, config: RunnableConfig) -> AgentTurn:
        """Recall first and store afterwards, so that the message does not recall itself."""
        context = Context("", 0)
        with _report_failure("recall", turn, config):
            context = self._recall(turn)
        at = turn["at"]
        with _report_failure("store the user's message", turn, config):
            at = self._store(turn)
        return {**turn, "at": at, "block": context.text, "ids": list(context.best_ids)}

    def _recall(self, turn: AgentTurn) -> Context:
        """Return the context for the prompt; it excludes this turn, which may be a replay."""
        return self.bank.context(
            turn["query"],
            user_id=turn["user_id"],
            k=self.k,
            max_tokens=self.max_tokens,
            tokenizer=self.tokenizer,
            min_relevance=self.min_relevance,
            without=[turn["id"]],
            where=self.where,
        )

    def _store(self, turn: AgentTurn) -> str:
        """Store the user's message; return its time, which is the same on every replay."""
        user_id = turn["user_id"]
        try:
            new = to_turn(turn, self.metadata)
            if self.bank.add([new], user_id=user_id, pending=True).added:
                return turn["at"]
        except ConflictError:  # a replay: the turn is already stored with its answer
            pass
        stored = self.bank.get([turn["id"]], user_id=user_id).get(turn["id"])
        return stored.created_at.isoformat() if stored else turn["at"]

    def _with_recall(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        """Return the request with the recalled text at the end of the user's message."""
        turn = cast(MemoryBankState, request.state).get("memorybank")
        if not turn or turn["response"]:
            return request
        self._require_same_user(turn, request.runtime, ensure_config())
        if not turn["block"]:
            return request
        return request.override(messages=with_block(turn, request.messages))


@contextmanager
def _report_failure(action: str, turn: AgentTurn, config: RunnableConfig) -> Iterator[None]:
    """Suppress an error of the bank, after logging it and sending it to callbacks."""
    try:
        yield
    except MemoryBankError as error:
        _logger.warning("The memory could not %s; the chat continues: %s", action, error)
        failure = {"doing": action, "kind": type(error).__name__, "error": str(error)}
        event = {**failure, "user_id": turn["user_id"], "turn": turn["id"]}
        dispatch_custom_event(ERROR_EVENT, event, config=config)
