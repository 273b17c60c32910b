"""Requests to a local model: validation of the input, the prompt, and the answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from memorybank_core.errors import ConfigurationError
from memorybank_core.llm.completion import require_complete
from memorybank_core.protocols import Completion
from memorybank_core.text import without_surrogates

from .stream_decoder import Ending, StreamDecoder

DEFAULT_MAX_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a local model.

    Attributes:
        text: The answer, without the string that ended it.
        ending: "stop" if the model or a stop string ended it, "length" if the limit did,
            "cancelled" if the caller did.
        prompt_tokens: Number of tokens of the prompt.
        tokens: Number of generated tokens.
    """

    text: str
    ending: Ending
    prompt_tokens: int
    tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class GenerationRequest:
    """A prompt, and the decoder of its answer.

    Attributes:
        prompt: Token ids.
        decoder: Receives the tokens of the answer.
    """

    prompt: Sequence[int]
    decoder: StreamDecoder

    def make_answer(self, cancelled: threading.Event) -> Answer:
        """Return the answer once generation has ended.

        Args:
            cancelled: Whether generation was cancelled.
        """
        ending: Ending = "stop"
        if not self.decoder.ended:
            ending = "cancelled" if cancelled.is_set() else "length"
        return Answer(self.decoder.text.strip(), ending, len(self.prompt), self.decoder.tokens)


def require_complete_answer(answer: Answer, source: str) -> Completion:
    """Return a local model's answer if it is complete.

    Raises:
        AnswerError: If it is empty, or was cut off.
    """
    return require_complete(
        answer.text,
        source=source,
        finish_reason=answer.ending,
        tokens=answer.prompt_tokens + answer.tokens,
    )


def validate_messages(messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return copies of the messages without lone surrogates, which tokenizers cannot encode.

    Raises:
        ConfigurationError: If there are no messages, or a message has no "role" or "content".
    """
    if not messages:
        raise ConfigurationError("a conversation must have a message: the one to be answered")
    for number, message in enumerate(messages, 1):
        if not all(isinstance(message.get(key), str) for key in ("role", "content")):
            raise ConfigurationError(
                f'message {number} must have the strings "role" and "content", not {message!r:.200}'
            )
    return [{**message, "content": without_surrogates(message["content"])} for message in messages]


def validate_stop(stop: str | Sequence[str] | None) -> list[str]:
    """Return the stop strings as a list.

    Raises:
        ConfigurationError: If one is empty.
    """
    strings = [stop] if isinstance(stop, str) else list(stop or ())
    if "" in strings:
        raise ConfigurationError(f"a stop string must not be empty: {strings!r}")
    return strings


def validate_max_tokens(max_tokens: int | None) -> int:
    """Return the maximum number of tokens of an answer; the default for None.

    Raises:
        ConfigurationError: If it is not a whole number, 1 or more.
    """
    if max_tokens is not None and not (isinstance(max_tokens, int) and max_tokens >= 1):
        raise ConfigurationError(f"max_tokens must be 1 or more, not {max_tokens!r}")
    return max_tokens or DEFAULT_MAX_TOKENS


def group_requests(
    requests: Sequence[GenerationRequest], size: int, *, max_tokens: int, context_window: int
) -> Iterator[list[GenerationRequest]]:
    """Yield batches of requests with prompts of similar length.

    A prompt that leaves room for fewer than `max_tokens` tokens would shorten the answers of its
    whole batch, so it gets its own batch.

    Args:
        requests: The requests.
        size: Maximum number of requests in a batch.
        max_tokens: Maximum number of tokens of each answer.
        context_window: Tokens of a prompt and its answer.
    """
    fitting: list[GenerationRequest] = []
    long: list[GenerationRequest] = []
    for request in requests:
        fits = len(request.prompt) + max_tokens <= context_window
        (fitting if fits else long).append(request)
    fitting.sort(key=lambda request: len(request.prompt))
    for start in range(0, len(fitting), size):
        yield fitting[start : start + size]
    yield from ([request] for request in long)
