"""Relevance: the results that belong into a prompt, and those that a turn strengthens."""

from __future__ import annotations

from collections.abc import Iterable

from memorybank_core.records import SearchResult

from .small_talk import is_small_talk

MIN_RELEVANCE = 0.25
"""Relevance below which a result is not put into a prompt and not strengthened, by default."""
REINFORCED = 5
"""Maximum number of memories that the recall of one turn strengthens.

A memory that every turn strengthens never fades, so a long prompt strengthens only its best.
"""


def estimate_relevance(query: str) -> float:
    """Return the relevance of the results for `query`, in [0, 1]: 0 if it is small talk, else 1."""
    return 0.0 if is_small_talk(query) else 1.0


def select_reinforced(results: Iterable[SearchResult]) -> list[SearchResult]:
    """Return the results that a turn strengthens: the relevant ones, at most `REINFORCED`.

    Args:
        results: The results in the prompt, best first.
    """
    relevant = [result for result in results if result.relevance >= MIN_RELEVANCE]
    return relevant[:REINFORCED]
