"""Foreign models behind our seams: what is the same whichever framework they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memorybank_core.errors import ContextOverflowError, LLMError, MemoryBankError

from .completion import require_complete
from .overflow import says_too_long

REASONS = ("finish_reason", "stop_reason", "stopReason", "done_reason")
"""Where providers say why an answer ended."""

_MODEL = ("model", "model_name", "model_id", "model_path", "deployment_name", "repo_id")
_NO_NAME = ("", "unknown")
_LIMIT = (
    "max_tokens",
    "max_output_tokens",
    "max_completion_tokens",
    "num_predict",
    "max_new_tokens",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a foreign model said.

    Attributes:
        text: Its words.
        reason: Why they ended, as its provider tells; many do not, then they count as whole.
        refusal: What the provider says of a refusal; None or "" where there is none.
        tokens: How many it took, those of the prompt included; None where unknown.
    """

    text: str
    reason: object = None
    refusal: object = None
    tokens: int | None = None


class ForeignLLM:
    """A language model that asks a foreign one.

    Args:
        ask: Sends messages, max_tokens and stop to the model. It may raise anything, and need not
            heed a stop: the answer is cut there.
        name: What the digests that it wrote shall bear.
        context_window: How many tokens it reads and writes in all; None where unknown.
        overflow: Its errors that mean that the prompt is too long.
    """

    def __init__(
        self,
        ask: Callable[[list[dict[str, str]], int | None, list[str]], Answer],
        name: str,
        context_window: int | None = None,
        overflow: tuple[type[Exception], ...] = (),
    ) -> None:
        self._ask, self.name, self.context_window = ask, name, context_window
        self._overflow = overflow

    def complete(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> str:
        ends = list(stop or ())
        try:
            answer = self._ask([dict(message) for message in messages], max_tokens, ends)
        except MemoryBankError:
            raise
        except Exception as error:  # a foreign model may raise whatever it likes
            raise self._translated(error) from error
        return require_complete(
            answer.text,
            source=self.name,
            finish_reason=answer.reason,
            refusal=answer.refusal,
            tokens=answer.tokens,
            stop=ends,
        )

    def __repr__(self) -> str:
        return f"as_llm({self.name!r})"

    def _translated(self, error: Exception) -> LLMError:
        said = f"{type(error).__name__}: {error}"
        limited = getattr(error, "status_code", None) == 429  # too many tokens a minute
        if isinstance(error, self._overflow) or (says_too_long(said) and not limited):
            return ContextOverflowError(
                f"the prompt is longer than {self.name} reads: {said}. Send less, or use a model "
                "with a larger context."
            )
        return LLMError(f"{self.name} failed: {said}")


def model_of(foreign: object) -> str | None:
    """The name of the model that a foreign object says it uses; None where it names none."""
    names = (getattr(foreign, attribute, None) for attribute in _MODEL)
    return next((name for name in names if isinstance(name, str) and name not in _NO_NAME), None)


def limited(model: Any, max_tokens: int | None) -> Any:
    """The model, or a copy of it that says no more than that, where it has a field for it."""
    fields = getattr(type(model), "model_fields", {})
    limit = next((name for name in _LIMIT if name in fields), None)
    if max_tokens is None or limit is None:
        return model
    return model.model_copy(update={limit: max_tokens})
