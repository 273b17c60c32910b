"""Translation of the openai package's errors into MemoryBank's, without the API key."""

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

from .endpoint import Endpoint

_NEVER_OVERFLOW = (401, 403, 404, 429)  # "too many tokens per minute" is not an overflow
_TOO_LARGE = 413

_KEY_ADVICE = "Set OPENAI_API_KEY or pass api_key=... with a key that is allowed to use this model."
_MISCONFIGURED = {
    401: ("rejected the API key", _KEY_ADVICE),
    403: ("does not allow this", _KEY_ADVICE),
    404: ("was not found", "Check the model's name and base_url, which often ends in /v1."),
}


def transport_errors() -> tuple[type[Exception], ...]:
    """Return the exception types of failed connections.

    They include those of httpx, which older versions of the openai package do not wrap while an
    answer streams.
    """
    import openai

    http_modules = [sys.modules[name] for name in ("httpx", "httpx2") if name in sys.modules]
    return openai.APIConnectionError, *(module.HTTPError for module in http_modules)


def request_errors() -> tuple[type[Exception], ...]:
    """Return the exception types of a request, and of an answer that is not as documented."""
    import openai

    return openai.OpenAIError, *transport_errors(), TypeError, ValueError


def translate_error(error: Exception, endpoint: Endpoint) -> MemoryBankError:
    """Return the MemoryBank error for an exception of the openai package.

    Args:
        error: The exception, of the package or of the HTTP connection.
        endpoint: The endpoint, which the message names.
    """
    message = endpoint.redact(find_message(error)).rstrip(".")
    status = getattr(error, "status_code", None)
    if is_overflow(error, status):
        return ContextOverflowError(
            f"the prompt is longer than the context window of {endpoint}: {message}. Shorten it, "
            "or use a model with a larger context window."
        )
    if status in _MISCONFIGURED:
        problem, advice = _MISCONFIGURED[status]
        return ConfigurationError(f"{endpoint} {problem} (status {status}): {message}. {advice}")
    problem, advice = describe_failure(error, status)
    return LLMError(f"{endpoint} {problem}{describe_attempts(error)}: {message}. {advice}")


def describe_failure(error: Exception, status: int | None) -> tuple[str, str]:
    """Return the problem and the advice for a failure of the server, network or request."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        return "did not answer in time", "Increase timeout=..., or send a shorter text."
    if isinstance(error, transport_errors()):
        return (
            "could not be reached, or closed the connection",
            "Is it running, and is base_url right?",
        )
    if status == 429:
        return "accepts no more requests now (status 429)", "Wait, or check the account's quota."
    if status is not None and status >= 500:
        return f"failed (status {status})", "Try again later, or check the server's log."
    if status is not None:
        return f"refused the request (status {status})", "Check the model and the parameters."
    if isinstance(error, openai.OpenAIError):
        return "failed", "Try again later, or check the server's log."
    return (
        "could not be called, or sent an answer that cannot be parsed",
        "Does base_url point to an interface like OpenAI's? It often ends in /v1.",
    )


def is_overflow(error: Exception, status: int | None) -> bool:
    """Return whether a server refused a request because its text is too long."""
    if status in _NEVER_OVERFLOW:
        return False
    codes = f"{getattr(error, 'code', '')} {getattr(error, 'type', '')}"
    return status == _TOO_LARGE or is_context_overflow(f"{codes} {find_message(error)}")


def find_message(error: Exception) -> str:
    """Return the message of the server if it sent one, else that of the exception's cause."""
    body = getattr(error, "body", None)
    if isinstance(body, Mapping):
        names = ("message", "detail", "error")
        body = next((body[name] for name in names if body.get(name)), body)
    return str(body or error.__cause__ or "") or str(error) or type(error).__name__


def describe_attempts(error: Exception) -> str:
    """Return the number of attempts in words, from a header of the last request."""
    headers = getattr(getattr(error, "request", None), "headers", {})
    retries = str(headers.get("x-stainless-retry-count", ""))
    if not retries.isdecimal():
        return ""
    return ", tried once" if retries == "0" else f", tried {int(retries) + 1} times"
