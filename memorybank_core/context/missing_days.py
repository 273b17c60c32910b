"""Days that a question names and of which nothing is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import partial

from memorybank_core.protocols import Filter, MemoryStore
from memorybank_core.records import SearchResult
from memorybank_core.search.dates import DayRange, find_named_days
from memorybank_core.search.long_queries import select_windows
from memorybank_core.search.small_talk import is_small_talk

MAX_DAYS = 7
"""Maximum length of a span that is reported as missing, in days."""


def find_missing_days(
    store: MemoryStore,
    user_id: str,
    query: str,
    results: Sequence[SearchResult],
    today: date,
    date_order: str,
    filter: Filter,
) -> tuple[DayRange, ...]:
    """Return the days that a question names, or spans of at most a week, that have no memory.

    Only days between the first memory and `today` count: of other days nothing can be remembered.
    The store is read only for spans from which `results` has no memory. Small talk such as "How are
    you today?" asks of no day.

    Args:
        store: The store of the memories.
        user_id: The user.
        query: The question.
        results: Memories that a search with the same filter returned.
        today: The calendar day of the question in the user's time zone.
        date_order: "day-first" or "month-first", the reading of 3/4/2025.
        filter: The conditions that memories must satisfy.
    """
    query = "\n".join(select_windows(query))
    if is_small_talk(query):
        return ()
    read_span = partial(store.span, user_id, today)
    named = find_named_days(query, today=today, span=read_span, date_order=date_order)
    recalled = {result.memory.day for result in results}
    spans = [
        span
        for span in named
        if span.days <= MAX_DAYS and span.last <= today and not any(day in span for day in recalled)
    ]
    known = read_span() if spans else None
    return tuple(
        span
        for span in spans
        if known and known[0] <= span.first and not _has_memory(store, user_id, span, filter)
    )


def _has_memory(store: MemoryStore, user_id: str, span: DayRange, filter: Filter) -> bool:
    since = max(span.first, filter.since or span.first)
    until = min(span.last, filter.until or span.last)
    return bool(store.memories(user_id, replace(filter, since=since, until=until), last=1))
