"""Index of one user's vectors: exact inner products, few or many of them.

Up to 4,000 vectors are kept as float32 and all of them are compared with a query. More are kept as
24-bit integers in two planes: FAISS scans the first, of 8 bits, for the candidates, and their inner
products are computed again from both. How far the two results differ shows how many candidates are
needed for the exact result.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import faiss
import numpy as np

from memorybank_core.forked_processes import limit_threads
from memorybank_core.protocols import Array, Matrix, Vector

from .arrays import GrowingArray, largest

limit_threads(faiss.omp_set_num_threads)

EXACT_UP_TO = 4_000
"""Number of vectors up to which they are kept as float32."""

_LEVELS = 127  # of the first plane, on each side of zero
_ZERO_CODE = 128  # of the first plane
_FINE_LEVELS = 65_534  # of the second plane, within one step of the first
_HEADROOM = 1.25  # so that a slightly larger component does not change the scale
_CHUNK = 4_096  # vectors that are float32 at the same time while the scale changes
_FEW = 16  # comparing all of one vector in 16 is faster than a scan
_MOST = 4  # comparing all vectors is faster than a scan for one in 4


class Products(Protocol):
    """The inner products of one query with all vectors; valid until the index changes."""

    def nearest(self, count: int, allowed: Array | None) -> Array:
        """Return the vectors with the largest products, largest first; ties in any order.

        Args:
            count: Maximum number of vectors.
            allowed: bool (n,), the vectors to search, or None for all.
        """
        ...

    def at(self, rows: Array) -> Array:
        """Return the products of these vectors, float32."""
        ...


class VectorIndex:
    """Vectors of n windows, in the order of adding."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._floats = GrowingArray(np.float32, dimension)
        self._quantized: _QuantizedVectors | None = None

    def __len__(self) -> int:
        return len(self._floats if self._quantized is None else self._quantized)

    @property
    def nbytes(self) -> int:
        """Size of the vectors in bytes."""
        return (self._floats if self._quantized is None else self._quantized).nbytes

    def reserve(self, count: int) -> None:
        """Make room for `count` vectors in all."""
        if count > EXACT_UP_TO:
            self._quantize().reserve(count)

    def extend(self, vectors: Matrix) -> None:
        """Add vectors, float32 (n, d)."""
        if len(self) + len(vectors) > EXACT_UP_TO:
            self._quantize()
        (self._floats if self._quantized is None else self._quantized).extend(vectors)

    def truncate(self, size: int) -> None:
        """Drop all vectors but the first `size`."""
        (self._floats if self._quantized is None else self._quantized).truncate(size)

    def erase(self, rows: Array) -> None:
        """Overwrite these vectors with zeros."""
        if self._quantized is None:
            self._floats.values[rows] = 0.0
        else:
            self._quantized.erase(rows)

    def compress(self, kept: Array) -> None:
        """Drop all vectors but those that are `kept`, bool (n,)."""
        (self._floats if self._quantized is None else self._quantized).compress(kept)

    def take(self, rows: Array) -> Matrix:
        """Return these vectors, float32 (n, d)."""
        if self._quantized is None:
            return self._floats.values.take(rows, 0)
        return self._quantized.take(rows)

    def products(self, query: Vector) -> Products:
        """Return the inner products with a query, float32 (d,)."""
        if self._quantized is None:
            return _ExactProducts(inner_products(self._floats.values, query))
        return _ScannedProducts(self._quantized, query)

    def _quantize(self) -> _QuantizedVectors:
        if self._quantized is None:
            self._quantized = _QuantizedVectors(self._dimension)
            self._quantized.extend(self._floats.values)
            self._floats = GrowingArray(np.float32, self._dimension)
        return self._quantized


class _ExactProducts:
    """Products that were all computed in advance."""

    def __init__(self, products: Array) -> None:
        self._products = products

    def nearest(self, count: int, allowed: Array | None) -> Array:
        if allowed is None:
            return largest(self._products, count)
        rows = np.flatnonzero(allowed)
        return rows[largest(self._products[rows], count)]

    def at(self, rows: Array) -> Array:
        return self._products[rows]


class _ScannedProducts:
    """Products that are computed for the vectors that a scan of the first plane finds."""

    def __init__(self, vectors: _QuantizedVectors, query: Vector) -> None:
        self._vectors, self._query = vectors, query
        self._scanned: tuple[Array, Array] = np.zeros(0, np.int64), np.zeros(0, np.float32)

    def nearest(self, count: int, allowed: Array | None) -> Array:
        total = len(self._vectors)
        size = total if allowed is None else int(np.count_nonzero(allowed))
        searched = 2 * count * total // max(size, 1)
        while size > total // _FEW and searched <= total // _MOST:
            rows, estimates = self._scan(searched)
            unseen = estimates[-1]  # none of the other vectors has a larger estimate
            if allowed is not None:
                rows, estimates = rows[allowed[rows]], estimates[allowed[rows]]
            if len(rows) >= count:
                products = self.at(rows)
                margin = 2 * np.abs(products - estimates).max()  # the largest error of thousands
                best = largest(products, count)
                if products[best[-1]] > unseen + margin:
                    return rows[best]
            searched *= 4
        return self._compare(
            np.arange(total) if allowed is None else np.flatnonzero(allowed), count
        )

    def at(self, rows: Array) -> Array:
        return self._vectors.products(self._query, rows)

    def _scan(self, count: int) -> tuple[Array, Array]:
        """Return the result of the last scan if it found enough vectors, or scan again."""
        if len(self._scanned[0]) < count:
            self._scanned = self._vectors.scan(self._query, count)
        return self._scanned

    def _compare(self, rows: Array, count: int) -> Array:
        """Return the nearest of these vectors, after comparing every one."""
        chunks = [self.at(rows[i : i + _CHUNK]) for i in range(0, len(rows), _CHUNK)]
        return rows[largest(np.concatenate(chunks), count)] if chunks else rows


class _QuantizedVectors:
    """Vectors as integers of 24 bits: a plane of 8 bits, which FAISS scans, and one of 16."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._step = 0.0  # of the first plane
        self._coarse = self._new_plane()
        self._fine = GrowingArray(np.int16, dimension)

    def __len__(self) -> int:
        return len(self._fine)

    @property
    def nbytes(self) -> int:
        return self._fine.nbytes // 2 * 3

    def reserve(self, count: int) -> None:
        self._fine.reserve(count)

    def extend(self, vectors: Matrix) -> None:
        if not len(vectors):
            return
        largest_component = float(np.abs(vectors).max())
        if largest_component > self._step * _LEVELS:
            self._rescale(largest_component * _HEADROOM / _LEVELS)
        self._append(vectors)

    def truncate(self, size: int) -> None:
        self._coarse.remove_ids(faiss.IDSelectorRange(size, len(self)))
        self._fine.truncate(size)

    def erase(self, rows: Array) -> None:
        self._codes[rows] = _ZERO_CODE
        self._fine.values[rows] = 0

    def compress(self, kept: Array) -> None:
        self._coarse.remove_ids(np.flatnonzero(~kept))
        self._fine.compress(kept)

    def scan(self, query: Vector, count: int) -> tuple[Array, Array]:
        """Return vectors whose products with the query are about the largest, and estimates."""
        scale = (float(np.abs(query).max()) or 1.0) / _LEVELS
        with single_thread():
            products, rows = self._coarse.search(np.rint(query / scale)[None, :], count)
        return rows[0], products[0] * np.float32(scale * self._step)

    def products(self, query: Vector, rows: Array) -> Array:
        """Return the products of these vectors with the query, float32."""
        coarse = (self._codes.take(rows, 0) ^ _ZERO_CODE).view(np.int8).astype(np.float32)
        fine = self._fine.values.take(rows, 0).astype(np.float32)
        products: Array = inner_products(fine, query)
        products /= np.float32(_FINE_LEVELS)
        products += inner_products(coarse, query)
        products *= np.float32(self._step)
        return products

    def take(self, rows: Array) -> Matrix:
        """Return these vectors, float32 (n, d)."""
        codes = self._codes.take(rows, 0)
        codes ^= _ZERO_CODE
        vectors: Matrix = codes.view(np.int8).astype(np.float32)
        vectors *= np.float32(_FINE_LEVELS)  # integers of 24 bits, which float32 has exactly
        vectors += self._fine.values.take(rows, 0).astype(np.float32)
        vectors *= np.float32(self._step / _FINE_LEVELS)
        return vectors

    @property
    def _codes(self) -> Array:
        """The codes of the first plane, uint8 (n, d), as a view that is valid until a change."""
        codes = self._coarse.codes
        view: Array = faiss.rev_swig_ptr(codes.data(), codes.size())
        return view.reshape(-1, self._dimension)

    def _append(self, vectors: Matrix) -> None:
        scaled = vectors / np.float32(self._step)
        coarse = np.rint(scaled)
        with single_thread():
            self._coarse.add(coarse)
        scaled -= coarse
        scaled *= np.float32(_FINE_LEVELS)
        self._fine.extend(np.rint(scaled, out=scaled))

    def _rescale(self, step: float) -> None:
        """Write all vectors again with another step."""
        coarse, fine, old_step = self._coarse, self._fine, self._step
        self._coarse, self._fine = self._new_plane(), GrowingArray(np.int16, self._dimension)
        self._step = step
        self._fine.reserve(fine.capacity)
        for start in range(0, len(fine), _CHUNK):
            part = fine.values[start : start + _CHUNK].astype(np.float32) / _FINE_LEVELS
            part += coarse.reconstruct_n(start, len(part))
            self._append(part * np.float32(old_step))

    def _new_plane(self) -> Any:
        kind = faiss.ScalarQuantizer.QT_8bit_direct_signed
        return faiss.IndexScalarQuantizer(self._dimension, kind, faiss.METRIC_INNER_PRODUCT)


def inner_products(matrix: Matrix, vector: Vector) -> Vector:
    """Return the inner product of each row, float32 (n,); uses one thread, unlike `@`."""
    matrix, vector = np.ascontiguousarray(matrix), np.ascontiguousarray(vector, np.float32)
    result = np.empty(len(matrix), np.float32)
    pointers = map(faiss.swig_ptr, (result, vector, matrix))
    faiss.fvec_inner_products_ny(*pointers, matrix.shape[1], len(matrix))  # type: ignore[attr-defined]
    return result


@contextmanager
def single_thread() -> Iterator[None]:
    """Run FAISS in one thread: more are slower for one query, and much slower on a busy machine."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
