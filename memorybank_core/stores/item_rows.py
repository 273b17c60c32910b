"""Rows of items, as both stores have them: columns, conversions and paths of namespaces.

A namespace is stored as one path, "/" and every label ended by "/", so that the namespaces of a
prefix are one range of paths: "/u1/" up to "/u10". In a label "/" is written "~1" and "~" is
written "~0", as in a JSON pointer (RFC 6901).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import numpy as np

from memorybank_core.protocols import Array, Item, Matrix, Namespace, Vector

from .damage import are_finite, convert_all, report_damage
from .rows import Row, from_micros, to_micros

ITEM_COLUMNS = "path, key, value, created_at, updated_at, ttl, fields"
"""The columns of an item."""

_ENDS = {"{": "}", "[": "]", '"': '"'}
_BATCH = 4_096  # items of which the vectors are compared at a time


def path_of(namespace: Namespace) -> str:
    """Return the path of a namespace."""
    labels = (label.replace("~", "~0").replace("/", "~1") for label in namespace)
    return "/" + "".join(f"{label}/" for label in labels)


def namespace_of(path: str) -> Namespace:
    """Return the namespace of a path (inverts `path_of`)."""
    labels = path[1:-1].split("/")
    return tuple(label.replace("~1", "/").replace("~0", "~") for label in labels)


def path_range(prefix: Namespace) -> tuple[str, str]:
    """Return the range of paths under a prefix, the end excluded ("0" follows "/")."""
    start = path_of(prefix)
    return start, f"{start[:-1]}0"


def expiry_time(ttl: float | None, now: datetime) -> int | None:
    """Return the time `ttl` minutes after `now`, in microseconds since 1970, or None."""
    return None if ttl is None else to_micros(now) + round(ttl * 60e6)


def to_blob(matrix: Matrix) -> bytes:
    """Return vectors as bytes, as they are stored."""
    return np.ascontiguousarray(matrix, np.float32).tobytes()


def has_finite_vectors(blob: object, dimension: int) -> bool:
    """Return whether stored bytes are the finite vectors of at least one window."""
    if not isinstance(blob, bytes) or not blob or len(blob) % (4 * dimension):
        return False
    return are_finite(np.frombuffer(blob, np.float32))


def join_vectors(blobs: Sequence[bytes | None], dimension: int) -> tuple[Matrix, Array]:
    """Return the vectors of items, and their number for each; damaged ones count as missing."""
    sizes = np.array([len(blob or b"") for blob in blobs], np.int64)
    if not (sizes % (4 * dimension)).any():
        vectors = np.frombuffer(b"".join(blob or b"" for blob in blobs), np.float32)
        if are_finite(vectors):
            return vectors.reshape(-1, dimension), sizes // (4 * dimension)
    intact = [blob if has_finite_vectors(blob, dimension) else None for blob in blobs]
    return join_vectors(intact, dimension)


def to_row(item: Item, matrix: Matrix | None) -> Row:
    """Return the values of `ITEM_COLUMNS`, the expiry time and the bytes of the vectors."""
    return (
        path_of(item.namespace),
        item.key,
        item.value,
        to_micros(item.created_at),
        to_micros(item.updated_at),
        item.ttl,
        json.dumps(list(item.fields)) if item.fields else None,
        expiry_time(item.ttl, item.updated_at),
        None if matrix is None else to_blob(matrix),
    )


def to_item(row: Row) -> Item:
    """Return the item of a row of `ITEM_COLUMNS`.

    Raises:
        ValueError: If the row is damaged, or another of `damage.READ_ERRORS`.
    """
    path, key, value, created, updated, ttl, fields = row
    if not isinstance(value, str) or value[-1:] != _ENDS.get(value[:1], value[-1:] or None):
        raise ValueError("the value is not JSON: its end is missing")
    embedded = tuple(json.loads(fields)) if fields else ()
    return Item(
        namespace_of(path), key, value, from_micros(created), from_micros(updated), ttl, embedded
    )


def item_name(row: Row) -> str:
    """Return how a report names the item of a row that begins with path and key."""
    return f"the item {row[1]!r} of {row[0]!r}"


def select_page(
    rows: Iterable[Row],
    location: str,
    *,
    vector: Vector | None,
    accepts: Callable[[str], bool] | None,
    limit: int,
    offset: int,
) -> list[tuple[Item, float | None]]:
    """Return the requested page of a search without an index; see `ItemStore.search`.

    Args:
        rows: `ITEM_COLUMNS`, followed by the item's vectors if there is a `vector`; sorted by key,
            or by the time of the last update, latest first.
        location: The path or URL of the bank, for reports.
        vector: The vector to compare with.
        accepts: Returns whether an item with this value may be returned.
        limit: Maximum number of items.
        offset: Number of items to skip.
    """
    accepted = [row for row in rows if accepts is None or accepts(row[2])]
    accepted.sort(key=lambda row: -row[4])
    scored = [(row, None) for row in accepted] if vector is None else _rank(accepted, vector)
    return convert_all(
        scored[offset : offset + limit],
        lambda result: (to_item(result[0][:7]), result[1]),
        lambda result: report_damage(location, item_name(result[0])),
    )


def best_cosines(vectors: Matrix, windows: Array, vector: Vector) -> Array:
    """Return the best cosine of each item, float32 (n,).

    They are computed in double precision, so that equal vectors have equal cosines.

    Args:
        vectors: The vectors of all items, one item after another, (sum of `windows`, d).
        windows: Number of vectors of each item, (n,), at least one.
        vector: The vector to compare with.
    """
    cosines = vectors.astype(np.float64) @ vector.astype(np.float64)
    best: Array = np.maximum.reduceat(cosines, np.cumsum(windows) - windows)
    return best.astype(np.float32)


def _rank(rows: Sequence[Row], vector: Vector) -> list[tuple[Row, float | None]]:
    """Sort rows by the best cosine of their vectors; rows without vectors come last."""
    near = [row for row in rows if has_finite_vectors(row[7], len(vector))]
    best = [np.zeros(0, np.float32)]
    for start in range(0, len(near), _BATCH):
        blobs = [row[7] for row in near[start : start + _BATCH]]
        vectors = np.frombuffer(b"".join(blobs), np.float32).reshape(-1, len(vector))
        windows = np.array([len(blob) for blob in blobs]) // (4 * len(vector))
        best.append(best_cosines(vectors, windows, vector))
    cosines = np.concatenate(best)
    order = np.argsort(-cosines, kind="stable").tolist()
    rest: list[tuple[Row, float | None]] = [
        (row, None) for row in rows if not has_finite_vectors(row[7], len(vector))
    ]
    return [*((near[index], float(cosines[index])) for index in order), *rest]
