"""Translation of the openai package's errors into those of an embedder, without texts and keys."""

from __future__ import annotations

from collections.abc import Sequence

from memorybank_core.errors import EmbedderError, EmbedderUnavailableError

from .endpoint import Endpoint
from .server_errors import describe_attempts, describe_failure, find_message, is_overflow

_REFUSED = (400, 413, 422)
"""Statuses of a request that is itself at fault, so that another one may succeed."""
_RUN = 12
"""Length from which on a common part of a message and a text is a quotation of the text."""
_KEY_ADVICE = "Set OPENAI_API_KEY to a key that may use this model."
_PROBLEMS = {
    401: ("rejected the API key", _KEY_ADVICE),
    403: ("does not allow this", _KEY_ADVICE),
    404: (
        "was not found",
        "Check the model's name (with Ollama, run: ollama pull MODEL), and the address, which "
        "often ends in /v1.",
    ),
}


class RequestTooLargeError(EmbedderError):
    """The server takes fewer texts, or shorter ones, in one request."""


def translate_embedding_error(
    error: Exception, endpoint: Endpoint, texts: Sequence[str]
) -> EmbedderError:
    """Return the error of an embedder for a failed request.

    Its cause is set, unless that contains the key or quotes a text.

    Args:
        error: The exception, of the openai package or of the HTTP connection.
        endpoint: The endpoint, which the message names.
        texts: The texts of the request. A message of the server that quotes one is left out.
    """
    status = getattr(error, "status_code", None)
    is_quoting = _quotes(f"{find_message(error)} {error}", texts)
    message = "its message quotes a text" if is_quoting else endpoint.redact(find_message(error))
    problem, advice = _PROBLEMS.get(status or 0) or describe_failure(error, status)
    shown = f" (status {status})" if status in _PROBLEMS else ""
    translated = _select_class(error, status, len(texts))(
        f"{endpoint} {problem}{shown}{describe_attempts(error)}: {message.rstrip('.')}. {advice} "
        "Nothing was stored."
    )
    translated.__cause__ = None if is_quoting else endpoint.safe_cause(error)
    return translated


def _select_class(error: Exception, status: int | None, count: int) -> type[EmbedderError]:
    if is_overflow(error, status) or (status in _REFUSED and count > 1):
        return RequestTooLargeError
    if status in _REFUSED or isinstance(error, (TypeError, ValueError)):
        return EmbedderError
    return EmbedderUnavailableError


def _quotes(message: str, texts: Sequence[str]) -> bool:
    """Return whether a message has a part of one of the texts that is long enough to tell."""
    return any(
        text[start : start + _RUN] in message
        for text in texts
        if len(text) > 1
        for start in range(max(1, len(text) - _RUN + 1))
    )
