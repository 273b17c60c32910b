"""The SQL of a search: what is compared, how it is scored, which memories are candidates.

Common table expressions that statements are put together from. In each, {allowed} is the
condition of the filter; the table of memories is `m`.
"""

from __future__ import annotations

from memorybank_core.stores.rules import K1, POOL_SHARE, B

BM25 = (
    f"sum(q.idf * q.count * {K1 + 1}::float8 / "
    f"(q.count + {K1 * (1 - B)}::float8 + {K1 * B}::float8 * {{length}} / {{mean}}::float8))"
)

KNOWN = f"""
    known AS MATERIALIZED (
        SELECT memories::float8 AS n, coalesce(nullif(terms, 0)::float8 / memories, 1) AS mean,
            least(%(pool)s, greatest(%(least)s, memories / {POOL_SHARE})) AS size, indexed_from
        FROM memorybank.users WHERE user_id = %(user)s
    )
"""
"""Of the user: how many memories, how long on average, how many of them each signal brings, and
from which on their windows are in the HNSW index."""

WEIGHED = """
    counted AS MATERIALIZED (
        SELECT m.seq, m.length, q.number, (true {allowed}) AS allowed,
            m.counts[array_position(m.terms, q.term)]::float8 AS count
        FROM unnest(%(terms)s::bigint[]) WITH ORDINALITY AS q (term, number)
        JOIN memorybank.memories AS m ON m.user_id = %(user)s AND m.terms @> ARRAY[q.term]
    ),
    weighed AS MATERIALIZED (
        SELECT number, ln(1 + (n - df + 0.5::float8) / (df + 0.5::float8)) AS idf
        FROM (SELECT number, count(*)::float8 AS df FROM counted GROUP BY number) AS found, known
    )
"""
"""How often each memory has each term of the query, and what the terms weigh."""

SCORED = f"""
    scored AS MATERIALIZED (
        SELECT q.seq, {BM25.format(length="q.length", mean="known.mean")} AS score
        FROM (SELECT * FROM counted JOIN weighed USING (number) WHERE allowed) AS q, known
        GROUP BY q.seq
    )
"""
"""The BM25 of every memory that has a term of the query and passes the filter."""

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
            FROM known LEFT JOIN (
                SELECT best AS last FROM {name}
                ORDER BY best OFFSET (SELECT size - 1 FROM known) LIMIT 1
            ) AS found ON true
        )
        UNION
        (
            SELECT seq FROM scored JOIN mine USING (seq) {where}
            ORDER BY score DESC, seq LIMIT (SELECT size FROM known)
        )
"""  # the memories of as many windows as it takes for `size` of them (so many, twice as many, and
# so on, as LocalStore asks FAISS), and as many by their words

MEMORY = """
    LATERAL (
        SELECT m.* FROM memorybank.memories AS m
        WHERE m.user_id = %(user)s AND m.seq = chosen.seq {allowed} OFFSET 0
    ) AS m
"""
"""The row of a chosen memory: looked up by its key (OFFSET 0), whatever the planner estimates."""

COLUMNS = """
    m.seq, m.day, m.speaker, CASE WHEN m.kind = 'turn' THEN m.conversation END, m.place,
    m.created_at, m.strength, CASE WHEN m.pinned THEN 'infinity'::float8
        ELSE greatest(m.created_at, coalesce(m.last_recalled_at, 0))::float8 END
"""
"""What ranking needs of a memory, but for its similarity, its BM25 and whether it was pooled."""

CHOSEN = """
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


def whole(allowed: str, within: str | None) -> str:
    """The statement that does all of it: compares every window that the filter lets pass.

    Args:
        allowed: The condition of the filter.
        within: That of the days that the query names, where it names any.
    """
    ranges = [{"name": "nearest", "where": ""}]
    if within is not None:
        ranges.append({"name": "nearest_within", "where": "WHERE within"})
    pools = [_POOL.format(**one) for one in ranges]
    expressions = [
        KNOWN,
        WEIGHED.format(allowed=allowed),
        SCORED,
        f"""
    mine AS MATERIALIZED (
        SELECT m.seq, ({within or "false"}) AS within FROM memorybank.memories AS m
        WHERE m.user_id = %(user)s {allowed}
    ),
    windows AS MATERIALIZED (
        SELECT mine.seq, mine.within, -(v.vector <#> %(vector)s) AS similarity
        FROM mine JOIN memorybank.vectors AS v ON v.user_id = %(user)s AND v.seq = mine.seq
    )""",
        *(_NEAREST.format(**one) for one in ranges),
        f"pooled AS MATERIALIZED ({'UNION'.join(pools)})",
        CHOSEN,
    ]
    return f"""
    WITH {",".join(expressions)}
    SELECT {COLUMNS}, nearest.similarity, scored.score, pooled.seq IS NOT NULL
    FROM chosen JOIN nearest USING (seq) LEFT JOIN scored USING (seq) LEFT JOIN pooled USING (seq),
        {MEMORY.format(allowed="")}
    """
