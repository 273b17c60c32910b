"""One transparent score out of several signals. Pure: no clock, no store, no randomness.

score = similarity + lexical + date + speaker + context + retention

- similarity and lexical are standardised over the candidates (mean 0, deviation 1) and added;
- a memory of a day that the query names gets a lift, a smaller one where it names a longer span;
- so does what was said by the one speaker whom the query names;
- what stands near a good candidate in the conversation is lent part of its score, less with
  every utterance of distance: an answer often follows the words that the query resembles;
  an event summary, which has no neighbours, gives way to the turns that it tells of;
- retention (R of the law of forgetting) weighs softly and has a floor, so that what is old
  yields to what is fresh among equals but an exact match is never buried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from memorybank_core.protocols import Array, Candidates
from memorybank_core.records import Parts

_LOWEST = -3.0


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each signal counts, in standard deviations of the candidates' scores.

    Attributes:
        similarity: Of the cosine.
        lexical: Of BM25.
        date: The lift of a day that the query names.
        span: By how much that lift shrinks for a span of n days: date / (1 + span · ln n).
        speaker: The lift of what the one speaker whom the query names said.
        before: What the utterance just before a memory lends it, as a share of its own score.
        after: The same for the utterance just after.
        fade: By what factor lending shrinks with each further utterance.
        reach: How many utterances away a neighbour still lends.
        event: By how much an event summary gives way to the turns that it tells of.
        retention: The difference between a fresh and a wholly faded memory, before the floor.
        floor: Retention below this counts as this.
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


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates in their final order: rows of the `Candidates`, and their scores."""

    rows: list[int]
    parts: list[Parts]


def rank(candidates: Candidates, retention: Array, k: int, weights: Weights) -> Ranking:
    """The best `k` candidates, best first; ties go to the newer, then to the later written.

    Args:
        candidates: What the store found, n rows.
        retention: float64 (n,), R of each row at the search's `now`.
        k: How many to return at most.
        weights: How much each signal counts.
    """
    similarity = weights.similarity * _standardise(candidates.similarity, candidates.pooled)
    lexical = weights.lexical * _standardise(candidates.lexical, candidates.pooled)
    date = _date_lift(candidates.named, weights)
    speaker = weights.speaker * candidates.spoken.astype(np.float64)
    context = _lent(similarity + lexical, candidates, weights)
    context -= weights.event * (candidates.session < 0)
    fresh = weights.retention * np.maximum(retention, weights.floor)
    columns = (similarity, lexical, date, speaker, context, fresh)
    score = np.sum(columns, axis=0)
    order = np.lexsort((-candidates.key, -candidates.created, -score))[:k]
    parts = [Parts(*(float(column[row]) for column in columns)) for row in order]
    return Ranking(rows=order.tolist(), parts=parts)


def _standardise(values: Array, pooled: Array) -> Array:
    """`values` with the pooled ones' mean 0 and deviation 1; zeros where all are alike.

    One that lies far below a crowd of near-equals counts as `_LOWEST`, so that it cannot undo
    what another signal says for it.
    """
    pool = values[pooled]
    if pool.size == 0 or (deviation := float(pool.std())) < 1e-9:
        return np.zeros_like(values)
    result: Array = np.maximum((values - pool.mean()) / deviation, _LOWEST)
    return result


def _date_lift(named: Array, weights: Weights) -> Array:
    """The lift of each row, by the length in days of the span that names it (0: none)."""
    lift: Array = weights.date / (1.0 + weights.span * np.log(np.maximum(named, 1)))
    return np.where(named > 0, lift, 0.0)


def _lent(score: Array, candidates: Candidates, weights: Weights) -> Array:
    """What each row gets from its neighbours in the conversation; only good scores are lent."""
    order = np.lexsort((candidates.place, candidates.session))
    session, place = candidates.session[order], candidates.place[order]
    lendable = np.maximum(score[order], 0.0)
    lent = np.zeros_like(lendable)
    for offset in range(1, min(weights.reach, len(order) - 1) + 1):
        distance = place[offset:] - place[:-offset]
        near = (session[offset:] == session[:-offset]) & (session[offset:] >= 0)
        near &= distance <= weights.reach
        if not near.any():
            break
        share = np.where(near, weights.fade ** (np.maximum(distance, 1) - 1.0), 0.0)
        lent[offset:] += weights.before * share * lendable[:-offset]
        lent[:-offset] += weights.after * share * lendable[offset:]
    result = np.empty_like(lent)
    result[order] = lent
    return result
