"""Adapter of an object or a function to the `LLM` protocol."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from memorybank_core.errors import ConfigurationError
from memorybank_core.llm.foreign import ForeignLLM, ProviderReply
from memorybank_core.protocols import LLM

from .chat_completion import get_nested


def as_llm(model: Any, *, name: str | None = None) -> LLM:
    """Adapt an object or a function to the `LLM` protocol.

    Exceptions of the model are raised as `LLMError`, and an empty answer as `AnswerError`.

    Args:
        model: An object with `complete(messages, *, max_tokens, stop)`, or a plain function
            `messages -> str`. A function does not receive max_tokens and stop. An answer is cut
            at the first stop string.
        name: Name recorded as the author of digests; None for the model's own name.

    Raises:
        ConfigurationError: If `model` is neither, or is async.
    """
    if callable(get_nested(model, "chat", "completions", "create")):
        raise ConfigurationError(
            f"{type(model).__name__} is a client of the openai package: pass "
            "OpenAIChat(model_name, client=...) instead"
        )
    complete = getattr(model, "complete", None)
    call = complete or model
    if isinstance(model, type) or not callable(call) or inspect.iscoroutinefunction(call):
        raise ConfigurationError(
            "as_llm takes an object with complete(messages, *, max_tokens, stop), or a function of "
            f"messages that returns a string, and does not support async functions: {model!r}"
        )

    def send(
        messages: list[dict[str, str]], max_tokens: int | None, stop: Sequence[str]
    ) -> ProviderReply:
        if complete is None:
            answer = call(messages)
        else:
            answer = call(messages, max_tokens=max_tokens, stop=stop or None)
        return ProviderReply(answer, tokens=getattr(answer, "tokens", None))

    return _CustomLLM(model, send, name or _find_name(model))


class _CustomLLM(ForeignLLM):
    """An `LLM` that calls an object or a function.

    It uses the model's `context_window` and `count_tokens` if they exist.
    """

    def __init__(self, model: Any, send: Callable[..., ProviderReply], name: str) -> None:
        super().__init__(send, name, getattr(model, "context_window", None))
        if hasattr(model, "count_tokens"):
            self.count_tokens = model.count_tokens


def _find_name(model: Any) -> str:
    names = (getattr(model, attribute, None) for attribute in ("name", "model", "__name__"))
    return next((name for name in names if isinstance(name, str) and name), type(model).__name__)
