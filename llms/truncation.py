"""Truncation of conversations that exceed a context window: the oldest exchanges are dropped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, TypeVar

from memorybank_core.errors import ContextOverflowError

M = TypeVar("M")
T = TypeVar("T")

_INSTRUCTION_ROLES = ("system", "developer")
_ASSISTANT_ROLES = ("assistant", "ai")


def call_with_truncation(
    messages: Sequence[dict[str, str]], call: Callable[[Sequence[dict[str, str]]], T]
) -> T:
    """Return `call(messages)`; while it overflows, drop the older half of the conversation.

    Args:
        messages: The conversation, oldest message first.
        call: Function that raises ContextOverflowError if the messages are too long.

    Raises:
        ContextOverflowError: If the instructions at the start and the last message, which are
            never dropped, are too long by themselves.
    """
    while True:
        try:
            return call(messages)
        except ContextOverflowError:
            droppable = count_droppable(messages)
            if not droppable:
                raise
        messages = drop_oldest(messages, (droppable + 1) // 2)


def count_droppable(
    messages: Sequence[M], *, role: Callable[[Any], Any] = itemgetter("role")
) -> int:
    """Return the number of messages between the instructions at the start and the last message."""
    return max(0, len(messages) - 1 - _count_instructions(messages, role))


def drop_oldest(
    messages: Sequence[M], count: int, *, role: Callable[[Any], Any] = itemgetter("role")
) -> list[M]:
    """Return the conversation without its `count` oldest messages.

    Instructions at the start and the last message are kept. If a question is dropped, its answer
    is also dropped, because many models require that the user speaks first.

    Args:
        messages: The conversation, oldest message first.
        count: Number of messages to drop, at most `count_droppable`.
        role: Returns the role of a message.
    """
    start = _count_instructions(messages, role)
    end = start + min(count, count_droppable(messages, role=role))
    while end < len(messages) - 1 and role(messages[end]) in _ASSISTANT_ROLES:
        end += 1
    return [*messages[:start], *messages[end:]]


def _count_instructions(messages: Sequence[M], role: Callable[[Any], Any]) -> int:
    count = 0
    while count < len(messages) and role(messages[count]) in _INSTRUCTION_ROLES:
        count += 1
    return count
