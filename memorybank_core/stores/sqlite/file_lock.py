"""Exclusive lock on a file that no other connection, of any process, has open."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from memorybank_core.errors import ConfigurationError, NotABankError, StoreBusyError, StoreError
from memorybank_core.output_files import LOG_SUFFIXES, is_database, log_of, sqlite_uri

from .errors import translate_errors
from .file_guard import require_own_wal
from .schema import APPLICATION_ID

RENAMES_OPEN_FILES = os.name != "nt"
"""True where a file that SQLite has open can be deleted and renamed; Windows refuses both."""


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Lock a bank that is not open elsewhere; its WAL is copied into the main file and deleted.

    In WAL mode every connection that has read the file holds a shared lock on it until it is
    closed, even if it does nothing (sqlite.org/wal.html, 2.2 and 6), so that the exclusive lock
    shows whether there is any. Without a WAL, the file can be renamed while it is locked: SQLite
    has nothing left to delete by name.

    Args:
        path: The file.

    Raises:
        StoreBusyError: If any connection to the file is open, also one of this process.
        NotABankError: If it is not a SQLite database.
        StoreError: If it cannot be locked.
    """
    with translate_errors(path):
        connection = _connect(path)
    with closing(connection) as db:
        try:
            with translate_errors(path):
                db.execute("PRAGMA locking_mode=EXCLUSIVE")
                db.execute("BEGIN IMMEDIATE")
                db.execute("ROLLBACK")
                db.execute("PRAGMA journal_mode=DELETE")
                db.execute("BEGIN EXCLUSIVE")
        except StoreBusyError as error:
            raise StoreBusyError(
                f"{path} is open in another process, or elsewhere in this one; nothing was "
                "changed. Close it there and try again."
            ) from error
        with suppress(PermissionError):  # on Windows, where SQLite deletes it when it closes it
            log_of(path, "-journal").unlink(missing_ok=True)  # that of leaving WAL mode, now empty
        yield db


@contextmanager
def locked_for_replacement(target: Path, *, force: bool) -> Iterator[None]:
    """Hold the lock of the bank to be replaced, if there is one.

    On Windows the lock is released before the block, because an open file cannot be replaced there;
    should another process open the file in between, the system refuses to replace it.

    Raises:
        ConfigurationError: If the file is another application's database.
        NotABankError: If it is not a database, or damaged, and not `force`.
        StoreBusyError: If it is open.
        StoreWriteError: If its WAL belongs to another file, and not `force`.
    """
    with ExitStack() as stack:
        try:
            if not force and target.exists():
                with translate_errors(target):
                    require_own_wal(target)  # the lock copies it into the file, which is kept
            if _is_bank(target):
                stack.enter_context(locked(target))
        except NotABankError as error:
            if not force:
                raise NotABankError(
                    f"{target} is not a memory bank, or too damaged to be one; it was not changed. "
                    "Move it away first, or pass force (--force) to replace it."
                ) from error
        if not RENAMES_OPEN_FILES:
            stack.close()
        yield


def remove_if_empty(path: Path) -> None:
    """Delete a bank without contents that is not open elsewhere; leave any other as it is."""
    with suppress(StoreError, OSError):
        with locked(path) as db:
            if not _is_empty(db):
                return
            if RENAMES_OPEN_FILES:
                _delete(path)
        if not RENAMES_OPEN_FILES:
            _delete(path)


def _delete(path: Path) -> None:
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


def _is_bank(target: Path) -> bool:
    """Return False if there is no file or an empty one; raise if the file is not a bank."""
    if not is_database(target):
        if target.exists() and target.stat().st_size:
            raise NotABankError(f"{target} is not a memory bank")
        return False
    with translate_errors(target), closing(_connect(target)) as db:
        owner = int(db.execute("PRAGMA application_id").fetchone()[0])
        if owner != APPLICATION_ID and db.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise ConfigurationError(
                f"{target} is another application's SQLite database; it was not changed"
            )
    return True


def _connect(path: Path) -> sqlite3.Connection:
    uri = sqlite_uri(path.absolute(), "mode=rw")
    return sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)
