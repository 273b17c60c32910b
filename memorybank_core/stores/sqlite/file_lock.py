"""Exclusive lock on a file that no other connection, of any process, has open."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from memorybank_core.errors import StoreBusyError, StoreError
from memorybank_core.output_files import LOG_SUFFIXES, log_of

from .connections import translate_errors


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Lock a bank that is not open elsewhere; its log is written into the file and deleted.

    In WAL mode every connection that has read the file holds a shared lock on it until it is
    closed, even if it does nothing (sqlite.org/wal.html, 2.2 and 6), so that the exclusive lock
    shows whether there is any. Without the log, the file can be renamed while it is locked: SQLite
    has nothing left to delete by name.

    Args:
        path: The file.

    Raises:
        StoreBusyError: If any connection to the file is open, also one of this process.
        NotABankError: If it is not a SQLite database.
        StoreError: If it cannot be locked.
    """
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with translate_errors(path):
        connection = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)
        with closing(connection) as db:
            try:
                db.execute("PRAGMA locking_mode=EXCLUSIVE")
                db.execute("BEGIN IMMEDIATE")
                db.execute("ROLLBACK")
                db.execute("PRAGMA journal_mode=DELETE")
                db.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                raise StoreBusyError(
                    f"{path} is open in another process, or elsewhere in this one; nothing was "
                    "changed. Close it there and try again."
                ) from error
            yield db


def remove_if_empty(path: Path) -> None:
    """Delete a bank without contents that is not open elsewhere; leave any other as it is."""
    with suppress(StoreError, OSError), locked(path) as db:
        if not _is_empty(db):
            return
        path.unlink()
        for suffix in LOG_SUFFIXES:
            log_of(path, suffix).unlink(missing_ok=True)


def _is_empty(db: sqlite3.Connection) -> bool:
    """Return whether a file has neither users nor items."""
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    return not any(
        db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()
        for table in ("users", "items")
        if table in tables
    )
