"""Passages of a memory that is too long for its share of a prompt.

The texts of a memory are split into parts without overlap. The parts that contain the query's
terms, and those in windows whose vectors are near the query's, are kept; a marker such as "[...
part 2 of 7 ...]" states their place. Nothing is embedded: the store has the windows' vectors.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from memorybank_core.fair_share import fair_share
from memorybank_core.protocols import MemoryStore, Vector
from memorybank_core.records import Memory, SearchResult
from memorybank_core.search.long_queries import select_windows
from memorybank_core.search.tokenize import tokenize
from memorybank_core.text import WINDOW, estimate_tokens, split_windows, without_surrogates

from .strings import WORDING

PART_SIZES = (80, 40, 20)
"""Lengths of parts in estimated tokens; the first is used of which the best part fits."""
SHARE = 2
"""A memory longer than the budget divided by this is shortened if not everything fits."""
MAX_SHORTENED = 8
"""Maximum number of memories that are shortened, which takes time; more would not fit."""
MIN_SHORTENED_TOKENS = 150
"""A memory is never shortened to fewer tokens than this, if the budget allows it."""


@dataclass(frozen=True, slots=True)
class QuerySignals:
    """Query terms and window similarities, which score the passages of long memories.

    Attributes:
        terms: The terms of the query.
        similarities: Similarity of the query to each window of a memory, by id.
    """

    terms: frozenset[str] = frozenset()
    similarities: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of one text of a memory; `number` counts from 1 to `total`."""

    text_index: int
    number: int
    total: int
    text: str


def compute_signals(
    store: MemoryStore,
    embed_query: Callable[[str], Vector],
    query: str,
    results: Sequence[SearchResult],
    *,
    user_id: str,
) -> QuerySignals:
    """Return the signals of a query; the store is read for results with several windows.

    Args:
        store: The store of the memories.
        embed_query: Returns the vector that the search used, without embedding the query again.
        query: The query.
        results: The memories found.
        user_id: The user.
    """
    memories = [result.memory for result in results]
    long = [m.id for m in memories if estimate_tokens(m.text) > WINDOW * 1.25]
    if not long:
        return QuerySignals()
    query = without_surrogates(query)
    vector, vectors = embed_query(query), store.vectors(user_id, long)
    similarities = {id: (matrix @ vector).tolist() for id, matrix in vectors.items()}
    return QuerySignals(frozenset(tokenize("\n".join(select_windows(query)))), similarities)


def length_limit(max_tokens: int, available: int) -> int:
    """Return the length to which a memory is shortened in a prompt of `max_tokens`."""
    return min(max(max_tokens // SHARE, MIN_SHORTENED_TOKENS), available)


def find_limit(sizes: Sequence[int], budget: int, available: int) -> int:
    """Return the length to which pieces are shortened, so that all fit or each has its share."""
    return max(math.floor(fair_share(sizes, available)), length_limit(budget, available))


def shorten_to(
    memory: Memory,
    signals: QuerySignals,
    limit: int,
    render: Callable[[Sequence[str]], str],
    language: str,
    count: Callable[[str], int],
) -> str | None:
    """Return what `render` makes of the best passages of a memory: at most `limit` tokens.

    Args:
        memory: The memory.
        signals: The signals that score its parts.
        limit: Maximum number of tokens of the result.
        render: Returns the text of a prompt with these texts in place of the memory's own.
        language: "en" or "zh", for the markers.
        count: Counts the tokens of a text.

    Returns:
        The text, or None if no passage fits.
    """
    space = limit - count(render(["." for _ in texts_of(memory)]))
    while space > 0 and (texts := shorten(memory, signals, space, language, count)):
        text = render(texts)
        if (excess := count(text) - limit) <= 0:
            return text
        space -= max(excess, space // 8)  # indentation, or a tokenizer whose counts do not add up
    return None


def shorten(
    memory: Memory,
    signals: QuerySignals,
    limit: int,
    language: str,
    count: Callable[[str], int],
) -> list[str] | None:
    """Return the texts of a memory (see `texts_of`), reduced to their best passages.

    A text that is one part is kept first, since it is often the question of a long answer. A text
    without passages becomes "".

    Args:
        memory: The memory.
        signals: The signals that score its parts.
        limit: Maximum number of tokens of all passages and markers.
        language: "en" or "zh", for the markers.
        count: Counts the tokens of a text.

    Returns:
        The texts, or None if not even a small part fits.
    """
    texts = texts_of(memory)
    for size in PART_SIZES:
        parts = list(_split(texts, size))
        scores = _score(parts, memory, signals)
        order = sorted(range(len(parts)), key=lambda i: (parts[i].total > 1, -scores[i], i))
        chosen = _fill([parts[i] for i in order], limit, language, count)
        if chosen:
            return [_join(chosen, index, language) for index in range(len(texts))]
    return None


def _fill(
    parts: Sequence[_Part], limit: int, language: str, count: Callable[[str], int]
) -> list[_Part]:
    """Return the parts that fit, best first; none if the best part of a long text does not."""
    chosen: list[_Part] = []
    remaining = limit
    for part in parts:
        length = count(f"{_mark(part, part, language)} {part.text}")
        if length <= remaining:
            chosen.append(part)
            remaining -= length
        elif part.total > 1:
            break
    return chosen if any(part.total > 1 for part in chosen) else []


def texts_of(memory: Memory) -> list[str]:
    """Return the query and the response of a turn, or the text of another memory."""
    turn = memory.turn
    return [without_surrogates(t) for t in ((turn.query, turn.response) if turn else [memory.text])]


def _split(texts: Sequence[str], size: int) -> Iterator[_Part]:
    for index, text in enumerate(texts):
        windows = split_windows(text, size, 0) if text.strip() else []
        for number, window in enumerate(windows, 1):
            yield _Part(index, number, len(windows), window)


def _score(parts: Sequence[_Part], memory: Memory, signals: QuerySignals) -> list[float]:
    """Return the sum of the parts' lexical and semantic scores, each at most 1."""
    lexical = _scale(_score_terms(parts, signals.terms), 0.0)
    similarities = _score_windows(parts, memory.text, signals.similarities.get(memory.id, ()))
    semantic = _scale(similarities, min(similarities, default=0.0))
    return [a + b for a, b in zip(lexical, semantic, strict=True)]


def _score_terms(parts: Sequence[_Part], terms: frozenset[str]) -> list[float]:
    """Return the sum of the terms in each part, weighted by their rarity among the parts."""
    matched = [terms.intersection(tokenize(part.text)) if terms else set() for part in parts]
    frequencies = Counter(term for part_terms in matched for term in part_terms)
    weights = {term: math.log(1 + len(parts) / n) for term, n in frequencies.items()}
    return [sum(map(weights.__getitem__, part_terms)) for part_terms in matched] or [0.0] * len(
        parts
    )


def _score_windows(parts: Sequence[_Part], text: str, similarities: Sequence[float]) -> list[float]:
    """Return the best similarity of the windows that contain the middle of each part."""
    windows = split_windows(text)
    if len(windows) != len(similarities):  # another version of the text, or no vectors
        return [0.0] * len(parts)
    spans, start = [], 0
    for window in windows:
        start = text.index(window, start)
        spans.append((start, start + len(window)))
    scores, position = [], 0
    for part in parts:
        position = max(text.find(part.text, position), position)
        middle = position + len(part.text) // 2
        near = [s for (a, b), s in zip(spans, similarities, strict=True) if a <= middle < b]
        scores.append(max(near, default=min(similarities)))
        position += len(part.text)
    return scores


def _scale(values: Sequence[float], least: float) -> list[float]:
    """Scale values so that `least` becomes 0 and the largest 1."""
    width = max(values, default=0.0) - least
    return [(value - least) / width if width > 0 else 0.0 for value in values]


def _join(parts: Sequence[_Part], index: int, language: str) -> str:
    """Return the chosen parts of one text in order; neighbours share a marker."""
    own = sorted((p for p in parts if p.text_index == index), key=lambda part: part.number)
    if own and own[0].total == 1:
        return own[0].text
    lines = []
    for _, members in groupby(enumerate(own), key=lambda pair: pair[1].number - pair[0]):
        run = [part for _, part in members]
        text = "".join(part.text for part in run).strip()
        lines.append(f"{_mark(run[0], run[-1], language)} {text}")
    return "\n".join(lines)


def _mark(first: _Part, last: _Part, language: str) -> str:
    name = "part" if first.number == last.number else "parts"
    wording = WORDING[language][name]
    return wording.format(first=first.number, last=last.number, total=first.total)
