"""Derive the terms and traits of memories that an older version of the package wrote.

They are derived again in short transactions, while other processes go on reading and writing. An
index of the memories that are left makes this resumable, and costs nothing when it is empty.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from memorybank_core.logs import get_logger
from memorybank_core.search.terms import TERMS_VERSION
from memorybank_core.stores.rows import MEMORY_COLUMNS, Row, to_memory

from .intact_rows import convert_rows
from .rows import derive

Write = Callable[[], AbstractContextManager[sqlite3.Connection]]
"""Opens a transaction."""

_logger = get_logger(__name__)

_BATCH = 1024  # memories of a transaction
_REPORTED = 10_000  # memories whose derivation takes long enough to be reported

_PREFIX = "memories_outdated_"
_INDEX = f"{_PREFIX}{TERMS_VERSION}"
_OUTDATED = f"terms_version < {TERMS_VERSION}"
_CREATE = f"CREATE INDEX {_INDEX} ON memories (user_key, seq) WHERE {_OUTDATED}"
_FROM = f"FROM memories INDEXED BY {_INDEX} WHERE {_OUTDATED}"
_BATCH_OF = f"{_FROM} ORDER BY user_key, seq LIMIT ?"
_SELECT_KEYS = f"SELECT user_key, seq {_BATCH_OF}"
_SELECT = f"SELECT user_key, seq, {MEMORY_COLUMNS} {_BATCH_OF}"
_UPDATE = (
    "UPDATE memories SET terms = ?, asks = ?, flags = ?, terms_version = ? "
    "WHERE user_key = ? AND seq = ?"
)
_LEAVE = f"UPDATE memories SET terms_version = {TERMS_VERSION} WHERE user_key = ? AND seq = ?"
_REBUILD_INDEXES = (
    f"UPDATE users SET version = version + 1, rewritten = version + 1 "
    f"WHERE user_key = ? AND NOT EXISTS (SELECT 1 {_FROM} AND user_key = users.user_key)"
)


def derive_outdated(write: Write) -> None:
    """Derive the terms and traits of all memories that have those of an older version.

    If it is interrupted, the next call continues. Until a user is complete, searches find the
    user's memories by their old terms.

    Args:
        write: Opens a transaction.
    """
    with write() as db:
        if not _has_index(db):
            return
        (left,) = db.execute(f"SELECT count(*) {_FROM}").fetchone()
    reported = left >= _REPORTED
    if reported:
        _logger.warning("Upgrading the search terms of %d memories; this happens once", left)
    while left > 0:
        with write() as db:
            keys = db.execute(_SELECT_KEYS, (_BATCH,)).fetchall()
            _update(db, keys)
        left = left - len(keys) if keys else 0
    if reported:
        _logger.warning("The search terms are upgraded")


def is_outdated(db: sqlite3.Connection) -> bool:
    """Return whether `derive_outdated` has something to do."""
    names = _index_names(db)
    if _INDEX in names:
        return db.execute(f"SELECT 1 {_FROM} LIMIT 1").fetchone() is not None
    return not any(_version(name) > TERMS_VERSION for name in names)


def _has_index(db: sqlite3.Connection) -> bool:
    """Create the index of outdated memories; return False if a newer version maintains it."""
    names = _index_names(db)
    if any(_version(name) > TERMS_VERSION for name in names):
        return False
    if _INDEX not in names:
        for name in names:
            db.execute(f"DROP INDEX {name}")
        db.execute(_CREATE)
    return True


def _index_names(db: sqlite3.Connection) -> list[str]:
    select = "SELECT name FROM sqlite_master WHERE type = 'index' AND name GLOB ?"
    return [name for (name,) in db.execute(select, (f"{_PREFIX}[0-9]*",))]


def _version(index: str) -> int:
    return int(index.removeprefix(_PREFIX))


def _update(db: sqlite3.Connection, keys: Sequence[Row]) -> None:
    """Derive the terms and traits of the rows of `_SELECT`, which have these primary keys.

    Damaged ones keep theirs, and are not tried again.
    """
    values = convert_rows(
        db,
        lambda: db.execute(_SELECT, (len(keys),)),
        lambda row: (*derive(to_memory("", row[2:]).text), *row[:2]),
        lambda row: f"memory number {row[1]} of user number {row[0]}",
    )
    db.executemany(_UPDATE, values)
    db.executemany(_LEAVE, {*keys} - {row[-2:] for row in values})
    db.executemany(_REBUILD_INDEXES, {(row[0],) for row in keys})
