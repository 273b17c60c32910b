"""Connections to one SQLite file: many readers beside one writer, errors in our own words."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from memorybank_core.errors import (
    InvalidInputError,
    MemoryBankError,
    NotABankError,
    StoreBusyError,
    StoreClosedError,
    StoreError,
    StoreWriteError,
)

from .schema import PAGE_SIZE, check_file, create_private, migrate


class Connections:
    """Lends connections to threads: any number to read, one at a time to write."""

    def __init__(self, path: Path, busy_timeout: float) -> None:
        self._path, self.busy_timeout = path, busy_timeout
        self._idle: deque[sqlite3.Connection] = deque()
        self._writer: sqlite3.Connection | None = None
        self._lock = threading.RLock()
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection whose statements all see one state of the file."""
        with translated(self._path):
            connection = self._borrow()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                connection.rollback()
                self._give_back(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: committed and on disk after the block, or without a trace."""
        with self.exclusive() as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise

    @contextmanager
    def exclusive(self) -> Iterator[sqlite3.Connection]:
        """The writing connection outside of a transaction."""
        with self._lock, translated(self._path):
            self._require_open()
            if self._writer is None:
                self._writer = connect(self._path, self.busy_timeout)
            yield self._writer

    def another(self) -> sqlite3.Connection:
        """A new connection, the caller's own, that has read nothing but the schema."""
        return connect(self._path, self.busy_timeout)

    def close(self) -> None:
        """Closes every connection; the last one to close folds the log into the file."""
        with self._lock:
            self._closed = True
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            while self._idle:
                self._idle.pop().close()

    def _borrow(self) -> sqlite3.Connection:
        self._require_open()
        try:
            return self._idle.pop()
        except IndexError:
            return connect(self._path, self.busy_timeout)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)

    def _require_open(self) -> None:
        if self._closed:
            raise StoreClosedError(f"{self._path} was closed. Open the bank again.")


def connect(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """A connection in autocommit mode: transactions are begun by hand.

    WAL lets readers go on beside a writer; FULL makes a commit durable; secure_delete
    overwrites what is deleted.
    """
    connection = _unchanged(path, busy_timeout)
    try:
        connection.execute(f"PRAGMA page_size={PAGE_SIZE}")
        _enter_wal(connection, busy_timeout)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("PRAGMA temp_store=MEMORY")
    except BaseException:
        connection.close()
        raise
    return connection


def _enter_wal(connection: sqlite3.Connection, busy_timeout: float) -> None:
    """Switches a new file to WAL. In this one statement SQLite waits for no lock, so we do."""
    deadline = time.monotonic() + busy_timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def _unchanged(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """A connection that has changed nothing yet; never makes a file."""
    return sqlite3.connect(
        f"{path.as_uri()}?mode=rw",
        uri=True,
        timeout=busy_timeout,
        isolation_level=None,
        check_same_thread=False,
    )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into ours, with the cause chained."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translation(str(error), path) from error
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"{error.object!r} has a character that cannot be stored (half a surrogate pair)"
        ) from error


def _translation(message: str, path: Path) -> MemoryBankError:
    for sign, kind, advice in _SIGNS:
        if sign in message:
            return kind(f"{path}: {message}. {advice}")
    return StoreError(f"{path}: {message}")


_SIGNS: tuple[tuple[str, type[MemoryBankError], str], ...] = (
    (
        "locked",
        StoreBusyError,
        "Another process is writing; nothing of this call was kept. Try again, or open the bank "
        "with a longer busy_timeout.",
    ),
    (
        "full",
        StoreWriteError,
        "Nothing of this call was kept. Free some space and call again.",
    ),
    (
        "disk I/O error",
        StoreWriteError,
        "Nothing of this call was kept. The disk is full, over a limit, or failing: make room "
        "and call again.",
    ),
    ("readonly", StoreWriteError, "The file or its folder may not be written."),
    ("unable to open", StoreWriteError, "The file or its folder may not be read and written."),
    ("not a database", NotABankError, "It was left as it is."),
    ("malformed", NotABankError, "The file is damaged; restore it from a backup."),
    ("closed", StoreClosedError, "Open the bank again."),
    ("binding parameter", InvalidInputError, "Ids and names must be strings."),
)
_OPENING = threading.Lock()


def open_file(path: Path, busy_timeout: float) -> Connections:
    """Connections to the bank at `path`, which is made or migrated where it needs be."""
    connections = Connections(path, busy_timeout)
    try:
        with _OPENING, translated(path):
            create_private(path)
            with closing(_unchanged(path, busy_timeout)) as db:
                check_file(db, path)
        with connections.exclusive() as db:
            migrate(db, path)
    except BaseException:
        connections.close()
        raise
    return connections
