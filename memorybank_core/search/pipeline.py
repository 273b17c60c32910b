"""Search pipeline: from a query to the best memories of one user."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime

import numpy as np

from memorybank_core.forgetting import SECONDS_PER_DAY, ForgettingLaw
from memorybank_core.protocols import (
    Array,
    Candidates,
    Filter,
    MemoryStore,
    Probe,
    Reranker,
    Vector,
)
from memorybank_core.records import Memory, SearchResult
from memorybank_core.text import without_surrogates

from .long_queries import select_windows
from .query_profile import QueryProfile, analyze_query
from .ranking import Ranking, Weights, rank
from .relevance import estimate_relevance
from .repeats import lower_unanswered, merge_repeats
from .reranking import MAX_RERANKED, fetch_preceding, rerank
from .small_talk import is_small_talk
from .superseding import asks_past, compare_results, order_changes

MAX_CANDIDATES, MIN_CANDIDATES = 50, 20
"""Maximum and minimum number of candidates that each search signal contributes.

Between these limits, the number is a quarter of the memories: in a small bank, most memories would
otherwise be candidates for every query.
"""

SPARE_RESULTS = 10
"""Results beyond k that are ranked, so that k remain after repeats are merged."""
MAX_RANKED = 60
"""Results that are ranked if fewer than k of the first ones say something new.

For example, a question may have been asked on fifty days.
"""


def search_memories(
    store: MemoryStore,
    embed_query: Callable[[str], Vector],
    query: str,
    *,
    user_id: str,
    k: int,
    now: datetime,
    today: date,
    date_order: str = "month-first",
    filter: Filter,
    law: ForgettingLaw,
    weights: Weights,
    reranker: Reranker | None = None,
    min_relevance: float = 0.0,
    history: bool = False,
) -> list[SearchResult]:
    """Return the k best memories for `query`, best first.

    Args:
        store: The store of the memories.
        embed_query: Embeds the query.
        query: The query.
        user_id: The user.
        k: Maximum number of results.
        now: The time at which retention is computed.
        today: The calendar day of `now` in the user's time zone.
        date_order: "day-first" or "month-first", the reading of 3/4/2025.
        filter: Selects the memories to search.
        law: The law of forgetting.
        weights: The weights of the search signals.
        reranker: Scores the best results again; see `rerank`.
        min_relevance: Minimum relevance of a result, in [0, 1].
        history: Whether every memory keeps its own place, including what was repeated or replaced.

    Raises:
        EmbedderError: If the embedder failed or returned a vector that cannot be used.
        StoreError: If the store cannot be read.
    """
    reranker = reranker if weights.reranker else None
    whole = without_surrogates(query)
    query = "\n".join(select_windows(whole))
    small_talk = is_small_talk(query)
    if small_talk and min_relevance > 0.0:
        return []
    profile = analyze_query(query, today, lambda: store.span(user_id, today), date_order)
    probe = _to_probe(profile, embed_query(whole), filter, k, weights)
    candidates = store.candidates(user_id, probe)
    retention = _compute_retention(candidates, law, now)

    def compare(depth: int) -> list[SearchResult]:
        """Return the `depth` best results in the order that comparing them gives."""
        ranking = rank(profile, candidates, retention, depth, weights)
        keys = candidates.key[ranking.rows].tolist()
        memories = store.fetch(user_id, keys)
        texts = [memories[key].text if key in memories else "" for key in keys]
        relevance = [0.0] * len(keys)
        if not small_talk:
            relevance = estimate_relevance(query, profile, candidates, ranking, texts)
        results = _to_results(ranking, candidates, retention, relevance, memories)
        if reranker is not None:
            preceding = fetch_preceding(store, user_id, candidates, ranking.rows, memories)
            results = rerank(reranker, query, results, preceding, weights.reranker)
        return results if history else _revise(results, query, candidates, ranking, memories)

    depth = max(k + SPARE_RESULTS, MAX_RERANKED if reranker else 0)
    results = compare(depth)
    if depth < min(len(candidates.key), MAX_RANKED) and not history and _is_crowded(results, k):
        results = compare(MAX_RANKED)
    return [result for result in results if result.relevance >= min_relevance][:k]


def _is_crowded(results: Sequence[SearchResult], k: int) -> bool:
    """Return whether fewer than k results say something new."""
    return sum(result.parts.answer >= 0.0 for result in results) < k


def _to_probe(
    profile: QueryProfile, vector: Vector, filter: Filter, k: int, weights: Weights
) -> Probe:
    """Return the input of the store for k results of a query."""
    return Probe(
        vector=vector,
        terms=profile.terms,
        days=profile.days,
        scripts=profile.scripts,
        filter=filter,
        pool=max(MAX_CANDIDATES, k),
        least=max(MIN_CANDIDATES, k),
        reach=weights.reach,
    )


def _compute_retention(candidates: Candidates, law: ForgettingLaw, now: datetime) -> Array:
    """Return the retention of each candidate at `now`, float64 (n,)."""
    days = np.maximum(now.timestamp() - candidates.refreshed, 0.0) / SECONDS_PER_DAY
    return np.asarray(law.retention(days, candidates.strength))


def _to_results(
    ranking: Ranking,
    candidates: Candidates,
    retention: Array,
    relevance: Sequence[float],
    memories: Mapping[int, Memory],
) -> list[SearchResult]:
    """Return the results of a ranking, without memories deleted since."""
    columns = (candidates.key, candidates.similarity, retention)
    rows = zip(*(column[ranking.rows].tolist() for column in columns), strict=True)
    return [
        SearchResult(
            memory=memory,
            score=score,
            parts=parts,
            cosine=cosine,
            retention=kept,
            relevance=chance,
            last_said=memory.created_at,
        )
        for (key, cosine, kept), score, parts, chance in zip(
            rows, ranking.scores, ranking.parts, relevance, strict=True
        )
        if (memory := memories.get(key))
    ]


def _revise(
    results: Sequence[SearchResult],
    query: str,
    candidates: Candidates,
    ranking: Ranking,
    memories: Mapping[int, Memory],
) -> list[SearchResult]:
    """Return the results without repetition, what is current and informative first.

    Args:
        results: The results, best first.
        query: The query.
        candidates: The candidates.
        ranking: The ranking of the candidates.
        memories: The memories of the results by key.
    """
    revised = merge_repeats(lower_unanswered(results, query))
    if asks_past(query):
        return revised
    keys = candidates.key[ranking.rows].tolist()
    row_of_key = dict(zip(keys, ranking.rows, strict=True))
    rows = {memory.id: row_of_key[key] for key, memory in memories.items()}
    chosen = [rows[result.memory.id] for result in revised]
    return order_changes(revised, compare_results(candidates, chosen), query)
