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
from .query_profile import QueryProfile
from .ranking import Ranking, weigh_terms
from .traits import MAX_ASKS

FEATURES = (
    "constant",
    "best cosine of a candidate, where 0 is usual among them and 1 is equality",
    "share of the query's words, except names, that it has",
    "share of the query's words, except names, that no memory has",
    "weight of these words in one candidate that has a name of the query, if it has names",
    "lacks the time, number or name that the query asks for",
    "the best result is said by another speaker than the query names",
    "distance to the best score",
    "lead of the best score over the sixth",
    "named day",
    "question",
)
COEFFICIENTS = (-3.3, 1.9, 1.6, -0.7, 1.3, -0.4, -1.4, 0.9, 0.3, 0.8, -1.3)
"""The coefficients of `FEATURES`."""
_HALF_WEIGHT = 4.0
"""Weight (idf) of matched words that counts half: about one rare word."""
_MIN_SPREAD = 0.05
"""Minimum of 1 minus the mean cosine of candidates."""
_DISTANCE_COEFFICIENT = COEFFICIENTS[FEATURES.index("distance to the best score")]
MIN_RELEVANCE = 0.001
"""Default minimum relevance of a result in a prompt.

It keeps evidence rather than silence: on public data it leaves out one in eleven of the best twenty
results and with them 0.1 to 0.4 % of the evidence. The best result of a question that nothing
answers still passes (`docs/benchmarks.md`).
"""
MAX_REINFORCED = 5
"""Maximum number of memories that the recall of one turn strengthens.

A memory that every turn strengthens never fades, so a long prompt strengthens only its best.
"""
MIN_REINFORCED_RELEVANCE = 0.1
"""Minimum relevance of a recalled memory that is strengthened.

Above it are three quarters to four fifths of the evidence among the first five results of public
questions, but less than one memory for a turn of everyday talk, which mostly asks nothing.
"""


def relevance_features(
    query: str,
    profile: QueryProfile,
    candidates: Candidates,
    ranking: Ranking,
    texts: Sequence[str],
) -> Array:
    """Return the `FEATURES` of each result of a ranking, float64 (k, f).

    Args:
        query: The query.
        profile: Analysis of the query.
        candidates: The candidates.
        ranking: Their ranking.
        texts: The text of each result.
    """
    rows, parts = ranking.rows, ranking.parts
    features = np.ones((len(rows), len(FEATURES)))
    if rows:
        scores = np.array(ranking.scores)
        features[:, 1] = _find_nearness(candidates)
        features[:, 2], features[:, 3], features[:, 4] = _match_words(query, candidates, rows)
        features[:, 5] = _lacks_answer(query, profile, candidates.flags[rows].tolist(), texts)
        features[:, 6] = bool(candidates.spoken.any()) and not candidates.spoken[rows[0]]
        features[:, 7] = scores - scores[0]
        features[:, 8] = scores[0] - scores[min(5, len(rows) - 1)]
        features[:, 9] = [part.date > 0 for part in parts]
        features[:, 10] = candidates.asks[rows] / MAX_ASKS
    return features


def _find_nearness(candidates: Candidates) -> float:
    """Return how near the best candidate is to the query, in [0, 1].

    Cosines of unrelated texts differ between embedders (0.1 or 0.8), so the mean cosine of two
    candidates becomes 0, and 1 stays 1. Smaller cosines count as 0: texts may be nearly equal.
    """
    count = len(candidates.vectors)
    total = candidates.vectors.sum(axis=0)
    usual = (float(total @ total) - count) / max(count * (count - 1), 1)
    best = float(candidates.similarity.max())
    return max((best - usual) / max(1.0 - usual, _MIN_SPREAD), 0.0)


def _match_words(
    query: str, candidates: Candidates, rows: Sequence[int]
) -> tuple[Array, float, float]:
    """Return how much of the query's words each row, no memory, and the best candidate have.

    Names do not count: a memory about the same person often says something else. Words are
    weighted by idf. A query of names only counts as half covered.

    Returns:
        The share of the words that each row has, the share that no memory has, and the weight, in
        [0, 1), of those in one candidate. If the query has names, that candidate must have one of
        them: what is said of another person does not answer.
    """
    names = find_names(query)
    is_name = np.array([not names.isdisjoint(term.forms) for term in candidates.terms], bool)
    weights = weigh_terms(candidates) * ~is_name
    matches = candidates.counts > 0
    covered = matches @ weights
    together = covered * matches[:, is_name].any(axis=1) if is_name.any() else covered
    most = float(together.max(initial=0.0, where=candidates.pooled))
    most /= most + _HALF_WEIGHT
    total = float(weights.sum())
    if not total:
        return np.full(len(rows), 0.5), 0.0, most
    unknown = float(weights[candidates.frequencies == 0].sum())
    return covered[rows] / total, unknown / total, most


def _lacks_answer(
    query: str, profile: QueryProfile, flags: Sequence[int], texts: Sequence[str]
) -> list[bool]:
    """Return whether each text, with its flags, lacks what the query asks for."""
    has_answer = expect_answer(query, profile)
    if has_answer is None:
        return [False] * len(texts)
    return [not has_answer(*pair) for pair in zip(texts, flags, strict=True)]


def estimate_relevance(
    query: str,
    profile: QueryProfile,
    candidates: Candidates,
    ranking: Ranking,
    texts: Sequence[str],
) -> list[float]:
    """Return the relevance of each result of a ranking, in [0, 1].

    Args:
        query: The query.
        profile: Analysis of the query.
        candidates: The candidates.
        ranking: Their ranking.
        texts: The text of each result.
    """
    features = relevance_features(query, profile, candidates, ranking, texts)
    chances: list[float] = (1.0 / (1.0 + np.exp(-features @ np.array(COEFFICIENTS)))).tolist()
    return chances


def raise_relevance(relevance: float, distance: float) -> float:
    """Return the relevance of a result whose distance to the best score shrinks by `distance`."""
    factor = math.exp(_DISTANCE_COEFFICIENT * distance)
    return relevance * factor / (1.0 - relevance + relevance * factor)


def select_reinforced(results: Iterable[SearchResult]) -> list[SearchResult]:
    """Return the results that a turn strengthens: the best that are relevant enough.

    Args:
        results: The results in the prompt, best first.

    Returns:
        At most `MAX_REINFORCED` results.
    """
    relevant = [result for result in results if result.relevance >= MIN_REINFORCED_RELEVANCE]
    return relevant[:MAX_REINFORCED]
