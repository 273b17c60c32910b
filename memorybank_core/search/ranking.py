"""Ranking: one explainable score from several signals. Pure: no clock, store or randomness.

score = similarity + lexical + date + speaker + context + retention + asking + content

- similarity: cosine to the query after centring, standardized over the candidates (mean 0,
  deviation 1);
- lexical: BM25 of the memory with its nearest neighbours in the conversation, standardized. It
  saturates, and it counts less if no candidate has most of the query's words, so that a few shared
  words do not outweigh the meaning. A memory in another script cannot share a word: its similarity
  stands in;
- date: a bonus for memories of a day that the query names, smaller if it names a longer span;
- speaker: a bonus for memories of the speaker whom the query names;
- context: a share of the scores of the neighbours in the conversation, smaller with each
  utterance of distance, and more from a question to the utterance after it, which answers it. An
  event summary, which has no neighbours, gets a penalty, so that it ranks after the turns it
  summarizes;
- asking: a penalty for memories that ask: a question resembles the query more than its answer does;
- content: a bonus for memories that say something (their length) of the kind that the query asks
  for: a time, a number, a preference;
- retention: R of the law of forgetting with a small weight and a floor, so that among equal
  memories the fresh one ranks first, but an old exact match still ranks high; and a bonus for late
  memories if the query asks how something is now.

The weights were learned on public data and rounded (`benchmarks/ranking_weights.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memorybank_core.protocols import Array, Candidates
from memorybank_core.records import Parts

from .neighbours import find_distances
from .query_profile import QueryProfile
from .terms import K1, B
from .traits import ALL_SCRIPTS, ENDS_ASKING, HAS_NUMBER, MAX_ASKS, PREFERENCE, TELLS_TIME

_MIN_SCORE = -2.0
"""Minimum of a standardized score."""
_MIN_DEVIATION = 0.02
"""Minimum deviation of cosines, by which nearly equal ones get nearly equal scores."""
_BEFORE, _AFTER = np.array((0.0, 0.5, 0.2, 0.0)), np.array((0.0, 0.2, 0.1, 0.0))
"""Share of a neighbour's term counts that is added to a memory's, by distance in utterances.

Of preceding and of following neighbours. Index 0: not a neighbour; beyond the end: the last share.
"""
_MEAN_EXPANDED_LENGTH = 2.0
"""Mean length of a memory with these shares, as a multiple of the mean length without them."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the search signals, in standard deviations of the candidates' scores.

    Attributes:
        similarity: Weight of the cosine similarity.
        lexical: Weight of BM25.
        saturation: Standardized BM25 that no memory exceeds; 0 for no limit.
        coverage: Exponent of the share of the query's words, weighted by idf, that the best
            candidate has; this power is a factor of the lexical score.
        foreign: Share of its standardized similarity that a memory in another script than the
            query gets as its lexical score, if that is larger.
        message: Factor of similarity and lexical if the query is a long message, whose kind says
            little.
        date: Bonus of a day that the query names.
        span: Reduction of that bonus for a span of n days: date / (1 + span · ln n).
        current: Bonus of the latest candidate if the query asks how something is now, 0 for the
            earliest, linear between.
        speaker: Bonus of the speaker whom the query names.
        before: Share of the preceding utterance's score that is added to a memory's score.
        after: Share of the following utterance's score that is added to a memory's score.
        fade: Factor by which these shares shrink with each further utterance.
        reach: Maximum distance of a neighbour, in utterances.
        answer: Further share of the preceding utterance's score if that ends with a question.
        event: Penalty of an event summary, which then ranks after the turns it summarizes.
        asking: Penalty of a memory that only asks.
        time: Bonus of a memory that tells a time.
        when: Further bonus of such a memory if the query asks when.
        number: Bonus of a memory with a number if the query asks for a number.
        preference: Bonus of a memory that states a preference if the query asks for advice.
        length: Bonus of a long memory: length · n / (n + `half_length`) for n terms.
        half_length: Number of terms with half that bonus.
        retention: Difference between a fresh and a completely faded memory, before the floor.
        floor: Minimum retention used in the score.
        reranker: Weight of the reranker's score, if the bank has one (see `reranking`).
    """

    similarity: float = 1.0
    lexical: float = 0.9
    saturation: float = 3.5
    coverage: float = 0.4
    foreign: float = 0.9
    message: float = 2.0
    date: float = 5.0
    span: float = 0.3
    current: float = 1.0
    speaker: float = 1.5
    before: float = 0.15
    after: float = 0.25
    fade: float = 0.8
    reach: int = 6
    answer: float = 0.8
    event: float = 2.0
    asking: float = 0.75
    time: float = 0.4
    when: float = 0.7
    number: float = 0.9
    preference: float = 0.6
    length: float = 1.2
    half_length: float = 8.0
    retention: float = 0.4
    floor: float = 0.2
    reranker: float = 1.5


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best candidates in order.

    Attributes:
        rows: Their rows of the `Candidates`.
        parts: The parts of their scores.
        scores: Their scores.
    """

    rows: list[int]
    parts: list[Parts]
    scores: list[float]


def rank(
    profile: QueryProfile, candidates: Candidates, retention: Array, k: int, weights: Weights
) -> Ranking:
    """Return the k best candidates, best first; ties go to the newer, then the later written.

    Args:
        profile: Analysis of the query.
        candidates: The candidates of the store, n rows.
        retention: float64 (n,), R of each row at the search's `now`.
        k: Maximum number of results.
        weights: The weights of the signals.
    """
    distances = find_distances(candidates, weights.reach)
    similarity = _standardize(candidates.centred, candidates.pooled, _MIN_DEVIATION)
    lexical = _lexical_score(profile, candidates, distances, similarity, weights)
    match = weights.message if profile.is_message else 1.0
    similarity *= match * weights.similarity
    lexical *= match * weights.lexical
    context = _neighbour_share(similarity + lexical, candidates, distances, weights)
    context -= weights.event * (candidates.session < 0)
    columns = np.array(
        (
            similarity,
            lexical,
            _date_bonus(candidates.named, weights),
            weights.speaker * candidates.spoken,
            context,
            _freshness_bonus(profile, candidates, retention, weights),
            -weights.asking / MAX_ASKS * candidates.asks,
            _content_bonus(profile, candidates, weights),
        )
    )
    order = _best(columns.sum(axis=0), candidates, k)
    parts = [Parts(*column) for column in columns[:, order].T.tolist()]
    return Ranking(order.tolist(), parts, [part.total for part in parts])


def weigh_terms(candidates: Candidates) -> Array:
    """Return the weight of each term of the query: its idf in this user's memories."""
    frequencies = candidates.frequencies
    idf = np.log1p((candidates.memories - frequencies + 0.5) / (frequencies + 0.5))
    weights: Array = idf * np.array([term.weight for term in candidates.terms])
    return weights


def _best(score: Array, candidates: Candidates, k: int) -> Array:
    """Return the k best rows in order."""
    rows = np.arange(len(score))
    if k < len(score):
        rows = np.flatnonzero(score >= np.partition(score, -k)[-k])
    key, created = candidates.key[rows], candidates.created[rows]
    best: Array = rows[np.lexsort((-key, -created, -score[rows]))[:k]]
    return best


def _standardize(values: Array, pooled: Array, least: float = 1e-9) -> Array:
    """Scale `values` so that the pooled ones have mean 0 and deviation 1, or less.

    If their deviation is below `least`, it counts as `least`, so that equal ones become 0.
    Values below `_MIN_SCORE` are raised to it: among nearly equal candidates, one outlier must not
    outweigh the other signals.
    """
    pool = values.compress(pooled)
    size = max(len(pool), 1)
    mean = float(pool.sum()) / size
    pool -= mean
    deviation = max(math.sqrt(float(pool @ pool) / size), least)
    result: Array = np.maximum((values - mean) / deviation, _MIN_SCORE)
    return result


def _lexical_score(
    profile: QueryProfile,
    candidates: Candidates,
    distances: Sequence[Array],
    similarity: Array,
    weights: Weights,
) -> Array:
    """Return the standardized lexical score of each row."""
    idf = weigh_terms(candidates)
    counts, length = _expand_counts(candidates, distances)
    mean_length = _MEAN_EXPANDED_LENGTH * candidates.mean_length or 1.0
    norms = K1 * (1 - B) + K1 * B / mean_length * length
    score = _standardize((counts / (counts + norms[:, None])) @ (idf * (K1 + 1)), candidates.pooled)
    covered = (candidates.counts.compress(candidates.pooled, 0) > 0) @ idf
    share = float(covered.max(initial=0.0)) / (float(idf.sum()) or 1.0)
    score *= share**weights.coverage
    if weights.saturation:
        score = weights.saturation * np.tanh(score / weights.saturation)
    written = candidates.flags & ALL_SCRIPTS
    foreign = (written > 0) & (written & profile.scripts == 0)
    result: Array = np.where(foreign, np.maximum(score, weights.foreign * similarity), score)
    return result


def _expand_counts(candidates: Candidates, distances: Sequence[Array]) -> tuple[Array, Array]:
    """Return the counts (n, g) and lengths (n,), each with shares of the neighbours' added."""
    own = np.empty((len(candidates.length), candidates.counts.shape[1] + 1))
    own[:, :-1], own[:, -1] = candidates.counts, candidates.length
    total = own.copy()
    for step, distance in enumerate(distances[: len(_BEFORE) - 2], 1):
        total[step:] += _BEFORE.take(distance, mode="clip")[:, None] * own[:-step]
        total[:-step] += _AFTER.take(distance, mode="clip")[:, None] * own[step:]
    return total[:, :-1], total[:, -1]


def _date_bonus(named: Array, weights: Weights) -> Array:
    """Return the bonus of each row, from the length of the span that names its day (0: none)."""
    bonus = np.zeros(len(named))
    rows = named.nonzero()[0]
    if len(rows):
        bonus[rows] = weights.date / (1.0 + weights.span * np.log(named[rows]))
    return bonus


def _freshness_bonus(
    profile: QueryProfile, candidates: Candidates, retention: Array, weights: Weights
) -> Array:
    """Return the bonus of each row for its retention and, if the present is asked, its time."""
    bonus: Array = weights.retention * np.maximum(retention, weights.floor)
    if profile.asks_current and not profile.is_message and len(bonus):
        age = candidates.created.max() - candidates.created
        bonus += weights.current * (1.0 - age / max(age.max(), 1.0))
    return bonus


def _content_bonus(profile: QueryProfile, candidates: Candidates, weights: Weights) -> Array:
    """Return the bonus of each row for what its text has, of any topic."""
    bonus: Array = weights.length * candidates.length / (candidates.length + weights.half_length)
    for flag, weight in (
        (TELLS_TIME, weights.time + weights.when * profile.asks_when),
        (HAS_NUMBER, weights.number * profile.asks_number),
        (PREFERENCE, weights.preference * profile.asks_advice),
    ):
        if weight:
            bonus += weight * (candidates.flags & flag > 0)
    return bonus


def _neighbour_share(
    score: Array, candidates: Candidates, distances: Sequence[Array], weights: Weights
) -> Array:
    """Return the sum that the neighbours of each row add to its score; negative scores add 0."""
    positive, added = np.maximum(score, 0.0), np.zeros(len(score))
    shares = weights.fade ** np.arange(-1.0, weights.reach)
    shares[0] = 0.0
    for step, distance in enumerate(distances, 1):
        share = shares.take(distance)
        added[step:] += weights.before * share * positive[:-step]
        added[:-step] += weights.after * share * positive[step:]
    if distances:  # the next utterance answers a question
        asks = candidates.asks / MAX_ASKS * (candidates.flags & ENDS_ASKING > 0)
        answered = np.sqrt(asks[:-1]) * (distances[0] > 0)
        added[1:] += weights.answer * answered * positive[:-1]
    return added
