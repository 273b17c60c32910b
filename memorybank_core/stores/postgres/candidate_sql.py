"""The SQL of a search, which finds the candidates and their scores.

Common table expressions that statements are composed of. In each, {allowed} is the condition of
the filter; the table of memories is `m`.
"""

from __future__ import annotations

from memorybank_core.stores.rules import K1, POOL_DIVISOR, B

BM25 = (
    f"sum(q.idf * q.count * {K1 + 1}::float8 / "
    f"(q.count + {K1 * (1 - B)}::float8 + {K1 * B}::float8 * {{length}} / {{mean}}::float8))"
)

USER_STATISTICS = f"""
    statistics AS MATERIALIZED (
        SELECT memories::float8 AS n, coalesce(nullif(terms, 0)::float8 / memories, 1) AS mean,
            least(%(pool)s, greatest(%(least)s, memories / {POOL_DIVISOR})) AS size, indexed_from
        FROM memorybank.users WHERE user_id = %(user)s
    )
"""
"""The number of the user's memories, their mean length, how many of them each signal contributes,
and the first memory with windows in the HNSW index."""

TERM_WEIGHTS = """
    counted AS MATERIALIZED (
        SELECT m.seq, m.length, q.number, (true {allowed}) AS allowed,
            m.counts[array_position(m.terms, q.term)]::float8 AS count
        FROM unnest(%(terms)s::bigint[]) WITH ORDINALITY AS q (term, number)
        JOIN memorybank.memories AS m ON m.user_id = %(user)s AND m.terms @> ARRAY[q.term]
    ),
    weighed AS MATERIALIZED (
        SELECT number, ln(1 + (n - df + 0.5::float8) / (df + 0.5::float8)) AS idf
        FROM (SELECT number, count(*)::float8 AS df FROM counted GROUP BY number) AS frequencies,
            statistics
    )
"""
"""The count of each query term in each memory, and the idf of the terms."""

LEXICAL_SCORES = f"""
    scored AS MATERIALIZED (
        SELECT q.seq, {BM25.format(length="q.length", mean="statistics.mean")} AS score
        FROM (SELECT * FROM counted JOIN weighed USING (number) WHERE allowed) AS q, statistics
        GROUP BY q.seq
    )
"""
"""The BM25 of every memory that has a query term and satisfies the filter."""

_NEAREST = """
    {name} AS MATERIALIZED (
        SELECT seq, max(similarity) AS similarity, min(rank) AS best
        FROM (
            SELECT seq, similarity, row_number() OVER (ORDER BY similarity DESC, seq) AS rank
            FROM windows {where}
        ) AS ranked
        GROUP BY seq
    )
"""  # each memory's best window, and its rank
_POOL = """
        SELECT seq FROM {name} WHERE best <= (
            SELECT CASE WHEN last IS NULL THEN 'infinity'
                ELSE size * 2 ^ ceil(log(2, greatest(last, size) / size::numeric)) END
            FROM statistics LEFT JOIN (
                SELECT best AS last FROM {name}
                ORDER BY best OFFSET (SELECT size - 1 FROM statistics) LIMIT 1
            ) AS last_of_pool ON true
        )
        UNION
        (
            SELECT seq FROM scored JOIN mine USING (seq) {where}
            ORDER BY score DESC, seq LIMIT (SELECT size FROM statistics)
        )
"""  # the memories of as many windows as it takes for `size` of them (`size`, twice as many, and
# so on, as LocalStore asks FAISS), and `size` memories by BM25

CHOSEN_MEMORY = """
    LATERAL (
        SELECT m.* FROM memorybank.memories AS m
        WHERE m.user_id = %(user)s AND m.seq = chosen.seq {allowed} OFFSET 0
    ) AS m
"""
"""The row of a chosen memory; OFFSET 0 makes the planner look it up by its key."""

CANDIDATE_COLUMNS = """
    m.seq, m.day, m.speaker, CASE WHEN m.kind = 'turn' THEN m.conversation END, m.place,
    m.created_at, m.strength, CASE WHEN m.pinned THEN 'infinity'::float8
        ELSE greatest(m.created_at, coalesce(m.last_recalled_at, 0))::float8 END
"""
"""The columns that ranking needs, except for similarity, BM25 and whether a signal found it."""

WITH_NEIGHBOURS = """
    chosen AS (
        SELECT seq FROM pooled
        UNION
        SELECT near.seq
        FROM pooled, LATERAL (
            SELECT conversation, place FROM memorybank.memories
            WHERE user_id = %(user)s AND seq = pooled.seq AND kind = 'turn' OFFSET 0
        ) AS p, LATERAL (
            SELECT seq FROM memorybank.memories
            WHERE user_id = %(user)s AND conversation = p.conversation AND kind = 'turn'
                AND place BETWEEN p.place - %(reach)s AND p.place + %(reach)s OFFSET 0
        ) AS near
    )
"""
"""The pooled memories and their neighbours in the conversation."""


def exact_search(condition: str, in_named_days: str | None) -> str:
    """Return the statement that compares every window and returns the candidates.

    Args:
        condition: The condition of the filter.
        in_named_days: The condition for the days that the query names, if any.
    """
    pools = [{"name": "nearest", "where": ""}]
    if in_named_days is not None:
        pools.append({"name": "nearest_within", "where": "WHERE within"})
    expressions = [
        USER_STATISTICS,
        TERM_WEIGHTS.format(allowed=condition),
        LEXICAL_SCORES,
        f"""
    mine AS MATERIALIZED (
        SELECT m.seq, ({in_named_days or "false"}) AS within FROM memorybank.memories AS m
        WHERE m.user_id = %(user)s {condition}
    ),
    windows AS MATERIALIZED (
        SELECT mine.seq, mine.within, -(v.vector <#> %(vector)s) AS similarity
        FROM mine JOIN memorybank.vectors AS v ON v.user_id = %(user)s AND v.seq = mine.seq
    )""",
        *(_NEAREST.format(**pool) for pool in pools),
        f"pooled AS MATERIALIZED ({'UNION'.join(_POOL.format(**pool) for pool in pools)})",
        WITH_NEIGHBOURS,
    ]
    return f"""
    WITH {",".join(expressions)}
    SELECT {CANDIDATE_COLUMNS}, nearest.similarity, scored.score, pooled.seq IS NOT NULL
    FROM chosen JOIN nearest USING (seq) LEFT JOIN scored USING (seq) LEFT JOIN pooled USING (seq),
        {CHOSEN_MEMORY.format(allowed="")}
    """
