"""as_llm: a language model for MemoryBank out of what one has."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from memorybank_core.errors import (
    ConfigurationError,
    ContextOverflowError,
    LLMError,
    MemoryBankError,
)
from memorybank_core.llm.completion import cut_at_stop, require_complete
from memorybank_core.llm.overflow import is_context_overflow
from memorybank_core.protocols import LLM

from .chat_completion import part

_SHAPES = (
    "as_llm takes an object with complete(messages, *, max_tokens, stop) or a function of "
    "messages that returns a string, neither of them async"
)


def as_llm(model: Any, *, name: str | None = None) -> LLM:
    """A language model whose errors are MemoryBank's and whose answers are never empty.

    Args:
        model: An object with `complete(messages, *, max_tokens, stop)`, or a plain function
            `messages -> str`. A function is not told max_tokens; its answer is cut at a stop.
        name: What the digests that it wrote shall bear; None takes the model's own name.

    Raises:
        ConfigurationError: `model` has neither shape.
    """
    if callable(part(model, "chat", "completions", "create")):
        raise ConfigurationError(
            f"{type(model).__name__} is a client of OpenAI's shape: pass "
            "OpenAIChat(model_name, client=...) instead"
        )
    call = getattr(model, "complete", None) or _function(model)
    if isinstance(model, type) or not callable(call) or inspect.iscoroutinefunction(call):
        raise ConfigurationError(f"{_SHAPES}; {model!r} is none of these")
    return _Bridge(call, name or _name_of(model), model)


class _Bridge:
    """Asks a foreign model."""

    def __init__(self, call: Callable[..., Any], name: str, model: Any) -> None:
        self._call = call
        self.name = name
        for optional in ("context_window", "count_tokens"):
            if hasattr(model, optional):
                setattr(self, optional, getattr(model, optional))

    def complete(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> str:
        shown = [dict(message) for message in messages]
        try:
            answer = self._call(shown, max_tokens=max_tokens, stop=stop)
        except MemoryBankError:
            raise
        except Exception as error:  # a foreign model may raise whatever it likes
            raise self._translated(error) from error
        tokens = getattr(answer, "tokens", None)
        return require_complete(answer, source=self.name, tokens=tokens)

    def __repr__(self) -> str:
        return f"as_llm({self.name!r})"

    def _translated(self, error: Exception) -> LLMError:
        kind = ContextOverflowError if is_context_overflow(str(error)) else LLMError
        return kind(f"{self.name} failed: {type(error).__name__}: {error}")


def _function(model: Any) -> Callable[..., str] | None:
    """A plain function with the signature of `complete`."""
    if not callable(model) or inspect.iscoroutinefunction(model):
        return None

    def complete(
        messages: list[dict[str, str]], *, max_tokens: int | None, stop: Sequence[str] | None
    ) -> Any:
        answer = model(messages)
        return cut_at_stop(answer, stop or ()) if isinstance(answer, str) else answer

    return complete


def _name_of(model: Any) -> str:
    names = (getattr(model, attribute, None) for attribute in ("name", "model", "__name__"))
    return next((name for name in names if isinstance(name, str) and name), type(model).__name__)
