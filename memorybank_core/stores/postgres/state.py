"""Change the state of stored memories (strength, recalls, archive and pin) and profiles."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from memorybank_core.forgetting import ForgettingLaw, days_between
from memorybank_core.protocols import StateChange
from memorybank_core.stores.rows import from_micros, require_strength, to_micros

from .connections import Session
from .intact_rows import convert_rows
from .rows import FROM_MEMORIES, SELECT_STATE, STATE, insert_rows, to_columns
from .statements import Statement

_STATE_TYPES = {"seq": "bigint", **STATE}
_WRITE = (
    insert_rows("states", _STATE_TYPES, {"version": "u.writes"})
    + " ON CONFLICT (user_id, seq) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in ("version", *STATE))
)
_RECALL_TYPES = {"seq": "bigint", "number": "bigint", "at": "bigint", "turn": "text"}
_INSERT_RECALLS = insert_rows("recalls", _RECALL_TYPES)
_SELECT = f"SELECT m.seq, {SELECT_STATE} {FROM_MEMORIES} AND m.id = ANY(%(ids)s::text[])"
_RECALLED = f"""
    SELECT m.seq, m.created_at, {SELECT_STATE}, (
            SELECT coalesce(max(number), 0) FROM memorybank.recalls AS r
            WHERE r.user_id = %(user)s AND r.seq = m.seq
        ), EXISTS (
            SELECT FROM memorybank.recalls AS r
            WHERE r.user_id = %(user)s AND r.seq = m.seq AND r.turn = %(turn)s
        )
    {FROM_MEMORIES} AND m.id = ANY(%(ids)s::text[])
"""
_SET_PROFILE = "UPDATE memorybank.users SET profile = %(profile)s WHERE user_id = %(user)s"


def write_states(user_id: str, rows: Sequence[Sequence[Any]]) -> list[Statement]:
    """Return the statements that store states: rows of sequence number and `STATE`."""
    values = {"user": user_id, **to_columns(_STATE_TYPES, rows)}
    return [Statement(_WRITE, values)] if rows else []


def insert_recalls(user_id: str, rows: Sequence[Sequence[Any]]) -> list[Statement]:
    """Return the statements that store recalls: rows of memory, number, time and turn."""
    values = {"user": user_id, **to_columns(_RECALL_TYPES, rows)}
    return [Statement(_INSERT_RECALLS, values)] if rows else []


def strengthen(
    session: Session,
    user_id: str,
    ids: Collection[str],
    now: datetime,
    turn: str | None,
    law: ForgettingLaw,
) -> int:
    """Strengthen memories; see `MemoryStore.strengthen`."""
    values = {"user": user_id, "ids": list(set(ids)), "turn": turn}
    locked, rows = session.execute(session.marker.lock(), Statement(_RECALLED, values))
    if not locked:  # the rows are those of a user created since
        return 0
    at = to_micros(now)
    states, recalls = [], []
    times = convert_rows(
        session,
        rows,
        lambda row: (
            from_micros(row[1] if row[4] is None else max(row[1], row[4])),
            require_strength(row[2]),
            row,
        ),
        lambda row: f"memory number {row[0]} of user {user_id!r}",
    )
    for refreshed, strength, row in times:
        seq, _, _, count, last, archived, pinned, number, was_recalled = row
        if was_recalled:
            continue
        strengthened = law.strengthened(strength, days_between(refreshed, now))
        states.append(
            (seq, strengthened, count + 1, at if last is None else max(at, last), archived, pinned)
        )
        recalls.append((seq, number + 1, at, turn))
    session.execute(*write_states(user_id, states), *insert_recalls(user_id, recalls))
    return len(states)


def change_state(
    session: Session, user_id: str, ids: Collection[str], change: StateChange, now: datetime
) -> int:
    """Archive, restore, pin or unpin memories; see `MemoryStore.change_state`."""
    values = {"user": user_id, "ids": list(set(ids))}
    locked, rows = session.execute(session.marker.lock(), Statement(_SELECT, values))
    if not locked:  # as in `strengthen`
        return 0
    at = to_micros(now)
    states = [
        (seq, strength, recalls, *changed)
        for seq, strength, recalls, *state in rows
        if (changed := _change(change, at, *state)) is not None
    ]
    session.execute(*write_states(user_id, states))
    return len(states)


def _change(
    change: StateChange, at: int, last: int | None, archived: int | None, pinned: bool
) -> tuple[int | None, int | None, bool] | None:
    """Return the time of the last recall, that of archiving, and the pin; None if unchanged."""
    if change == "archive":
        return (last, at, False) if archived is None and not pinned else None
    if change == "restore":
        return (at, None, pinned) if archived is not None else None
    if change == "pin":
        return (last, None, True) if archived is not None or not pinned else None
    return (at, archived, False) if pinned else None


def set_profile(session: Session, user_id: str, profile: str) -> None:
    """Store the profile of a user."""
    session.execute(
        session.marker.lock(create=True),
        Statement(_SET_PROFILE, {"user": user_id, "profile": profile}),
    )
