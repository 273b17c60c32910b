"""Reading of training dialogues from JSON lines, one dialogue per line.

A line is either {"turns": [{"query": "…", "response": "…"}, …], "system": "…"}, with an optional
"system", or {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", …}, …]}.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memorybank_core.errors import FormatError
from memorybank_core.text import without_surrogates

Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A dialogue to train on: questions with their answers.

    Attributes:
        exchanges: Pairs of a user's message and its answer; at least one.
        system: Instructions before the dialogue; empty for none.
    """

    exchanges: tuple[tuple[str, str], ...]
    system: str = ""

    def messages(self, start: int, end: int) -> list[Message]:
        """Return the instructions and the exchanges `start` to `end` (exclusive) as messages."""
        messages = [{"role": "system", "content": self.system}] if self.system else []
        for query, response in self.exchanges[start:end]:
            messages.append({"role": "user", "content": query})
            messages.append({"role": "assistant", "content": response})
        return messages


def read_dialogues(file: Path) -> list[Dialogue]:
    """Read the dialogues of a file in order; empty lines are skipped.

    Raises:
        FormatError: If the file cannot be read, a line is not a dialogue, or there are no
            dialogues. The message names the line.
    """
    try:
        lines = file.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{file} cannot be read: {error}") from error
    dialogues = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                dialogues.append(_parse_dialogue(line))
            except FormatError as error:
                raise FormatError(f"{file}, line {number}: {error}") from error.__cause__
    if not dialogues:
        raise FormatError(
            f'{file} has no dialogues; expected lines such as {{"turns": [{{"query": …}}, …]}}'
        )
    return dialogues


def hash_dialogues(dialogues: Sequence[Dialogue]) -> str:
    """Return a hash of the texts of the dialogues in this order."""
    content = [[dialogue.system, *dialogue.exchanges] for dialogue in dialogues]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _parse_dialogue(line: str) -> Dialogue:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise FormatError(f"not valid JSON: {error}") from error
    if not isinstance(value, dict) or ("turns" in value) == ("messages" in value):
        raise FormatError('a dialogue is an object with either "turns" or "messages"')
    if "messages" in value:
        return _parse_messages(_require_list(value, "messages"))
    system = value.get("system")
    turns = _require_list(value, "turns")
    exchanges = [
        (
            _require_text(turn, "query", f"turn {number}"),
            _require_text(turn, "response", f"turn {number}"),
        )
        for number, turn in enumerate(turns, 1)
    ]
    return Dialogue(
        tuple(exchanges), "" if system is None else _require_text(value, "system", "the dialogue")
    )


def _parse_messages(messages: list[Any]) -> Dialogue:
    """Parse chat messages: an optional "system", then "user" and "assistant" alternately."""
    texts = [
        _require_text(message, "content", f"message {number}")
        for number, message in enumerate(messages, 1)
    ]
    roles = [message.get("role") for message in messages]
    start = 1 if roles[0] == "system" else 0
    for index, role in enumerate(roles[start:]):
        expected = ("user", "assistant")[index % 2]
        if role != expected:
            raise FormatError(
                f"message {index + start + 1} has the role {role!r} instead of {expected!r}: after "
                'at most one "system", "user" and "assistant" must alternate'
            )
    if not texts[start:] or len(texts[start:]) % 2:
        raise FormatError("the last message is the user's: there is no answer to train on")
    exchanges = zip(texts[start::2], texts[start + 1 :: 2], strict=True)
    return Dialogue(tuple(exchanges), texts[0] if start else "")


def _require_list(value: Mapping[str, Any], key: str) -> list[Any]:
    if not isinstance(value[key], list) or not value[key]:
        raise FormatError(f'"{key}" must be a non-empty list, not {value[key]!r:.80}')
    return list(value[key])


def _require_text(value: Any, key: str, name: str) -> str:
    """Return the text in an object's field; it must not be blank.

    Args:
        value: The object.
        key: The field.
        name: Name of the object, for error messages.
    """
    if not isinstance(value, dict):
        raise FormatError(f"{name} must be an object, not {value!r:.80}")
    text = value.get(key)
    if not isinstance(text, str) or not text.strip():
        raise FormatError(f'{name} must have a text in "{key}", not {text!r:.80}')
    return without_surrogates(text)
