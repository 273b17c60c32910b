"""Validation of conversations, and their grouping into joined messages or rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from memorybank_core.errors import ConfigurationError

IGNORED_LABEL = -100
"""Label of a token that is not trained on, as for torch's cross entropy."""
ROLES = ("system", "user", "assistant")

Messages = Sequence[Mapping[str, str]]


class RoleMessage(NamedTuple):
    """A message, or several consecutive messages of one role, joined."""

    role: str
    text: str


class Round(NamedTuple):
    """A question and its answer."""

    question: str
    answer: str


def join_roles(messages: Messages) -> list[RoleMessage]:
    """Return the messages, with consecutive messages of one role joined by a newline.

    Raises:
        ConfigurationError: If there are no messages, or one has an unknown role or no text.
    """
    joined: list[RoleMessage] = []
    for message in messages:
        role, text = _validate(message)
        if joined and joined[-1].role == role:
            joined[-1] = RoleMessage(role, f"{joined[-1].text}\n{text}")
        else:
            joined.append(RoleMessage(role, text))
    if not joined:
        raise ConfigurationError("there are no messages to answer")
    return joined


def join_for_answer(messages: Messages) -> list[RoleMessage]:
    """Return the joined messages of a conversation that the model will answer.

    Raises:
        ConfigurationError: As for `join_roles`, or if the last message is the assistant's.
    """
    joined = join_roles(messages)
    if joined[-1].role == "assistant":
        raise ConfigurationError("the last message is the assistant's: there is nothing to answer")
    return joined


def join_for_training(messages: Messages) -> list[RoleMessage]:
    """Return the joined messages of a conversation to train on.

    Raises:
        ConfigurationError: As for `join_roles`, or if it does not end with an answer to a message.
    """
    joined = join_roles(messages)
    if joined[-1].role != "assistant" or len(joined) == 1:
        raise ConfigurationError(
            "a conversation to train on must end with an answer of the assistant to a message"
        )
    return joined


def split_rounds(messages: Sequence[RoleMessage]) -> tuple[list[Round], str]:
    """Return the completed rounds and the question after them.

    A system message becomes a line of the question that it precedes or follows.
    """
    rounds: list[Round] = []
    question: list[str] = []
    for message in messages:
        if message.role == "assistant":
            rounds.append(Round("\n".join(question), message.text))
            question = []
        else:
            question.append(message.text)
    return rounds, "\n".join(question)


def _validate(message: Mapping[str, str]) -> RoleMessage:
    role, text = message.get("role"), message.get("content")
    if role not in ROLES:
        raise ConfigurationError(f"unknown role {role!r}; the roles are {', '.join(ROLES)}")
    if not isinstance(text, str):
        raise ConfigurationError(f"the content of a message ({role}) must be text, not {text!r}")
    return RoleMessage(role, text)
