"""Ranking: one explainable score from several signals. Pure: no clock, store or randomness.

score = similarity + lexical + date + speaker + context + retention

- similarity and lexical: standardized over the candidates (mean 0, deviation 1);
- date: a bonus for memories of a day that the query names, smaller if it names a longer span;
- speaker: a bonus for memories of the speaker whom the query names, if it names exactly one;
- context: a share of the scores of the neighbours in the conversation, smaller with each
  utterance of distance, since an answer often follows a question that resembles the query. An event
  summary, which has no neighbours, gets a penalty, so that it ranks after the turns it summarizes;
- retention: R of the law of forgetting with a small weight and a floor, so that among equal
  memories the fresh one ranks first, but an old exact match still ranks high.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from memorybank_core.protocols import Array, Candidates
from memorybank_core.records import Parts

_LOWEST = -3.0
"""Minimum of a standardised score."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the search signals, in standard deviations of the candidates' scores.

    Attributes:
        similarity: Weight of the cosine similarity.
        lexical: Weight of BM25.
        date: Bonus of a day that the query names.
        span: Reduction of that bonus for a span of n days: date / (1 + span · ln n).
        speaker: Bonus of the one speaker whom the query names.
        before: Share of the preceding utterance's score that is added to a memory's score.
        after: Share of the following utterance's score that is added to a memory's score.
        fade: Factor by which these shares shrink with each further utterance.
        reach: Maximum distance of a neighbour, in utterances.
        event: Penalty of an event summary, which then ranks after the turns it summarizes.
        retention: Difference between a fresh and a completely faded memory, before the floor.
        floor: Minimum retention used in the score.
        reranker: Weight of the reranker's score, if the bank has one (see `reranking`).
    """

    similarity: float = 1.0
    lexical: float = 1.0
    date: float = 8.0
    span: float = 0.3
    speaker: float = 1.0
    before: float = 0.6
    after: float = 0.4
    fade: float = 0.8
    reach: int = 6
    event: float = 2.0
    retention: float = 0.3
    floor: float = 0.2
    reranker: float = 1.5


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best candidates in order: rows of the `Candidates`, and the parts of their scores."""

    rows: list[int]
    parts: list[Parts]


def rank(candidates: Candidates, retention: Array, k: int, weights: Weights) -> Ranking:
    """Return the k best candidates, best first; ties go to the newer, then the later written.

    Args:
        candidates: The candidates of the store, n rows.
        retention: float64 (n,), R of each row at the search's `now`.
        k: Maximum number of results.
        weights: The weights of the signals.
    """
    similarity = weights.similarity * _standardise(candidates.similarity, candidates.pooled)
    lexical = weights.lexical * _standardise(candidates.lexical, candidates.pooled)
    date = _date_bonus(candidates.named, weights)
    speaker = weights.speaker * candidates.spoken
    context = _neighbour_share(similarity + lexical, candidates, weights)
    context -= weights.event * (candidates.session < 0)
    fresh = weights.retention * np.maximum(retention, weights.floor)
    columns = np.array((similarity, lexical, date, speaker, context, fresh))
    order = _best(columns.sum(axis=0), candidates, k)
    parts = [Parts(*column) for column in columns[:, order].T.tolist()]
    return Ranking(rows=order.tolist(), parts=parts)


def _best(score: Array, candidates: Candidates, k: int) -> Array:
    """Return the k best rows in order."""
    rows = np.arange(len(score))
    if k < len(score):
        rows = np.flatnonzero(score >= np.partition(score, -k)[-k])
    key, created = candidates.key[rows], candidates.created[rows]
    best: Array = rows[np.lexsort((-key, -created, -score[rows]))[:k]]
    return best


def _standardise(values: Array, pooled: Array) -> Array:
    """Scale `values` so that the pooled ones have mean 0 and deviation 1; zeros if all are equal.

    Values below `_LOWEST` are raised to it: among nearly equal candidates, one outlier must not
    outweigh the other signals.
    """
    pool = values[pooled]
    size = max(len(pool), 1)
    mean = float(pool.sum()) / size
    pool -= mean
    deviation = math.sqrt(float(pool @ pool) / size)
    if deviation < 1e-9:
        return np.zeros(len(values))
    result: Array = np.maximum((values - mean) / deviation, _LOWEST)
    return result


def _date_bonus(named: Array, weights: Weights) -> Array:
    """Return the bonus of each row, from the length of the span that names its day (0: none)."""
    bonus = np.zeros(len(named))
    rows = named.nonzero()[0]
    if len(rows):
        bonus[rows] = weights.date / (1.0 + weights.span * np.log(named[rows]))
    return bonus


def _neighbour_share(score: Array, candidates: Candidates, weights: Weights) -> Array:
    """Return the sum that the neighbours of each row add to its score; negative scores add 0."""
    order = np.lexsort((candidates.place, candidates.session))
    session, place = candidates.session[order], candidates.place[order]
    first = int(session.searchsorted(0))  # event summaries have no neighbours
    order, session, place = order[first:], session[first:], place[first:]
    positive = np.maximum(score[order], 0.0)
    before, after = weights.before * positive, weights.after * positive
    distances = np.maximum(np.arange(weights.reach + 1), 1)
    shares = np.append(weights.fade ** (distances - 1.0), 0.0)  # the last for those beyond reach
    added = np.zeros(len(order))
    # Those within reach of a row are among the `reach` rows that follow it in this order.
    for step in range(1, min(weights.reach + 1, len(order))):
        distance = np.minimum(place[step:] - place[:-step], weights.reach + 1)
        distance[session[step:] != session[:-step]] = weights.reach + 1
        share = shares[distance]
        added[step:] += share * before[:-step]
        added[:-step] += share * after[step:]
    result = np.zeros(len(score))
    result[order] = added
    return result
