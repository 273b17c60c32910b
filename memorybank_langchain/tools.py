"""memory_tools: remember, recall and forget, for agents that decide for themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.runtime import get_runtime
from pydantic import Field, StringConstraints, create_model

from memorybank_core import MemoryBank
from memorybank_core.context import CONTEXT_TOKENS
from memorybank_core.tools import ARGUMENTS, WORDING, MemoryTools
from memorybank_core.validation import require_user

from .run_config import session_of, user_of

_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def memory_tools(
    bank: MemoryBank,
    *,
    user_id: str | None = None,
    k: int = 5,
    max_tokens: int = CONTEXT_TOKENS,
) -> list[BaseTool]:
    """The tools `remember`, `recall` and `forget`, in the language of the bank.

    The model never says whose memory it is. `recall` strengthens what it finds, and gives it
    marked, as data. `forget` erases, as `bank.delete` does, for that is what a user who says
    "forget that" expects, and there is no way back: where a person should agree first, put
    LangChain's `HumanInTheLoopMiddleware` before it, or leave it out. Where every turn is
    remembered anyway, `recall` and `forget` are enough.

    Args:
        bank: Where the memories are.
        user_id: Whose memory; None takes `user_id` of the run's context (a dictionary or an
            object) or, without one, `config["configurable"]["user_id"]`.
        k: How many memories `recall` gives at most, 1 or more.
        max_tokens: How long they may be together.

    Raises:
        InvalidInputError: An argument is not what it must be; from a tool: the run names no user.
    """
    if user_id is not None:
        require_user(user_id)
    tools = _Tools(MemoryTools(bank, k=k, max_tokens=max_tokens), user_id)
    wording = WORDING[bank.language]
    return [_tool(function, wording) for function in (tools.remember, tools.recall, tools.forget)]


def _tool(function: Callable[..., str], wording: Mapping[str, str]) -> BaseTool:
    """A tool with one argument; what the model adds to it is dropped."""
    name = function.__name__
    argument = ARGUMENTS[name]
    fields: dict[str, Any] = {argument: (_Words, Field(description=wording[argument]))}
    return StructuredTool.from_function(
        function,
        name=name,
        description=wording[name],
        args_schema=create_model(name, **fields),
    )


class _Tools:
    """The tools, told by the run whose memory it is. Async agents run them in a thread."""

    def __init__(self, tools: MemoryTools, user_id: str | None) -> None:
        self._tools, self._user_id = tools, user_id

    def remember(self, text: str, config: RunnableConfig) -> str:
        session = session_of(None, config)
        return self._tools.remember(text, user_id=self._user_of(config), session=session).text

    def recall(self, query: str, config: RunnableConfig) -> str:
        return self._tools.recall(query, user_id=self._user_of(config)).text

    def forget(self, id: str, config: RunnableConfig) -> str:
        return self._tools.forget(id, user_id=self._user_of(config)).text

    def _user_of(self, config: RunnableConfig) -> str:
        return user_of(self._user_id or _user_of_context(), config)


def _user_of_context() -> Any:
    """`user_id` of the context of the graph's run; None where there is no graph or context."""
    try:
        runtime: Any = get_runtime()
    except (RuntimeError, KeyError):
        return None
    context = getattr(runtime, "context", None)
    if isinstance(context, Mapping):
        return context.get("user_id")
    return getattr(context, "user_id", None)
