"""The candidates of a user with very many windows, of whom not every one is compared.

The nearest windows come from the HNSW index, and the best memories by BM25; then these, with their
neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .candidate_sql import BM25, CHOSEN, COLUMNS, KNOWN, MEMORY, SCORED, WEIGHED
from .connections import Rows, Statement, Steps
from .schema import MOST_INDEXED

_AHEAD = 4
"""How many times as many windows as memories are asked for: several may belong to one."""
_LEAST_AHEAD, _MOST_AHEAD = 100, 1000  # of hnsw.ef_search

_SCAN = (
    "SELECT set_config('hnsw.iterative_scan', 'strict_order', true), "
    "set_config('hnsw.ef_search', %(ahead)s, true)"
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
    WITH {KNOWN}, {WEIGHED}, {SCORED}
    SELECT seq, ARRAY(
        SELECT coalesce(idf, 0)
        FROM generate_series(1, cardinality(%(terms)s::bigint[])) AS every (number)
        LEFT JOIN weighed USING (number) ORDER BY number
    )
    FROM scored ORDER BY score DESC, seq LIMIT (SELECT size FROM known)
"""
_CHOSEN = f"""
    WITH {KNOWN}, pooled AS (SELECT unnest(%(pooled)s::bigint[]) AS seq), {CHOSEN}
    SELECT {COLUMNS},
        (
            SELECT max(-(v.vector <#> %(vector)s)) FROM memorybank.vectors AS v
            WHERE v.user_id = %(user)s AND v.seq = m.seq
        ),
        (
            SELECT {BM25.format(length="m.length", mean="known.mean")}
            FROM (
                SELECT idf, m.counts[array_position(m.terms, term)]::float8 AS count
                FROM unnest(%(terms)s::bigint[], %(idf)s::float8[]) AS asked (term, idf)
            ) AS q, known
        ),
        m.seq = ANY(%(pooled)s::bigint[])
    FROM chosen, {MEMORY}
"""


def rows(
    values: dict[str, Any], allowed: str, within: str | None, size: int, dimension: int
) -> Steps[Rows]:
    """The rows of the candidates, as `scoring.whole` gives them.

    Args:
        values: Those of the statements: of the user, the probe and its filter.
        allowed: The condition of the filter, which lets most memories pass.
        within: That of the days that the query names, where it names any.
        size: How many memories each signal brings.
        dimension: Of the vectors.
    """
    ranges = [allowed] if within is None else [allowed, f"{allowed} AND ({within})"]
    vector = "vector" if dimension <= MOST_INDEXED else f"(vector::halfvec({dimension}))"
    count = _AHEAD * size
    ahead = {"ahead": str(min(max(count, _LEAST_AHEAD), _MOST_AHEAD))}
    batch = [
        Statement(_SCAN, ahead),
        Statement(_NEAR.format(vector=vector, allowed=allowed), {**values, "count": count}),
        *(Statement(_EXACT.format(allowed=one), {**values, "count": count}) for one in ranges[1:]),
    ]
    if values["terms"]:
        batch += [Statement(_LEXICAL.format(allowed=one), values) for one in ranges]
    _, near, *found = yield batch
    pooled, idf = set(), [0.0] * len(values["terms"])
    for one, windows in zip(ranges, (near, *found), strict=False):
        is_all = one is not allowed and len(windows) < count
        pooled |= yield from _nearest(one, values, size, windows, count, is_all=is_all)
    for matching in found[len(ranges) - 1 :]:
        pooled |= {row[0] for row in matching}
        idf = matching[0][1] if matching else idf
    last = {**values, "pooled": sorted(pooled), "idf": idf}
    [chosen] = yield [Statement(_CHOSEN.format(allowed=allowed), last)]
    return chosen


def _nearest(
    allowed: str, values: dict[str, Any], size: int, windows: Rows, count: int, *, is_all: bool
) -> Steps[set[int]]:
    """The memories of the nearest windows, for which more are compared where these are too few."""
    while (nearest := _enough(windows, size, is_all=is_all)) is None:
        count *= 2
        [windows] = yield [Statement(_EXACT.format(allowed=allowed), {**values, "count": count})]
        is_all = len(windows) < count
    return nearest


def _enough(windows: Sequence[tuple[int]], size: int, *, is_all: bool) -> set[int] | None:
    """The memories of the first of these windows; None where that takes more windows.

    As many windows as it takes for `size` memories: so many, twice as many, and so on.
    """
    count = size
    while True:
        nearest = {seq for (seq,) in windows[:count]}
        if len(nearest) >= size or (is_all and count >= len(windows)):
            return nearest
        if count >= len(windows):
            return None
        count *= 2
