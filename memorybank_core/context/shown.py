"""Memories that a prompt shows already, given by their ids or as the messages in the prompt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from memorybank_core.errors import InvalidInputError
from memorybank_core.messages import read_text
from memorybank_core.records import Memory

from .markers import without_recalled

Shown = Collection[str | Mapping[str, Any]]
"""Ids of memories, and messages with a "content" as language models take them."""


@dataclass(frozen=True, slots=True)
class ShownMemories:
    """Memories and messages in a prompt.

    Attributes:
        ids: Ids of memories.
        lines: The lines of its messages, without the spaces around them.
    """

    ids: frozenset[str]
    lines: frozenset[str]

    @classmethod
    def of(cls, shown: Shown) -> ShownMemories:
        """Return what these ids and messages show.

        Raises:
            InvalidInputError: If `shown` is not a list of ids and messages.
        """
        if isinstance(shown, (str, Mapping)):
            raise InvalidInputError(f"expected a list of ids or messages, not {shown!r:.200}")
        ids = {item for item in shown if isinstance(item, str)}
        texts = (_extract_text(item) for item in shown if not isinstance(item, str))
        lines = {line for text in texts for line in _split_lines(text)}
        return cls(frozenset(ids), frozenset(lines))

    def __len__(self) -> int:
        """Return the maximum number of memories that it can include."""
        return len(self.ids) + len(self.lines)

    def includes(self, memory: Memory) -> bool:
        """Return whether the prompt shows this memory: its id, or every line of its turn."""
        if memory.id in self.ids:
            return True
        turn = memory.turn
        return (
            turn is not None
            and self.lines.issuperset(_split_lines(turn.query))
            and self.lines.issuperset(_split_lines(turn.response))
        )


def _extract_text(message: Any) -> str:
    """Return the text of a message, whose content is a string or a list of blocks."""
    if not isinstance(message, Mapping):
        raise InvalidInputError(
            "a message in the prompt must be a memory's id, or have a 'role' and a 'content', "
            f"not {message!r:.200}"
        )
    return without_recalled(read_text(message.get("content")))


def _split_lines(text: str) -> set[str]:
    return {stripped for line in text.splitlines() if (stripped := line.strip())}
