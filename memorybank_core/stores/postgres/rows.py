"""Between records and rows: what PostgreSQL's tables have beside the columns of every store."""

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
from memorybank_core.stores.rows import COLUMNS, from_memory
from memorybank_core.stores.rules import sole_speaker, utterance_count

NAMES = COLUMNS.split(", ")
STATE = ("strength", "recalls", "last_recalled_at", "archived_at", "pinned")
"""What a memory keeps when another text takes its place."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A memory as it goes into the database.

    Attributes:
        id: Its id.
        kind: Its kind.
        conversation: The session that it belongs to.
        row: Its columns, but for the user, the number and the place in the conversation.
        vectors: Of its windows, float32 (windows, d).
    """

    id: str
    kind: str
    conversation: str
    row: dict[str, Any]
    vectors: Matrix


def entries(user_id: str, memories: Sequence[Memory], vectors: Sequence[Matrix]) -> list[Entry]:
    """Memories, with the vectors of their windows, as they go into the database."""
    rows = [_row(user_id, memory) for memory in memories]
    return [
        Entry(row["id"], row["kind"], row["conversation"], row, matrix)
        for row, matrix in zip(rows, vectors, strict=True)
    ]


def term_keys(user_id: str, terms: Iterable[str]) -> list[int]:
    """A 64-bit key for each term of a user: no two users' terms are one entry of the index."""
    salted = hashlib.blake2b(user_id.encode(errors="surrogatepass") + b"\0", digest_size=8)
    keys = []
    for term in terms:
        digest = salted.copy()
        digest.update(term.encode(errors="surrogatepass"))
        keys.append(int.from_bytes(digest.digest(), "big", signed=True))
    return keys


def conditions(filter: Filter) -> tuple[str, dict[str, Any]]:
    """A filter as SQL, to follow the condition on the user; the table of memories is `m`."""
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


def grouped(pairs: Iterable[Sequence[Any]]) -> dict[Any, list[Any]]:
    """Return the values of each key, in their order."""
    groups: dict[Any, list[Any]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def to_matrix(vectors: Sequence[Any]) -> Matrix:
    """The vectors of a memory's windows, float32 (windows, d)."""
    return np.stack([vector.to_numpy() for vector in vectors]).astype(np.float32)


def _row(user_id: str, memory: Memory) -> dict[str, Any]:
    counts = Counter(tokenize(memory.text))
    row = dict(zip(NAMES, from_memory(memory), strict=True))
    said = (row["query"], row["response"])
    return {
        **row,
        "conversation": row["day"] if row["session"] is None else row["session"],
        "utterances": utterance_count(*said),
        "speaker": sole_speaker(*said, row["user_name"], row["companion_name"]),
        "terms": term_keys(user_id, counts),
        "counts": list(counts.values()),
        "length": counts.total(),
    }
