"""Parsing of chat completions in OpenAI's format.

Many servers deviate from the format, so every field is checked.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from memorybank_core.errors import ContextOverflowError, LLMError
from memorybank_core.llm.completion import require_complete
from memorybank_core.llm.overflow import is_context_overflow
from memorybank_core.protocols import Completion

from .endpoint import Endpoint


def get_nested(value: Any, *names: str) -> Any:
    """Return the attribute `value.name1.name2...`; None if one is missing."""
    for name in names:
        value = getattr(value, name, None)
    return value


def parse_completion(response: Any, endpoint: Endpoint) -> Completion:
    """Return the answer in a response, with the number of tokens that the server reports.

    Raises:
        AnswerError: If the answer is empty, a refusal, or was cut off.
        LLMError: If the response is not a chat completion.
    """
    choices = _require_choices(response, endpoint)
    message = get_nested(choices[0], "message") if choices else None
    text = get_nested(message, "content") or ""
    if message is None or not isinstance(text, str):
        raise _format_error(response, endpoint)
    tokens = get_nested(response, "usage", "total_tokens")
    return require_complete(
        text,
        source=endpoint,
        finish_reason=get_nested(choices[0], "finish_reason"),
        refusal=get_nested(message, "refusal"),
        tokens=tokens if isinstance(tokens, int) else None,
        requires_reason=True,
        redact=endpoint.redact,
    )


def parse_stream(chunks: Iterable[Any], endpoint: Endpoint) -> Generator[str, None, None]:
    """Yield the text of a streamed answer piece by piece, at least one piece.

    Raises:
        AnswerError: After the last piece, if the answer is empty, a refusal, or was cut off.
        LLMError: If a chunk does not belong to a chat completion.
    """
    answer, finish_reason, refusal = "", None, ""
    for chunk in chunks:
        for choice in _require_choices(chunk, endpoint)[
            :1
        ]:  # empty in a chunk that only reports usage
            text = get_nested(choice, "delta", "content") or ""
            if not isinstance(text, str):
                raise _format_error(chunk, endpoint)
            if text:
                answer += text
                yield text
            finish_reason = get_nested(choice, "finish_reason") or finish_reason
            refusal += str(get_nested(choice, "delta", "refusal") or "")
    require_complete(
        answer,
        source=endpoint,
        finish_reason=finish_reason,
        refusal=refusal,
        requires_reason=True,
        redact=endpoint.redact,
    )


def _require_choices(response: Any, endpoint: Endpoint) -> list[Any]:
    choices = get_nested(response, "choices")
    if not isinstance(choices, list):
        raise _format_error(response, endpoint)
    return choices


def _format_error(response: Any, endpoint: Endpoint) -> LLMError:
    error = get_nested(response, "error")  # some proxies send errors with status 200
    content = endpoint.redact(str(error or response))
    kind = ContextOverflowError if error and is_context_overflow(str(error)) else LLMError
    return kind(
        f"{endpoint} did not answer with a chat completion, but with {content!r}. Does base_url "
        "point to OpenAI's chat completions? It often ends in /v1."
    )
