"""Excerpts: the sentences of a memory that say most about a question, verbatim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from memorybank_core.records import Memory
from memorybank_core.search.answers import asks, hedges
from memorybank_core.search.terms import TermGroup
from memorybank_core.search.tokenize import tokenize
from memorybank_core.search.traits import find_traits
from memorybank_core.text import clip, estimate_tokens, split_sentences

LIMIT = 80
"""Approximate maximum length of a quote, in estimated tokens."""
_TYPE_WEIGHT = 1.0  # of a sentence with the number, time or name that the question asks for


class Excerpt(NamedTuple):
    """A quote from a memory.

    Attributes:
        text: The quote.
        speaker: "user", "companion" or "event".
        matched: Weight of the question's terms that the quoted speaker's words have.
    """

    text: str
    speaker: str
    matched: float


class Criteria(NamedTuple):
    """Criteria for the choice of an excerpt.

    Attributes:
        terms: The terms of the criteria.
        has_answer: Tests whether a text, with its flags, has what the question asks for.
        asks_companion: Whether it asks what the companion said.
    """

    terms: Sequence[TermGroup]
    has_answer: Callable[[str, int], bool] | None
    asks_companion: bool


def select_quote(memory: Memory, criteria: Criteria) -> Excerpt | None:
    """Return the best quote of a memory: what the user stated, else what the companion did.

    The companion's words come first if the question asks for them, or if only they share a word
    with it. None if the memory states nothing.
    """
    turn = memory.turn
    if turn is None:
        return _select(memory.text, "event", criteria)
    user = _select(turn.query, "user", criteria)
    companion = None
    if turn.response.strip() and not hedges(turn.response):
        companion = _select(turn.response, "companion", criteria)
    if criteria.asks_companion or user is None:
        return companion or user
    if companion and companion.matched and not user.matched:
        return companion
    return user


def match_terms(text: str, terms: Sequence[TermGroup]) -> float:
    """Return the weight of the terms that `text` has."""
    tokens = frozenset(tokenize(text))
    return sum(term.weight for term in terms if not tokens.isdisjoint(term.forms))


def _select(text: str, speaker: str, criteria: Criteria) -> Excerpt | None:
    sentences = split_sentences(text)
    scores = [_score(sentence, criteria) for sentence in sentences]
    stated = [s for s, score in zip(sentences, scores, strict=True) if score is not None]
    if not stated:
        return None
    matched = match_terms(" ".join(stated), criteria.terms)
    return Excerpt(_cut_best(text, sentences, scores), speaker, matched)


def _score(sentence: str, criteria: Criteria) -> float | None:
    """Return how much a sentence says about the question; None if it states nothing."""
    if asks(sentence) or not any(map(str.isalnum, sentence)):
        return None
    score = match_terms(sentence, criteria.terms)
    if criteria.has_answer and criteria.has_answer(sentence, find_traits(sentence).flags):
        score += _TYPE_WEIGHT
    return score


def _cut_best(text: str, sentences: Sequence[str], scores: Sequence[float | None]) -> str:
    """Return the best sentence with adjacent ones, the better one first, while they fit."""
    rated = {i: score for i, score in enumerate(scores) if score is not None}
    starts, end = [], 0
    for sentence in sentences:
        starts.append(text.index(sentence, end))
        end = starts[-1] + len(sentence)
    first = last = max(rated, key=lambda i: rated[i])
    while True:
        neighbours = [i for i in (first - 1, last + 1) if i in rated]
        for i in sorted(neighbours, key=lambda i: (-rated[i], -i)):
            low, high = min(first, i), max(last, i)
            if estimate_tokens(text[starts[low] : starts[high] + len(sentences[high])]) <= LIMIT:
                first, last = low, high
                break
        else:
            excerpt = text[starts[first] : starts[last] + len(sentences[last])]
            return clip(" ".join(excerpt.split()), LIMIT)
