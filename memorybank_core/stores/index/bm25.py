"""BM25 index of one user's memories: an inverted index in numpy.

Terms are stored as 32-bit checksums, sorted, with contiguous postings. The latest postings are
kept in the order of writing, in a tail, which is merged when it grows long.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from memorybank_core.protocols import Array
from memorybank_core.stores.rules import K1, B

from .arrays import GrowingArray, largest

POSTING = np.dtype([("term", "<u4"), ("count", "<u2")])
"""A distinct term of a memory and its count, as stored on disk."""

PRUNE_FROM = 30_000
"""Number of memories from which on not all of them are scored."""

_TAIL = 4_096  # postings that the tail may hold, however small the index is
_LONGEST_TAIL = 65_536  # postings that one query may read unsorted, if no other follows
_TAIL_PART = 64  # the tail may hold one posting in 64
_ROUNDING = 1e-9  # slack of comparisons between sums in different order
_FREQUENT = 1_000  # memories of a term that is worth skipping
_LOOKUPS = 32  # looking up one memory takes as long as reading the counts of 32
_GROUP = 16  # scores of which one is compared first
_MAX_COUNT = 65_535


def term_key(term: str) -> int:
    """Return the 32-bit key of a term."""
    return zlib.crc32(term.encode())


def postings(terms: Iterable[str]) -> bytes:
    """Return the distinct terms with their counts, as bytes of `POSTING`."""
    counts = Counter(map(term_key, terms))
    pairs = [(key, min(count, _MAX_COUNT)) for key, count in sorted(counts.items())]
    return np.array(pairs, dtype=POSTING).tobytes()


class LexicalIndex:
    """BM25 of n memories; positions 0..n-1 are in the order of adding."""

    def __init__(self) -> None:
        self._lengths = GrowingArray(np.float32)
        self._keys, self._starts = np.zeros(0, np.uint32), np.zeros(1, np.int64)
        self._docs, self._counts = np.zeros(0, np.int32), np.zeros(0, np.uint16)
        self._sorted = 0  # number of memories whose postings are sorted
        self._tail_keys, self._tail_docs = GrowingArray(np.uint32), GrowingArray(np.int32)
        self._tail_counts = GrowingArray(np.uint16)
        self._norms: Array | None = None
        self._was_read = False  # whether it was read with a long tail

    def __len__(self) -> int:
        return len(self._lengths)

    @property
    def nbytes(self) -> int:
        """Size of the arrays in bytes."""
        arrays = (self._keys, self._starts, self._docs, self._counts)
        tail = (self._tail_keys, self._tail_docs, self._tail_counts)
        return sum(array.nbytes for array in (*arrays, *tail)) + 3 * self._lengths.nbytes

    def extend(self, entries: Array, sizes: Array) -> None:
        """Add memories with their postings.

        Args:
            entries: `POSTING`, shape (sum of `sizes`,).
            sizes: int, shape (n,); number of postings of each memory.
        """
        owners = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        self._tail_docs.extend(owners + np.int32(len(self)))
        self._tail_keys.extend(entries["term"])
        self._tail_counts.extend(entries["count"])
        self._lengths.extend(np.bincount(owners, entries["count"], minlength=len(sizes)))
        self._norms = None

    def truncate(self, size: int) -> None:
        """Drop all memories but the first `size`."""
        if size < self._sorted:
            kept = self._docs < size
            ends = np.append(0, np.cumsum(kept))[self._starts]
            self._docs, self._counts = self._docs[kept], self._counts[kept]
            self._set_starts(self._keys, np.diff(ends))
            self._sorted = size
        first = int(np.searchsorted(self._tail_docs.values, size))
        for array in (self._tail_keys, self._tail_docs, self._tail_counts):
            array.truncate(first)
        self._lengths.truncate(size)
        self._norms = None

    def query(self, terms: Iterable[str]) -> LexicalQuery:
        """Return the BM25 scores for the distinct terms of a query."""
        if len(self._tail_keys) > max(_TAIL, len(self._docs) // _TAIL_PART):
            merges = self._was_read or len(self._tail_keys) > _LONGEST_TAIL
            if merges:
                self._merge()
            self._was_read = not merges
        if self._norms is None:
            lengths = self._lengths.values
            mean = float(lengths.sum(dtype=np.float64)) / max(len(self), 1) or 1.0
            self._norms = K1 * (1 - B) + K1 * B / mean * lengths.astype(np.float64)
        keys = np.array(sorted({term_key(term) for term in terms}), np.uint32)
        return LexicalQuery(self._find(keys), self._norms)

    def _find(self, keys: Array) -> list[TermPostings]:
        """Return the postings of the terms with these keys, which are sorted."""
        starts = np.searchsorted(self._keys, keys, "left")
        stops = np.searchsorted(self._keys, keys, "right")
        tail_keys, term_postings = self._tail_keys.values, []
        recent = np.flatnonzero(np.isin(tail_keys, keys)) if len(tail_keys) else np.zeros(0, int)
        for key, low, high in zip(keys, self._starts[starts], self._starts[stops], strict=True):
            docs, counts = self._docs[low:high], self._counts[low:high]
            if len(recent) and len(tail := recent[tail_keys[recent] == key]):
                docs = np.append(docs, self._tail_docs.values[tail])
                counts = np.append(counts, self._tail_counts.values[tail])
            if len(docs):
                term_postings.append(TermPostings(docs, counts, _idf(len(docs), len(self))))
        return term_postings

    def _merge(self) -> None:
        """Insert the tail into the sorted postings."""
        order = _stable_argsort(self._tail_keys.values)
        sorted_keys = self._tail_keys.values[order]
        first = np.flatnonzero(np.append(True, sorted_keys[1:] != sorted_keys[:-1]))
        keys, sizes = sorted_keys[first], np.diff(np.append(first, len(sorted_keys)))
        docs, counts = self._tail_docs.values[order], self._tail_counts.values[order]
        places = np.searchsorted(self._keys, keys, "right")
        if self._sorted:
            at = np.repeat(self._starts[places], sizes)
            docs, counts = np.insert(self._docs, at, docs), np.insert(self._counts, at, counts)
        new = ~np.isin(keys, self._keys, assume_unique=True)
        all_keys = np.insert(self._keys, places[new], keys[new])
        all_sizes = np.insert(np.diff(self._starts), places[new], 0)
        all_sizes[np.searchsorted(all_keys, keys)] += sizes
        self._docs, self._counts = docs, counts
        self._set_starts(all_keys, all_sizes)
        self._sorted = len(self)
        self._tail_keys, self._tail_docs = GrowingArray(np.uint32), GrowingArray(np.int32)
        self._tail_counts = GrowingArray(np.uint16)

    def _set_starts(self, keys: Array, sizes: Array) -> None:
        """Record where the sorted postings of each term start, from their numbers."""
        self._keys = keys[sizes > 0]
        self._starts = np.append(0, np.cumsum(sizes[sizes > 0]))


@dataclass(frozen=True, slots=True)
class TermPostings:
    """The memories that have a term, ascending, its count in each, and its idf."""

    docs: Array
    counts: Array
    idf: float

    def at(self, positions: Array, norms: Array) -> Array:
        """Return what the term adds to the BM25 of the memories at these positions."""
        if len(positions) * _LOOKUPS > len(self.docs):
            table = np.zeros(len(norms), np.uint16)
            table[self.docs] = self.counts
            counts = table[positions].astype(np.float64)
        else:
            targets = positions.astype(self.docs.dtype)  # of another type, `docs` would be copied
            places = np.minimum(self.docs.searchsorted(targets), len(self.docs) - 1)
            counts = self.counts[places] * (self.docs[places] == targets).astype(np.float64)
        scores: Array = self.idf * (K1 + 1) * counts / (counts + norms[positions])
        return scores

    def bound(self, least_norm: float) -> float:
        """Return an upper bound of `scores`."""
        count = float(self.counts.max())
        return self.idf * (K1 + 1) * count / (count + least_norm)


class LexicalQuery:
    """BM25 of the memories for one query, with Lucene's non-negative idf.

    With many memories, the scores of frequent terms are computed only for memories that can be
    among the best (MaxScore: Turtle & Flood 1995). The result is the same.

    Args:
        terms: The postings of the query's terms.
        norms: float64 (n,); the length normalization of each memory.
    """

    def __init__(self, terms: list[TermPostings], norms: Array) -> None:
        self._terms = sorted(terms, key=lambda term: len(term.docs))
        self._norms = norms
        self._sums = np.zeros(len(norms))  # of the first terms
        self._summed = 0  # number of those terms
        if len(norms) < PRUNE_FROM:
            self._sum(len(terms))

    def scores(self, positions: Array) -> Array:
        """Return the scores of the memories at these positions, float64."""
        scores: Array = self._sums[positions]
        for term in self._terms[self._summed :]:
            scores += term.at(positions, self._norms)
        return scores

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
        rare = sum(len(term.docs) < _FREQUENT for term in terms)  # they take one computation
        for part in (terms[:rare], *([term] for term in terms[rare:])):
            if part:
                docs = np.concatenate([term.docs for term in part], dtype=np.intp)
                counts = np.concatenate([term.counts for term in part], dtype=np.float64)
                factors = [term.idf * (K1 + 1) for term in part]
                scores = np.repeat(factors, [len(term.docs) for term in part]) * counts
                scores /= counts + self._norms.take(docs)
                self._sums += np.bincount(docs, scores, len(self._sums))

    def _allowed_sums(self, allowed: Array | None) -> Array:
        """Return the sums, which are 0 for memories that are not allowed."""
        return self._sums if allowed is None else self._sums * allowed


def _limit(scores: Array, count: int) -> float:
    """Return the least of the `count` largest scores, or 0 if there are fewer.

    The maxima of groups of scores exclude most scores first.
    """
    groups = len(scores) // _GROUP
    if groups > 2 * count:
        maxima = scores[: groups * _GROUP].reshape(_GROUP, groups).max(axis=0)
        scores = scores[scores >= np.partition(maxima, -count)[-count]]
    return float(np.partition(scores, -count)[-count]) if len(scores) >= count else 0.0


def _idf(frequency: int, count: int) -> float:
    return float(np.log1p((count - frequency + 0.5) / (frequency + 0.5)))


def _stable_argsort(keys: Array) -> Array:
    """Return the order that sorts uint32 keys, equal ones by position.

    Sorting numbers made of key and position is several times faster than a stable sort.
    """
    numbers = keys.astype(np.uint64)
    numbers <<= np.uint64(32)
    numbers |= np.arange(len(keys), dtype=np.uint64)
    numbers.sort()
    return numbers.astype(np.uint32)
