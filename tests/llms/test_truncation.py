"""Truncation of conversations: the order in which messages are dropped, and those that are kept."""

import pytest

from llms.truncation import call_with_truncation, count_droppable, drop_oldest
from memorybank_core import ContextOverflowError


def conversation(roles):
    names = {"s": "system", "d": "developer", "u": "user", "a": "assistant"}
    return [{"role": names[role], "content": str(number)} for number, role in enumerate(roles)]


def contents(messages):
    return "".join(message["content"] for message in messages)


@pytest.mark.parametrize(
    ("roles", "count", "expected"),
    [
        ("suauau", 1, "0345"),  # an answer is dropped with its question
        ("suauau", 2, "0345"),
        ("suauau", 3, "05"),
        ("sdu", 1, "012"),
        ("uau", 9, "2"),
        ("saau", 1, "03"),
        ("ss", 1, "01"),
        ("u", 1, "0"),
        ("", 1, ""),
    ],
)
def test_instructions_and_last_message_are_kept(roles, count, expected):
    assert contents(drop_oldest(conversation(roles), count)) == expected


def test_custom_role_function():
    messages = [("system", 1), ("human", 2), ("ai", 3), ("human", 4)]
    assert count_droppable(messages, role=lambda message: message[0]) == 2
    assert drop_oldest(messages, 1, role=lambda message: message[0]) == [messages[0], messages[3]]


def test_overflow_is_retried_with_newer_half():
    lengths = []

    def call(messages):
        lengths.append(len(messages))
        if len(messages) > 4:
            raise ContextOverflowError("too long")
        return contents(messages)

    assert call_with_truncation(conversation("suauauauau"), call) == "0789"
    assert lengths == [10, 6, 4]


def test_overflow_that_cannot_be_shortened():
    def call(messages):
        raise ContextOverflowError("too long")

    with pytest.raises(ContextOverflowError):
        call_with_truncation(conversation("suau"), call)
