"""Rows of the SQLite tables: their columns, and conversions from and to records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from memorybank_core.protocols import Filter, Matrix
from memorybank_core.records import Memory
from memorybank_core.search.terms import TERMS_VERSION
from memorybank_core.search.tokenize import tokenize
from memorybank_core.search.traits import find_traits
from memorybank_core.stores.index.bm25 import postings
from memorybank_core.stores.rows import CONTENT_COLUMNS, MEMORY_COLUMNS, Row, from_memory

_DERIVED = "terms, asks, flags, terms_version"
INSERT = (
    f"INSERT INTO memories (user_key, seq, version, written, {_DERIVED}, {MEMORY_COLUMNS}) "
    f"VALUES ({', '.join('?' * 23)}) ON CONFLICT (user_key, seq) DO UPDATE SET "
    + ", ".join(
        f"{name} = excluded.{name}"
        for name in f"version, written, {_DERIVED}, {CONTENT_COLUMNS}".split(", ")
    )
)
"""Inserts a memory; a replaced one keeps its strength, recalls, archiving and pin."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A memory to be inserted.

    Attributes:
        id: Its id.
        row: Its values of `MEMORY_COLUMNS`.
        derived: What is derived from its text: terms, traits and their version.
        vectors: The vectors of its windows.
    """

    id: str
    row: Row
    derived: Row
    vectors: bytes


def entries(memories: Sequence[Memory], vectors: Sequence[Matrix]) -> list[Entry]:
    """Return the entries of memories with the vectors of their windows."""
    return [
        Entry(
            memory.id,
            from_memory(memory),
            derive(memory.text),
            np.ascontiguousarray(matrix, np.float32).tobytes(),
        )
        for memory, matrix in zip(memories, vectors, strict=True)
    ]


def derive(text: str) -> Row:
    """Return what is derived from a text: terms, asks, flags and `terms_version`."""
    return (postings(tokenize(text)), *find_traits(text), TERMS_VERSION)


def has_vectors(blob: object, dimension: int) -> bool:
    """Return whether a value of the column `vector` is that of at least one window."""
    return isinstance(blob, bytes) and len(blob) > 0 and len(blob) % (4 * dimension) == 0


def to_vectors(blob: bytes | None, dimension: int) -> Matrix:
    """Return the vectors of a memory's windows, float32 (windows, dimension).

    Without vectors of the right length, this is (0, dimension).
    """
    if blob is None or not has_vectors(blob, dimension):
        return np.zeros((0, dimension), np.float32)
    return np.frombuffer(blob, np.float32).reshape(-1, dimension)


def filter_conditions(filter: Filter) -> tuple[str, list[Any]]:
    """Return the conditions of a filter as SQL that follows another condition, and their values."""
    clauses, values = [], []
    for clause, value in (
        ("day >= ?", filter.since and filter.since.isoformat()),
        ("day <= ?", filter.until and filter.until.isoformat()),
        ("kind = ?", filter.kind),
        ("coalesce(session, day) = ?", filter.session),
    ):
        if value is not None:
            clauses.append(f"AND {clause}")
            values.append(value)
    if filter.where:  # the metadata are compared in Python
        clauses.append("AND kind = 'turn'")
    if not filter.archived:
        clauses.append("AND archived_at IS NULL")
    return " ".join(clauses), values
