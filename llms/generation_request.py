"""A conversation as a prompt for a model on this machine, and what becomes of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from memorybank_core.errors import ConfigurationError
from memorybank_core.text import without_surrogates

from .stream_decoder import Ending, Writer
from .truncation import Message

ANSWER = 1024
"""Tokens of an answer where nobody says how many."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a local model wrote.

    Attributes:
        text: The answer, without what ended it.
        ending: "stop" where the model or a stop string ended it, "length" where the limit did,
            "cancelled" where somebody did.
        prompt_tokens: How many tokens the model read.
        tokens: How many it wrote.
    """

    text: str
    ending: Ending
    prompt_tokens: int
    tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A prompt, and the writer of its answer.

    Attributes:
        prompt: Token ids.
        writer: Takes the tokens of the answer.
    """

    prompt: Sequence[int]
    writer: Writer

    def answer(self, cancelled: threading.Event) -> Answer:
        """What became of it."""
        ending: Ending = "stop"
        if not self.writer.ended:
            ending = "cancelled" if cancelled.is_set() else "length"
        return Answer(self.writer.text.strip(), ending, len(self.prompt), self.writer.tokens)


def clean(messages: Sequence[Mapping[str, str]]) -> list[Message]:
    """Copies of the messages without halves of surrogate pairs, which no tokenizer takes.

    Raises:
        ConfigurationError: There is none, or one is no pair of "role" and "content".
    """
    if not messages:
        raise ConfigurationError("a conversation must have a message; the last one is answered")
    for place, one in enumerate(messages):
        if not (isinstance(one.get("role"), str) and isinstance(one.get("content"), str)):
            raise ConfigurationError(
                f'message {place + 1} must have the strings "role" and "content", not {one!r:.200}'
            )
    return [{**one, "content": without_surrogates(one["content"])} for one in messages]


def stops(stop: str | Sequence[str] | None) -> list[str]:
    """The stop strings that a caller names.

    Raises:
        ConfigurationError: One is empty.
    """
    named = [stop] if isinstance(stop, str) else list(stop or ())
    if "" in named:
        raise ConfigurationError(f"a stop string must have a character: {named!r}")
    return named


def limit(max_tokens: int | None) -> int:
    """How many tokens an answer may have.

    Raises:
        ConfigurationError: It is no whole number of 1 or more.
    """
    if max_tokens is not None and not (isinstance(max_tokens, int) and max_tokens >= 1):
        raise ConfigurationError(f"max_tokens must be 1 or more, not {max_tokens!r}")
    return max_tokens or ANSWER


def batches(
    requests: Sequence[Request], size: int, *, wanted: int, window: int
) -> Iterator[list[Request]]:
    """Those of like length together; alone those that would cut the answers of others short."""
    roomy = [one for one in requests if len(one.prompt) + wanted <= window]
    for start in range(0, len(roomy), size):
        yield sorted(roomy, key=lambda one: len(one.prompt))[start : start + size]
    yield from ([one] for one in requests if one not in roomy)
