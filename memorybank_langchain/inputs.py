"""Inputs of chains: the user's message, and what the prompt shows besides."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, convert_to_messages

from memorybank_core import InvalidInputError, PendingTurn
from memorybank_core.context import without_recalled

from .messages import extract_text, id_prefix, is_content


@dataclass(frozen=True, slots=True)
class ChainInput:
    """Input of a chain.

    Attributes:
        values: The input as a dictionary.
        new: The user's message; several if the user sent several in a row.
        shown: Other messages in the input, such as a history.
    """

    values: dict[str, Any]
    new: list[BaseMessage]
    shown: list[BaseMessage]

    @property
    def query(self) -> str:
        """Text of the user's message, without recalled text; "" if it has none."""
        texts = (without_recalled(extract_text(message)) for message in self.new)
        return "\n".join(text for text in texts if text.strip())

    def without_stored(self, ids: Collection[str]) -> ChainInput:
        """Return the input with the messages of these ids as shown, not as new."""
        stored = [message for message in self.new[:-1] if message.id in ids]
        new = [message for message in self.new if message not in stored]
        return replace(self, new=new, shown=[*self.shown, *stored])

    def without_turn(self, turn: PendingTurn) -> dict[str, Any]:
        """Return the values without messages in which a history shows this turn already.

        A turn that is retried is in the bank before it is answered.
        """
        ids = {turn.id, turn.id.removeprefix(id_prefix(turn.session or ""))}
        own = {id(message) for message in self.shown if message.id in ids}
        if not own:
            return dict(self.values)
        return {
            key: [item for item in value if id(item) not in own]
            if isinstance(value, list)
            else value
            for key, value in self.values.items()
        }


def parse_input(input: Any, input_key: str) -> ChainInput:
    """Return the parts of a chain's input.

    Args:
        input: A dictionary, or the user's message: a string, content blocks, a message, or
            messages, of which the last human message is meant, with other human messages directly
            before it.
        input_key: Key of the user's message in a dictionary.

    Raises:
        InvalidInputError: If the input has no message of the user.
    """
    values = dict(input) if isinstance(input, Mapping) else {input_key: input}
    if input_key not in values:
        raise InvalidInputError(
            f"the input has no {input_key!r}, only {sorted(map(str, values))}; "
            "set input_key to the key of the user's message"
        )
    messages = _to_messages(values[input_key])
    start, end = find_new(messages)
    other_values = (value for key, value in values.items() if key != input_key)
    shown = [message for value in other_values for message in _find_messages(value)]
    return ChainInput(values, messages[start:end], [*shown, *messages[:start], *messages[end:]])


def _to_messages(value: Any) -> list[BaseMessage]:
    if isinstance(value, str) or is_content(value):
        return [HumanMessage(value)]
    messages = [value] if isinstance(value, BaseMessage) else value
    if not isinstance(messages, Sequence):
        raise InvalidInputError(
            f"the user's message must be a string or messages, not {value!r:.200}"
        )
    return convert_to_messages(messages)


def find_new(messages: Sequence[BaseMessage]) -> tuple[int, int]:
    """Return the range of the last human messages that follow one another."""
    end = len(messages)
    while end and not isinstance(messages[end - 1], HumanMessage):
        end -= 1
    start = end
    while start and isinstance(messages[start - 1], HumanMessage):
        start -= 1
    return start, end


def _find_messages(value: Any) -> list[BaseMessage]:
    """Return the messages in a list; none if the value is something else."""
    items = value if isinstance(value, (list, tuple)) else ()
    return [item for item in items if isinstance(item, BaseMessage)]
