"""BM25 index of one user's memories: an inverted index in numpy.

Terms are stored as 32-bit checksums, sorted, with contiguous postings. The latest postings are
kept in the order of writing, in a tail, which is merged when it grows long.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np

from memorybank_core.protocols import Array
from memorybank_core.search.spelling import near_forms
from memorybank_core.search.terms import K1, B, TermGroup

from .arrays import GrowingArray
from .lexical_query import MAX_COUNT, LexicalQuery, TermPostings, idf, join_postings

POSTING = np.dtype([("term", "<u4"), ("count", "<u2")])
"""A distinct term of a memory and its count, as stored on disk."""

MAX_NEAR, NEAR_WEIGHT = 3, 0.7
"""Maximum number of known forms that replace an unknown term, and the factor of its weight."""

_MAX_LOOKUPS = 4_000  # near forms of one query, about 2 ms
_TAIL = 4_096  # postings that the tail may hold, however small the index is
_LONGEST_TAIL = 65_536  # postings that one query may read unsorted, if no other follows
_TAIL_PART = 64  # the tail may hold one posting in 64


def term_key(term: str) -> int:
    """Return the 32-bit key of a term."""
    return zlib.crc32(term.encode())


def postings(terms: Iterable[str]) -> bytes:
    """Return the distinct terms with their counts, as bytes of `POSTING`."""
    counts = Counter(map(term_key, terms))
    pairs = [(key, min(count, MAX_COUNT)) for key, count in sorted(counts.items())]
    return np.array(pairs, dtype=POSTING).tobytes()


class LexicalIndex:
    """BM25 of n memories; positions 0..n-1 are in the order of adding.

    Attributes:
        mean_length: Mean number of terms of a memory at the last query; 1 for an empty index.
    """

    def __init__(self) -> None:
        self.mean_length = 1.0
        self._lengths = GrowingArray(np.float32)
        self._keys, self._starts = np.zeros(0, np.uint32), np.zeros(1, np.int64)
        self._docs, self._counts = np.zeros(0, np.int32), np.zeros(0, np.uint16)
        self._sorted = 0  # number of memories whose postings are sorted
        self._tail_keys, self._tail_docs = GrowingArray(np.uint32), GrowingArray(np.int32)
        self._tail_counts = GrowingArray(np.uint16)
        self._tail_vocabulary: Array | None = None  # its keys, sorted
        self._norms: Array | None = None
        self._was_read = False  # whether it was read with a long tail

    def __len__(self) -> int:
        return len(self._lengths)

    @property
    def nbytes(self) -> int:
        """Size of the arrays in bytes."""
        arrays = (self._keys, self._starts, self._docs, self._counts)
        tail = (self._tail_keys, self._tail_docs, self._tail_counts)
        vocabulary = self._tail_keys.nbytes  # at most
        return sum(a.nbytes for a in (*arrays, *tail)) + vocabulary + 3 * self._lengths.nbytes

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
        self._norms = self._tail_vocabulary = None

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
        self._norms = self._tail_vocabulary = None

    @property
    def lengths(self) -> Array:
        """Number of terms of each memory, float32 (n,)."""
        return self._lengths.values

    def query(self, groups: Sequence[TermGroup]) -> LexicalQuery:
        """Return the postings and BM25 scores of a query's terms.

        A term that the user's memories lack is replaced by the forms nearest to it that they have.
        """
        if len(self._tail_keys) > max(_TAIL, len(self._docs) // _TAIL_PART):
            merges = self._was_read or len(self._tail_keys) > _LONGEST_TAIL
            if merges:
                self._merge()
            self._was_read = not merges
        if self._norms is None:
            total = float(self.lengths.sum(dtype=np.float64))
            self.mean_length = total / max(len(self), 1) or 1.0
            self._norms = K1 * (1 - B) + K1 * B / self.mean_length * self.lengths.astype(float)
        keys = {group: _keys(group) for group in groups}
        entries = self._find(keys.values())
        unknown = [
            group for group, own in keys.items() if not any(len(entries[key][0]) for key in own)
        ]
        if unknown:
            near = self._find_near(unknown)
            groups = [near.get(group, group) for group in groups]
            keys = {group: _keys(group) for group in groups}
            entries = self._find(keys.values())
        terms = []
        for group in groups:
            docs, counts = join_postings([entries[key] for key in keys[group]])
            terms.append(TermPostings(docs, counts, group.weight * idf(len(docs), len(self))))
        return LexicalQuery(groups, terms, self._norms)

    def _find_near(self, groups: Sequence[TermGroup]) -> dict[TermGroup, TermGroup]:
        """Return the near forms of unknown terms, where there are any in the index."""
        replaced, size = {}, 0
        for group in groups:
            for near in chain.from_iterable(map(near_forms, group.forms)):  # the likeliest first
                size += len(near)
                if forms := self._find_known(near):
                    weight = group.weight * NEAR_WEIGHT
                    replaced[group] = TermGroup(tuple(forms[:MAX_NEAR]), weight)
                    break
                if size > _MAX_LOOKUPS:  # a query in a language that this bank does not have
                    return replaced
        return replaced

    def _find_known(self, forms: Sequence[str]) -> list[str]:
        """Return those of many forms that the index has, in their order."""
        keys = np.array([term_key(form) for form in forms], np.uint32)
        if self._tail_vocabulary is None:
            self._tail_vocabulary = np.unique(self._tail_keys.values)
        known = np.zeros(len(keys), bool)
        for vocabulary in (self._keys, self._tail_vocabulary):
            if len(vocabulary):
                places = np.minimum(np.searchsorted(vocabulary, keys), len(vocabulary) - 1)
                known |= vocabulary[places] == keys
        return [form for form, is_known in zip(forms, known.tolist(), strict=True) if is_known]

    def _find(self, keys: Iterable[Sequence[int]]) -> dict[int, tuple[Array, Array]]:
        """Return the memories that have the form of each key, ascending, and its counts.

        Args:
            keys: The keys of each term.
        """
        distinct = sorted(set(chain.from_iterable(keys)))
        array = np.array(distinct, np.uint32)
        starts = self._starts[np.searchsorted(self._keys, array, "left")].tolist()
        stops = self._starts[np.searchsorted(self._keys, array, "right")].tolist()
        tail_keys, entries = self._tail_keys.values, {}
        recent = np.flatnonzero(np.isin(tail_keys, array)) if len(tail_keys) else np.zeros(0, int)
        for key, low, high in zip(distinct, starts, stops, strict=True):
            docs, counts = self._docs[low:high], self._counts[low:high]
            if len(recent) and len(tail := recent[tail_keys[recent] == key]):
                docs = np.append(docs, self._tail_docs.values[tail])
                counts = np.append(counts, self._tail_counts.values[tail])
            entries[key] = docs, counts
        return entries

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
        self._tail_vocabulary = None

    def _set_starts(self, keys: Array, sizes: Array) -> None:
        """Record where the sorted postings of each term start, from their numbers."""
        self._keys = keys[sizes > 0]
        self._starts = np.append(0, np.cumsum(sizes[sizes > 0]))


def _keys(group: TermGroup) -> list[int]:
    """Return the keys of the distinct forms of a term."""
    return [term_key(form) for form in dict.fromkeys(group.forms)]


def _stable_argsort(keys: Array) -> Array:
    """Return the order that sorts uint32 keys, equal ones by position.

    Sorting numbers made of key and position is several times faster than a stable sort.
    """
    numbers = keys.astype(np.uint64)
    numbers <<= np.uint64(32)
    numbers |= np.arange(len(keys), dtype=np.uint64)
    numbers.sort()
    return numbers.astype(np.uint32)
