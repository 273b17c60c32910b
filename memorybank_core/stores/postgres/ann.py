"""Approximate search: the candidates of a user who has too many windows to compare all.

The nearest windows come from the HNSW index, the best memories by BM25 from the index of terms;
then follow their neighbours in the conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .candidate_sql import (
    BM25,
    CANDIDATE_COLUMNS,
    CHOSEN_MEMORY,
    LEXICAL_SCORES,
    TERM_WEIGHTS,
    USER_STATISTICS,
    WITH_NEIGHBOURS,
)
from .connections import Session
from .statements import Rows, Statement
from .tables import MAX_INDEXED

_WINDOWS_PER_MEMORY = 4
"""Number of windows to fetch per memory: several may belong to one."""
_MIN_EF_SEARCH, _MAX_EF_SEARCH = 100, 1000

_SCAN = (
    "SELECT set_config('hnsw.iterative_scan', 'strict_order', true), "
    "set_config('hnsw.ef_search', %(ef_search)s, true)"
)
_NEAR = """
    WITH near AS MATERIALIZED (
        SELECT seq, {vector} <#> %(vector)s AS distance FROM memorybank.vectors
        WHERE user_id = %(user)s AND indexed
        ORDER BY {vector} <#> %(vector)s LIMIT %(count)s
    )
    SELECT near.seq FROM near JOIN memorybank.memories AS m
        ON m.user_id = %(user)s AND m.seq = near.seq
    WHERE true {allowed} ORDER BY near.distance, near.seq
"""
_EXACT = """
    SELECT v.seq FROM memorybank.vectors AS v
    JOIN memorybank.memories AS m ON m.user_id = %(user)s AND m.seq = v.seq
    WHERE v.user_id = %(user)s {allowed}
    ORDER BY v.vector <#> %(vector)s, v.seq LIMIT %(count)s
"""
_LEXICAL = f"""
    WITH {USER_STATISTICS}, {TERM_WEIGHTS}, {LEXICAL_SCORES}
    SELECT seq, ARRAY(
        SELECT coalesce(idf, 0)
        FROM generate_series(1, cardinality(%(terms)s::bigint[])) AS every (number)
        LEFT JOIN weighed USING (number) ORDER BY number
    )
    FROM scored ORDER BY score DESC, seq LIMIT (SELECT size FROM statistics)
"""
_SELECT_CHOSEN = f"""
    WITH {USER_STATISTICS},
    pooled AS (SELECT unnest(%(pooled)s::bigint[]) AS seq), {WITH_NEIGHBOURS}
    SELECT {CANDIDATE_COLUMNS},
        (
            SELECT max(-(v.vector <#> %(vector)s)) FROM memorybank.vectors AS v
            WHERE v.user_id = %(user)s AND v.seq = m.seq
        ),
        (
            SELECT {BM25.format(length="m.length", mean="statistics.mean")}
            FROM (
                SELECT idf, m.counts[array_position(m.terms, term)]::float8 AS count
                FROM unnest(%(terms)s::bigint[], %(idf)s::float8[]) AS weights (term, idf)
            ) AS q, statistics
        ),
        m.seq = ANY(%(pooled)s::bigint[])
    FROM chosen, {CHOSEN_MEMORY}
"""


def find_rows(
    session: Session,
    values: dict[str, Any],
    condition: str,
    in_named_days: str | None,
    size: int,
    dimension: int,
) -> Rows:
    """Return the rows of the candidates, with the columns of `candidate_sql.exact_search`.

    Args:
        session: The session.
        values: Values of the statements: of the user, the probe and its filter.
        condition: The condition of the filter; most memories satisfy it.
        in_named_days: The condition for the days that the query names, if any.
        size: Number of memories that each signal contributes.
        dimension: Length of the vectors.
    """
    conditions = [condition]
    if in_named_days is not None:
        conditions.append(f"{condition} AND ({in_named_days})")
    vector = "vector" if dimension <= MAX_INDEXED else f"(vector::halfvec({dimension}))"
    count = _WINDOWS_PER_MEMORY * size
    ef_search = {"ef_search": str(min(max(count, _MIN_EF_SEARCH), _MAX_EF_SEARCH))}
    values_with_count = {**values, "count": count}
    statements = [
        Statement(_SCAN, ef_search),
        Statement(_NEAR.format(vector=vector, allowed=condition), values_with_count),
        *(
            Statement(_EXACT.format(allowed=narrower), values_with_count)
            for narrower in conditions[1:]
        ),
    ]
    if values["terms"]:
        statements += [
            Statement(_LEXICAL.format(allowed=allowed), values) for allowed in conditions
        ]
    _, *results = session.execute(*statements)
    pooled, idf = set(), [0.0] * len(values["terms"])
    for number, (allowed, windows) in enumerate(zip(conditions, results, strict=False)):
        is_all = number > 0 and len(windows) < count
        pooled |= _find_nearest(session, allowed, values, size, windows, count, is_all=is_all)
    for matching in results[len(conditions) :]:
        pooled |= {row[0] for row in matching}
        idf = matching[0][1] if matching else idf
    select = Statement(
        _SELECT_CHOSEN.format(allowed=condition), {**values, "pooled": sorted(pooled), "idf": idf}
    )
    [rows] = session.execute(select)
    return rows


def _find_nearest(
    session: Session,
    condition: str,
    values: dict[str, Any],
    size: int,
    windows: Rows,
    count: int,
    *,
    is_all: bool,
) -> set[int]:
    """Return the memories of the nearest windows; read more windows if these are too few."""
    while (nearest := _take_memories(windows, size, is_all=is_all)) is None:
        count *= 2
        select = Statement(_EXACT.format(allowed=condition), {**values, "count": count})
        [windows] = session.execute(select)
        is_all = len(windows) < count
    return nearest


def _take_memories(windows: Sequence[tuple[int]], size: int, *, is_all: bool) -> set[int] | None:
    """Return the memories of the first windows, or None if that needs more windows.

    Takes `size` windows, twice as many, and so on, until they belong to `size` memories.
    """
    count = size
    while True:
        nearest = {seq for (seq,) in windows[:count]}
        if len(nearest) >= size or (is_all and count >= len(windows)):
            return nearest
        if count >= len(windows):
            return None
        count *= 2
