"""Memory for agents, as middleware of `langchain.agents.create_agent`."""

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
from memorybank_core.context import CONTEXT_TOKENS, Tokenizer, require_max_tokens, token_counter
from memorybank_core.validation import require_k, require_user

from .agent_state import (
    AgentTurn,
    MemoryBankState,
    as_kept,
    begun,
    is_same,
    last_human,
    with_answer,
    with_block,
)
from .run_config import session_of

ERROR_EVENT = "memorybank_error"
"""The custom event by which callbacks learn that the memory failed while the chat went on."""

_logger = logging.getLogger(__name__)
_OUTSIDE: RunnableConfig = {}
"""The config of a hook that is called by hand; langgraph passes its own by name."""


class MemoryBankMiddleware(AgentMiddleware[MemoryBankState, Any]):
    """Gives an agent a long-term memory: logs, recalls, strengthens what it recalled.

    `create_agent(model, tools, middleware=[MemoryBankMiddleware(bank)], context_schema=User)`,
    then `agent.invoke({"messages": [...]}, context=User(user_id="alice@example.com"))`. Whose
    memory it is, the run says: `context` (an attribute or key) or
    `config={"configurable": {"user_id": ...}}`; never a model or a message. A run without is
    refused. A resumed run goes on for the user who began it, and refuses another.

    The user's message is stored before the model is asked, so that it stays if the model fails;
    the answer completes the turn, which keeps its time. Replays, retries and resumes find the
    turn and never store it twice. What is recalled is looked up once a turn and stands in every
    prompt of the turn at the end of a copy of the user's message: after all that was said before,
    so that prefix caches stay warm, and at the same place for each of the turn's model calls,
    where any provider takes it, between tool results as well. (A message of its own after a tool
    result, or a system message that is not the first, some refuse.) The messages of the graph
    never contain it.

    A failing memory does not stop the chat: it is logged by the `logging` module, and callbacks
    get the custom event "memorybank_error" with what failed. One instance serves any number of
    users, threads and event loops.

    Args:
        bank: Where the memories are.
        k: How many memories are recalled at most, 1 or more.
        max_tokens: How long the recalled text may become.
        tokenizer: Counts its tokens, as in `MemoryBank.context`.
        user_id_key: The attribute or key that names the user.

    Raises:
        InvalidInputError: An argument is not what it must be; from a run: it names no user, or
            not the one who began the turn.
    """

    state_schema = MemoryBankState

    def __init__(
        self,
        bank: MemoryBank,
        *,
        k: int = 5,
        max_tokens: int = CONTEXT_TOKENS,
        tokenizer: Tokenizer | None = None,
        user_id_key: str = "user_id",
    ) -> None:
        super().__init__()
        require_k(k)
        require_max_tokens(max_tokens)
        self.bank, self.k, self.max_tokens, self.user_id_key = bank, k, max_tokens, user_id_key
        token_counter(tokenizer)  # refuses what is none
        self.tokenizer = tokenizer

    def before_agent(
        self, state: MemoryBankState, runtime: Runtime[Any], config: RunnableConfig = _OUTSIDE
    ) -> dict[str, Any] | None:
        """Recalls for the user's message and stores it; does neither again for a turn at hand."""
        user_id = self._require_user(runtime, config)
        turn, message = state.get("memorybank"), last_human(state["messages"])
        if message is None:
            return {"memorybank": None}
        if turn and is_same(turn, user_id, message):
            anew = turn["response"] and message is state["messages"][-1]  # the answer was removed
            return {"memorybank": {**turn, "response": ""}} if anew else None
        session, now = session_of(None, config), datetime.now(timezone.utc)
        new = begun(message, user_id, session, after=turn, at=now)
        return {"memorybank": self._begin(new, config) if new["query"].strip() else new}

    async def abefore_agent(
        self, state: MemoryBankState, runtime: Runtime[Any], config: RunnableConfig = _OUTSIDE
    ) -> dict[str, Any] | None:
        """Async `before_agent`."""
        return await asyncio.to_thread(self.before_agent, state, runtime, config)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Calls the model with what was recalled in the prompt."""
        return handler(self._informed(request))

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Async `wrap_model_call`."""
        return await handler(self._informed(request))

    def after_agent(
        self, state: MemoryBankState, runtime: Runtime[Any], config: RunnableConfig = _OUTSIDE
    ) -> dict[str, Any] | None:
        """Completes the turn with the answer and strengthens what was recalled for it."""
        turn = state.get("memorybank")
        if not turn or turn["response"]:
            return None
        self._require_same_user(turn, runtime, config)
        turn = with_answer(turn, state["messages"])
        if turn["response"]:  # else what the user said stays as it is stored
            with _going_on("store the turn", turn, config):
                self.bank.add([as_kept(turn)], user_id=turn["user_id"], replace=True)
        with _going_on("strengthen what was recalled", turn, config):
            self.bank.reinforce(turn["ids"], user_id=turn["user_id"], turn=turn["id"])
        return {"memorybank": turn}

    async def aafter_agent(
        self, state: MemoryBankState, runtime: Runtime[Any], config: RunnableConfig = _OUTSIDE
    ) -> dict[str, Any] | None:
        """Async `after_agent`."""
        return await asyncio.to_thread(self.after_agent, state, runtime, config)

    def _user_of(self, runtime: Runtime[Any], config: RunnableConfig) -> Any:
        """Who the run says the user is; None where it does not."""
        context, key = runtime.context, self.user_id_key
        named = context.get(key) if isinstance(context, Mapping) else getattr(context, key, None)
        return config.get("configurable", {}).get(key) if named is None else named

    def _require_user(self, runtime: Runtime[Any], config: RunnableConfig) -> str:
        user_id = self._user_of(runtime, config)
        if user_id is None:
            raise InvalidInputError(
                f"the run names no {self.user_id_key}: pass the agent "
                f"context={{{self.user_id_key!r}: ...}}, or your context_schema with it, or "
                f"config={{'configurable': {{{self.user_id_key!r}: ...}}}}"
            )
        require_user(user_id)
        return str(user_id)

    def _require_same_user(
        self, turn: AgentTurn, runtime: Runtime[Any], config: RunnableConfig
    ) -> None:
        user_id = self._user_of(runtime, config)
        if user_id not in (None, turn["user_id"]):
            raise InvalidInputError(
                f"the turn in progress is not of the user {user_id!r}: resume it for the user "
                f"who began it, or without a {self.user_id_key}"
            )

    def _begin(self, turn: AgentTurn, config: RunnableConfig) -> AgentTurn:
        """Recalls, then stores: the message shall not be found as an answer to itself."""
        context = Context("", 0)
        with _going_on("recall", turn, config):
            context = self._recalled(turn)
        at = turn["at"]
        with _going_on("store the user's message", turn, config):
            at = self._stored(turn)
        return {**turn, "at": at, "block": context.text, "ids": list(context.ids)}

    def _recalled(self, turn: AgentTurn) -> Context:
        """What goes into the prompt; without this very turn, which a replay would find."""
        return self.bank.context(
            turn["query"],
            user_id=turn["user_id"],
            k=self.k,
            max_tokens=self.max_tokens,
            tokenizer=self.tokenizer,
            without=[turn["id"]],
        )

    def _stored(self, turn: AgentTurn) -> str:
        """Stores the user's message; when it was said, which a replay does not change."""
        user_id = turn["user_id"]
        try:
            if self.bank.add([as_kept(turn)], user_id=user_id).added:
                return turn["at"]
        except ConflictError:  # a replay: the turn is there with its answer, and stays
            pass
        known = self.bank.get([turn["id"]], user_id=user_id).get(turn["id"])
        return known.created_at.isoformat() if known else turn["at"]

    def _informed(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        """The request with what was recalled at the end of the user's message."""
        turn = cast(MemoryBankState, request.state).get("memorybank")
        if not turn or turn["response"]:
            return request
        self._require_same_user(turn, request.runtime, ensure_config())
        if not turn["block"]:
            return request
        return request.override(messages=with_block(turn, request.messages))


@contextmanager
def _going_on(doing: str, turn: AgentTurn, config: RunnableConfig) -> Iterator[None]:
    """Lets the chat go on where the memory fails, and says so."""
    try:
        yield
    except MemoryBankError as error:
        _logger.warning("The memory could not %s; the chat goes on: %s", doing, error)
        failure = {"doing": doing, "kind": type(error).__name__, "error": str(error)}
        told = {**failure, "user_id": turn["user_id"], "turn": turn["id"]}
        dispatch_custom_event(ERROR_EVENT, told, config=config)
