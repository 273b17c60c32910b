"""The answer of an agent among its messages, without notices of the framework."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage

from .messages import extract_text

_LIMIT_NOTICE = re.compile(
    r"(Model|Tool|'.+' tool) call limits? (exceeded|reached): "
    r"(thread|run) limit (exceeded )?\(\d+/\d+( calls)?\)"
)
"""Messages that ModelCallLimitMiddleware and ToolCallLimitMiddleware write as the agent."""
_STRUCTURED_NOTICE = "Returning structured response: "
"""Start of the message that `create_agent` writes as the result of a structured response."""


def find_answer(messages: Sequence[AnyMessage], structured: Any = None) -> str:
    """Return the last text of the agent; "" without one.

    The result of a tool that returns its result directly is the agent's answer. A structured
    response is stored as JSON.

    Args:
        messages: Messages after the user's.
        structured: The structured response in the agent's state.
    """
    last = messages[-1] if messages else None
    if isinstance(last, ToolMessage):
        call = _find_call(last, messages)
        if call is not None and _is_structured(last, call, structured):
            return json.dumps(call["args"], ensure_ascii=False)
        if last.status != "error" and extract_text(last).strip():
            return extract_text(last)
    texts = (
        extract_text(message)
        for message in reversed(messages)
        if isinstance(message, AIMessage) and not _LIMIT_NOTICE.match(extract_text(message))
    )
    return next((text for text in texts if text.strip()), "")


def _find_call(result: ToolMessage, messages: Sequence[AnyMessage]) -> dict[str, Any] | None:
    """Return the tool call that a message is the result of."""
    calls = (
        dict(call)
        for message in reversed(messages)
        if isinstance(message, AIMessage)
        for call in message.tool_calls
        if call["id"] == result.tool_call_id
    )
    return next(calls, None)


def _is_structured(result: ToolMessage, call: dict[str, Any], structured: Any) -> bool:
    """Return whether the model gave its structured response by this call."""
    if structured is None or result.status == "error":
        return False
    is_this = structured == call["args"] or type(structured).__name__ == call["name"]
    return is_this or extract_text(result).startswith(_STRUCTURED_NOTICE)
