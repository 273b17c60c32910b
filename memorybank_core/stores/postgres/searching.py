"""Search: find and score the candidates for a probe in the database.

After the row of the user is read, one statement does the rest. It pools the windows nearest to the
query's vector and the best memories by BM25, among all memories and, if the query names days,
among those of these days; it adds their neighbours in the conversation; and it returns what
ranking needs. For a user with very many windows the nearest come from the HNSW index: see `ann`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from memorybank_core.protocols import Array, Candidates, Filter, Probe
from memorybank_core.search.dates import DayRange
from memorybank_core.stores.rules import ExpectedEmbedder, named_span_lengths, named_speaker

from . import ann
from .candidate_sql import USER_STATISTICS, exact_search
from .connections import Session
from .reading import STORED_EMBEDDER, check_embedder
from .rows import filter_conditions, term_keys
from .statements import Rows, Statement

_USER = f"WITH {USER_STATISTICS} SELECT size, indexed_from FROM statistics"
_SPEAKERS = """
    WITH RECURSIVE names (speaker) AS (
        SELECT min(speaker) FROM memorybank.memories
        WHERE user_id = %(user)s AND speaker IS NOT NULL
        UNION ALL
        SELECT (
            SELECT min(m.speaker) FROM memorybank.memories AS m
            WHERE m.user_id = %(user)s AND m.speaker > names.speaker
        )
        FROM names WHERE names.speaker IS NOT NULL
    )
    SELECT speaker FROM names WHERE speaker IS NOT NULL
"""  # jumps from each name to the next instead of reading every memory


def candidates(
    session: Session, embedder: ExpectedEmbedder, user_id: str, probe: Probe
) -> Candidates:
    """Find the candidates for a probe; see `MemoryStore.candidates`."""
    condition, values = filter_conditions(probe.filter)
    in_named_days = _build_day_condition(probe.days, values)
    values |= {
        "user": user_id,
        "vector": probe.vector,
        "terms": term_keys(user_id, sorted(set(probe.terms))),
        "pool": probe.pool,
        "least": probe.least,
        "reach": probe.reach,
    }
    users, speakers, stored_embedder = session.execute(
        Statement(_USER, values), Statement(_SPEAKERS, values), STORED_EMBEDDER
    )
    check_embedder(embedder, stored_embedder)
    rows: Rows = []
    for size, indexed_from in users:
        if indexed_from > 1 or probe.filter != Filter(archived=probe.filter.archived):
            [rows] = session.execute(Statement(exact_search(condition, in_named_days), values))
        else:
            rows = ann.find_rows(
                session, values, condition, in_named_days, size, embedder.dimension
            )
    return _to_candidates(rows, probe, named_speaker(probe.terms, [name for (name,) in speakers]))


def _build_day_condition(days: Sequence[DayRange], values: dict[str, Any]) -> str | None:
    """Return the condition for the days that a query names, and add its values to `values`."""
    spans = []
    for number, span in enumerate(days):
        values |= {f"first{number}": str(span.first), f"last{number}": str(span.last)}
        spans.append(f"m.day BETWEEN %(first{number})s AND %(last{number})s")
    return " OR ".join(spans) or None


def _to_candidates(rows: Rows, probe: Probe, speaker: str | None) -> Candidates:
    """Convert rows of `CANDIDATE_COLUMNS`, each followed by three scores, to candidates."""
    columns = zip(*rows, strict=True) if rows else [()] * 11
    (keys, days, speakers, conversations, places, created, strengths, refreshed, *scores) = columns
    similarities, lexical, pooled = scores
    codes: dict[str | None, int] = {None: -1}
    for conversation in conversations:
        codes.setdefault(conversation, len(codes))
    return Candidates(
        key=np.array(keys, np.int64),
        similarity=np.array(similarities, np.float64),
        lexical=np.array([score or 0.0 for score in lexical], np.float64),
        pooled=np.array(pooled, np.bool_),
        named=named_span_lengths(_ordinals(days), probe.days),
        spoken=np.array([speaker is not None and name == speaker for name in speakers], np.bool_),
        session=np.array([codes[conversation] for conversation in conversations], np.int64),
        place=np.array(places, np.int64),
        created=np.array(created, np.float64) / 1e6,
        refreshed=np.array(refreshed, np.float64) / 1e6,
        strength=np.array(strengths, np.float64),
    )


def _ordinals(days: Sequence[str]) -> Array:
    """Return the proleptic ordinals of ISO dates."""
    return np.array([date.fromisoformat(day).toordinal() for day in days], np.int64)
