"""The block itself: what is known, within the budget of tokens, in a stable order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from memorybank_core.errors import InvalidInputError
from memorybank_core.records import SearchResult
from memorybank_core.text import without_surrogates

from .markers import CLOSING, OPENING, without_markers
from .strings import WORDING
from .tokens import require_max_tokens

_SECTIONS = ("portrait", "summary", "memories")
_SLACK = 8
"""By how many tokens a piece may be shorter in the block than alone: words merge at a seam."""


@dataclass(frozen=True, slots=True)
class Context:
    """What goes into a prompt, and what it was made of. As a `str` it is the text.

    Attributes:
        text: The marked block; "" where nothing is known or nothing fits.
        tokens: How many tokens that is; 0 for "".
        results: The memories in the text, best first.
        left_out: The ids of the memories that had no room, best first.
        digests_left_out: Which of "portrait" and "summary" had no room.
    """

    text: str
    tokens: int
    results: tuple[SearchResult, ...] = ()
    left_out: tuple[str, ...] = ()
    digests_left_out: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the memories in the text, best first: what to `reinforce`."""
        return tuple(result.memory.id for result in self.results)

    @property
    def complete(self) -> bool:
        """Whether everything had room."""
        return not self.left_out and not self.digests_left_out

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "text": self.text,
            "tokens": self.tokens,
            "ids": list(self.ids),
            "results": [result.to_dict() for result in self.results],
            "left_out": list(self.left_out),
            "digests_left_out": list(self.digests_left_out),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Context:
        """The context that `to_dict` gave."""
        return cls(
            data["text"],
            data["tokens"],
            tuple(SearchResult.from_dict(result) for result in data["results"]),
            tuple(data["left_out"]),
            tuple(data["digests_left_out"]),
        )


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is in the block whole or not at all."""

    section: str
    text: str
    result: SearchResult | None = None


def compose(
    results: Sequence[SearchResult],
    *,
    portrait: str | None = None,
    summary: str | None = None,
    language: str = "en",
    max_tokens: int,
    count: Callable[[str], int],
) -> Context:
    """The block of what is known, within the budget: what changes most often stands last.

    Everything is in it whole or not at all. Where room is short the best memory comes first, then
    the portrait, the summary, and the other memories by rank; one that does not fit is passed
    over for smaller ones. The memories stand in the order of their time, so that the same ones
    always make the same text.

    Args:
        results: What was recalled, best first.
        portrait: The user's portrait, where there is one.
        summary: The global summary, where there is one.
        language: "en" or "zh": the wording around it.
        max_tokens: How many tokens the whole text may have, 1 or more.
        count: Counts the tokens of a text (see `token_counter`).

    Raises:
        InvalidInputError: An argument is not what it must be.
    """
    require_max_tokens(max_tokens)
    if language not in WORDING:
        raise InvalidInputError(f"language must be one of {', '.join(WORDING)}, not {language!r}")
    pieces = _pieces(results, {"portrait": portrait, "summary": summary}, language)
    kept, tokens = _fitting(pieces, language, max_tokens, count)
    gone = [piece for piece in pieces if piece not in kept]
    return Context(
        _rendered(kept, language),
        tokens,
        results=tuple(piece.result for piece in kept if piece.result),
        left_out=tuple(piece.result.memory.id for piece in gone if piece.result),
        digests_left_out=tuple(piece.section for piece in gone if not piece.result),
    )


def _pieces(
    results: Sequence[SearchResult], digests: Mapping[str, str | None], language: str
) -> list[_Piece]:
    """Everything there is to say, what matters most first."""
    best = {result.memory.id: result for result in reversed(results)}
    memories = [
        _Piece("memories", _told(best[id], language), best[id])
        for id in dict.fromkeys(result.memory.id for result in results)
    ]
    told = [
        _Piece(name, without_markers(f"  {_indented(text, 2)}"))
        for name, text in digests.items()
        if text and text.strip()
    ]
    return [*memories[:1], *told, *memories[1:]]


def _told(result: SearchResult, language: str) -> str:
    """A memory with its date: who said what, or the summary of that day."""
    memory, turn, wording = result.memory, result.memory.turn, WORDING[language]
    said = [(wording["event"], memory.text)]
    if turn is not None:
        said = [
            (" ".join((turn.user_name or "").split()) or wording["user"], turn.query),
            (" ".join((turn.companion_name or "").split()) or wording["companion"], turn.response),
        ]
    lines = [
        wording["said"].format(name=name, words=_indented(words, 4))
        for name, words in said
        if words.strip()
    ]
    return without_markers("\n  ".join([f"- {memory.day}", *lines]))


def _indented(text: str, width: int) -> str:
    """`text` with its further lines indented: none can pass for a line of the block."""
    first, *further = without_surrogates(text).strip().splitlines()
    return "\n".join([first, *(f"{' ' * width}{line}".rstrip() for line in further)])


def _rendered(pieces: Sequence[_Piece], language: str) -> str:
    """The block, its sections in their order; "" without any piece."""
    if not pieces:
        return ""
    wording = WORDING[language]
    blocks = [f"{OPENING}\n{wording['intro']}"]
    for section in _SECTIONS:
        bodies = [piece for piece in pieces if piece.section == section]
        if bodies:
            bodies.sort(key=_time)
            blocks.append("\n".join([wording[section], *(body.text for body in bodies)]))
    return "\n\n".join(blocks) + f"\n{CLOSING}"


def _time(piece: _Piece) -> tuple[Any, ...]:
    memory = piece.result and piece.result.memory
    return (memory.created_at, memory.id) if memory else ()


def _fitting(
    pieces: Sequence[_Piece], language: str, budget: int, count: Callable[[str], int]
) -> tuple[list[_Piece], int]:
    """The pieces that fit, by their order, and the tokens of all of them together.

    What is kept was always counted as a whole; the counts of single pieces, which do not add up
    exactly, only save counting what is sure to be too long.
    """

    def measured(some: Sequence[_Piece]) -> int:
        return count(_rendered(some, language)) if some else 0

    kept, used = list(pieces), measured(pieces)
    if used <= budget:
        return kept, used
    headings = (WORDING[language][name] for name in ("intro", *_SECTIONS))
    frame = "\n\n".join([OPENING, *headings, CLOSING])
    nothing = count("")
    sizes = [count(piece.text) - nothing for piece in pieces]
    head = sum(total <= budget for total in accumulate(sizes, initial=count(frame))) - 1
    while used > budget:
        kept, head = list(pieces[: max(head, 0)]), head // 2
        used = measured(kept)
    for piece, size in list(zip(pieces, sizes, strict=True))[len(kept) :]:
        if used + size <= budget + _SLACK and (tokens := measured([*kept, piece])) <= budget:
            kept, used = [*kept, piece], tokens
    return kept, used
