"""Between records and rows: the columns of the local store, and the conversions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

import numpy as np

from memorybank_core.errors import ConflictError
from memorybank_core.protocols import Filter, Matrix
from memorybank_core.records import Digest, Memory, Portrait, Summary, Turn
from memorybank_core.reports import Stats
from memorybank_core.search.tokenize import tokenize

from .index import IndexedMemory
from .lexical import postings

Row = tuple[Any, ...]

_CONTENT = "id, kind, session, day, created_at, query, response, user_name, companion_name"
COLUMNS = f"{_CONTENT}, strength, recalls, last_recalled_at, archived_at, pinned"
INSERT = (
    f"INSERT INTO memories (user_key, seq, version, written, terms, {COLUMNS}) "
    f"VALUES ({', '.join('?' * 19)}) ON CONFLICT (user_key, seq) DO UPDATE SET "
    + ", ".join(
        f"{name} = excluded.{name}" for name in f"version, written, terms, {_CONTENT}".split(", ")
    )
)
"""Stores a memory; one that takes another's place is as strong and as fresh as that was."""
INDEXED = (
    "seq, created_at, max(created_at, coalesce(last_recalled_at, 0)), strength, day, "
    "coalesce(session, day), kind, query, response, user_name, companion_name, archived_at, pinned"
)
"""What the index of a user is made from, beside the terms and the vectors."""

DIGEST = "kind, day, text, made_by, made_at, source"
"""The columns of a digest."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def micros(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(micros: int) -> datetime:
    """The inverse of `micros`."""
    return _EPOCH + timedelta(microseconds=micros)


def from_memory(memory: Memory) -> Row:
    """The values of `COLUMNS`. An event's text stands where a turn's query does."""
    turn = memory.turn
    return (
        memory.id,
        memory.kind,
        turn.session if turn else memory.session,
        memory.day.isoformat(),
        micros(memory.created_at),
        turn.query if turn else memory.text,
        turn.response if turn else "",
        turn.user_name if turn else None,
        turn.companion_name if turn else None,
        memory.strength,
        memory.recalls,
        None if memory.last_recalled_at is None else micros(memory.last_recalled_at),
        None if memory.archived_at is None else micros(memory.archived_at),
        memory.pinned,
    )


def to_memory(user_id: str, row: Row) -> Memory:
    """The memory of a row of `COLUMNS`."""
    (id, kind, session, day, created, query, response, user, companion, *state) = row
    strength, recalls, recalled, archived, pinned = state
    created_at = moment(created)
    turn = None
    if kind == "turn":
        turn = Turn(query, response, created_at, id, session, user, companion)
    return Memory(
        id=id,
        user_id=user_id,
        kind=kind,
        text=turn.text if turn else query,
        created_at=created_at,
        day=date.fromisoformat(day),
        session=session or day,
        strength=strength,
        recalls=recalls,
        last_recalled_at=None if recalled is None else moment(recalled),
        archived_at=None if archived is None else moment(archived),
        turn=turn,
        pinned=bool(pinned),
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """What goes into the file of one memory: `row` has the values of `COLUMNS`."""

    id: str
    row: Row
    terms: bytes
    vectors: bytes


def entries(memories: Sequence[Memory], vectors: Sequence[Matrix]) -> list[Entry]:
    """Memories, with the vectors of their windows, as they go into the file."""
    return [
        Entry(
            memory.id,
            from_memory(memory),
            postings(tokenize(memory.text)),
            np.ascontiguousarray(matrix, np.float32).tobytes(),
        )
        for memory, matrix in zip(memories, vectors, strict=True)
    ]


def from_digest(digest: Digest) -> Row:
    """The values of `DIGEST`; the overall ones have the day "", which sorts first."""
    day = "" if digest.day is None else digest.day.isoformat()
    kind = "portrait" if isinstance(digest, Portrait) else "summary"
    return (kind, day, digest.text, digest.made_by, micros(digest.made_at), digest.source)


def to_digest(user_id: str, row: Row) -> Digest:
    """The inverse of `from_digest`."""
    kind, day, text, made_by, made_at, source = row
    record = Portrait if kind == "portrait" else Summary
    of = date.fromisoformat(day) if day else None
    return record(user_id, text, of, made_by, moment(made_at), source)


def to_indexed(row: Row) -> IndexedMemory:
    """The index's view of a row of `INDEXED`."""
    (seq, created, refreshed, strength, day, session, kind, query, response, *names) = row[:-2]
    (user, companion), (archived, pinned) = names, row[-2:]
    return IndexedMemory(
        key=seq,
        created=created / 1e6,
        refreshed=math.inf if pinned else refreshed / 1e6,
        strength=strength,
        day=date.fromisoformat(day).toordinal(),
        session=session,
        speaker=speaker_of(query, response, user, companion),
        kind=kind,
        utterances=utterances_of(query, response),
        archived=archived is not None,
    )


def speaker_of(
    query: str, response: str, user_name: str | None, companion_name: str | None
) -> str | None:
    """Who alone spoke in a turn, where one did who has a name."""
    if query and response:
        return None
    return (user_name if query else companion_name) or None


def utterances_of(query: str, response: str) -> int:
    """How many utterances a turn has."""
    return 2 if query and response else 1


def require_there(
    user_id: str,
    made_from: Sequence[Memory | Digest],
    memories: Iterable[Memory],
    digests: Iterable[Digest],
) -> None:
    """Takes what of `made_from` a store found: its memories, and the user's digests.

    Raises:
        ConflictError: Something is missing, or has other words.
    """
    due = {piece.id: piece.text for piece in made_from if isinstance(piece, Memory)}
    told = {
        (type(piece), piece.day, piece.text) for piece in made_from if not isinstance(piece, Memory)
    }
    there = {(type(one), one.day, one.text) for one in digests}
    if {memory.id: memory.text for memory in memories} != due or not told <= there:
        raise ConflictError(
            f"what the digests of user {user_id!r} were made from was deleted or changed "
            "meanwhile; make them anew"
        )


def days_of(doomed: Sequence[Row], day: date | None) -> tuple[set[str], set[str]]:
    """The days whose digests go with what is deleted, and those whose summaries alone do.

    Args:
        doomed: Of the memories that are deleted: number, day, kind, and whatever follows.
        day: The day that is deleted, if it is one.
    """
    days = {row[1] for row in doomed if row[2] == "turn"} | ({str(day)} if day else set())
    return days, {row[1] for row in doomed if row[2] == "event"} - days


def to_stats(row: Row, file_bytes: int) -> Stats:
    """The counts of a row: users, memories, archived, recalls, first and last day."""
    users, memories, archived, recalls, first, last = row
    return Stats(
        users=users,
        memories=memories,
        archived=archived,
        recalls=int(recalls),
        first_day=date.fromisoformat(first) if first else None,
        last_day=date.fromisoformat(last) if last else None,
        file_bytes=file_bytes,
    )


def to_vectors(blob: bytes, dimension: int) -> Matrix:
    """The vectors of a memory's windows, float32 (windows, dimension)."""
    return np.frombuffer(blob, np.float32).reshape(-1, dimension)


def condition(filter: Filter) -> tuple[str, list[Any]]:
    """A filter as SQL, to follow the condition on the user."""
    clauses, values = [], []
    for clause, value in (
        ("day >= ?", filter.since and filter.since.isoformat()),
        ("day <= ?", filter.until and filter.until.isoformat()),
        ("kind = ?", filter.kind),
        ("coalesce(session, day) = ?", filter.session),
    ):
        if value is not None:
            clauses.append(f"AND {clause}")
            values.append(value)
    if not filter.archived:
        clauses.append("AND archived_at IS NULL")
    return " ".join(clauses), values
