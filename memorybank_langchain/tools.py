"""Tools that let an agent decide what to remember, recall and forget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, NoReturn

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import Field, StringConstraints, create_model

from memorybank_core import InvalidInputError, MemoryBank, MemoryBankError
from memorybank_core.context import CONTEXT_TOKENS, MIN_RELEVANCE
from memorybank_core.tools import ARGUMENTS, WORDING, MemoryTools, ToolReply

from .failures import OnRecall, call_on_recall, failure_reporter
from .run_config import (
    USER_ID_KEY,
    UserId,
    find_turn,
    resolve_session,
    resolve_user,
    to_user_id,
)
from .traces import recall_run, to_context

_NonEmptyText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def memory_tools(
    bank: MemoryBank,
    *,
    user_id: UserId | None = None,
    user_id_key: str = USER_ID_KEY,
    k: int | None = None,
    max_tokens: int = CONTEXT_TOKENS,
    min_relevance: float = MIN_RELEVANCE,
    metadata: Mapping[str, Any] | None = None,
    where: Mapping[str, Any] | None = None,
    on_recall: OnRecall | None = None,
) -> list[BaseTool]:
    """Return the tools `remember`, `recall` and `forget`, described in the language of the bank.

    The model cannot choose the user. `recall` strengthens the best memories it returns, and marks
    them as data. `forget` deletes permanently, as `bank.delete` does, because a user who says
    "forget that" expects it. If a person should confirm first, use LangChain's
    `HumanInTheLoopMiddleware`, or omit the tool. If every turn is stored anyway, `recall` and
    `forget` are enough.

    If the bank fails, the chat continues: the tool tells the model so, with the status "error", the
    error is logged, and callbacks receive the custom event "memorybank_error".

    Args:
        bank: Bank that holds the memories.
        user_id: User the memories belong to; None reads it from the run's context (a dictionary
            or an object), or without it from `config["configurable"]`.
        user_id_key: Key of the user's id there; "langgraph_auth_user_id" on a LangGraph server
            with authentication.
        k: Maximum number of memories that `recall` returns, 1 or more; None takes as
            many as fit.
        max_tokens: Maximum length of the memories that `recall` returns, in tokens.
        min_relevance: Relevance below which memories are left out, as in `MemoryBank.context`.
        metadata: Metadata of what `remember` stores, such as {"agent": "coder"}.
        where: Conditions on the metadata of the memories that `recall` returns and `forget` may
            erase, as in `bank.search`; None for all.
        on_recall: Called with what `recall` returns, for example to display it.

    Raises:
        InvalidInputError: If an argument is invalid; from a tool, if the user is missing.
    """
    if user_id is not None:
        user_id = to_user_id(user_id)
    memory = MemoryTools(
        bank,
        k=k,
        max_tokens=max_tokens,
        min_relevance=min_relevance,
        metadata=metadata,
        where=where,
    )
    tools = _Tools(bank, memory, user_id, user_id_key, on_recall)
    wording = WORDING[bank.language]
    return [
        _make_tool(function, wording) for function in (tools.remember, tools.recall, tools.forget)
    ]


def _make_tool(function: Callable[..., str], wording: Mapping[str, str]) -> BaseTool:
    """Return a tool with one argument; it ignores additional arguments from the model."""
    name = function.__name__
    argument = ARGUMENTS[name]
    fields: dict[str, Any] = {argument: (_NonEmptyText, Field(description=wording[argument]))}
    return _MemoryTool.from_function(
        function,
        name=name,
        description=wording[name],
        args_schema=create_model(name, **fields),
        handle_tool_error=True,
    )


class _MemoryTool(StructuredTool):
    """A tool with a bank, which copies share."""

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"the tool {self.name!r} cannot be pickled, because it holds an open bank: call "
            "memory_tools with MemoryBank.open(...) in the other process"
        )


class _Tools:
    """The tools for the user of a run. Async agents call them in a thread."""

    def __init__(
        self,
        bank: MemoryBank,
        tools: MemoryTools,
        user_id: str | None,
        user_id_key: str,
        on_recall: OnRecall | None,
    ) -> None:
        self._bank, self._tools, self._on_recall = bank, tools, on_recall
        self._user_id, self._user_id_key = user_id, user_id_key

    def remember(self, text: str, config: RunnableConfig) -> str:
        """Store a text as a message that the user sends now."""
        user_id, session = self._resolve_user(config), resolve_session(None, config)
        call = partial(self._tools.remember, text, user_id=user_id, session=session)
        return self._run("remember", call, user_id, config).text

    def recall(self, query: str, config: RunnableConfig) -> str:
        """Return the memories relevant to a query, as text marked as data."""
        user_id, turn = self._resolve_user(config), find_turn(config)
        call = partial(self._tools.recall, query, user_id=user_id, turn=turn)
        with recall_run(query, config) as run:
            reply = self._run("recall", call, user_id, config)
            run.results = reply.results
        report = failure_reporter(config, user_id=user_id)
        call_on_recall(self._on_recall, to_context(reply.text, reply.results), report)
        return reply.text

    def forget(self, id: str, config: RunnableConfig) -> str:
        """Permanently delete one memory."""
        user_id = self._resolve_user(config)
        call = partial(self._tools.forget, id, user_id=user_id)
        return self._run("forget", call, user_id, config).text

    def _run(
        self, action: str, call: Callable[[], ToolReply], user_id: str, config: RunnableConfig
    ) -> ToolReply:
        """Call the bank; if it fails, report that, and raise what LangChain tells the model.

        In an outage, the store is asked only every few seconds, as by the middleware.
        """
        errors: list[MemoryBankError] = []
        backlog = self._bank.backlog
        reply = backlog.attempt(action, call, None, lambda _, error: errors.append(error))
        if reply is not None:
            return reply
        [error] = errors
        if isinstance(error, InvalidInputError):
            raise error
        failure_reporter(config, user_id=user_id)(action, error)
        raise ToolException(WORDING[self._bank.language]["failed"]) from error

    def _resolve_user(self, config: RunnableConfig) -> str:
        return resolve_user(self._user_id, config, key=self._user_id_key)
