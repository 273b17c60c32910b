"""Convert memories to rows: the columns that only the PostgreSQL tables have."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from memorybank_core.protocols import Filter, Matrix
from memorybank_core.records import Memory
from memorybank_core.search.tokenize import tokenize
from memorybank_core.stores.rows import MEMORY_COLUMNS, from_memory
from memorybank_core.stores.rules import sole_speaker, utterance_count

NAMES = MEMORY_COLUMNS.split(", ")
STATE = ("strength", "recalls", "last_recalled_at", "archived_at", "pinned")
"""The columns that a memory keeps when its text is replaced."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A memory to be inserted.

    Attributes:
        id: Its id.
        kind: Its kind.
        conversation: Its session, or its day if it has none.
        row: Its columns, except for the user, the number and the place in the conversation.
        vectors: The vectors of its windows, float32 (windows, d).
    """

    id: str
    kind: str
    conversation: str
    row: dict[str, Any]
    vectors: Matrix


def entries(user_id: str, memories: Sequence[Memory], vectors: Sequence[Matrix]) -> list[Entry]:
    """Return the entries of memories with the vectors of their windows."""
    rows = [_to_row(user_id, memory) for memory in memories]
    return [
        Entry(row["id"], row["kind"], row["conversation"], row, matrix)
        for row, matrix in zip(rows, vectors, strict=True)
    ]


def term_keys(user_id: str, terms: Iterable[str]) -> list[int]:
    """Return a 64-bit key for each term, salted with the user: users share no index entries."""
    salted = hashlib.blake2b(user_id.encode(errors="surrogatepass") + b"\0", digest_size=8)
    keys = []
    for term in terms:
        digest = salted.copy()
        digest.update(term.encode(errors="surrogatepass"))
        keys.append(int.from_bytes(digest.digest(), "big", signed=True))
    return keys


def filter_conditions(filter: Filter) -> tuple[str, dict[str, Any]]:
    """Return the conditions of a filter on the memories `m` as SQL, and their values."""
    clauses, values = [], {}
    for name, clause, value in (
        ("since", "m.day >= %(since)s", filter.since and filter.since.isoformat()),
        ("until", "m.day <= %(until)s", filter.until and filter.until.isoformat()),
        ("kind", "m.kind = %(kind)s", filter.kind),
        ("session", "m.conversation = %(session)s", filter.session),
    ):
        if value is not None:
            clauses.append(f"AND {clause}")
            values[name] = value
    if not filter.archived:
        clauses.append("AND m.archived_at IS NULL")
    return " ".join(clauses), values


def group(pairs: Iterable[Sequence[Any]]) -> dict[Any, list[Any]]:
    """Return the values of each key, in their order."""
    groups: dict[Any, list[Any]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def to_matrix(vectors: Sequence[Any]) -> Matrix:
    """Return the vectors of a memory's windows, float32 (windows, d)."""
    return np.stack([vector.to_numpy() for vector in vectors]).astype(np.float32)


def _to_row(user_id: str, memory: Memory) -> dict[str, Any]:
    counts = Counter(tokenize(memory.text))
    row = dict(zip(NAMES, from_memory(memory), strict=True))
    texts = (row["query"], row["response"])
    return {
        **row,
        "conversation": row["day"] if row["session"] is None else row["session"],
        "utterances": utterance_count(*texts),
        "speaker": sole_speaker(*texts, row["user_name"], row["companion_name"]),
        "terms": term_keys(user_id, counts),
        "counts": list(counts.values()),
        "length": counts.total(),
    }
