"""Excerpts: the sentences of a memory that say most about a question, verbatim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from memorybank_core.digests.statements import clip
from memorybank_core.records import Memory
from memorybank_core.search.answers import asks, hedges
from memorybank_core.search.terms import TermGroup
from memorybank_core.search.tokenize import tokenize
from memorybank_core.search.traits import find_traits
from memorybank_core.text import CJK_CHARACTER, estimate_tokens, split_sentences

LIMIT = 60
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
    sentences = [sentence for sentence in split_sentences(text) if not asks(sentence)]
    sentences = [sentence for sentence in sentences if any(map(str.isalnum, sentence))]
    if not sentences:
        return None
    matched = match_terms(" ".join(sentences), criteria.terms)
    scores = [_score(sentence, criteria) for sentence in sentences]
    return Excerpt(_join_best(sentences, scores), speaker, matched)


def _score(sentence: str, criteria: Criteria) -> float:
    score = match_terms(sentence, criteria.terms)
    if criteria.has_answer and criteria.has_answer(sentence, find_traits(sentence).flags):
        score += _TYPE_WEIGHT
    return score


def _join_best(sentences: Sequence[str], scores: Sequence[float]) -> str:
    """Return the best sentence, with its neighbours, the better one first, while they fit."""
    first = last = max(range(len(sentences)), key=lambda i: scores[i])
    text = sentences[first]
    while True:
        neighbours = [i for i in (first - 1, last + 1) if 0 <= i < len(sentences)]
        for i in sorted(neighbours, key=lambda i: (-scores[i], -i)):
            longer = _join(sentences[min(first, i) : max(last, i) + 1])
            if estimate_tokens(longer) <= LIMIT:
                text, first, last = longer, min(first, i), max(last, i)
                break
        else:
            return clip(text, LIMIT)


def _join(sentences: Sequence[str]) -> str:
    """Join sentences, with a space unless Chinese characters or punctuation meet."""
    text = sentences[0]
    for sentence in sentences[1:]:
        is_chinese = not text[-1].isascii() or CJK_CHARACTER.match(sentence)
        text += ("" if is_chinese and text[-1] not in "”’…" else " ") + sentence
    return text
