"""Write memories, digests and profiles. Every function runs inside one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from memorybank_core.metadata import to_text
from memorybank_core.protocols import Stored
from memorybank_core.records import Digest, Memory
from memorybank_core.stores.rows import (
    DIGEST_COLUMNS,
    MEMORY_COLUMNS,
    from_digest,
    from_memory,
    to_micros,
)
from memorybank_core.stores.rules import (
    ExpectedEmbedder,
    require_expected,
    require_free,
    require_no_turns,
    require_unchanged,
)

from .changes import delete_changes
from .intact_rows import read_memories
from .reading import (
    BY_ID,
    OF_USER,
    check_embedder,
    digests,
    find_seqs,
    find_user,
    known,
    select_in,
)
from .rows import INSERT, Entry

_INSERT_RECALL = "INSERT INTO recalls VALUES (?, ?, ?, ?, ?)"


def next_version(db: sqlite3.Connection, user_id: str) -> tuple[int, int]:
    """Create the user if missing, raise their version, and return their key and version."""
    db.execute(
        "INSERT INTO users (user_id, version, rewritten, next_seq) VALUES (?, 1, 0, 1) "
        "ON CONFLICT (user_id) DO UPDATE SET version = version + 1",
        (user_id,),
    )
    select = "SELECT user_key, version FROM users WHERE user_id = ?"
    user_key, version = db.execute(select, (user_id,)).fetchone()
    return user_key, version


def add(
    db: sqlite3.Connection,
    embedder: ExpectedEmbedder,
    user_id: str,
    new: Sequence[Entry],
    *,
    replace: bool,
    recalled: Mapping[str, Sequence[datetime]],
    expected: Mapping[str, str],
) -> None:
    """Store memories; see `MemoryStore.add`."""
    check_embedder(embedder, db)
    if expected:
        require_expected(user_id, expected, known(db, user_id, expected))
    _insert(db, user_id, new, replace=replace, recalled=recalled)


def put(
    db: sqlite3.Connection,
    embedder: ExpectedEmbedder,
    user_id: str,
    stored: Sequence[Stored],
    new: Sequence[Entry],
) -> None:
    """Store memories copied from another store; see `MemoryStore.put`."""
    check_embedder(embedder, db)
    _insert(db, user_id, new, replace=True, recalled={})
    user_key, version = next_version(db, user_id)
    seqs = find_seqs(db, user_key, [item.memory.id for item in stored])
    for item in stored:
        key = (user_key, seqs[item.memory.id])
        db.execute(
            "UPDATE memories SET (strength, recalls, last_recalled_at, archived_at, pinned) "
            "= (?, ?, ?, ?, ?), version = ? WHERE user_key = ? AND seq = ?",
            (*from_memory(item.memory)[-5:], version, *key),
        )
        db.execute("DELETE FROM recalls WHERE user_key = ? AND seq = ?", key)
        recalls = (
            (*key, number, to_micros(at), turn) for number, (at, turn) in enumerate(item.recalls, 1)
        )
        db.executemany(_INSERT_RECALL, recalls)


def set_metadata(
    db: sqlite3.Connection, user_id: str, metadata: Mapping[str, Mapping[str, Any]]
) -> int:
    """Replace the metadata of turns; see `MemoryStore.set_metadata`."""
    if find_user(db, user_id) is None:
        return 0
    user_key, version = next_version(db, user_id)
    rows = (
        (to_text(value) or None, version, version, user_key, id) for id, value in metadata.items()
    )
    return db.executemany(
        "UPDATE memories SET metadata = ?, version = ?, written = ? "
        "WHERE user_key = ? AND id = ? AND kind = 'turn'",
        rows,
    ).rowcount


def set_digests(
    db: sqlite3.Connection,
    embedder: ExpectedEmbedder,
    user_id: str,
    new_digests: Sequence[Digest],
    *,
    made_from: Sequence[Memory | Digest],
    events: Sequence[Entry],
) -> None:
    """Store digests with their event summaries; see `MemoryStore.set_digests`."""
    _require_sources(db, user_id, made_from)
    if events:
        select = f"SELECT id FROM {BY_ID} WHERE {OF_USER} AND kind <> 'event'"
        taken = select_in(db, select, (user_id,), "id", [event.id for event in events])
        require_no_turns(user_id, [id for (id,) in taken])
        add(db, embedder, user_id, events, replace=True, recalled={}, expected={})
    user_key, _ = next_version(db, user_id)
    db.executemany(
        f"INSERT OR REPLACE INTO digests (user_key, {DIGEST_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        ((user_key, *from_digest(digest)) for digest in new_digests),
    )


def set_profile(db: sqlite3.Connection, user_id: str, profile: str) -> None:
    """Store the profile of a user."""
    user_key, _ = next_version(db, user_id)
    db.execute("UPDATE users SET profile = ? WHERE user_key = ?", (profile, user_key))


def delete_unfinished_vectors(
    db: sqlite3.Connection, user_key: int, seqs: Collection[int] | None
) -> None:
    """Delete vectors of these memories (None: all) that an unfinished `reembed` has written."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'vectors_next'").fetchone():
        return
    delete = "DELETE FROM vectors_next WHERE user_key = ?"
    if seqs is None:
        db.execute(delete, (user_key,))
    else:
        db.executemany(f"{delete} AND seq = ?", ((user_key, seq) for seq in seqs))


def _insert(
    db: sqlite3.Connection,
    user_id: str,
    new: Sequence[Entry],
    *,
    replace: bool,
    recalled: Mapping[str, Sequence[datetime]],
) -> None:
    """Insert memories, and the past recalls of those that are new; replace damaged ones.

    Raises:
        ConflictError: If an id is taken and `replace` is False.
    """
    user_key, version = next_version(db, user_id)
    seqs = find_seqs(db, user_key, [entry.id for entry in new])
    if seqs:
        intact = known(db, user_id, seqs)
        if not replace:
            require_free(user_id, intact)
        damaged = ((user_key, seq) for id, seq in seqs.items() if id not in intact)
        db.executemany("DELETE FROM memories WHERE user_key = ? AND seq = ?", damaged)
    replaced = list(seqs.values())
    added = [entry.id for entry in new if entry.id not in seqs]
    select = "SELECT next_seq FROM users WHERE user_key = ?"  # no sequence number is reused
    (next_seq,) = db.execute(select, (user_key,)).fetchone()
    seqs |= {id: seq for seq, id in enumerate(added, next_seq)}
    db.executemany(
        INSERT,
        ((user_key, seqs[entry.id], version, version, *entry.derived, *entry.row) for entry in new),
    )
    db.executemany(
        "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
        ((user_key, seqs[entry.id], entry.vectors) for entry in new),
    )
    recalls = (
        (user_key, seqs[id], number, to_micros(at), None)
        for id in added
        for number, at in enumerate(sorted(recalled.get(id, ())), 1)
    )
    db.executemany(_INSERT_RECALL, recalls)
    update = "UPDATE users SET next_seq = ? WHERE user_key = ?"
    db.execute(update, (next_seq + len(added), user_key))
    if replaced:
        delete_unfinished_vectors(db, user_key, replaced)
        delete_changes(db, user_key, replaced)


def _require_sources(
    db: sqlite3.Connection, user_id: str, made_from: Sequence[Memory | Digest]
) -> None:
    """Check that the sources of new digests are still stored; see `require_unchanged`."""
    ids = [source.id for source in made_from if isinstance(source, Memory)]
    select = f"SELECT {MEMORY_COLUMNS} FROM {BY_ID} WHERE {OF_USER}"
    memories = read_memories(db, user_id, lambda: select_in(db, select, (user_id,), "id", ids))
    stored_digests = digests(db, user_id, days=True) if len(ids) < len(made_from) else []
    require_unchanged(user_id, made_from, memories, stored_digests)
