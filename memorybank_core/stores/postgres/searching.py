"""Searching: the candidates for a probe, found and scored in the engine.

The first round trip pools: the windows nearest to the query's vector and the best memories by
BM25, of all memories and, where the query names days, of those days. The second brings the pooled
memories with their neighbours in the conversation, and what ranking needs of them. Of a user with
very many windows the nearest come from the HNSW index: a round trip in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from memorybank_core.dates import DayRange
from memorybank_core.protocols import Candidates, Filter, Probe
from memorybank_core.stores.lexical import K1, B
from memorybank_core.text import tokenize

from .base import WRITTEN_BY, Base, awaited, reads
from .connections import Rows, Statement, Steps
from .rows import conditions, term_keys
from .schema import MOST_INDEXED

_AHEAD = 4
"""How many times as many windows as memories are asked for: several may belong to one."""
_LEAST_AHEAD, _MOST_AHEAD = 100, 1000  # of hnsw.ef_search

_USER = "SELECT memories, terms, indexed_from FROM memorybank.users WHERE user_id = %(user)s"
_SIZE = (
    "(SELECT least(%(pool)s, greatest(%(least)s, memories / 4)) FROM memorybank.users "
    "WHERE user_id = %(user)s)"
)
_EXACT = f"""
    SELECT v.seq, v.vector <#> %(vector)s AS distance
    FROM memorybank.vectors AS v
    JOIN memorybank.memories AS m ON m.user_id = v.user_id AND m.seq = v.seq
    WHERE v.user_id = %(user)s AND m.user_id = %(user)s {{allowed}} {{unless}}
    ORDER BY distance, v.seq LIMIT %(times)s * {_SIZE}
"""
_UNLESS_INDEXED = "AND (SELECT indexed_from > 1 FROM memorybank.users WHERE user_id = %(user)s)"
_NEAR = """
    WITH near AS MATERIALIZED (
        SELECT seq, {vector} <#> %(vector)s AS distance FROM memorybank.vectors
        WHERE user_id = %(user)s AND indexed
        ORDER BY {vector} <#> %(vector)s LIMIT %(count)s
    )
    SELECT near.seq, near.distance
    FROM near JOIN memorybank.memories AS m ON m.user_id = %(user)s AND m.seq = near.seq
    WHERE true {allowed} ORDER BY near.distance, near.seq
"""
_SCAN = (
    "SELECT set_config('hnsw.iterative_scan', 'strict_order', true), "
    "set_config('hnsw.ef_search', %(ahead)s, true)"
)
_BM25 = (
    f"sum(q.idf * q.count * {K1 + 1}::float8 / "
    f"(q.count + {K1 * (1 - B)}::float8 + {K1 * B}::float8 * {{length}} / {{mean}}::float8))"
)
_LEXICAL = f"""
    WITH counted AS MATERIALIZED (
        SELECT seq, length, number, allowed, counts[at]::float8 AS count
        FROM (
            SELECT m.seq, m.length, m.counts, (true {{allowed}}) AS allowed, q.number,
                array_position(m.terms, q.term) AS at
            FROM memorybank.memories AS m,
                unnest(%(terms)s::bigint[]) WITH ORDINALITY AS q (term, number)
            WHERE m.user_id = %(user)s AND m.terms && %(terms)s::bigint[]
            OFFSET 0
        ) AS asked
        WHERE at IS NOT NULL
    ),
    known AS (
        SELECT memories::float8 AS n, coalesce(nullif(terms, 0)::float8 / memories, 1) AS mean
        FROM memorybank.users WHERE user_id = %(user)s
    ),
    weighed AS (
        SELECT number, ln(1 + (n - df + 0.5::float8) / (df + 0.5::float8)) AS idf
        FROM (SELECT number, count(*)::float8 AS df FROM counted GROUP BY number) AS found, known
    ),
    scored AS (
        SELECT q.seq, {_BM25.format(length="q.length", mean="known.mean")} AS score
        FROM (SELECT * FROM counted JOIN weighed USING (number) WHERE allowed) AS q, known
        GROUP BY q.seq
    )
    SELECT seq, score, ARRAY(
        SELECT coalesce(idf, 0)
        FROM generate_series(1, cardinality(%(terms)s::bigint[])) AS every (number)
        LEFT JOIN weighed USING (number) ORDER BY number
    )
    FROM scored ORDER BY score DESC, seq LIMIT {_SIZE}
"""
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
"""  # leaps from one name to the next, past the memories of each
_CHOSEN = f"""
    WITH pooled AS (
        SELECT seq, kind, conversation, place FROM memorybank.memories
        WHERE user_id = %(user)s AND seq = ANY(%(pooled)s::bigint[])
    ),
    chosen AS (
        SELECT seq FROM pooled
        UNION
        SELECT near.seq
        FROM pooled AS p JOIN memorybank.memories AS near
            ON near.user_id = %(user)s AND near.conversation = p.conversation
            AND near.place BETWEEN p.place - %(reach)s AND p.place + %(reach)s
        WHERE p.kind = 'turn' AND near.kind = 'turn'
    )
    SELECT m.seq,
        (
            SELECT max(-(v.vector <#> %(vector)s)) FROM memorybank.vectors AS v
            WHERE v.user_id = %(user)s AND v.seq = m.seq
        ),
        (
            SELECT {_BM25.format(length="m.length", mean="%(mean)s")}
            FROM (
                SELECT idf, m.counts[array_position(m.terms, term)]::float8 AS count
                FROM unnest(%(terms)s::bigint[], %(idf)s::float8[]) AS asked (term, idf)
            ) AS q
        ),
        m.day, m.speaker, CASE WHEN m.kind = 'turn' THEN m.conversation END, m.place,
        m.created_at, m.strength, CASE WHEN m.pinned THEN 'infinity'::float8
            ELSE greatest(m.created_at, coalesce(m.last_recalled_at, 0))::float8 END
    FROM chosen JOIN memorybank.memories AS m ON m.user_id = %(user)s AND m.seq = chosen.seq
    WHERE true {{allowed}}
"""


@dataclass(frozen=True, slots=True)
class _Range:
    """What the signals look through: all that the filter lets pass, or a part of that.

    Attributes:
        allowed: The condition, in SQL.
        is_narrow: Whether it leaves so little that this is better compared one by one.
    """

    allowed: str
    is_narrow: bool


class Searching(Base):
    """`candidates`."""

    @reads
    def candidates(self, user_id: str, probe: Probe) -> Steps[Candidates]:
        """The memories that may answer `probe`, and their neighbours."""
        terms = term_keys(user_id, sorted(set(probe.terms)))
        ranges, told = _ranges(probe)
        values = {
            "user": user_id,
            "vector": probe.vector,
            "terms": terms,
            "pool": probe.pool,
            "least": probe.least,
            **told,
        }
        batch = [Statement(_USER, values), Statement(_SPEAKERS, values), WRITTEN_BY]
        batch += [_exact(one, values, _AHEAD, unless_indexed=True) for one in ranges]
        if terms:
            batch += [Statement(_LEXICAL.format(allowed=one.allowed), values) for one in ranges]
        found = yield batch
        users, speakers, written_by = found[:3]
        self._check_embedder(written_by)
        if not users:
            return _columns([], probe, set())
        [(memories, length, indexed_from)] = users
        size = min(probe.pool, max(probe.least, memories // 4))
        pooled = {row[0] for matching in found[3 + len(ranges) :] for row in matching}
        for one, windows in zip(ranges, found[3:], strict=False):
            is_indexed = indexed_from <= 1 and not one.is_narrow
            pooled |= yield from self._nearest(one, values, size, windows, is_indexed=is_indexed)
        idf = next((rows[0][2] for rows in found[3 + len(ranges) :] if rows), [0.0] * len(terms))
        values |= {
            "pooled": sorted(pooled),
            "reach": probe.reach,
            "idf": idf,
            "mean": length / memories if length else 1.0,
        }
        [rows] = yield [Statement(_CHOSEN.format(allowed=ranges[0].allowed), values)]
        return _columns(rows, probe, pooled, _spoken_of(probe.terms, speakers))

    acandidates = awaited(candidates)

    def _nearest(
        self, one: _Range, values: dict[str, Any], size: int, windows: Rows, *, is_indexed: bool
    ) -> Steps[set[int]]:
        """The memories of the windows nearest to the query's: `size` of them, or somewhat more."""
        times = _AHEAD
        if is_indexed:
            vector = "vector"
            if self._dimension > MOST_INDEXED:
                vector = f"(vector::halfvec({self._dimension}))"
            near = Statement(
                _NEAR.format(vector=vector, allowed=one.allowed),
                {**values, "count": times * size},
            )
            ahead = {"ahead": str(min(max(times * size, _LEAST_AHEAD), _MOST_AHEAD))}
            _, windows = yield [Statement(_SCAN, ahead), near]
        is_all = not is_indexed and len(windows) < times * size
        while (nearest := _enough(windows, size, is_all=is_all)) is None:
            times *= 2
            [windows] = yield [_exact(one, values, times)]
            is_all = len(windows) < times * size
        return nearest


def _ranges(probe: Probe) -> tuple[list[_Range], dict[str, Any]]:
    """What the signals look through, the filter first and then the named days; with the values."""
    allowed, values = conditions(probe.filter)
    is_narrow = probe.filter != Filter(archived=probe.filter.archived)
    ranges = [_Range(allowed, is_narrow)]
    if probe.days:
        spans = []
        for number, span in enumerate(probe.days):
            values |= {f"first{number}": str(span.first), f"last{number}": str(span.last)}
            spans.append(f"m.day BETWEEN %(first{number})s AND %(last{number})s")
        ranges.append(_Range(f"{allowed} AND ({' OR '.join(spans)})", is_narrow=True))
    return ranges, values


def _exact(
    one: _Range, values: dict[str, Any], times: int, *, unless_indexed: bool = False
) -> Statement:
    """Compares the windows one by one."""
    unless = _UNLESS_INDEXED if unless_indexed and not one.is_narrow else ""
    return Statement(_EXACT.format(allowed=one.allowed, unless=unless), {**values, "times": times})


def _enough(windows: Rows, size: int, *, is_all: bool) -> set[int] | None:
    """The memories of the first of these windows; None where that takes more windows.

    As many windows as it takes for `size` memories: so many, twice as many, and so on, as
    LocalStore asks FAISS for them.
    """
    count = size
    while True:
        nearest = {row[0] for row in windows[:count]}
        if len(nearest) >= size or (is_all and count >= len(windows)):
            return nearest
        if count >= len(windows):
            return None
        count *= 2


def _spoken_of(terms: Sequence[str], speakers: Rows) -> str | None:
    """The one speaker whom a query of these terms names, if it is one."""
    asked = set(terms)
    names = [name for (name,) in speakers if (parts := set(tokenize(name))) and parts <= asked]
    return names[0] if len(names) == 1 else None


def _columns(rows: Rows, probe: Probe, pooled: set[int], spoken: str | None = None) -> Candidates:
    """The candidates of these rows of `_CHOSEN`."""
    codes = {name: code for code, name in enumerate(dict.fromkeys(row[5] for row in rows))}
    codes[None] = -1
    table = [
        (
            key,
            similarity,
            lexical or 0.0,
            key in pooled,
            _named(day, probe.days) if probe.days else 0,
            spoken is not None and speaker == spoken,
            codes[conversation],
            place,
            created / 1e6,
            refreshed / 1e6,
            strength,
        )
        for key, similarity, lexical, day, speaker, conversation, place, created, strength,
        refreshed in rows
    ]  # fmt: skip
    names = [field.name for field in fields(Candidates)]
    columns = zip(*table, strict=True) if table else [()] * len(names)
    return Candidates(
        **{
            name: np.array(column, _TYPES.get(name, np.float64))
            for name, column in zip(names, columns, strict=True)
        }
    )


_TYPES: dict[str, Any] = {
    **dict.fromkeys(("key", "named", "session", "place"), np.int64),
    **dict.fromkeys(("pooled", "spoken"), np.bool_),
}


def _named(day: str, spans: Sequence[DayRange]) -> int:
    """The length in days of the shortest span that the day lies in, or 0."""
    return min((span.days for span in spans if str(span.first) <= day <= str(span.last)), default=0)
