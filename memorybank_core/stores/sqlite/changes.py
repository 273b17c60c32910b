"""Record which turns replaced which, as rows of sequence numbers; 0 stands for no older turn."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

from memorybank_core.change_records import Change
from memorybank_core.records import Memory
from memorybank_core.stores.damage import memory_name
from memorybank_core.stores.rows import changed_ids, from_changes, to_change
from memorybank_core.stores.rules import require_unchanged

from .intact_rows import convert_rows
from .reading import OF_USER, find_seqs, find_user, known

_SELECT = (
    "SELECT n.id, o.id, made_by, made_at FROM replacements AS r "
    "JOIN memories AS n ON n.user_key = r.user_key AND n.seq = r.newer "
    "LEFT JOIN memories AS o ON o.user_key = r.user_key AND o.seq = r.older "
    f"WHERE r.{OF_USER} ORDER BY n.seq, r.older"
)
_DELETE = (
    "DELETE FROM replacements WHERE user_key = ? AND older = ?",
    "DELETE FROM replacements WHERE user_key = ? AND newer = ?",
)


def record_changes(
    db: sqlite3.Connection, user_id: str, changes: Sequence[Change], made_from: Sequence[Memory]
) -> None:
    """Store changes; see `MemoryStore.record_changes`."""
    stored = known(db, user_id, [memory.id for memory in made_from])
    require_unchanged(user_id, made_from, list(stored.values()), [])
    user_key = find_user(db, user_id)
    if user_key is None:
        return
    rows = from_changes(changes, find_seqs(db, user_key, changed_ids(changes)))
    insert = "INSERT OR REPLACE INTO replacements VALUES (?, ?, ?, ?, ?)"
    db.executemany(insert, ((user_key, *row) for row in rows))


def read_changes(db: sqlite3.Connection, user_id: str) -> list[Change]:
    """See `MemoryStore.changes`."""
    return convert_rows(
        db,
        lambda: db.execute(_SELECT, (user_id,)),
        to_change,
        lambda row: f"the change to {memory_name(user_id, row[0])}",
    )


def forget_change(db: sqlite3.Connection, user_id: str, older: str, newer: str) -> bool:
    """Delete a change; see `MemoryStore.forget_change`."""
    user_key = find_user(db, user_id)
    seqs = {} if user_key is None else find_seqs(db, user_key, {older, newer})
    delete = "DELETE FROM replacements WHERE user_key = ? AND older = ? AND newer = ?"
    row = (user_key, seqs.get(older, -1), seqs.get(newer, -1))
    return db.execute(delete, row).rowcount > 0


def delete_changes(db: sqlite3.Connection, user_key: int, seqs: Collection[int]) -> None:
    """Delete every change of these memories, older or newer."""
    for delete in _DELETE:
        db.executemany(delete, ((user_key, seq) for seq in seqs))
