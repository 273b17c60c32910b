"""Truncation of prompts to the context window of a local model."""

from __future__ import annotations

from functools import partial
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableLambda

from llms.truncation import count_droppable, drop_oldest

_ANSWER_SHARE = 4  # a quarter of the context window is reserved for the answer


def fit_to_window(model: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """Return `model` preceded by a step that drops the oldest turns of a prompt that is too long.

    Only a local model can count its tokens; any other model is returned unchanged. The
    instructions and the last message are always kept.
    """
    if getattr(model, "host", None) is None:
        return model
    return RunnableLambda(partial(_truncate, model)) | model


def _truncate(model: Any, prompt: PromptValue) -> list[BaseMessage]:
    window = model.host.context_window
    messages = prompt.to_messages()
    while count_droppable(messages, role=_role_of) and (
        model.get_num_tokens_from_messages(messages) > window - window // _ANSWER_SHARE
    ):
        messages = drop_oldest(messages, 1, role=_role_of)
    return messages


def _role_of(message: BaseMessage) -> str:
    return message.type
