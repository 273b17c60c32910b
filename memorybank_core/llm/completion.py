"""Check that a model's answer is complete, in the same way for every kind of model."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from memorybank_core.errors import AnswerError
from memorybank_core.protocols import Completion

CUT_OFF = frozenset(
    """
    length max_tokens max_output_tokens model_length model_context_window_exceeded cancelled
    """.split()
)
"""Finish reasons, in lower case, of an answer that was cut off."""

REFUSED = frozenset(
    """
    content_filter content_filtered guardrail_intervened prohibited_content recitation refusal
    safety sensitive
    """.split()
)
"""Finish reasons, in lower case, of an answer that the model or its provider refused."""

FINISHED = frozenset("stop eos eos_token end_turn stop_sequence complete".split())
"""Finish reasons, in lower case, of a complete answer."""


def cut_at_stop(text: str, stop: Iterable[str]) -> str:
    """Return `text` up to the first of the stop strings."""
    for end in stop:
        text = text.partition(end)[0]
    return text


def require_complete(
    text: object,
    *,
    source: object,
    finish_reason: object = None,
    refusal: object = None,
    tokens: int | None = None,
    stop: Iterable[str] = (),
    requires_reason: bool = False,
    redact: Callable[[str], str] = str,
) -> Completion:
    """Return a model's answer if it is complete.

    Args:
        text: The answer.
        source: The model, as error messages name it.
        finish_reason: The provider's reason for the end of the answer, a string or an enum.
        refusal: The provider's text of a refusal, if any.
        tokens: Tokens of the prompt and the answer; None if unknown.
        stop: Stop strings; the answer is cut at the first.
        requires_reason: Whether a missing or unknown finish reason is an error.
        redact: Applied to the provider's words before an error message quotes them.

    Raises:
        AnswerError: If the answer is not text, empty, refused or cut off.
    """
    if not isinstance(text, str):
        raise AnswerError(f"the answer of {source} must be a string, not {text!r:.200}")
    reason = str(getattr(finish_reason, "value", finish_reason) or "").lower()
    answer = cut_at_stop(text, stop)
    cut_off = f"the answer of {source} was cut off after {len(answer)} characters"
    if refusal or reason in REFUSED:
        raise AnswerError(
            f"{source} refused to answer: {redact(str(refusal or reason))!r}. Rephrase the request "
            "or use another model.",
            reason="refused",
        )
    if reason in CUT_OFF and answer == text:
        raise AnswerError(
            f"{cut_off} ({redact(reason)}). Raise max_tokens, or shorten the prompt so that the "
            "answer fits into the context window.",
            reason="cut_off",
        )
    if requires_reason and not reason:
        raise AnswerError(
            f"{cut_off}: it has no finish_reason. Try again, or check the server's log.",
            reason="cut_off",
        )
    if requires_reason and reason not in FINISHED:
        raise AnswerError(
            f"the answer of {source} ended with the finish reason {redact(reason)!r}. Only text "
            "answers can be used: do not pass tools to the model."
        )
    if not answer.strip():
        raise AnswerError(
            f"the answer of {source} is empty. Raise max_tokens (a model that reasons first may "
            "have used them up), or rephrase the request.",
            reason="empty",
        )
    return Completion(answer, tokens)
