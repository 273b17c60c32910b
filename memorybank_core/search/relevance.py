"""Relevance: how likely a result answers the query, and what follows for prompts and strength.

Scores are standardized over the candidates of one search, so the best of them always looks good.
Relevance compares across searches: a logistic regression over a few features of a result that do
not depend on the other candidates, or only on the best of them. Its coefficients were learned on
public data (`benchmarks/ranking_weights.py relevance`), from questions with evidence and from
questions that nothing answers: the same without their evidence, and those about someone else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from memorybank_core.protocols import Array, Candidates
from memorybank_core.records import SearchResult

from .answer_types import expect_answer, find_names
from .question import QueryProfile
from .ranking import Ranking, weigh_terms
from .traits import MAX_ASKS

FEATURES = (
    "constant",
    "cosine after centring",
    "share of the query's words, except names, that it has",
    "share of the query's words, except names, that no memory has",
    "lacks the time, number or name that the query asks for",
    "distance to the best score",
    "lead of the best score over the next",
    "lead of the best score over the sixth",
    "named day",
    "question",
)
COEFFICIENTS = (-3.0, 2.0, 1.5, -1.0, -0.5, 0.85, 0.45, 0.2, 1.0, -1.0)
"""The coefficients of `FEATURES`."""
_OF_DISTANCE = COEFFICIENTS[FEATURES.index("distance to the best score")]
MIN_RELEVANCE = 0.001
"""Relevance below which a result is not put into a prompt, by default.

It keeps evidence rather than silence: on public data it leaves out one in twelve of the best twenty
results and with them no more than 0.1 % of the evidence. The best result of a question that nothing
answers still passes (`docs/benchmarks.md`).
"""
REINFORCED = 5
"""Maximum number of memories that the recall of one turn strengthens.

A memory that every turn strengthens never fades, so a long prompt strengthens only its best.
"""
REINFORCED_RELEVANCE = 0.1
"""Relevance below which a recalled memory is not strengthened.

Above it are three quarters to four fifths of the evidence among the first five results of public
questions, but less than one memory for a turn of everyday talk, which mostly asks nothing.
"""


def relevance_features(
    query: str,
    question: QueryProfile,
    candidates: Candidates,
    ranking: Ranking,
    texts: Sequence[str],
) -> Array:
    """Return the `FEATURES` of each result of a ranking, float64 (k, f).

    Args:
        query: The query.
        question: Its analysis.
        candidates: The candidates.
        ranking: Their ranking.
        texts: The text of each result.
    """
    rows, parts = ranking.rows, ranking.parts
    features = np.ones((len(rows), len(FEATURES)))
    if rows:
        scores = np.array([part.total for part in parts])
        features[:, 1] = candidates.centred[rows]
        features[:, 2], features[:, 3] = _match_words(query, candidates, rows)
        features[:, 4] = _lacks_answer(query, question, candidates.flags[rows].tolist(), texts)
        features[:, 5] = scores - scores[0]
        features[:, 6] = scores[0] - scores[min(1, len(rows) - 1)]
        features[:, 7] = scores[0] - scores[min(5, len(rows) - 1)]
        features[:, 8] = [part.date > 0 for part in parts]
        features[:, 9] = candidates.asks[rows] / MAX_ASKS
    return features


def _match_words(query: str, candidates: Candidates, rows: Sequence[int]) -> tuple[Array, float]:
    """Return the share of the query's words that each row has, and the share that no memory has.

    Names do not count: a memory about the same person often says something else. Words are
    weighted by idf. A query of names only counts as half covered.
    """
    names = find_names(query)
    is_topic = [names.isdisjoint(term.forms) for term in candidates.terms]
    weights = weigh_terms(candidates) * is_topic
    total = float(weights.sum())
    if not total:
        return np.full(len(rows), 0.5), 0.0
    covered: Array = (candidates.counts[rows] > 0) @ weights / total
    return covered, float(weights[candidates.frequencies == 0].sum()) / total


def _lacks_answer(
    query: str, question: QueryProfile, flags: Sequence[int], texts: Sequence[str]
) -> list[bool]:
    """Return whether each text, with its flags, lacks what the query asks for."""
    has_answer = expect_answer(query, question)
    if has_answer is None:
        return [False] * len(texts)
    return [not has_answer(*pair) for pair in zip(texts, flags, strict=True)]


def estimate_relevance(
    query: str,
    question: QueryProfile,
    candidates: Candidates,
    ranking: Ranking,
    texts: Sequence[str],
) -> list[float]:
    """Return the relevance of each result of a ranking, in [0, 1].

    Args:
        query: The query.
        question: Its analysis.
        candidates: The candidates.
        ranking: Their ranking.
        texts: The text of each result.
    """
    features = relevance_features(query, question, candidates, ranking, texts)
    chances: list[float] = (1.0 / (1.0 + np.exp(-features @ np.array(COEFFICIENTS)))).tolist()
    return chances


def raise_relevance(relevance: float, distance: float) -> float:
    """Return the relevance of a result whose distance to the best score shrinks by `distance`."""
    factor = math.exp(_OF_DISTANCE * distance)
    return relevance * factor / (1.0 - relevance + relevance * factor)


def select_reinforced(results: Iterable[SearchResult]) -> list[SearchResult]:
    """Return the results that a turn strengthens: at most `REINFORCED` that are relevant enough.

    Args:
        results: The results in the prompt, best first.
    """
    relevant = [result for result in results if result.relevance >= REINFORCED_RELEVANCE]
    return relevant[:REINFORCED]
