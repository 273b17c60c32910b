"""Select the most representative texts of a collection, without repetitions. Pure functions."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from memorybank_core.protocols import Array, Matrix
from memorybank_core.search.tokenize import tokenize

_BUCKETS = 512  # dimension of lexical vectors
_MAX_MEAN_SIMILARITY = 0.9  # above this mean cosine, all texts would count as repetitions
_MIN_REPETITION = 0.7  # minimum share of common terms of texts that repeat each other
_MIN_RELATIVE_GAIN = 0.2  # rows with less than this share of the highest gain are left out


def most_central(
    vectors: Matrix, weights: Sequence[float], count: int, required: Sequence[int] = ()
) -> list[int]:
    """Return up to `count` rows, best first, by weight, centrality and novelty.

    Maximal marginal relevance (Carbonell and Goldstein 1998), as a product: a row's weight, times
    its centrality, times its novelty compared with the rows chosen so far. Ties go to the earlier
    row.

    Args:
        vectors: float32 (n, d), unit length, n > 0.
        weights: n factors, not all 0.
        count: Maximum number of rows; at least 1.
        required: Rows that are always chosen.
    """
    gains = np.asarray(weights, np.float64) * centrality(vectors, weights)
    mean_similarity = min(_mean_similarity(vectors), _MAX_MEAN_SIMILARITY)
    chosen: list[int] = []
    novelty = np.ones(len(gains))
    min_gain = _MIN_RELATIVE_GAIN * float(gains.max())
    for step in range(max(count, len(required))):
        remaining = np.round(gains * novelty, 6)
        remaining[chosen] = -1.0
        row = required[step] if step < len(required) else int(remaining.argmax())
        if step >= len(required) and chosen and remaining[row] <= min_gain:
            break
        chosen.append(row)
        similarity = (vectors @ vectors[row] - mean_similarity) / (1.0 - mean_similarity)
        novelty = np.minimum(novelty, 1.0 - np.clip(similarity, 0.0, 1.0))
    return chosen


def centrality(vectors: Matrix, weights: Sequence[float]) -> Array:
    """Return each row's closeness to the weighted mean, scaled to [0.5, 1]: float64 (n,)."""
    closeness = vectors @ (np.asarray(weights, vectors.dtype) @ vectors)
    spread = float(closeness.max() - closeness.min())
    result: Array = (
        0.5 + 0.5 * (closeness - closeness.min()) / spread
        if spread > 1e-6
        else np.ones(len(closeness))
    )
    return result


def mean_vectors(vectors: Sequence[Matrix]) -> Matrix:
    """Return the mean of each text's window vectors, unit length: float32 (n, d)."""
    rows = np.array([windows.mean(axis=0) for windows in vectors], np.float32)
    result: Matrix = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return result


def lexical_vectors(texts: Sequence[str]) -> Matrix:
    """Return hashed term vectors, rare terms weighted up: float32 (n, 512), unit length."""
    rows = np.zeros((len(texts), _BUCKETS), np.float32)
    for row, text in zip(rows, texts, strict=True):
        for term, count in Counter(tokenize(text)).items():
            row[zlib.crc32(term.encode()) % _BUCKETS] += 1.0 + np.log(count)
    rows *= np.log(1.0 + len(texts) / np.maximum((rows > 0).sum(axis=0), 1))
    result: Matrix = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return result


def select_distinct(texts: Sequence[str], scores: Sequence[float], count: int) -> list[int]:
    """Return up to `count` rows, highest score first, whose terms do not repeat each other.

    Ties go to the earlier row.
    """
    chosen: dict[int, frozenset[str]] = {}
    for row in sorted(range(len(texts)), key=lambda row: (-round(scores[row], 6), row)):
        if len(chosen) == count:
            break
        terms = frozenset(term for term in tokenize(texts[row]) if len(term) > 1)
        if all(_overlap(terms, chosen_terms) < _MIN_REPETITION for chosen_terms in chosen.values()):
            chosen[row] = terms
    return list(chosen)


def _overlap(left: frozenset[str], right: frozenset[str]) -> float:
    """Return the share of the smaller set that is also in the other, in [0, 1].

    A set of fewer than five terms counts as five, because few common terms prove little.
    """
    if left == right:
        return 1.0
    return len(left & right) / max(min(len(left), len(right)), 5)


def _mean_similarity(vectors: Matrix) -> float:
    """Return the mean cosine of two different rows."""
    n = len(vectors)
    total = vectors.sum(axis=0)
    return float(total @ total - n) / (n * (n - 1)) if n > 1 else 0.0
