"""A conversation before it becomes a prompt: turns of one role each, or rounds of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from memorybank_core.errors import ConfigurationError

UNTRAINED = -100
"""The label of a token that is not learnt, as torch's cross entropy has it."""
ROLES = ("system", "user", "assistant")

Messages = Sequence[Mapping[str, str]]


class Turn(NamedTuple):
    """What one role says at once."""

    role: str
    text: str


class Round(NamedTuple):
    """A question and the answer that it got."""

    question: str
    answer: str


def turns_of(messages: Messages) -> list[Turn]:
    """The messages, with those of one role that follow each other joined by a newline.

    Raises:
        ConfigurationError: There are none, or one has no known role or no text.
    """
    turns: list[Turn] = []
    for message in messages:
        role, text = _checked(message)
        if turns and turns[-1].role == role:
            turns[-1] = Turn(role, f"{turns[-1].text}\n{text}")
        else:
            turns.append(Turn(role, text))
    if not turns:
        raise ConfigurationError("there are no messages to answer")
    return turns


def asked(messages: Messages) -> list[Turn]:
    """The turns of a conversation that is to be answered.

    Raises:
        ConfigurationError: As for `turns_of`, or the assistant has the last word.
    """
    turns = turns_of(messages)
    if turns[-1].role == "assistant":
        raise ConfigurationError("the last message is the assistant's: there is nothing to answer")
    return turns


def answered(messages: Messages) -> list[Turn]:
    """The turns of a conversation to learn from.

    Raises:
        ConfigurationError: As for `turns_of`, or its end is not an answer to something.
    """
    turns = turns_of(messages)
    if turns[-1].role != "assistant" or len(turns) == 1:
        raise ConfigurationError(
            "a conversation to learn from must end with an answer of the assistant's to something"
        )
    return turns


def rounds_of(turns: Sequence[Turn]) -> tuple[list[Round], str]:
    """The rounds that are over, and the question after them.

    A system message becomes a line of the question that it stands before, or after.
    """
    rounds: list[Round] = []
    question: list[str] = []
    for turn in turns:
        if turn.role == "assistant":
            rounds.append(Round("\n".join(question), turn.text))
            question = []
        else:
            question.append(turn.text)
    return rounds, "\n".join(question)


def _checked(message: Mapping[str, str]) -> Turn:
    role, text = message.get("role"), message.get("content")
    if role not in ROLES:
        raise ConfigurationError(f"no role {role!r}; there are: {', '.join(ROLES)}")
    if not isinstance(text, str):
        raise ConfigurationError(f"the {role}'s message has no text but {text!r} as its content")
    return Turn(role, text)
