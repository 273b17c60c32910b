"""Days that a question names and of which nothing is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from memorybank_core.protocols import Filter, MemoryStore
from memorybank_core.records import SearchResult
from memorybank_core.search.dates import DayRange

LONGEST = 7
"""Length of the longest span, in days, that is reported as missing."""


def find_missing_days(
    store: MemoryStore,
    user_id: str,
    named: Sequence[DayRange],
    results: Sequence[SearchResult],
    *,
    today: date,
    filter: Filter,
) -> tuple[DayRange, ...]:
    """Return the named days, or spans of at most a week, on which the user has no memory.

    Only days between the first memory and `today` count: of other days nothing can be remembered.
    The store is read only for spans from which `results` has no memory.

    Args:
        store: The store of the memories.
        user_id: The user.
        named: The days that the question names.
        results: Memories that a search with the same filter returned.
        today: The calendar day of the question in the user's time zone.
        filter: The conditions that memories must satisfy.
    """
    recalled = {result.memory.day for result in results}
    spans = [
        span
        for span in named
        if span.days <= LONGEST and span.last <= today and not any(day in span for day in recalled)
    ]
    known = store.span(user_id) if spans else None
    return tuple(
        span
        for span in spans
        if known and known[0] <= span.first and not _has_memory(store, user_id, span, filter)
    )


def _has_memory(store: MemoryStore, user_id: str, span: DayRange, filter: Filter) -> bool:
    since = max(span.first, filter.since or span.first)
    until = min(span.last, filter.until or span.last)
    days = Filter(since, until, filter.kind, filter.session, filter.archived)
    return bool(store.memories(user_id, days, last=1))
