"""BM25 index of one user's memories: an inverted index in numpy.

Terms are stored as 32-bit checksums, sorted, with contiguous postings. The latest postings are
kept unsorted in a tail, which is merged when it grows long.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable

import numpy as np

from memorybank_core.protocols import Array
from memorybank_core.stores.rules import K1, B

POSTING = np.dtype([("term", "<u4"), ("count", "<u2")])
"""A distinct term of a memory and its count, as stored on disk."""

_TAIL = 16_384  # postings that the tail may hold, however small the index is
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
    """BM25 scores of n memories; positions 0..n-1 are in the order of adding."""

    def __init__(self) -> None:
        self._lengths = np.zeros(0, np.float32)
        self._keys, self._starts = np.zeros(0, np.uint32), np.zeros(1, np.int64)
        self._docs, self._counts = np.zeros(0, np.int32), np.zeros(0, np.uint16)
        self._tail_keys = np.zeros(0, np.uint32)
        self._tail_docs, self._tail_counts = np.zeros(0, np.int32), np.zeros(0, np.uint16)
        self._sorted = 0  # number of memories whose postings are sorted

    def __len__(self) -> int:
        return len(self._lengths)

    @property
    def nbytes(self) -> int:
        """Size of the arrays in bytes."""
        arrays = (value for value in vars(self).values() if isinstance(value, np.ndarray))
        return sum(array.nbytes for array in arrays)

    def extend(self, entries: Array, sizes: Array) -> None:
        """Add memories with their postings.

        Args:
            entries: `POSTING`, shape (sum of `sizes`,).
            sizes: int, shape (n,); number of postings of each memory.
        """
        owners = np.repeat(np.arange(len(sizes)), sizes)
        lengths = np.bincount(owners, weights=entries["count"], minlength=len(sizes))
        docs = (owners + len(self)).astype(np.int32)
        self._lengths = np.append(self._lengths, lengths.astype(np.float32))
        self._tail_keys = np.append(self._tail_keys, entries["term"])
        self._tail_docs = np.append(self._tail_docs, docs)
        self._tail_counts = np.append(self._tail_counts, entries["count"])
        if len(self._tail_keys) > max(_TAIL, len(self._docs) // 8):
            self._merge()

    def truncate(self, size: int) -> None:
        """Drop all memories but the first `size`."""
        kept = self._tail_docs < size
        self._tail_keys, self._tail_docs = self._tail_keys[kept], self._tail_docs[kept]
        self._tail_counts = self._tail_counts[kept]
        if size < self._sorted:
            kept = self._docs < size
            keys = np.repeat(self._keys, np.diff(self._starts))[kept]
            self._docs, self._counts = self._docs[kept], self._counts[kept]
            self._index_terms(keys, size)
        self._lengths = self._lengths[:size]

    def scores(self, terms: Iterable[str]) -> Array:
        """Return the BM25 score of every memory, float32 (n,), with Lucene's non-negative idf."""
        result = np.zeros(len(self), np.float32)
        if not len(self):
            return result
        mean_length = float(self._lengths.mean()) or 1.0
        for key in sorted({term_key(term) for term in terms}):
            docs, counts = self._find(key)
            if not len(docs):
                continue
            idf = np.log1p((len(self) - len(docs) + 0.5) / (len(docs) + 0.5))
            norm = K1 * (1 - B + B * self._lengths[docs] / mean_length)
            result[docs] += idf * counts * (K1 + 1) / (counts + norm)
        return result

    def _find(self, key: int) -> tuple[Array, Array]:
        """Return the memories that have a term, and their counts of it as float32."""
        start = int(np.searchsorted(self._keys, np.uint32(key)))
        stop = start + int(start < len(self._keys) and self._keys[start] == key)
        low, high = int(self._starts[start]), int(self._starts[stop])
        tail = np.flatnonzero(self._tail_keys == key)
        docs = np.concatenate((self._docs[low:high], self._tail_docs[tail]))
        counts = np.concatenate((self._counts[low:high], self._tail_counts[tail]))
        return docs, counts.astype(np.float32)

    def _merge(self) -> None:
        """Merge the tail into the sorted postings."""
        keys = np.concatenate((np.repeat(self._keys, np.diff(self._starts)), self._tail_keys))
        order = np.argsort(keys, kind="stable")
        self._docs = np.concatenate((self._docs, self._tail_docs))[order]
        self._counts = np.concatenate((self._counts, self._tail_counts))[order]
        self._index_terms(keys[order], len(self))
        self._tail_keys = np.zeros(0, np.uint32)
        self._tail_docs, self._tail_counts = np.zeros(0, np.int32), np.zeros(0, np.uint16)

    def _index_terms(self, keys: Array, size: int) -> None:
        """Record where the sorted postings of each term start; they cover `size` memories."""
        self._keys, first = np.unique(keys, return_index=True)
        self._starts = np.append(first, len(keys)).astype(np.int64)
        self._sorted = size
