"""Which of many pieces stand best for all of them, and differ from each other. Pure."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from memorybank_core.protocols import Array, Matrix
from memorybank_core.search.tokenize import tokenize

_BUCKETS = 512
_ALIKE = 0.9  # how alike two pieces may be on average before they count as repetitions
_SAME = 0.7  # two texts that share so many of their terms say the same
_LEAST = 0.2  # a piece that gains less than this share of the first one's gain is left out


def most_central(
    vectors: Matrix, worths: Sequence[float], count: int, taken: Sequence[int] = ()
) -> list[int]:
    """Up to `count` rows, best first: worth telling, central, unlike those chosen before.

    Maximal marginal relevance (Carbonell and Goldstein 1998), as a product: a row's worth, times
    its centrality, times what no chosen row says already. Ties go to the earlier row.

    Args:
        vectors: float32 (n, d), unit length, n > 0.
        worths: n factors, not all 0.
        count: How many rows at most; at least 1.
        taken: Rows that are chosen in any case.
    """
    gains = np.asarray(worths, np.float64) * centrality(vectors, worths)
    common = min(_mean_similarity(vectors), _ALIKE)
    chosen: list[int] = []
    news = np.ones(len(gains))
    least = _LEAST * float(gains.max())
    for turn in range(max(count, len(taken))):
        left = np.round(gains * news, 6)
        left[chosen] = -1.0
        row = taken[turn] if turn < len(taken) else int(left.argmax())
        if turn >= len(taken) and chosen and left[row] <= least:
            break
        chosen.append(row)
        similarity = (vectors @ vectors[row] - common) / (1.0 - common)
        news = np.minimum(news, 1.0 - np.clip(similarity, 0.0, 1.0))
    return chosen


def centrality(vectors: Matrix, worths: Sequence[float]) -> Array:
    """float64 (n,): how near each row is to the weighted mean, the nearest 1, the farthest 0.5."""
    near = vectors @ (np.asarray(worths, vectors.dtype) @ vectors)
    spread = float(near.max() - near.min())
    result: Array = (
        0.5 + 0.5 * (near - near.min()) / spread if spread > 1e-6 else np.ones(len(near))
    )
    return result


def means(vectors: Sequence[Matrix]) -> Matrix:
    """The mean of each text's windows, unit length: float32 (n, d)."""
    rows = np.array([windows.mean(axis=0) for windows in vectors], np.float32)
    result: Matrix = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return result


def lexical_vectors(texts: Sequence[str]) -> Matrix:
    """The terms of each text, hashed, rare ones weighing more: float32 (n, 512), unit length."""
    rows = np.zeros((len(texts), _BUCKETS), np.float32)
    for row, text in zip(rows, texts, strict=True):
        for term, times in Counter(tokenize(text)).items():
            row[zlib.crc32(term.encode()) % _BUCKETS] += 1.0 + np.log(times)
    rows *= np.log(1.0 + len(texts) / np.maximum((rows > 0).sum(axis=0), 1))
    result: Matrix = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return result


def distinct(texts: Sequence[str], scores: Sequence[float], count: int) -> list[int]:
    """Up to `count` rows, the highest scores first, none of which repeats another's words.

    Ties go to the earlier row.
    """
    chosen: dict[int, frozenset[str]] = {}
    for row in sorted(range(len(texts)), key=lambda row: (-round(scores[row], 6), row)):
        if len(chosen) == count:
            break
        terms = frozenset(term for term in tokenize(texts[row]) if len(term) > 1)
        if all(_overlap(terms, other) < _SAME for other in chosen.values()):
            chosen[row] = terms
    return list(chosen)


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of the smaller one's terms that both have, in [0, 1]; few terms prove little."""
    return 1.0 if one == other else len(one & other) / max(min(len(one), len(other)), 5)


def _mean_similarity(vectors: Matrix) -> float:
    """The mean cosine of two different rows."""
    n = len(vectors)
    total = vectors.sum(axis=0)
    return float(total @ total - n) / (n * (n - 1)) if n > 1 else 0.0
