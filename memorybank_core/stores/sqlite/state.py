"""Change the state of stored memories: strength, recalls, archive and pin."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from datetime import datetime

from memorybank_core.forgetting import ForgettingLaw, days_between
from memorybank_core.protocols import StateChange
from memorybank_core.stores.damage import convert_intact
from memorybank_core.stores.rows import from_micros, require_strength, to_micros

from .intact_rows import reporter
from .reading import BY_ID, find_user, select_in
from .writing import next_version

_CHANGES: dict[StateChange, str] = {
    "archive": "archived_at = :now WHERE archived_at IS NULL AND NOT pinned",
    "restore": "archived_at = NULL, last_recalled_at = :now WHERE archived_at IS NOT NULL",
    "pin": "archived_at = NULL, pinned = 1 WHERE (NOT pinned OR archived_at IS NOT NULL)",
    "unpin": "pinned = 0, last_recalled_at = :now WHERE pinned",
}
"""The assignments and the condition of each change."""


def strengthen(
    db: sqlite3.Connection,
    user_id: str,
    ids: Collection[str],
    now: datetime,
    turn: str | None,
    law: ForgettingLaw,
) -> int:
    """Strengthen memories; see `MemoryStore.strengthen`."""
    if find_user(db, user_id) is None:
        return 0
    user_key, version = next_version(db, user_id)
    select = (
        "SELECT seq, strength, max(created_at, coalesce(last_recalled_at, created_at)) "
        f"FROM {BY_ID} WHERE user_key = ?"
    )
    rows = list(select_in(db, select, (user_key,), "id", set(ids)))
    if turn is not None:
        select = "SELECT seq FROM recalls WHERE user_key = ? AND turn = ?"
        recalled = select_in(db, select, (user_key, turn), "seq", [row[0] for row in rows])
        seqs = {seq for (seq,) in recalled}
        rows = [row for row in rows if row[0] not in seqs]
    intact = convert_intact(
        rows,
        lambda row: (row[0], require_strength(row[1]), from_micros(row[2])),
        reporter(db, lambda row: f"memory number {row[0]} of user {user_id!r}"),
    )
    count = 0
    for seq, strength, refreshed in intact:
        stronger = law.strengthened(strength, days_between(refreshed, now))
        db.execute(
            "UPDATE memories SET strength = ?, recalls = recalls + 1, version = ?, "
            "last_recalled_at = max(?3, coalesce(last_recalled_at, ?3)) "
            "WHERE user_key = ? AND seq = ?",
            (stronger, version, to_micros(now), user_key, seq),
        )
        db.execute(
            "INSERT INTO recalls SELECT ?, ?, coalesce(max(number), 0) + 1, ?, ? "
            "FROM recalls WHERE user_key = ? AND seq = ?",
            (user_key, seq, to_micros(now), turn, user_key, seq),
        )
        count += 1
    return count


def change_state(
    db: sqlite3.Connection, user_id: str, ids: Collection[str], change: StateChange, now: datetime
) -> int:
    """Archive, restore, pin or unpin memories; see `MemoryStore.change_state`."""
    if find_user(db, user_id) is None:
        return 0
    user_key, version = next_version(db, user_id)
    update = (
        f"UPDATE memories SET version = :version, {_CHANGES[change]} "
        "AND user_key = :user_key AND id = :id"
    )
    values = {"version": version, "now": to_micros(now), "user_key": user_key}
    return db.executemany(update, ({**values, "id": id} for id in set(ids))).rowcount
