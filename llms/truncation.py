"""A conversation that is too long for the model is asked again without its oldest exchanges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from memorybank_core.errors import ContextOverflowError

Message = dict[str, str]
T = TypeVar("T")

_INSTRUCTIONS = ("system", "developer")


def shortening(messages: Sequence[Message], ask: Callable[[Sequence[Message]], T]) -> T:
    """`ask(messages)`, or of as many of the newest as the model reads.

    Raises:
        ContextOverflowError: What must stay is too long by itself: the instructions at the start
            and the last message, neither of which is ever cut.
    """
    while True:
        try:
            return ask(messages)
        except ContextOverflowError:
            shorter = without_oldest(messages)
            if len(shorter) == len(messages):
                raise
        messages = shorter


def without_oldest(messages: Sequence[Message]) -> list[Message]:
    """Leaves out the older half of what lies between the instructions and the last message.

    An answer whose question is left out goes with it: many models want the user to speak first.
    """
    start = 0
    while start < len(messages) and messages[start]["role"] in _INSTRUCTIONS:
        start += 1
    middle = messages[start:-1]
    kept = middle[(len(middle) + 1) // 2 :]
    while kept and kept[0]["role"] == "assistant":
        kept = kept[1:]
    return [*messages[:start], *kept, *messages[max(start, len(messages) - 1) :]]
