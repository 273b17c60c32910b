"""What a server's chat completion says: the whole answer, or an error that tells why not.

Servers that claim to speak OpenAI's format often bend it, so nothing is taken for granted.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from memorybank_core.errors import AnswerError, ContextOverflowError, LLMError
from memorybank_core.llm.completion import CUT_OFF, REFUSED
from memorybank_core.llm.overflow import says_too_long
from memorybank_core.protocols import Completion

from .servers import Server

_ENDED = {"stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete"}


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
    _require_whole(text, reason, refusal, server)
    tokens = part(response, "usage", "total_tokens")
    return Completion(text, tokens if isinstance(tokens, int) else None)


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
    _require_whole(whole, reason, refusal, server)


def _choices(response: Any, server: Server) -> list[Any]:
    choices = part(response, "choices")
    if not isinstance(choices, list):
        raise _no_completion(response, server)
    return choices


def _no_completion(response: Any, server: Server) -> LLMError:
    error = part(response, "error")  # some proxies send theirs with status 200
    shown = server.hide(str(error or response))
    kind = ContextOverflowError if error and says_too_long(str(error)) else LLMError
    return kind(
        f"{server} answered with something that is no chat completion: {shown!r}. Does base_url "
        "lead to OpenAI's chat completions? It often ends in /v1."
    )


def _require_whole(text: str, reason: Any, refusal: Any, server: Server) -> None:
    """Raises AnswerError unless the model said all that it meant to say."""
    reason = str(reason).lower() if reason else None
    shown = server.hide(str(refusal or reason))
    if refusal or reason in REFUSED:
        raise AnswerError(f"{server} refused to answer: {shown!r}. Ask otherwise, or elsewhere.")
    if reason in CUT_OFF:
        raise AnswerError(
            f"the answer of {server} was cut off after {len(text)} characters ({shown}). Raise "
            "max_tokens, or send less, so that it fits the context."
        )
    if reason is None:
        raise AnswerError(
            f"the answer of {server} was cut off after {len(text)} characters: it came without a "
            "finish_reason. Try again, or read the server's log."
        )
    if reason not in _ENDED:
        raise AnswerError(
            f"the answer of {server} did not end but stopped with {shown!r}. Only plain answers "
            "can be used: offer the model no tools."
        )
    if not text.strip():
        raise AnswerError(
            f"the answer of {server} is empty. Raise max_tokens (a model that thinks first may "
            "have used them up), or ask otherwise."
        )
