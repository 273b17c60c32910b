"""What a server's chat completion says: the whole answer, or an error that tells why not.

Servers that claim to speak OpenAI's format often bend it, so nothing is taken for granted.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from memorybank_core.errors import ContextOverflowError, LLMError
from memorybank_core.llm.completion import require_complete
from memorybank_core.llm.overflow import is_context_overflow
from memorybank_core.protocols import Completion

from .servers import Server


def part(thing: Any, *names: str) -> Any:
    """`thing.one.two...`; None where a part is missing."""
    for name in names:
        thing = getattr(thing, name, None)
    return thing


def completion(response: Any, server: Server) -> Completion:
    """The answer in a response, with the tokens that the server says it took.

    Raises:
        AnswerError: It is empty, a refusal, or was cut off.
        LLMError: The response is no chat completion.
    """
    choices = _choices(response, server)
    if not choices:
        raise _no_completion(response, server)
    text = part(choices[0], "message", "content") or ""
    reason, refusal = part(choices[0], "finish_reason"), part(choices[0], "message", "refusal")
    if not isinstance(text, str) or part(choices[0], "message") is None:
        raise _no_completion(response, server)
    tokens = part(response, "usage", "total_tokens")
    return require_complete(
        text,
        source=server,
        finish_reason=reason,
        refusal=refusal,
        tokens=tokens if isinstance(tokens, int) else None,
        requires_reason=True,
        redact=server.hide,
    )


def pieces(chunks: Iterable[Any], server: Server) -> Generator[str, None, None]:
    """The text of a streamed answer, piece by piece; at least one, and to the end, or an error.

    Raises:
        AnswerError: The answer is empty, a refusal, or was cut off.
        LLMError: A chunk is none of a chat completion.
    """
    whole, reason, refusal = "", None, ""
    for chunk in chunks:
        for choice in _choices(chunk, server)[:1]:  # none in a chunk that only counts tokens
            text = part(choice, "delta", "content") or ""
            if not isinstance(text, str):
                raise _no_completion(chunk, server)
            if text:
                whole += text
                yield text
            reason = part(choice, "finish_reason") or reason
            refusal += str(part(choice, "delta", "refusal") or "")
    require_complete(
        whole,
        source=server,
        finish_reason=reason,
        refusal=refusal,
        requires_reason=True,
        redact=server.hide,
    )


def _choices(response: Any, server: Server) -> list[Any]:
    choices = part(response, "choices")
    if not isinstance(choices, list):
        raise _no_completion(response, server)
    return choices


def _no_completion(response: Any, server: Server) -> LLMError:
    error = part(response, "error")  # some proxies send theirs with status 200
    shown = server.hide(str(error or response))
    kind = ContextOverflowError if error and is_context_overflow(str(error)) else LLMError
    return kind(
        f"{server} answered with something that is no chat completion: {shown!r}. Does base_url "
        "lead to OpenAI's chat completions? It often ends in /v1."
    )
