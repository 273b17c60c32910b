"""Between items and rows: what the stores have in common.

A namespace is stored as one path, "/" and every label ended by "/", so that the namespaces of a
prefix are one range of paths: "/u1/" up to "/u10". In a label "/" is written "~1" and "~" is
written "~0", as in a JSON pointer (RFC 6901).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import numpy as np

from memorybank_core.protocols import Item, Matrix, Namespace, Vector

from .rows import Row, micros, moment

COLUMNS = "path, key, value, created_at, updated_at, ttl, fields"
"""The columns of an item."""


def path_of(namespace: Namespace) -> str:
    """The path of a namespace."""
    labels = (label.replace("~", "~0").replace("/", "~1") for label in namespace)
    return "/" + "".join(f"{label}/" for label in labels)


def namespace_of(path: str) -> Namespace:
    """The inverse of `path_of`."""
    labels = path[1:-1].split("/")
    return tuple(label.replace("~1", "/").replace("~0", "~") for label in labels)


def bounds(prefix: Namespace) -> tuple[str, str]:
    """The paths under a prefix: from the first on, and before the second ("0" follows "/")."""
    start = path_of(prefix)
    return start, f"{start[:-1]}0"


def expiry(ttl: float | None, now: datetime) -> int | None:
    """When what lives so many minutes from now on has expired, in microseconds since 1970."""
    return None if ttl is None else micros(now) + round(ttl * 60e6)


def to_blob(matrix: Matrix) -> bytes:
    """Vectors as they are stored."""
    return np.ascontiguousarray(matrix, np.float32).tobytes()


def to_row(item: Item, matrix: Matrix | None) -> Row:
    """The values of `COLUMNS`, when it expires, and its vectors."""
    return (
        path_of(item.namespace),
        item.key,
        item.value,
        micros(item.created_at),
        micros(item.updated_at),
        item.ttl,
        json.dumps(list(item.fields)) if item.fields else None,
        expiry(item.ttl, item.updated_at),
        None if matrix is None else to_blob(matrix),
    )


def to_item(row: Row) -> Item:
    """The item of a row of `COLUMNS`."""
    path, key, value, created, updated, ttl, fields = row
    of_search = tuple(json.loads(fields)) if fields else ()
    return Item(namespace_of(path), key, value, moment(created), moment(updated), ttl, of_search)


def page(
    rows: Iterable[Row],
    *,
    vector: Vector | None,
    accepts: Callable[[str], bool] | None,
    limit: int,
    offset: int,
) -> list[tuple[Item, float | None]]:
    """What a search answers of these rows; see `ItemStore.search`.

    A row is `COLUMNS`, with a `vector` followed by the item's; they come in the order of their
    keys, or already the last updated first.
    """
    passed = [row for row in rows if accepts is None or accepts(row[2])]
    passed.sort(key=lambda row: -row[4])
    scored = [(row, None) for row in passed] if vector is None else _ranked(passed, vector)
    return [(to_item(row[:7]), score) for row, score in scored[offset : offset + limit]]


def _ranked(rows: Sequence[Row], vector: Vector) -> list[tuple[Row, float | None]]:
    """The nearest first, by the best of an item's vectors; then those without any."""
    near = [row for row in rows if row[7]]
    rest: list[tuple[Row, float | None]] = [(row, None) for row in rows if not row[7]]
    if not near:
        return rest
    flat = np.frombuffer(b"".join(row[7] for row in near), np.float32)
    cosines = flat.reshape(-1, len(vector)) @ vector
    counts = [len(row[7]) // vector.nbytes for row in near]
    best = np.maximum.reduceat(cosines, np.cumsum([0, *counts[:-1]]))
    order = np.argsort(-best, kind="stable").tolist()
    return [*((near[place], float(best[place])) for place in order), *rest]
