"""The small statements of the local store; each names one user."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from memorybank_core.errors import ConflictError
from memorybank_core.forgetting import ForgettingLaw, days_between
from memorybank_core.protocols import StateChange, Stored
from memorybank_core.records import Digest, Memory
from memorybank_core.stores.rows import (
    COLUMNS,
    DIGEST,
    Row,
    from_digest,
    from_memory,
    micros,
    moment,
    to_digest,
    to_memory,
)
from memorybank_core.stores.rules import digests_to_delete, require_unchanged

from . import rows

MINE = "user_key = (SELECT user_key FROM users WHERE user_id = ?)"
"""The condition that every statement about a user's rows begins with."""

BY_ID = "memories INDEXED BY memories_by_id"
"""Where to look for several ids: left to itself, SQLite reads every row of the user."""

_CHUNK = 500  # old versions of SQLite take 999 parameters at most


def select_in(
    db: sqlite3.Connection, select: str, head: Row, column: str, values: Collection[Any]
) -> Iterator[Row]:
    """The rows of `select` (which ends in a condition) whose `column` is one of `values`."""
    values = list(values)
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        marks = ", ".join("?" * len(chunk))
        yield from db.execute(f"{select} AND {column} IN ({marks})", (*head, *chunk))


def written_by(db: sqlite3.Connection) -> tuple[str, int]:
    """Name and dimension of the embedder whose vectors the file holds; ("", 0) if none yet."""
    meta = dict(db.execute("SELECT name, value FROM meta"))
    return meta.get("embedder", ""), int(meta.get("dimension", 0))


def next_version(db: sqlite3.Connection, user_id: str) -> tuple[int, int]:
    """Key and raised version of a user, who is entered where new."""
    db.execute(
        "INSERT INTO users (user_id, version, rewritten, next_seq) VALUES (?, 1, 0, 1) "
        "ON CONFLICT (user_id) DO UPDATE SET version = version + 1",
        (user_id,),
    )
    select = "SELECT user_key, version FROM users WHERE user_id = ?"
    user_key, version = db.execute(select, (user_id,)).fetchone()
    return user_key, version


def is_known(db: sqlite3.Connection, user_id: str) -> bool:
    """Whether the user was entered."""
    return bool(db.execute("SELECT 1 FROM users WHERE user_id = ?", (user_id,)).fetchone())


def next_seq(db: sqlite3.Connection, user_key: int) -> int:
    """The number of the user's next memory; numbers are not used twice."""
    found = db.execute("SELECT next_seq FROM users WHERE user_key = ?", (user_key,)).fetchone()
    return int(found[0])


def seqs(db: sqlite3.Connection, user_key: int, ids: Collection[str]) -> dict[str, int]:
    """The rows of those ids that exist."""
    select = f"SELECT id, seq FROM {BY_ID} WHERE user_key = ?"
    return dict(select_in(db, select, (user_key,), "id", ids))


def insert(
    db: sqlite3.Connection,
    user_id: str,
    entries: Sequence[rows.Entry],
    *,
    replace: bool,
    recalled: Mapping[str, Sequence[datetime]],
) -> None:
    """Enters memories, and the recalls that new ones bring; see `MemoryStore.add`.

    Raises:
        ConflictError: An id is taken and `replace` is False.
    """
    user_key, version = next_version(db, user_id)
    places = seqs(db, user_key, [entry.id for entry in entries])
    if places and not replace:
        raise ConflictError(f"user {user_id!r} has memories of the ids {sorted(places)}")
    new = [entry.id for entry in entries if entry.id not in places]
    replaced = list(places.values())
    first = next_seq(db, user_key)
    places |= {id: seq for seq, id in enumerate(new, first)}
    db.executemany(
        rows.INSERT,
        ((user_key, places[one.id], version, version, one.terms, *one.row) for one in entries),
    )
    db.executemany(
        "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
        ((user_key, places[one.id], one.vectors) for one in entries),
    )
    insert_recalls(db, user_key, {places[id]: recalled.get(id, ()) for id in new})
    following = (first + len(new), user_key)
    db.execute("UPDATE users SET next_seq = ? WHERE user_key = ?", following)
    if replaced:
        drop_unfinished(db, user_key, replaced)


def scan(
    db: sqlite3.Connection, user_id: str, after: int, limit: int, dimension: int
) -> list[Stored]:
    """All of the memories that were written after a key, in that order, so many at most."""
    select = (
        f"SELECT seq, vector, {COLUMNS} FROM memories JOIN vectors USING (user_key, seq) "
        f"WHERE memories.{MINE} AND seq > ? ORDER BY seq LIMIT ?"
    )
    found = db.execute(select, (user_id, after, limit)).fetchall()
    recalls: dict[int, list[tuple[datetime, str | None]]] = {}
    of_these = f"SELECT seq, at, turn FROM recalls WHERE {MINE}"
    told = sorted(select_in(db, of_these, (user_id,), "seq", [row[0] for row in found]))
    for seq, at, turn in told:
        recalls.setdefault(seq, []).append((moment(at), turn))
    return [
        Stored(
            seq,
            to_memory(user_id, row),
            rows.to_vectors(blob, dimension),
            tuple(recalls.get(seq, ())),
        )
        for seq, blob, *row in found
    ]


def set_state(db: sqlite3.Connection, user_id: str, stored: Sequence[Stored]) -> None:
    """Gives memories the strength, the recalls and the archive that they had elsewhere."""
    user_key, version = next_version(db, user_id)
    places = seqs(db, user_key, [one.memory.id for one in stored])
    for one in stored:
        place = (user_key, places[one.memory.id])
        db.execute(
            "UPDATE memories SET (strength, recalls, last_recalled_at, archived_at, pinned) "
            "= (?, ?, ?, ?, ?), version = ? WHERE user_key = ? AND seq = ?",
            (*from_memory(one.memory)[-5:], version, *place),
        )
        db.execute("DELETE FROM recalls WHERE user_key = ? AND seq = ?", place)
        db.executemany(
            "INSERT INTO recalls VALUES (?, ?, ?, ?, ?)",
            (
                (*place, number, micros(at), turn)
                for number, (at, turn) in enumerate(one.recalls, 1)
            ),
        )


def require_sources(
    db: sqlite3.Connection, user_id: str, made_from: Sequence[Memory | Digest]
) -> None:
    """Raises ConflictError where one of these is gone or has other words; see `rows`."""
    ids = [piece.id for piece in made_from if isinstance(piece, Memory)]
    select = f"SELECT {COLUMNS} FROM {BY_ID} WHERE {MINE}"
    found = select_in(db, select, (user_id,), "id", ids)
    memories = [to_memory(user_id, row) for row in found]
    others = digests(db, user_id) if len(ids) < len(made_from) else []
    require_unchanged(user_id, made_from, memories, others)


def insert_digests(db: sqlite3.Connection, user_id: str, digests: Sequence[Digest]) -> None:
    """Enters digests, each in the place of one of its kind and day."""
    user_key, _ = next_version(db, user_id)
    db.executemany(
        f"INSERT OR REPLACE INTO digests (user_key, {DIGEST}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        ((user_key, *from_digest(digest)) for digest in digests),
    )


def digests(db: sqlite3.Connection, user_id: str, *, days: bool = True) -> list[Digest]:
    """A user's digests: by kind, then by day, the overall ones first, or those alone."""
    which = MINE if days else f"{MINE} AND day = ''"
    select = f"SELECT {DIGEST} FROM digests WHERE {which} ORDER BY kind, day"
    return [to_digest(user_id, row) for row in db.execute(select, (user_id,))]


def mark_rewritten(db: sqlite3.Connection, user_key: int) -> None:
    """Makes every process build this user's index anew."""
    db.execute("UPDATE users SET rewritten = version WHERE user_key = ?", (user_key,))


def strengthen(
    db: sqlite3.Connection,
    user_key: int,
    version: int,
    ids: Collection[str],
    now: datetime,
    turn: str | None,
    law: ForgettingLaw,
) -> int:
    """Recalls memories once each and not twice for one turn; returns how many."""
    select = (
        "SELECT seq, strength, max(created_at, coalesce(last_recalled_at, 0)) "
        f"FROM {BY_ID} WHERE user_key = ?"
    )
    found = list(select_in(db, select, (user_key,), "id", set(ids)))
    if turn is not None:
        known = "SELECT seq FROM recalls WHERE user_key = ? AND turn = ?"
        recalled = select_in(db, known, (user_key, turn), "seq", [row[0] for row in found])
        done = {seq for (seq,) in recalled}
        found = [row for row in found if row[0] not in done]
    for seq, strength, refreshed in found:
        stronger = law.strengthened(strength, days_between(moment(refreshed), now))
        db.execute(
            "UPDATE memories SET strength = ?, recalls = recalls + 1, version = ?, "
            "last_recalled_at = max(?, coalesce(last_recalled_at, 0)) "
            "WHERE user_key = ? AND seq = ?",
            (stronger, version, micros(now), user_key, seq),
        )
        db.execute(
            "INSERT INTO recalls SELECT ?, ?, coalesce(max(number), 0) + 1, ?, ? "
            "FROM recalls WHERE user_key = ? AND seq = ?",
            (user_key, seq, micros(now), turn, user_key, seq),
        )
    return len(found)


_CHANGES: dict[StateChange, str] = {
    "archive": "archived_at = :now WHERE archived_at IS NULL AND NOT pinned",
    "restore": "archived_at = NULL, last_recalled_at = :now WHERE archived_at IS NOT NULL",
    "pin": "archived_at = NULL, pinned = 1 WHERE (NOT pinned OR archived_at IS NOT NULL)",
    "unpin": "pinned = 0, last_recalled_at = :now WHERE pinned",
}
"""The assignments and the condition of each change."""


def change_state(
    db: sqlite3.Connection,
    user_id: str,
    ids: Collection[str],
    change: StateChange,
    now: datetime,
) -> int:
    """Archive, restore, pin or unpin memories; see `MemoryStore.change_state`."""
    if not is_known(db, user_id):
        return 0
    user_key, version = next_version(db, user_id)
    update = (
        f"UPDATE memories SET version = :version, {_CHANGES[change]} "
        "AND user_key = :user_key AND id = :id"
    )
    values = {"version": version, "now": micros(now), "user_key": user_key}
    return db.executemany(update, ({**values, "id": id} for id in set(ids))).rowcount


def span(db: sqlite3.Connection, user_id: str) -> tuple[date, date] | None:
    """The days of the user's first and last memory."""
    user = db.execute("SELECT user_key FROM users WHERE user_id = ?", (user_id,)).fetchone()
    first, last = db.execute(
        "SELECT (SELECT min(day) FROM memories WHERE user_key = ?), "
        "(SELECT max(day) FROM memories WHERE user_key = ?)",
        (user or (None,)) * 2,
    ).fetchone()
    return (date.fromisoformat(first), date.fromisoformat(last)) if first else None


def insert_recalls(
    db: sqlite3.Connection, user_key: int, history: Mapping[int, Sequence[datetime]]
) -> None:
    """Enters when new memories were recalled before they came here, by the row of each."""
    db.executemany(
        "INSERT INTO recalls VALUES (?, ?, ?, ?, NULL)",
        (
            (user_key, seq, number, micros(at))
            for seq, moments in history.items()
            for number, at in enumerate(sorted(moments), 1)
        ),
    )


def count(db: sqlite3.Connection, user_id: str) -> int:
    """How many memories a user has."""
    found = db.execute(f"SELECT count(*) FROM memories WHERE {MINE}", (user_id,)).fetchone()
    return int(found[0])


def drop_unfinished(db: sqlite3.Connection, user_key: int, seqs: Collection[int] | None) -> None:
    """Drops the vectors that an unfinished change of embedder has made of these (or all) rows."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'vectors_next'").fetchone():
        return
    drop = "DELETE FROM vectors_next WHERE user_key = ?"
    if seqs is None:
        db.execute(drop, (user_key,))
    else:
        db.executemany(f"{drop} AND seq = ?", ((user_key, seq) for seq in seqs))


def delete(
    db: sqlite3.Connection, user_id: str, ids: Collection[str] | None, day: date | None
) -> dict[str, int]:
    """Deletes memories and what was derived from them; returns how many rows of each table."""
    user = db.execute("SELECT user_key FROM users WHERE user_id = ?", (user_id,)).fetchone()
    if user is None:
        return dict.fromkeys((*_PER_MEMORY, "digests"), 0)
    if ids is None and day is None:
        counts = {
            table: db.execute(f"DELETE FROM {table} WHERE user_key = ?", user).rowcount
            for table in (*_PER_MEMORY, "digests")
        }
        drop_unfinished(db, user[0], None)
        db.execute("DELETE FROM users WHERE user_key = ?", user)
        return counts
    doomed = _doomed(db, user, ids, day)
    drop_unfinished(db, user[0], [row[0] for row in doomed])
    counts = {
        table: sum(
            db.execute(f"DELETE FROM {table} WHERE user_key = ? AND seq = ?", (*user, seq)).rowcount
            for seq, *_ in doomed
        )
        for table in _PER_MEMORY
    }
    counts["digests"] = _delete_derived(db, user, doomed, day)
    next_version(db, user_id)
    mark_rewritten(db, user[0])
    return counts


def _delete_derived(
    db: sqlite3.Connection, user: Row, doomed: Sequence[Row], day: date | None
) -> int:
    """Delete the digests made from deleted memories; return how many."""
    digests = db.execute("SELECT kind, day FROM digests WHERE user_key = ?", user)
    derived = digests_to_delete({(kind, of) for _, of, kind in doomed}, day, digests)
    delete = "DELETE FROM digests WHERE user_key = ? AND kind = ? AND day = ?"
    db.executemany(delete, ((*user, *digest) for digest in derived))
    return len(derived)


_PER_MEMORY = ("memories", "vectors", "recalls")


def _doomed(
    db: sqlite3.Connection, user: Row, ids: Collection[str] | None, day: date | None
) -> list[Row]:
    """(seq, day, kind) of what a deletion takes: with a turn go the events of its day."""
    select = "SELECT seq, day, kind FROM memories WHERE user_key = ?"
    if ids is not None:
        by_id = select.replace("memories", BY_ID)
        found = list(select_in(db, by_id, user, "id", set(ids)))
    else:
        found = list(select_in(db, select, user, "day", [day and day.isoformat()]))
    days = {row[1] for row in found if row[2] == "turn"}
    events = select_in(db, f"{select} AND kind = 'event'", user, "day", days)
    return list({*found, *events})
