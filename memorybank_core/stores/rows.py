"""Rows of memories and digests, as both stores have them: columns and conversions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from itertools import islice
from typing import Any

from memorybank_core.change_records import Change
from memorybank_core.conditions import matches
from memorybank_core.metadata import Metadata, from_text, to_text
from memorybank_core.records import Digest, Memory, Portrait, Summary, Turn
from memorybank_core.reports import Stats
from memorybank_core.text_caches import cache_by_text

from .damage import READ_ERRORS, convert_intact

Row = tuple[Any, ...]

CONTENT_COLUMNS = (
    "id, kind, session, day, created_at, query, response, user_name, companion_name, metadata"
)
MEMORY_COLUMNS = f"{CONTENT_COLUMNS}, strength, recalls, last_recalled_at, archived_at, pinned"
"""The columns of a memory."""
_METADATA = CONTENT_COLUMNS.split(", ").index("metadata")
_CONTENT = len(CONTENT_COLUMNS.split(", "))
_QUERY = CONTENT_COLUMNS.split(", ").index("query")
_CACHE_SIZE = 2_048  # memories
MAX_CACHED_LENGTH = 2_000
"""Length in characters of the longest memory that is cached."""
DIGEST_COLUMNS = "kind, day, text, made_by, made_at, source"
"""The columns of a digest."""

_INFINITE = float("inf")
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def to_micros(moment: datetime) -> int:
    """Return the microseconds since 1970, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    """Return the time of microseconds since 1970 (inverts `to_micros`)."""
    return EPOCH + timedelta(0, 0, micros)


def from_memory(memory: Memory) -> Row:
    """Return the values of `MEMORY_COLUMNS`; an event's text is in the column of a turn's query."""
    turn = memory.turn
    return (
        memory.id,
        memory.kind,
        turn.session if turn else memory.session,
        memory.day.isoformat(),
        to_micros(memory.created_at),
        turn.query if turn else memory.text,
        turn.response if turn else "",
        turn.user_name if turn else None,
        turn.companion_name if turn else None,
        to_text(memory.metadata) or None,
        memory.strength,
        memory.recalls,
        None if memory.last_recalled_at is None else to_micros(memory.last_recalled_at),
        None if memory.archived_at is None else to_micros(memory.archived_at),
        memory.pinned,
    )


def require_strength(strength: float) -> float:
    """Return a stored strength; raise ValueError or TypeError if it is damaged."""
    if 0.0 <= strength < _INFINITE:
        return strength
    raise ValueError(f"the strength {strength!r}")


def to_memory(user_id: str, row: Row) -> Memory:
    """Return the memory of a row of `MEMORY_COLUMNS`.

    Raises:
        ValueError: If the row is damaged, or another of `damage.READ_ERRORS`.
    """
    id, kind, session, day, created, query, response, user, companion, metadata = row[:_CONTENT]
    strength, recalls, recalled, archived, pinned = row[_CONTENT:]
    created_at = from_micros(created)
    turn = None
    if kind == "turn":
        turn = Turn(query, response, created_at, id, session, user, companion, from_text(metadata))
    elif kind != "event" or not (isinstance(id, str) and isinstance(query, str)):
        raise ValueError(f"not a memory: kind {kind!r}")
    if not recalls >= 0:
        raise ValueError(f"not a memory: {recalls!r} recalls")
    return Memory(
        id=id,
        user_id=user_id,
        kind=kind,
        text=turn.text if turn else query,
        created_at=created_at,
        day=date.fromisoformat(day),
        session=session or day,
        strength=require_strength(strength),
        recalls=recalls,
        last_recalled_at=None if recalled is None else from_micros(recalled),
        archived_at=None if archived is None else from_micros(archived),
        turn=turn,
        pinned=bool(pinned),
    )


@cache_by_text(_CACHE_SIZE)
def _to_short_memory(user_id: str, row: Row) -> Memory:
    return to_memory(user_id, row)


def to_cached_memory(user_id: str, row: Row) -> Memory:
    """Like `to_memory`, with an LRU cache of short memories.

    Searches return the same memories again and again.
    """
    size = len(row[_QUERY]) + len(row[_QUERY + 1])
    return _to_short_memory(user_id, row) if size <= MAX_CACHED_LENGTH else to_memory(user_id, row)


def select_matching(
    rows: Iterable[Row], where: Metadata, first: int | None, *, column: int = _METADATA
) -> list[Row]:
    """Return the first rows whose metadata match, all or at most `first`.

    Args:
        rows: The rows.
        where: The conditions.
        first: Maximum number of rows; None for all.
        column: The column of the metadata; by default the rows are those of `MEMORY_COLUMNS`.
    """

    @lru_cache(maxsize=1024)
    def accepts(text: str | None) -> bool:
        try:
            metadata = from_text(text)
        except READ_ERRORS:  # whatever lists such a memory reports it
            return False
        return matches(metadata, where)

    return list(islice((row for row in rows if accepts(row[column])), first))


def from_digest(digest: Digest) -> Row:
    """Return the values of `DIGEST_COLUMNS`; overall digests have the day "", which sorts first."""
    day = "" if digest.day is None else digest.day.isoformat()
    kind = "portrait" if isinstance(digest, Portrait) else "summary"
    return (kind, day, digest.text, digest.made_by, to_micros(digest.made_at), digest.source)


def to_digest(user_id: str, row: Row) -> Digest:
    """Return the digest of a row of `DIGEST_COLUMNS`.

    Raises:
        ValueError: If the row is damaged, or another of `damage.READ_ERRORS`.
    """
    kind, day, text, made_by, made_at, source = row
    if kind not in ("portrait", "summary"):
        raise ValueError(f"not a digest: kind {kind!r}")
    record = Portrait if kind == "portrait" else Summary
    of = date.fromisoformat(day) if day else None
    return record(user_id, text, of, made_by, from_micros(made_at), source)


def to_profile(text: str) -> str:
    """Return the text of a profile.

    Raises:
        ValueError: If it is not a JSON object.
    """
    if not isinstance(json.loads(text), dict):
        raise ValueError("not a JSON object")
    return text


def changed_ids(changes: Iterable[Change]) -> set[str]:
    """Return the ids of the turns that changes name."""
    return {id for change in changes for id in (change.newer, change.older) if id is not None}


def from_changes(changes: Iterable[Change], seqs: Mapping[str, int]) -> list[Row]:
    """Return rows of older and newer turn, author and time; the last change of a pair counts.

    The turns are sequence numbers; 0 stands for no older turn. Changes of turns that are not stored
    are left out.

    Args:
        changes: The changes.
        seqs: The sequence numbers of stored turns, by id.
    """
    keys: dict[str | None, int] = {None: 0}
    keys.update(seqs)
    rows = {
        (keys[change.older], keys[change.newer]): (change.made_by, to_micros(change.made_at))
        for change in changes
        if change.older in keys and change.newer in keys
    }
    return [(*pair, *values) for pair, values in rows.items()]


def to_change(row: Row) -> Change:
    """Return the change of a row: id of the newer and of the older turn, author and time."""
    newer, older, made_by, made_at = row
    return Change(newer, older, made_by, from_micros(made_at))


def to_span(days: Iterable[Any]) -> tuple[date, date] | None:
    """Return the first and the last of these days, without those that are damaged."""
    intact = sorted(convert_intact(days, date.fromisoformat, lambda day: None))
    return (intact[0], intact[-1]) if intact else None


def to_stats(row: Row, file_bytes: int) -> Stats:
    """Return the counts of a row: users, memories, archived, recalls, first and last day."""
    users, memories, archived, recalls, first, last = row
    return Stats(
        users=users,
        memories=memories,
        archived=archived,
        recalls=int(recalls),
        first_day=None if first is None else date.fromisoformat(first),
        last_day=None if last is None else date.fromisoformat(last),
        file_bytes=file_bytes,
    )
