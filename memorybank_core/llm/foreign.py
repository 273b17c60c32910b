"""Adapt a language model of any other framework to `LLM`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memorybank_core.errors import ContextOverflowError, LLMError, MemoryBankError

from .completion import require_complete
from .overflow import is_context_overflow

FINISH_REASON_KEYS = ("finish_reason", "stop_reason", "stopReason", "done_reason")
"""Keys under which providers give the reason for the end of an answer."""

_MODEL_ATTRIBUTES = (
    "model",
    "model_name",
    "model_id",
    "model_path",
    "deployment_name",
    "repo_id",
)
_PLACEHOLDERS = ("", "unknown")
_MAX_TOKENS_FIELDS = (
    "max_tokens",
    "max_output_tokens",
    "max_completion_tokens",
    "num_predict",
    "max_new_tokens",
)


@dataclass(frozen=True, slots=True)
class ProviderReply:
    """Answer of a foreign model, not yet checked.

    Attributes:
        text: The answer.
        finish_reason: The provider's reason for the end of the answer; if None, the answer counts
            as complete.
        refusal: The provider's text of a refusal, if any.
        tokens: Tokens of the prompt and the answer; None if unknown.
    """

    text: str
    finish_reason: object = None
    refusal: object = None
    tokens: int | None = None


class ForeignLLM:
    """An `LLM` that calls a foreign model.

    Args:
        send: Sends messages, max_tokens and stop strings to the model. It may raise any exception.
            It may ignore the stop strings, because the answer is cut at them afterwards.
        name: Name recorded as the author of digests.
        context_window: Maximum number of tokens of a prompt and its answer; None if unknown.
        overflow_errors: The framework's exceptions for a prompt that is too long.
    """

    def __init__(
        self,
        send: Callable[[list[dict[str, str]], int | None, list[str]], ProviderReply],
        name: str,
        context_window: int | None = None,
        overflow_errors: tuple[type[Exception], ...] = (),
    ) -> None:
        self._send, self.name, self.context_window = send, name, context_window
        self._overflow_errors = overflow_errors

    def complete(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> str:
        """Return the model's answer to `messages`; see `LLM.complete`."""
        stop_strings = list(stop or ())
        try:
            reply = self._send([dict(message) for message in messages], max_tokens, stop_strings)
        except MemoryBankError:
            raise
        except Exception as error:  # a foreign model may raise any exception
            raise self._translate_error(error) from error
        return require_complete(
            reply.text,
            source=self.name,
            finish_reason=reply.finish_reason,
            refusal=reply.refusal,
            tokens=reply.tokens,
            stop=stop_strings,
        )

    def __repr__(self) -> str:
        return f"as_llm({self.name!r})"

    def _translate_error(self, error: Exception) -> LLMError:
        message = f"{type(error).__name__}: {error}"
        # a rate limit such as "too many tokens per minute" reads like an overflow
        is_rate_limited = getattr(error, "status_code", None) == 429
        if isinstance(error, self._overflow_errors) or (
            is_context_overflow(message) and not is_rate_limited
        ):
            return ContextOverflowError(
                f"the prompt is longer than the context window of {self.name}: {message}. "
                "Shorten it, or use a model with a larger context window."
            )
        return LLMError(f"{self.name} failed: {message}")


def find_model_name(foreign: object) -> str | None:
    """Return the name of the model that a framework's object uses; None if unknown."""
    names = (getattr(foreign, attribute, None) for attribute in _MODEL_ATTRIBUTES)
    return next(
        (name for name in names if isinstance(name, str) and name not in _PLACEHOLDERS), None
    )


def with_max_tokens(model: Any, max_tokens: int | None) -> Any:
    """Return a copy of a framework's pydantic model object with answers of at most `max_tokens`.

    The object itself is returned if `max_tokens` is None or the class has no field for it.
    """
    fields = getattr(type(model), "model_fields", {})
    field = next((name for name in _MAX_TOKENS_FIELDS if name in fields), None)
    if max_tokens is None or field is None:
        return model
    return model.model_copy(update={field: max_tokens})
