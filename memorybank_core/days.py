"""Days of the turns of a bank, derived again from their times after a change of its time zone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

from .bulk import BATCH, split
from .digests.runner import load_digest_state
from .protocols import Filter, MemoryStore
from .records import Memory
from .validation import resolve_day


def move_turns(store: MemoryStore, user_id: str, zone: ZoneInfo, *, has_model: bool) -> int:
    """Store every turn of a user on its day in a time zone; repeating it changes nothing.

    The turns keep ids, vectors, strength and recalls. Digests of the days that gained or lost turns
    become stale. The event summary of a day without turns is deleted if it can be made again.

    Args:
        store: The store.
        user_id: The user.
        zone: The time zone.
        has_model: Whether a language model can write digests again.

    Returns:
        The number of turns that are on another day now.

    Raises:
        ConflictError: If another process changed one of the turns meanwhile.
        StoreError: If the store failed; repeat the call.
    """
    turns = store.memories(user_id, Filter(kind="turn", archived=True))
    moved = [
        (memory, day)
        for memory in turns
        if (day := resolve_day(memory.created_at, zone)) != memory.day
    ]
    changes = store.changes(user_id) if moved else []
    for batch in split(moved, BATCH):
        _store(store, user_id, batch)
    if changes:  # they are deleted with the replaced rows
        store.record_changes(user_id, changes)
    left = {memory.day for memory, _ in moved}
    if events := list(_find_obsolete(store, user_id, left, has_model=has_model)):
        store.delete(user_id, ids=events)
    return len(moved)


def _store(store: MemoryStore, user_id: str, moved: Sequence[tuple[Memory, date]]) -> None:
    vectors = store.vectors(user_id, [memory.id for memory, _ in moved])
    memories = [_to_day(memory, day) for memory, day in moved if memory.id in vectors]
    store.add(
        user_id,
        memories,
        [vectors[memory.id] for memory in memories],
        replace=True,
        expected={memory.id: memory.text for memory in memories},
    )


def _to_day(memory: Memory, day: date) -> Memory:
    """Return a turn on another day, which is its session if it has no other."""
    session = memory.turn.session if memory.turn else None
    return replace(memory, day=day, session=session or day.isoformat())


def _find_obsolete(
    store: MemoryStore, user_id: str, left: set[date], *, has_model: bool
) -> Iterator[str]:
    """Yield the ids of event summaries of days that lost all turns, if they can be made again."""
    if not left:
        return
    state = load_digest_state(store, user_id)
    for day in sorted(left - set(state.days)):
        summary = state.digests.get(("summary", day))
        if day in state.events and summary and (has_model or summary.is_extractive):
            yield state.events[day].id
