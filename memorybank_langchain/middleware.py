"""Middleware that gives agents of `langchain.agents.create_agent` a memory."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.messages import AnyMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langgraph.runtime import Runtime
from langgraph.types import Command

from memorybank_core import InvalidInputError, MemoryBank
from memorybank_core.conditions import require_where
from memorybank_core.context import CONTEXT_TOKENS, MIN_RELEVANCE, Tokenizer, require_options
from memorybank_core.metadata import require_metadata

from .agent_memory import AgentMemory
from .agent_state import (
    STATE_KEY,
    AgentTurn,
    MemoryBankState,
    ends_with_answer,
    find_question,
    read_turn,
    state_schema_of,
    with_block,
)
from .failures import OnRecall
from .run_config import USER_ID_KEY, find_user, resolve_user, to_user_id, turn_in_progress

if TYPE_CHECKING:
    from langchain.agents.middleware.types import ToolCallRequest  # langchain 1.0 has it elsewhere

_NO_CONFIG: RunnableConfig = {}
"""Default of the hooks' `config`, which LangGraph passes by name."""


class MemoryBankMiddleware(AgentMiddleware[MemoryBankState, Any]):
    """Long-term memory for an agent: stores turns, recalls memories and strengthens them.

    `create_agent(model, tools, middleware=[MemoryBankMiddleware(bank)], context_schema=User)`,
    then `agent.invoke({"messages": [...]}, context=User(user_id="alice@example.com"))`. The user
    is read from the `context` of the run (an attribute or key) or from
    `config={"configurable": {"user_id": ...}}`, never from a model or a message. A run without a
    user raises an error. A run can only be resumed for the user who began it: for anybody else, no
    tool and no model is called.

    The user's message is stored before the model is called, so that it survives a failure of the
    model. The answer completes the stored turn and does not change its time. Several messages that
    the user sends before an answer are one turn, with a line for each. Replays, retries and resumed
    runs recognize the turn by the id of its message or by its place in the thread, and never store
    it twice; a message that is sent again under its id with other words replaces the stored one.

    Recall happens once per turn, and leaves out what the messages of the thread show anyway. In
    every prompt of the turn, the recalled text is appended to a copy of the user's message. There
    it comes after all earlier messages, so that the cached prefix of the prompt stays valid, and
    its position is the same in every model call. All providers accept it there; some reject a
    separate message after a tool result, or a system message that is not the first. The state of
    the graph has ids, and never the recalled text. Callbacks and traces show each recall as the run
    of a retriever named "memorybank".

    If the bank, the tokenizer or a callback fails, the chat continues: the error is logged with
    `logging`, and callbacks receive the custom event "memorybank_error". One instance can serve any
    number of users, threads and event loops. A deep copy shares the bank.

    Args:
        bank: Bank that holds the memories.
        name: Name of the middleware and of its part of the state. Give each memory its own name if
            an agent has several, such as the user's and the team's.
        k: Maximum number of recalled memories, 1 or more; None takes as many as fit.
        max_tokens: Maximum length of the recalled text.
        min_relevance: Relevance below which memories are left out, as in `MemoryBank.context`.
        tokenizer: Counts tokens, as in `MemoryBank.context`.
        user_id_key: Attribute or key of the user's id; "langgraph_auth_user_id" on a LangGraph
            server with authentication.
        metadata: Metadata of the turns that are stored, such as {"agent": "coder"}.
        where: Conditions on the metadata of recalled memories, as in `MemoryBank.search`; None
            recalls all. With the same values as `metadata`, each agent has its own memory.
        remember: Whether to store turns and strengthen memories; False only reads, for example in
            a subagent.
        on_recall: Called with the recalled context once per turn, for example to display it.

    Raises:
        InvalidInputError: If an argument is invalid; from a run, if the user is missing, or is not
            the user who began the turn.
    """

    state_schema = MemoryBankState

    def __init__(
        self,
        bank: MemoryBank,
        *,
        name: str | None = None,
        k: int | None = None,
        max_tokens: int = CONTEXT_TOKENS,
        min_relevance: float = MIN_RELEVANCE,
        tokenizer: Tokenizer | None = None,
        user_id_key: str = USER_ID_KEY,
        metadata: Mapping[str, Any] | None = None,
        where: Mapping[str, Any] | None = None,
        remember: bool = True,
        on_recall: OnRecall | None = None,
    ) -> None:
        super().__init__()
        if name is not None and not (isinstance(name, str) and name.strip()):
            raise InvalidInputError(f"name must be a non-empty string, not {name!r}")
        require_options(k, max_tokens, min_relevance, tokenizer)
        self.bank, self.user_id_key = bank, user_id_key
        self._memory = AgentMemory(
            bank,
            k=k,
            max_tokens=max_tokens,
            min_relevance=min_relevance,
            tokenizer=tokenizer,
            metadata=require_metadata(metadata),
            where=require_where(where),
            remember=remember,
            on_recall=on_recall,
        )
        self._name = name or type(self).__name__
        self._key = f"{STATE_KEY}_{name}" if name else STATE_KEY
        self.state_schema = state_schema_of(self._key)

    @property
    def name(self) -> str:
        """Name of the middleware in the agent's graph."""
        return self._name

    def __deepcopy__(self, copied: dict[int, Any]) -> MemoryBankMiddleware:
        return copy.copy(self)  # the bank and the tokenizer are shared

    def before_agent(
        self, state: MemoryBankState, runtime: Runtime[Any], config: RunnableConfig = _NO_CONFIG
    ) -> dict[str, Any] | None:
        """Recall memories for the user's message and store it, once per turn."""
        user_id = resolve_user(None, config, key=self.user_id_key, context=runtime.context)
        messages, turn = state["messages"], self._read(state)
        question = find_question(messages)
        if turn and turn["turn"]["user_id"] != user_id:
            turn = None
        if turn and {message.id for message in question} & set(turn["messages"]):
            turn = self._memory.go_on(turn, question, messages, config)
        elif question and not ends_with_answer(messages):
            turn = self._memory.begin(user_id, turn, question, messages, config)
        else:
            turn = None
        return self._update(messages, turn)

    async def abefore_agent(
        self, state: MemoryBankState, runtime: Runtime[Any], config: RunnableConfig = _NO_CONFIG
    ) -> dict[str, Any] | None:
        """Async `before_agent`."""
        return await asyncio.to_thread(self.before_agent, state, runtime, config)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Call the model with the recalled text in the prompt."""
        turn = self._read_own(request)
        if turn is None:
            return handler(request)
        block = self._memory.find_text(turn)
        if block is None:
            block = self._memory.recall_again(turn, request.messages, ensure_config())
        return handler(_with_block(request, turn, block))

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Async `wrap_model_call`."""
        turn = self._read_own(request)
        if turn is None:
            return await handler(request)
        block = self._memory.find_text(turn)
        if block is None:
            arguments = turn, request.messages, ensure_config()
            block = await asyncio.to_thread(self._memory.recall_again, *arguments)
        return await handler(_with_block(request, turn, block))

    def wrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]],
    ) -> ToolMessage | Command[Any]:
        """Call a tool, but refuse to in a run that another user began."""
        with turn_in_progress(self._find_id(request)):
            return handler(request)

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        """Async `wrap_tool_call`."""
        with turn_in_progress(self._find_id(request)):
            return await handler(request)

    def after_agent(
        self, state: MemoryBankState, runtime: Runtime[Any], config: RunnableConfig = _NO_CONFIG
    ) -> dict[str, Any] | None:
        """Complete the turn with the answer and strengthen the recalled memories."""
        messages, turn = state["messages"], self._read(state)
        if not turn or turn["is_answered"]:
            return self._update(messages, turn)
        self._require_same_user(turn, runtime.context, config)
        turn = self._memory.complete(turn, messages, state.get("structured_response"), config)
        return self._update(messages, turn)

    async def aafter_agent(
        self, state: MemoryBankState, runtime: Runtime[Any], config: RunnableConfig = _NO_CONFIG
    ) -> dict[str, Any] | None:
        """Async `after_agent`."""
        return await asyncio.to_thread(self.after_agent, state, runtime, config)

    def _read(self, state: Any) -> AgentTurn | None:
        """Return the turn in a state."""
        value = state.get(self._key) if isinstance(state, Mapping) else None
        return read_turn(value, self._memory.metadata)

    def _read_own(self, request: ModelRequest[Any] | ToolCallRequest) -> AgentTurn | None:
        """Return the unanswered turn of a request, which must be this user's."""
        turn = self._read(request.state)
        if turn is None or turn["is_answered"]:
            return None
        config = ensure_config(getattr(request.runtime, "config", None))
        self._require_same_user(turn, getattr(request.runtime, "context", None), config)
        return turn

    def _find_id(self, request: ToolCallRequest) -> str | None:
        """Return the id of the unanswered turn of a request, which must be this user's."""
        turn = self._read_own(request)
        return None if turn is None else str(turn["turn"]["id"])

    def _require_same_user(self, turn: AgentTurn, context: Any, config: RunnableConfig) -> None:
        user_id = find_user(config, key=self.user_id_key, context=context)
        if user_id is not None and to_user_id(user_id) != turn["turn"]["user_id"]:
            raise InvalidInputError(
                f"the turn in progress does not belong to the user {user_id!r}: resume it for the "
                f"user who began it, or without a {self.user_id_key}"
            )

    def _update(self, messages: Sequence[AnyMessage], turn: AgentTurn | None) -> dict[str, Any]:
        """Return the update of the state.

        It repeats the last message, which changes nothing, because programs that stream updates
        expect every update to have messages.
        """
        return {self._key: turn, "messages": list(messages[-1:])}


def _with_block(request: ModelRequest[Any], turn: AgentTurn, block: str) -> ModelRequest[Any]:
    """Return the request with the recalled text at the end of the user's message."""
    if not block:
        return request
    return request.override(messages=with_block(turn, request.messages, block))
