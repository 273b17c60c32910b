"""What went wrong at a model's server, in MemoryBank's errors and without the key."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from memorybank_core.errors import (
    ConfigurationError,
    ContextOverflowError,
    LLMError,
    MemoryBankError,
)
from memorybank_core.llm.overflow import is_context_overflow

from .servers import Server

_NEVER_OVERFLOW = (401, 403, 404, 429)  # "too many tokens" a minute is another matter
_TOO_LARGE = 413

_KEY_ADVICE = "Set OPENAI_API_KEY or pass api_key=..., a key that may use this model."
_MISCONFIGURED = {
    401: ("did not take the key", _KEY_ADVICE),
    403: ("does not allow this", _KEY_ADVICE),
    404: ("was not found", "Check the model's name and base_url, which often ends in /v1."),
}


def transport_errors() -> tuple[type[Exception], ...]:
    """How the openai package says that a connection failed.

    While an answer streams, its older versions let the errors of the package beneath through.
    """
    import openai

    beneath = [sys.modules[name] for name in ("httpx", "httpx2") if name in sys.modules]
    return openai.APIConnectionError, *(module.HTTPError for module in beneath)


def translated(error: Exception, server: Server) -> MemoryBankError:
    """The error of ours that says what `error` of the openai package means."""
    said = server.hide(_words(error)).rstrip(".")
    status = getattr(error, "status_code", None)
    if _is_overflow(error, status):
        return ContextOverflowError(
            f"the prompt is longer than {server} reads: {said}. Send less, or use a model with a "
            "larger context."
        )
    if status in _MISCONFIGURED:
        what, advice = _MISCONFIGURED[status]
        return ConfigurationError(f"{server} {what} (status {status}): {said}. {advice}")
    what, advice = _what_failed(error, status)
    return LLMError(f"{server} {what}{_tries(error)}: {said}. {advice}")


def _what_failed(error: Exception, status: int | None) -> tuple[str, str]:
    """What happened and what to do, for what is no fault of the configuration or the prompt."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        return "did not answer in time", "Raise timeout=..., or ask for less."
    if isinstance(error, transport_errors()):
        return "could not be reached, or broke off", "Is it running, and is base_url right?"
    if status == 429:
        return "takes no more requests now (status 429)", "Wait, or check the account's quota."
    if status is not None and status >= 500:
        return f"failed (status {status})", "Try again later, or read the server's log."
    if status is not None:
        return f"refused the request (status {status})", "Check the model and the parameters."
    if isinstance(error, openai.OpenAIError):
        return "failed", "Try again later, or read the server's log."
    return (
        "could not be asked, or gave an answer that cannot be read",
        "Does base_url lead to OpenAI's chat completions? It often ends in /v1.",
    )


def _is_overflow(error: Exception, status: int | None) -> bool:
    if status in _NEVER_OVERFLOW:
        return False
    codes = f"{getattr(error, 'code', '')} {getattr(error, 'type', '')}"
    return status == _TOO_LARGE or is_context_overflow(f"{codes} {_words(error)}")


def _words(error: Exception) -> str:
    """The server's own words where there are some, else those of the cause."""
    body = getattr(error, "body", None)
    if isinstance(body, Mapping):
        names = ("message", "detail", "error")
        body = next((body[name] for name in names if body.get(name)), body)
    return str(body or error.__cause__ or "") or str(error) or type(error).__name__


def _tries(error: Exception) -> str:
    """How often it was tried, which the last request's headers tell."""
    headers = getattr(getattr(error, "request", None), "headers", {})
    retries = str(headers.get("x-stainless-retry-count", ""))
    if not retries.isdecimal():
        return ""
    return ", tried once" if retries == "0" else f", tried {int(retries) + 1} times"
