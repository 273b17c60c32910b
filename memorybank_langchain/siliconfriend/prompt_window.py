"""Prompts that a model on this machine can read: the oldest turns are left out where they must."""

from __future__ import annotations

from functools import partial
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableLambda

_ANSWER = 4  # an answer gets a quarter of the window, at the least


def fitted(model: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """`model`, which is shown as many of the latest turns as leave room for an answer.

    Only a model on this machine counts its tokens; others are left to themselves. The
    instructions and the last message always stay.
    """
    if getattr(model, "host", None) is None:
        return model
    return RunnableLambda(partial(_fitting, model)) | model


def _fitting(model: Any, prompt: PromptValue) -> list[BaseMessage]:
    window = model.host.context_window
    messages = prompt.to_messages()
    while len(messages) > 2 and _length(model, messages) > window - window // _ANSWER:
        del messages[1]
        while len(messages) > 2 and isinstance(messages[1], AIMessage):
            del messages[1]
    return messages


def _length(model: Any, messages: list[BaseMessage]) -> int:
    count: int = model.get_num_tokens_from_messages(messages)
    return count
