"""Record which turns replaced which, as rows of sequence numbers; 0 stands for no older turn."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from memorybank_core.change_records import Change
from memorybank_core.records import Memory
from memorybank_core.stores.damage import memory_name
from memorybank_core.stores.rows import changed_ids, from_changes, to_change
from memorybank_core.stores.rules import require_unchanged

from .connections import Session
from .intact_rows import convert_rows, read_memories
from .reading import SELECT_BY_ID, SELECT_SEQS
from .rows import insert_rows, to_columns
from .statements import Statement

_TYPES = {"older": "bigint", "newer": "bigint", "made_by": "text", "made_at": "bigint"}
_INSERT = (
    insert_rows("replacements", _TYPES) + " ON CONFLICT (user_id, older, newer) "
    "DO UPDATE SET made_by = excluded.made_by, made_at = excluded.made_at"
)
_SELECT = (
    "SELECT n.id, o.id, r.made_by, r.made_at FROM memorybank.replacements AS r "
    "JOIN memorybank.memories AS n ON n.user_id = r.user_id AND n.seq = r.newer "
    "LEFT JOIN memorybank.memories AS o ON o.user_id = r.user_id AND o.seq = r.older "
    "WHERE r.user_id = %(user)s ORDER BY n.seq, r.older"
)
_DELETE_CHANGE = (
    "DELETE FROM memorybank.replacements WHERE user_id = %(user)s "
    "AND older = %(older)s AND newer = %(newer)s"
)
_DELETE_CHANGES = (
    "DELETE FROM memorybank.replacements WHERE user_id = %(user)s "
    "AND (older = ANY(%(seqs)s::bigint[]) OR newer = ANY(%(seqs)s::bigint[]))"
)


def record_changes(
    session: Session, user_id: str, changes: Sequence[Change], made_from: Sequence[Memory]
) -> None:
    """Store changes; see `MemoryStore.record_changes`."""
    user = {"user": user_id}
    locked, stored, taken = session.execute(
        session.marker.lock(),
        Statement(SELECT_BY_ID, {**user, "ids": [memory.id for memory in made_from]}),
        Statement(SELECT_SEQS, {**user, "ids": list(changed_ids(changes))}),
    )
    require_unchanged(user_id, made_from, read_memories(session, user_id, stored), [])
    rows = from_changes(changes, {id: seq for seq, id in taken})
    if locked and rows:
        session.execute(Statement(_INSERT, {**user, **to_columns(_TYPES, rows)}))


def read_changes(session: Session, user_id: str) -> list[Change]:
    """See `MemoryStore.changes`."""
    [rows] = session.execute(Statement(_SELECT, {"user": user_id}))
    return convert_rows(
        session,
        rows,
        to_change,
        lambda row: f"the change to {memory_name(user_id, row[0])}",
    )


def forget_change(session: Session, user_id: str, older: str, newer: str) -> bool:
    """Delete a change; see `MemoryStore.forget_change`."""
    user = {"user": user_id}
    locked, taken = session.execute(
        session.marker.lock(), Statement(SELECT_SEQS, {**user, "ids": [older, newer]})
    )
    seqs = {id: seq for seq, id in taken}
    if not locked or not {older, newer} <= seqs.keys():
        return False
    values = {**user, "older": seqs[older], "newer": seqs[newer]}
    [[(count,)]] = session.execute(Statement(_DELETE_CHANGE, values))
    return bool(count)


def delete_changes(user_id: str, seqs: Collection[int]) -> Statement:
    """Return the statement that deletes every change of these memories, older or newer."""
    return Statement(_DELETE_CHANGES, {"user": user_id, "seqs": list(seqs)})
