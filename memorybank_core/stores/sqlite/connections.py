"""Connections to one SQLite file: many readers, one writer; translates SQLite's errors."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from memorybank_core.concurrency import limit_wait
from memorybank_core.errors import (
    ForkedProcessError,
    StoreBusyError,
    StoreClosedError,
    StoreError,
    StoreWriteError,
)
from memorybank_core.forked_processes import (
    ForkLock,
    abandon,
    call_at_exit,
    call_before_fork,
    call_in_child,
    no_fork,
)

from .disk_space import reserve_file, reserve_wal
from .errors import translate_errors
from .file_guard import FileGuard, require_own_wal
from .read_only import FileStamp, read_stamp, to_uri
from .schema import (
    PAGE_SIZE,
    check_file,
    require_known_version,
)
from .transactions import begin_immediate

_inherited: set[Path] = set()
"""Files of which this process, a forked child, inherited an open connection.

SQLite would take the locks of that connection, which belong to the parent, for those of the child.
The parent could then delete the WAL that the child writes to (sqlite.org/howtocorrupt.html, 2.6).
"""


class Connections:
    """Lends connections to threads: any number for reading, one at a time for writing.

    A fork waits for the calls of other threads, and closes all connections: the parent and the
    child open their own.
    """

    def __init__(self, path: Path, busy_timeout: float, *, readonly: bool = False) -> None:
        self._path, self.busy_timeout, self.readonly = path, busy_timeout, readonly
        self._stamp: FileStamp | None = None  # of a file that is only read
        self._idle: deque[sqlite3.Connection] = deque()
        self._writer: sqlite3.Connection | None = None
        self._guard = FileGuard(path)
        self._lent: set[sqlite3.Connection] = set()
        self._lock = ForkLock(str(path))
        self._closed = False
        call_before_fork(self._close_idle)
        call_in_child(self._abandon_inherited)
        call_at_exit(self._close_idle)

    def __del__(self) -> None:
        self._close_idle()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection whose statements all see one state of the file.

        Raises:
            StoreBusyError: If it is only read here, without locks, and another process wrote to it.
            StoreWriteError: If another program has overwritten the file.
        """
        with no_fork, translate_errors(self._path):
            since = self._guard.newest
            connection, stamp = self._borrow(), self._stamp
            try:
                connection.execute("BEGIN")
                try:
                    yield connection
                finally:
                    if stamp is None:
                        self._guard.require_intact(connection, since)
            finally:
                connection.rollback()
                self._give_back(connection)
                if stamp is not None and read_stamp(self._path) != stamp:
                    raise StoreBusyError(f"{self._path} was written to meanwhile. Call again.")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction: committed and on disk after the block, or rolled back if it raises.

        Raises:
            SchemaTooNewError: If a newer version of the package has upgraded the open file.
            StoreWriteError: If the open file no longer has its name or its content: another
                program deleted, replaced, moved or overwrote it.
        """
        with self._lend_writer() as connection:
            try:
                begin_immediate(connection, limit_wait(self.busy_timeout))
                require_known_version(connection, self._path)
                self._guard.require_intact(connection, named=True)
                yield connection
                lineage = self._guard.record_write(connection)
                self._guard.require_intact(connection, named=True)  # SQLite would go on
                reserve_file(connection, self._path)
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise
            self._guard.newest = lineage
            self._guard.require_intact(connection, named=True)

    @contextmanager
    def exclusive(self, *, check: bool = False) -> Iterator[sqlite3.Connection]:
        """Lend the connection for writing, outside any transaction.

        Args:
            check: Whether to check a file that is opened, before anything is changed.

        Raises:
            StoreWriteError: If another program has overwritten the file.
        """
        with self._lend_writer(check=check) as connection:
            self._guard.require_intact(connection)
            yield connection

    @contextmanager
    def _lend_writer(self, *, check: bool = False) -> Iterator[sqlite3.Connection]:
        with self._lock, translate_errors(self._path):
            self._require_open()
            if self.readonly:
                raise StoreWriteError(
                    f"{self._path} was opened for reading only; nothing was changed. Open it "
                    "without readonly, where this process may write to the file and its folder."
                )
            if self._writer is None:
                require_own_wal(self._path, self._guard)
                self._writer = connect(self._path, self.busy_timeout, check=check)
                self._guard.attach()
                reserve_wal(self._path)
            writer = self._writer
            timeout = limit_wait(self.busy_timeout)
            writer.execute(f"PRAGMA busy_timeout = {round(timeout * 1000)}")
            is_nested = writer in self._lent
            self._lent.add(writer)
            try:
                yield writer
            finally:
                if not is_nested:
                    self._lent.discard(writer)

    def checkpoint_wal(self) -> bool:
        """Run a RESTART checkpoint, so that the next write reuses the WAL from its start.

        Returns:
            False if readers or a writer prevented it.
        """
        with self.exclusive() as db:
            return not db.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0]

    def connect(self) -> sqlite3.Connection:
        """Open a new connection, which the caller must close; it has read only the schema."""
        return connect(self._path, self.busy_timeout)

    def close(self) -> None:
        """Close every connection; the last one copies the WAL into the main file."""
        with self._lock:
            self._closed = True
            self._close_idle()

    def _borrow(self) -> sqlite3.Connection:
        self._require_open()
        if self.readonly and (stamp := read_stamp(self._path)) != self._stamp:
            self._close_idle()
            self._stamp = stamp
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = connect(self._path, self.busy_timeout, readonly=self.readonly)
            if self.readonly and self._stamp is not None:
                self._guard.require_successor(connection)
        self._lent.add(connection)
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        self._lent.discard(connection)
        if self._closed:
            self._release(connection)
        else:
            self._idle.append(connection)

    def _close_idle(self) -> None:
        """Close every connection that is not lent."""
        with suppress(sqlite3.Error):
            if self._writer is not None and self._writer not in self._lent:
                self._release(self._writer)
                self._writer = None
            while self._idle:
                self._release(self._idle.pop())

    def _release(self, connection: sqlite3.Connection) -> None:
        """Close a connection; the last one copies the WAL into the main file.

        If another program has overwritten the file, the connection is left open instead.
        """
        with suppress(StoreError, sqlite3.Error):
            if not self.readonly:
                self._guard.require_intact(connection)
                if not self._guard.has_name:  # SQLite would leave the WAL to the next file
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if self._guard.is_overwritten:
            abandon(connection)
        else:
            connection.close()

    def _abandon_inherited(self) -> None:
        """In a forked child: never use or close the connections that were not closed before."""
        open_connections = {*self._idle, *self._lent, *filter(None, [self._writer])}
        if open_connections:
            abandon(open_connections)
            _inherited.add(self._path)
        self._idle.clear()
        self._lent.clear()
        self._writer = None

    def _require_open(self) -> None:
        if self._closed:
            raise StoreClosedError(f"{self._path} was closed. Open the bank again.")


def connect(
    path: Path, busy_timeout: float, *, check: bool = False, readonly: bool = False
) -> sqlite3.Connection:
    """Open a connection in autocommit mode: transactions are begun explicitly.

    WAL lets readers continue during a write; FULL makes a commit durable; secure_delete
    overwrites deleted rows.

    Args:
        path: The file.
        busy_timeout: Seconds to wait for locks.
        check: Whether to check the file, before anything is changed.
        readonly: Whether to open it for reading only.
    """
    connection = _open(path, busy_timeout, readonly=readonly)
    try:
        if check:
            check_file(connection, path)
        connection.execute("PRAGMA temp_store=MEMORY")
        if readonly:
            return connection
        connection.execute(f"PRAGMA page_size={PAGE_SIZE}")
        _enter_wal(connection, busy_timeout)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _enter_wal(connection: sqlite3.Connection, busy_timeout: float) -> None:
    """Switch a new file to WAL. SQLite does not wait for locks in this statement, so retry it."""
    deadline = time.monotonic() + busy_timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def _open(path: Path, busy_timeout: float, *, readonly: bool) -> sqlite3.Connection:
    """Open a connection without changing or creating the file.

    Raises:
        ForkedProcessError: If the process inherited an open connection to the file.
    """
    if path in _inherited:
        raise ForkedProcessError(
            f"{path} was in use when this process was forked, so it cannot be used here: changes "
            "could be lost. Fork while no call is running; with uWSGI, set lazy-apps=true."
        )
    return sqlite3.connect(
        to_uri(path, readonly=readonly),
        uri=True,
        timeout=busy_timeout,
        isolation_level=None,
        check_same_thread=False,
    )
