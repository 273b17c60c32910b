"""Relevance: how likely a result answers the query, and what follows for prompts and strength.

Scores are standardized over the candidates of one search, so the best of them always looks good.
Relevance compares across searches: a logistic regression over a few features of a result that do
not depend on the other candidates, or only on the best of them. Its coefficients were learned on
public data (`benchmarks/ranking_weights.py relevance`).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from memorybank_core.protocols import Array, Candidates
from memorybank_core.records import SearchResult

from .question import QueryProfile
from .ranking import Ranking, weigh_terms
from .small_talk import is_small_talk
from .traits import MAX_ASKS

FEATURES = (
    "constant",
    "cosine after centring",
    "share of the query's words that it has",
    "distance to the best score",
    "lead of the best score over the next",
    "named day",
    "question",
)
COEFFICIENTS = (-1.3, 0.3, 0.9, 1.1, 0.7, 0.9, -0.2)
"""The coefficients of `FEATURES`."""
MIN_RELEVANCE = 0.002
"""Relevance below which a result is not put into a prompt and not strengthened, by default.

It keeps evidence rather than silence: on public data it leaves out a fifth of the best twenty
results and with them 1 to 2 % of the evidence. Twice as much evidence would be lost at 0.005, and
the best result of a question that nothing answers still passes (`docs/benchmarks.md`).
"""
REINFORCED = 5
"""Maximum number of memories that the recall of one turn strengthens.

A memory that every turn strengthens never fades, so a long prompt strengthens only its best.
"""


def relevance_features(question: QueryProfile, candidates: Candidates, ranking: Ranking) -> Array:
    """Return the `FEATURES` of each result of a ranking, float64 (k, f)."""
    rows, parts = ranking.rows, ranking.parts
    idf = weigh_terms(candidates)
    total = float(idf.sum()) or 1.0
    features = np.ones((len(rows), len(FEATURES)))
    if rows:
        scores = np.array([part.total for part in parts])
        features[:, 1] = candidates.centred[rows]
        features[:, 2] = (candidates.counts[rows] > 0) @ idf / total
        features[:, 3] = scores - scores[0]
        features[:, 4] = scores[0] - scores[1] if len(rows) > 1 else 0.0
        features[:, 5] = [part.date > 0 for part in parts]
        features[:, 6] = candidates.asks[rows] / MAX_ASKS
    return features


def estimate_relevance(
    query: str, question: QueryProfile, candidates: Candidates, ranking: Ranking
) -> list[float]:
    """Return the relevance of each result of a ranking, in [0, 1]; 0 if the query is small talk."""
    if is_small_talk(query):
        return [0.0] * len(ranking.rows)
    odds = relevance_features(question, candidates, ranking) @ np.array(COEFFICIENTS)
    chances: list[float] = (1.0 / (1.0 + np.exp(-odds))).tolist()
    return chances


def select_reinforced(results: Iterable[SearchResult]) -> list[SearchResult]:
    """Return the results that a turn strengthens: the relevant ones, at most `REINFORCED`.

    Args:
        results: The results in the prompt, best first.
    """
    relevant = [result for result in results if result.relevance >= MIN_RELEVANCE]
    return relevant[:REINFORCED]
