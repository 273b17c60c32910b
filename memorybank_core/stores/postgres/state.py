"""Change the state of stored memories: strength, recalls, archive and pin."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from memorybank_core.forgetting import ForgettingLaw, days_between
from memorybank_core.protocols import StateChange
from memorybank_core.stores.rows import from_micros, to_micros

from .connections import Session
from .statements import Statement
from .writing import INSERT_RECALL, LOCK_USER

_RECALLED = """
    SELECT seq, strength, greatest(created_at, coalesce(last_recalled_at, 0)),
        (
            SELECT coalesce(max(number), 0) FROM memorybank.recalls AS r
            WHERE r.user_id = %(user)s AND r.seq = m.seq
        ),
        EXISTS (
            SELECT FROM memorybank.recalls AS r
            WHERE r.user_id = %(user)s AND r.seq = m.seq AND r.turn = %(turn)s
        )
    FROM memorybank.memories AS m
    WHERE user_id = %(user)s AND id = ANY(%(ids)s::text[])
"""
_STRENGTHEN = (
    "UPDATE memorybank.memories SET strength = %(strength)s, recalls = recalls + 1, "
    "last_recalled_at = greatest(%(at)s, coalesce(last_recalled_at, 0)) "
    "WHERE user_id = %(user)s AND seq = %(seq)s"
)
_CHANGES: dict[StateChange, str] = {
    "archive": "archived_at = %(at)s WHERE archived_at IS NULL AND NOT pinned",
    "restore": "archived_at = NULL, last_recalled_at = %(at)s WHERE archived_at IS NOT NULL",
    "pin": "archived_at = NULL, pinned = true WHERE (NOT pinned OR archived_at IS NOT NULL)",
    "unpin": "pinned = false, last_recalled_at = %(at)s WHERE pinned",
}
"""The assignments and the condition of each change."""


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
    lock = Statement(LOCK_USER, {"user": user_id})
    _, rows = session.execute(lock, Statement(_RECALLED, values))
    changes = [
        {
            "user": user_id,
            "seq": seq,
            "strength": law.strengthened(strength, days_between(from_micros(refreshed), now)),
            "number": number + 1,
            "at": to_micros(now),
            "turn": turn,
        }
        for seq, strength, refreshed, number, was_recalled in rows
        if not was_recalled
    ]
    if changes:
        session.execute(Statement(_STRENGTHEN, changes), Statement(INSERT_RECALL, changes))
    return len(changes)


def change_state(
    session: Session, user_id: str, ids: Collection[str], change: StateChange, now: datetime
) -> int:
    """Archive, restore, pin or unpin memories; see `MemoryStore.change_state`."""
    update = (
        f"UPDATE memorybank.memories SET {_CHANGES[change]} "
        "AND user_id = %(user)s AND id = ANY(%(ids)s::text[])"
    )
    values = {"user": user_id, "ids": list(set(ids)), "at": to_micros(now)}
    _, [(count,)] = session.execute(
        Statement(LOCK_USER, {"user": user_id}), Statement(update, values)
    )
    return int(count)
