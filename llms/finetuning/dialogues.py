"""Dialogues to learn from: JSON lines, one dialogue a line.

Either {"turns": [{"query": "…", "response": "…"}, …], "system": "…"}, where "system" may be left
out, or {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", …}, …]}.
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
    """Questions, each with its answer.

    Attributes:
        exchanges: Pairs of a user's message and the answer to it, at least one.
        system: Instructions that stand before them; empty for none.
    """

    exchanges: tuple[tuple[str, str], ...]
    system: str = ""

    def messages(self, start: int, end: int) -> list[Message]:
        """Some of the exchanges as a chat, the instructions before them."""
        told = [{"role": "system", "content": self.system}] if self.system else []
        for query, response in self.exchanges[start:end]:
            told += [{"role": "user", "content": query}, {"role": "assistant", "content": response}]
        return told


def read_dialogues(file: Path) -> list[Dialogue]:
    """The dialogues of a file, in its order; empty lines are passed over.

    Raises:
        FormatError: The file cannot be read or has no dialogue, or a line is none; says which.
    """
    try:
        lines = file.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{file} cannot be read: {error}") from error
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(_dialogue(line))
            except FormatError as error:
                raise FormatError(f"{file}, line {number}: {error}") from error.__cause__
    if not found:
        raise FormatError(f'{file} has no dialogue; a line is {{"turns": [{{"query": …}}, …]}}')
    return found


def digest_of(dialogues: Sequence[Dialogue]) -> str:
    """A hash that changes with any word of the dialogues, and with their order."""
    plain = [[one.system, *one.exchanges] for one in dialogues]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def _dialogue(line: str) -> Dialogue:
    try:
        told = json.loads(line)
    except ValueError as error:
        raise FormatError(f"no JSON: {error}") from error
    if not isinstance(told, dict) or ("turns" in told) == ("messages" in told):
        raise FormatError('a dialogue is an object with either "turns" or "messages"')
    if "messages" in told:
        return _of_messages(_list(told, "messages"))
    system = told.get("system")
    turns = _list(told, "turns")
    pairs = [
        (_text(turn, "query", f"turn {at}"), _text(turn, "response", f"turn {at}"))
        for at, turn in enumerate(turns, 1)
    ]
    return Dialogue(tuple(pairs), "" if system is None else _text(told, "system", "the dialogue"))


def _of_messages(messages: list[Any]) -> Dialogue:
    """The dialogue of a chat: an instruction perhaps, then user and assistant by turns."""
    told = [_text(one, "content", f"message {at}") for at, one in enumerate(messages, 1)]
    roles = [one.get("role") for one in messages]
    first = 1 if roles[0] == "system" else 0
    for at, role in enumerate(roles[first:]):
        due = ("user", "assistant")[at % 2]
        if role != due:
            raise FormatError(
                f"message {at + first + 1} has the role {role!r}; {due!r} is due: after one "
                '"system" at most, "user" and "assistant" take turns'
            )
    if not told[first:] or len(told[first:]) % 2:
        raise FormatError("the last message is the user's: there is no answer to learn from")
    pairs = zip(told[first::2], told[first + 1 :: 2], strict=True)
    return Dialogue(tuple(pairs), told[0] if first else "")


def _list(told: Mapping[str, Any], key: str) -> list[Any]:
    if not isinstance(told[key], list) or not told[key]:
        raise FormatError(f'"{key}" must be a list with something in it, not {told[key]!r:.80}')
    return list(told[key])


def _text(told: Any, key: str, where: str) -> str:
    """What an object says under a key, which must not be nothing."""
    if not isinstance(told, dict):
        raise FormatError(f"{where} must be an object, not {told!r:.80}")
    text = told.get(key)
    if not isinstance(text, str) or not text.strip():
        raise FormatError(f'{where} must have a text in "{key}", not {text!r:.80}')
    return without_surrogates(text)
