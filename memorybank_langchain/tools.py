"""memory_tools: remember, recall and forget, for agents that decide for themselves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.runtime import get_runtime
from pydantic import Field, StringConstraints, create_model

from memorybank_core import Memory, MemoryBank, SearchResult, Turn
from memorybank_core.bank import CONTEXT_TOKENS
from memorybank_core.checks import require_k, require_user
from memorybank_core.context import CLOSING, OPENING, require_max_tokens, token_counter
from memorybank_core.context.marking import without_markers
from memorybank_core.context.wording import WORDING as OF_CONTEXT

from .runs import session_of, user_of

_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]

WORDING = {
    "en": {
        "remember": "Remember something for later conversations: what the user tells of "
        "themselves, likes, plans, or asks to be remembered.",
        "text": "What to remember, in a sentence that can be understood alone.",
        "recall": "Search what is remembered of earlier conversations with the user. Gives the "
        "memories that fit best, the best first, each with its id and its day.",
        "query": "What to look for; a day may be named, too.",
        "forget": "Erase one memory for good. Only for what the user asks to be forgotten.",
        "id": "The memory's id, as recall or remember gave it.",
        "remembered": "Remembered with the id {id}.",
        "nothing_new": "Nothing was remembered: that is in the memory already.",
        "unknown": "Nothing is remembered about that.",
        "left_out": "{count} more fit, but have no room here. Ask for something narrower.",
        "erased": "Erased for good: {id}.",
        "no_such": "There is no memory with the id {id}. recall gives the ids.",
    },
    "zh": {
        "remember": "记住某件事，供以后的对话使用："
        "用户谈到的自己的情况、喜好、计划，或要求记住的内容。",
        "text": "要记住的内容，用一句单独看也能明白的话。",
        "recall": "在以往与用户对话的记忆中查找。"
        "返回最相关的记忆，最相关的在前，每条都有编号和日期。",
        "query": "要查找的内容，也可以指明日期。",
        "forget": "永久删除一条记忆。仅用于用户要求忘记的内容。",
        "id": "记忆的编号，由 recall 或 remember 给出。",
        "remembered": "已记住，编号 {id}。",
        "nothing_new": "没有记下新内容：这已在记忆中。",
        "unknown": "没有与此有关的记忆。",
        "left_out": "另有 {count} 条相关记忆，因篇幅所限未列出。请缩小查找范围。",
        "erased": "已永久删除：{id}。",
        "no_such": "没有编号为 {id} 的记忆。编号由 recall 给出。",
    },
}
"""What the model is told, by language: of the tools and by them."""


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
    require_k(k)
    require_max_tokens(max_tokens)
    tools = _Tools(bank, user_id, k, max_tokens)
    wording = WORDING[bank.language]
    return [
        _tool(tools.remember, "text", wording),
        _tool(tools.recall, "query", wording),
        _tool(tools.forget, "id", wording),
    ]


def _tool(function: Callable[..., str], argument: str, wording: Mapping[str, str]) -> BaseTool:
    """A tool with one argument; what the model adds to it is dropped."""
    name = function.__name__
    fields: dict[str, Any] = {argument: (_Words, Field(description=wording[argument]))}
    return StructuredTool.from_function(
        function,
        name=name,
        description=wording[name],
        args_schema=create_model(name, **fields),
    )


class _Tools:
    """What the tools do. LangChain runs them in a thread where an agent is async."""

    def __init__(self, bank: MemoryBank, user_id: str | None, k: int, max_tokens: int) -> None:
        self._bank, self._user_id, self._k, self._max_tokens = bank, user_id, k, max_tokens
        self._wording = WORDING[bank.language]

    def remember(self, text: str, config: RunnableConfig) -> str:
        user_id, now = self._user_of(config), datetime.now(timezone.utc)
        said = json.dumps([self._bank.day_of(now).isoformat(), text])
        id = f"remembered-{hashlib.sha256(said.encode()).hexdigest()[:12]}"  # once a day
        turn = Turn(text, at=now, id=id, session=session_of(None, config))
        kept = self._bank.add([turn], user_id=user_id).ids
        return self._wording["remembered" if kept else "nothing_new"].format(id=id)

    def recall(self, query: str, config: RunnableConfig) -> str:
        user_id = self._user_of(config)
        found = self._bank.search(query, user_id=user_id, k=self._k)
        shown = self._with_room(found)
        self._bank.reinforce([result for result, _ in shown], user_id=user_id)
        lines = [line for _, line in shown]
        if lines:
            intro = OF_CONTEXT[self._bank.language]["intro"]
            lines = [OPENING, intro, *lines, CLOSING]
        if len(shown) < len(found):
            lines.append(self._wording["left_out"].format(count=len(found) - len(shown)))
        return "\n".join(lines) or self._wording["unknown"]

    def forget(self, id: str, config: RunnableConfig) -> str:
        receipt = self._bank.delete(user_id=self._user_of(config), ids=[id])
        return self._wording["erased" if receipt.memories else "no_such"].format(id=id)

    def _user_of(self, config: RunnableConfig) -> str:
        return user_of(self._user_id or _user_of_context(), config)

    def _with_room(self, found: Sequence[SearchResult]) -> list[tuple[SearchResult, str]]:
        """The results for which there is room, whole, and what is told of each."""
        count = token_counter(getattr(self._bank.llm, "count_tokens", None))
        room, shown = self._max_tokens, []
        for result in found:
            line = _quoted(result.memory, self._bank.language)
            if (tokens := count(line)) <= room:
                room -= tokens
                shown.append((result, line))
        return shown


def _quoted(memory: Memory, language: str) -> str:
    """A memory as one line of JSON, which nothing in it can break out of."""
    wording, turn = OF_CONTEXT[language], memory.turn
    said = [(wording["event"], memory.text)]
    if turn is not None:
        said = [
            (turn.user_name or wording["user"], turn.query),
            (turn.companion_name or wording["companion"], turn.response),
        ]
    told = [wording["said"].format(name=name, words=words) for name, words in said if words]
    plain = {"id": memory.id, "day": memory.day.isoformat(), "said": told}
    return without_markers(json.dumps(plain, ensure_ascii=False))


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
