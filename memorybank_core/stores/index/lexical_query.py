"""Query of a BM25 index: the postings of its terms, the scores, and the best memories."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memorybank_core.protocols import Array
from memorybank_core.search.terms import K1, TermGroup

from .arrays import largest

PRUNE_FROM = 30_000
"""Number of memories from which on not all of them are scored."""
MAX_COUNT = 65_535
"""Larger counts of a term in a memory are stored as this one."""

_ROUNDING = 1e-9  # slack of comparisons between sums in different order
_FREQUENT = 1_000  # memories of a term that is worth skipping
_LOOKUPS = 32  # looking up one memory takes as long as reading the counts of 32
_GROUP = 16  # scores of which one is compared first


@dataclass(frozen=True, slots=True)
class TermPostings:
    """The memories that have a term, ascending, its count in each, and its weight: idf or less."""

    docs: Array
    counts: Array
    weight: float

    def at(self, positions: Array, norms: Array) -> Array:
        """Return what the term adds to the BM25 of the memories at these positions."""
        counts = self.counts_at(positions, len(norms))
        scores: Array = self.weight * (K1 + 1) * counts / (counts + norms[positions])
        return scores

    def counts_at(self, positions: Array, size: int) -> Array:
        """Return the counts, float64, in the memories at these positions; `size` is n."""
        if len(positions) * _LOOKUPS > len(self.docs):
            table = np.zeros(size, np.uint16)
            table[self.docs] = self.counts
            return table[positions].astype(np.float64)
        targets = positions.astype(self.docs.dtype)  # of another type, `docs` would be copied
        places = np.minimum(self.docs.searchsorted(targets), len(self.docs) - 1)
        counts: Array = self.counts[places] * (self.docs[places] == targets).astype(np.float64)
        return counts

    def bound(self, least_norm: float) -> float:
        """Return an upper bound of what `at` returns, from the least norm of any memory."""
        count = float(self.counts.max())
        return self.weight * (K1 + 1) * count / (count + least_norm)


class LexicalQuery:
    """BM25 of the memories for one query, with Lucene's non-negative idf.

    With many memories, the scores of frequent terms are computed only for memories that can be
    among the best (MaxScore: Turtle & Flood 1995). The result is the same.

    Args:
        groups: The query's terms.
        terms: The postings of each.
        norms: float64 (n,); the length normalization of each memory.

    Attributes:
        groups: The query's terms.
    """

    def __init__(
        self, groups: Sequence[TermGroup], terms: list[TermPostings], norms: Array
    ) -> None:
        self.groups = groups
        self._postings = terms
        used = (term for term in terms if len(term.docs))
        self._terms = sorted(used, key=lambda term: len(term.docs))
        self._norms = norms
        self._sums = np.zeros(len(norms))  # of the first terms
        self._summed = 0  # number of those terms
        if len(norms) < PRUNE_FROM:
            self._sum(len(self._terms))

    @property
    def frequencies(self) -> Array:
        """Number of memories that have each term, int64 (g,)."""
        return np.array([len(term.docs) for term in self._postings], np.int64)

    def counts(self, positions: Array) -> Array:
        """Return the count of each term in the memories at these positions, float32 (p, g)."""
        size = len(self._norms)
        result = np.zeros((len(positions), len(self._postings)), np.float32)
        columns = []
        for column, term in enumerate(self._postings):
            if len(term.docs) > _LOOKUPS * len(positions):
                result[:, column] = term.counts_at(positions, size)
            elif len(term.docs):
                columns.append(column)
        if columns:  # they take one computation
            docs, counts, sizes = _concatenate([self._postings[column] for column in columns])
            is_asked, row = np.zeros(size, bool), np.empty(size, np.intp)
            is_asked[positions], row[positions] = True, np.arange(len(positions))
            entries = is_asked.take(docs).nonzero()[0]
            per_term = np.diff(entries.searchsorted(np.cumsum(sizes)), prepend=0)
            places = row.take(docs.take(entries)) * result.shape[1] + np.repeat(columns, per_term)
            result.reshape(-1)[places] = counts.take(entries)
        return result

    def best(self, count: int, allowed: Array | None) -> Array:
        """Return the positions with the best scores above zero; ties go to the first.

        Args:
            count: Maximum number of positions.
            allowed: bool (n,), the memories to search, or None for all.
        """
        bounds: list[float] = []
        if self._summed < len(self._terms):
            least_norm = float(self._norms.min())
            bounds = [term.bound(least_norm) for term in self._terms]
            self._sum_until_decided(count, allowed, bounds)
        sums = self._allowed_sums(allowed)
        least = _limit(sums, count) - sum(bounds[self._summed :]) - _ROUNDING
        positions = np.flatnonzero(sums >= least if least > 0 else sums > 0)
        scores = sums[positions]
        for number, term in enumerate(self._terms[self._summed :], self._summed + 1):
            scores += term.at(positions, self._norms)
            kept = scores >= _limit(scores, count) - sum(bounds[number:]) - _ROUNDING
            positions, scores = positions[kept], scores[kept]
        best: Array = positions[largest(scores, count)]
        return best

    def _sum_until_decided(self, count: int, allowed: Array | None, bounds: list[float]) -> None:
        """Sum the scores of terms until memories with none of them cannot be among the best."""
        first = self._summed
        for number, term in enumerate(self._terms[first:], first):
            rest = sum(bounds[number:])
            if len(term.docs) > _FREQUENT and rest < sum(bounds[:number]):
                self._sum(number)
                if rest < _limit(self._allowed_sums(allowed), count) - _ROUNDING:
                    return
        self._sum(len(self._terms))

    def _sum(self, stop: int) -> None:
        """Add the scores of the terms before number `stop` to the sums."""
        terms, self._summed = self._terms[self._summed : stop], max(stop, self._summed)
        rare = sum(len(term.docs) < PRUNE_FROM for term in terms)  # they take one computation
        for part in (terms[:rare], *([term] for term in terms[rare:])):
            if part:
                docs, counts, sizes = _concatenate(part)
                scores = np.repeat([term.weight * (K1 + 1) for term in part], sizes)
                scores *= counts
                scores /= self._norms.take(docs) + counts
                self._sums += np.bincount(docs, scores, len(self._sums))

    def _allowed_sums(self, allowed: Array | None) -> Array:
        """Return the sums, which are 0 for memories that are not allowed."""
        return self._sums if allowed is None else self._sums * allowed


def _concatenate(terms: Sequence[TermPostings]) -> tuple[Array, Array, list[int]]:
    """Return the memories, term by term, the counts, and the number of memories of each term."""
    docs = np.concatenate([term.docs for term in terms], dtype=np.intp)
    counts = np.concatenate([term.counts for term in terms])
    return docs, counts, [len(term.docs) for term in terms]


def join_postings(forms: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Return the memories that have any of the forms, ascending, and the sums of their counts.

    Args:
        forms: The memories and counts of each form.
    """
    used = [form for form in forms if len(form[0])] or list(forms[:1])
    if len(used) == 1:
        return used[0]
    docs, counts = (np.concatenate(columns) for columns in zip(*used, strict=True))
    order = np.argsort(docs, kind="stable")  # fast, since each form is sorted
    docs, counts = docs[order], counts[order]
    first = np.flatnonzero(np.append(True, docs[1:] != docs[:-1]))
    sums = np.add.reduceat(counts, first, dtype=np.int64)
    return docs[first], np.minimum(sums, MAX_COUNT).astype(np.uint16)


def _limit(scores: Array, count: int) -> float:
    """Return the least of the `count` largest scores, or 0 if there are fewer.

    The maxima of groups of scores exclude most scores first.
    """
    groups = len(scores) // _GROUP
    if groups > 2 * count:
        maxima = scores[: groups * _GROUP].reshape(_GROUP, groups).max(axis=0)
        limit = np.partition(maxima, -count)[-count]
        scores = scores[scores >= limit if limit > 0 else scores > 0]  # many zeros take long
    return float(np.partition(scores, -count)[-count]) if len(scores) >= count else 0.0


def idf(frequency: int, count: int) -> float:
    """Return the inverse document frequency of a term that `frequency` of `count` memories have."""
    return math.log1p((count - frequency + 0.5) / (frequency + 0.5))
