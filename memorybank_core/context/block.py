"""Compose the context block within a token budget and in a stable order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

from memorybank_core.errors import InvalidInputError
from memorybank_core.notebook import render_context
from memorybank_core.records import SearchResult
from memorybank_core.search.dates import DayRange
from memorybank_core.search.relevance import select_reinforced
from memorybank_core.search.superseding import keep_current
from memorybank_core.text import without_surrogates

from .markers import CLOSING, OPENING, without_markers
from .passages import MAX_SHORTENED, QuerySignals, find_limit, shorten_to, texts_of
from .portrait_lines import PORTRAIT_SHARE, keep_lines
from .strings import WORDING, format_days
from .tokens import require_max_tokens

_SECTIONS = ("portrait", "summary", "memories")
_DIGESTS = ("portrait", "summary")
_MISSING = "missing"
_SLACK = 8
"""Maximum number of tokens that a piece can save when it is counted within the block."""


@dataclass(frozen=True, slots=True)
class Context:
    """Text for a prompt, and the memories it contains. `str(context)` is the text.

    Attributes:
        text: The marked block; "" if nothing is known or nothing fits.
        tokens: Number of tokens of the text; 0 for "".
        results: The memories in the text, best first.
        left_out: Ids of the memories that did not fit, best first.
        digests_left_out: The digests that did not fit: "portrait", "summary" or both.
        shortened: Ids of the memories of which the text has only the best passages, best first, and
            "portrait" if it has only some lines of the portrait.
    """

    text: str
    tokens: int
    results: tuple[SearchResult, ...] = ()
    left_out: tuple[str, ...] = ()
    digests_left_out: tuple[str, ...] = ()
    shortened: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the memories in the text, best first."""
        return tuple(result.memory.id for result in self.results)

    @property
    def best_ids(self) -> tuple[str, ...]:
        """Ids of the memories to strengthen: the best relevant ones, at most `MAX_REINFORCED`."""
        return tuple(result.memory.id for result in select_reinforced(self.results))

    @property
    def complete(self) -> bool:
        """True if every memory and digest fitted whole."""
        return not (self.left_out or self.digests_left_out or self.shortened)

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return render_context(self.text, self.tokens, self.results)

    def to_dict(self) -> dict[str, Any]:
        """Return the context as plain JSON values."""
        return {
            "text": self.text,
            "tokens": self.tokens,
            "ids": list(self.ids),
            "results": [result.to_dict() for result in self.results],
            "left_out": list(self.left_out),
            "digests_left_out": list(self.digests_left_out),
            "shortened": list(self.shortened),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Context:
        """Return the context from the values of `to_dict`."""
        return cls(
            data["text"],
            data["tokens"],
            tuple(SearchResult.from_dict(result) for result in data["results"]),
            tuple(data["left_out"]),
            tuple(data["digests_left_out"]),
            tuple(data.get("shortened", ())),
        )


@dataclass(frozen=True, slots=True)
class _Piece:
    """A memory or a digest in the block, included whole or not at all."""

    section: str
    text: str
    result: SearchResult | None = None
    is_shortened: bool = False


def compose(
    results: Sequence[SearchResult],
    *,
    portrait: str | None = None,
    summary: str | None = None,
    missing: Sequence[DayRange] = (),
    signals: Callable[[], QuerySignals] = QuerySignals,
    language: str = "en",
    max_tokens: int,
    count: Callable[[str], int],
) -> Context:
    """Return a context of at most `max_tokens` tokens; the parts that change most come last.

    If not everything fits, a memory longer than its share of the space is reduced to its best
    passages, and a portrait to the lines that fit into a quarter of it; every other memory and
    digest is included whole or not at all. The best memory has
    priority, then the missing days, the portrait, the summary, and the other memories by rank;
    smaller pieces may take the space of one that does not fit. Memories are in chronological
    order, so the same memories always give the same text.

    Args:
        results: Recalled memories, best first.
        portrait: The user's portrait, if any.
        summary: The overall summary, if any.
        missing: Days of which the text says that nothing is remembered, if it has space for that.
        signals: Returns the signals that score the passages of long memories; called if there are
            any to shorten.
        language: "en" or "zh", for the words around the memories and digests.
        max_tokens: Maximum number of tokens of the whole text, 1 or more.
        count: Counts the tokens of a text (see `token_counter`).

    Raises:
        InvalidInputError: If `max_tokens` or `language` is not valid.
    """
    require_max_tokens(max_tokens)
    if language not in WORDING:
        raise InvalidInputError(f"language must be one of {', '.join(WORDING)}, not {language!r}")
    pieces = _make_pieces(results, {"portrait": portrait, "summary": summary}, language)
    pieces[1:1] = _make_missing(missing, language)
    kept, tokens = _select_pieces(pieces, signals, language, max_tokens, count)
    present = {_name(piece) for piece in kept}
    dropped = [piece for piece in pieces if _name(piece) not in present]
    return Context(
        _render(kept, language),
        tokens,
        results=tuple(piece.result for piece in kept if piece.result),
        left_out=tuple(piece.result.memory.id for piece in dropped if piece.result),
        digests_left_out=tuple(piece.section for piece in dropped if piece.section in _DIGESTS),
        shortened=tuple(_name(piece) for piece in kept if piece.is_shortened),
    )


def _make_pieces(
    results: Sequence[SearchResult], digests: Mapping[str, str | None], language: str
) -> list[_Piece]:
    """Return all pieces, the most important first."""
    unique: dict[str, SearchResult] = {}
    for result in keep_current(results):
        unique.setdefault(result.memory.id, result)
    memories = [
        _Piece("memories", _format_memory(result, language, texts_of(result.memory)), result)
        for result in unique.values()
    ]
    known_digests = [
        _Piece(name, without_markers(f"  {_indent(text, 2)}"))
        for name, text in digests.items()
        if text and text.strip()
    ]
    return [*memories[:1], *known_digests, *memories[1:]]


def _make_missing(missing: Sequence[DayRange], language: str) -> list[_Piece]:
    """Return a piece with one line for each span of days without a memory, if there are any."""
    wording = WORDING[language]["missing"]
    lines = [wording.format(days=format_days(d.first, d.last, language)) for d in missing]
    return [_Piece(_MISSING, "\n".join(lines))] if lines else []


def _name(piece: _Piece) -> str:
    """Return the id of a memory, or the section of another piece."""
    return piece.result.memory.id if piece.result else piece.section


def _format_memory(result: SearchResult, language: str, texts: Sequence[str]) -> str:
    """Return a memory with its date and speakers, and these texts in place of its own."""
    memory, turn, wording = result.memory, result.memory.turn, WORDING[language]
    names = [wording["event"]]
    if turn is not None:
        names = [
            " ".join((turn.user_name or "").split()) or wording["user"],
            " ".join((turn.companion_name or "").split()) or wording["companion"],
        ]
    lines = [
        wording["line"].format(name=name, text=_indent(text, 4))
        for name, text in zip(names, texts, strict=True)
        if text.strip()
    ]
    until = ""
    if result.superseded_by:
        until = wording["until"].format(day=result.superseded_by.day)
    return without_markers("\n  ".join([f"- {memory.day}{until}", *lines]))


def _indent(text: str, width: int) -> str:
    """Indent all lines but the first, so that they cannot imitate lines of the block."""
    first, *further = without_surrogates(text).strip().splitlines()
    return "\n".join([first, *(f"{' ' * width}{line}".rstrip() for line in further)])


def _render(pieces: Sequence[_Piece], language: str) -> str:
    """Return the block with its sections in order; "" if there are no pieces."""
    if not pieces:
        return ""
    wording = WORDING[language]
    blocks = [f"{OPENING}\n{wording['intro']}"]
    for section in _SECTIONS:
        bodies = [piece for piece in pieces if piece.section == section]
        if bodies:
            bodies.sort(key=_sort_key)
            blocks.append("\n".join([wording[section], *(body.text for body in bodies)]))
    blocks += [piece.text for piece in pieces if piece.section == _MISSING]
    return "\n\n".join(blocks) + f"\n{CLOSING}"


def _sort_key(piece: _Piece) -> tuple[Any, ...]:
    memory = piece.result and piece.result.memory
    return (memory.created_at, memory.id) if memory else ()


def _select_pieces(
    pieces: Sequence[_Piece],
    signals: Callable[[], QuerySignals],
    language: str,
    budget: int,
    count: Callable[[str], int],
) -> tuple[list[_Piece], int]:
    """Return the pieces that fit, in order, and the number of tokens of their block.

    The block is always counted as a whole, because the counts of single pieces do not add up
    exactly. Counts of single pieces only serve to skip blocks that are certainly too long.
    """

    def count_block(selection: Sequence[_Piece]) -> int:
        return count(_render(selection, language)) if selection else 0

    kept, used = list(pieces), count_block(pieces)
    if used <= budget:
        return kept, used
    pieces = [_shorten_portrait(piece, budget // PORTRAIT_SHARE, count) for piece in pieces]
    headings = (WORDING[language][name] for name in ("intro", *_SECTIONS))
    frame = "\n\n".join([OPENING, *headings, CLOSING])
    overhead = count("")  # special tokens that some tokenizers add to every text
    sizes = [count(piece.text) - overhead for piece in pieces]
    limit = find_limit(sizes, budget, budget - count(frame))
    long = [i for i, size in enumerate(sizes) if pieces[i].result and size > limit][:MAX_SHORTENED]
    if long:
        pieces, sizes, query_signals = list(pieces), list(sizes), signals()
        for i in long:
            pieces[i] = _shorten_piece(pieces[i], query_signals, limit, language, count)
            sizes[i] = count(pieces[i].text) - overhead
        kept, used = pieces, count_block(pieces)
    prefix = sum(total <= budget for total in accumulate(sizes, initial=count(frame))) - 1
    while used > budget:
        kept, prefix = list(pieces[: max(prefix, 0)]), prefix // 2
        used = count_block(kept)
    for piece, size in list(zip(pieces, sizes, strict=True))[len(kept) :]:
        if used + size <= budget + _SLACK and (tokens := count_block([*kept, piece])) <= budget:
            kept, used = [*kept, piece], tokens
    return kept, used


def _shorten_portrait(piece: _Piece, limit: int, count: Callable[[str], int]) -> _Piece:
    """Return a portrait with the lines that fit into `limit` tokens, and any other piece whole."""
    text = keep_lines(piece.text, limit, count) if piece.section == "portrait" else piece.text
    return piece if text == piece.text else _Piece(piece.section, text, is_shortened=True)


def _shorten_piece(
    piece: _Piece, signals: QuerySignals, limit: int, language: str, count: Callable[[str], int]
) -> _Piece:
    """Return a memory reduced to its best passages; the piece itself if no passage fits."""
    if not piece.result:
        return piece
    render = partial(_format_memory, piece.result, language)
    text = shorten_to(piece.result.memory, signals, limit, render, language, count)
    return _Piece(piece.section, text, piece.result, is_shortened=True) if text else piece
