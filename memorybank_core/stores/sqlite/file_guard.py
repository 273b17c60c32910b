"""Guard of an open file: notice that another program deleted, replaced or overwrote it.

SQLite does not. It goes on with a file that has lost its name, and it combines the WAL of a file
with whatever another program wrote over the file (sqlite.org/howtocorrupt.html, 1.4).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from memorybank_core.errors import StoreWriteError
from memorybank_core.output_files import sqlite_uri

from .lineage import (
    Lineage,
    new_lineage,
    new_writer,
    read_lineage,
    read_schema_cookie,
    record_lineage,
)
from .schema import APPLICATION_ID

_PATIENCE = 2.0
"""Seconds in which a file that is being written must be readable: a checkpoint may be running."""
_POLL = 0.01
_TIMESTAMP_GRANULARITY_NS = 20_000_000
"""Two changes of a file within this time may leave the same timestamps."""

_Stamp = tuple[int, int, int]
"""Size, time of change of the content, and of the file's status."""


@dataclass(frozen=True, slots=True)
class _FileState:
    """State of the main file, without its WAL.

    Attributes:
        size: Its size in bytes.
        lineage: Its lineage; None if it has none that can be read.
        is_short: Whether it is shorter than its header states, as it is during a checkpoint and
            after one that was killed.
        is_bank: Whether it is a bank or empty.
    """

    size: int
    lineage: Lineage | None = None
    is_short: bool = False
    is_bank: bool = True


class FileGuard:
    """Compares the file under a name with the one that was opened.

    Args:
        path: The file.

    Attributes:
        newest: The newest lineage that was read or written.
        is_overwritten: Whether another program has written over the file; never False again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None
        self._stamp: _Stamp | None = None  # of the file when it was last compared
        self._is_certain = False  # whether a later change would have another stamp
        self._state: _FileState | None = None
        self._writer = new_writer()
        self.newest: Lineage | None = None
        self.is_overwritten = False

    @property
    def has_name(self) -> bool:
        """True if the file that was opened still has its name."""
        return self._identity is None or _identify(_stat(self._path)) == self._identity

    def attach(self) -> None:
        """Remember which file has the name; the first call counts."""
        self._identity = self._identity or _identify(_stat(self._path))

    def require_intact(
        self, db: sqlite3.Connection, since: Lineage | None = None, *, named: bool = False
    ) -> None:
        """Check that no other program has written over the file; cheap if it is unchanged.

        Args:
            db: A connection. Until its transaction ends, a checkpoint copies nothing into the file
                that is newer than what the transaction reads.
            since: `newest` before that transaction, if it is an open one that only reads.
            named: Whether to check also that the file still has its name.

        Raises:
            StoreWriteError: If one has. From then on, every call raises it. Or if another program
                deleted, replaced or moved the file.
        """
        self._require(not self.is_overwritten)
        status, since = _stat(self._path), since or self.newest
        if status is None or self._identity not in (None, _identify(status)):
            with _transaction(db):  # on the file that lost its name
                self._require(_descends_from(read_lineage(db), since))
            if named:
                self._refuse_without_name()
            return
        stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        is_settled = time.time_ns() - max(stamp[1:]) > _TIMESTAMP_GRANULARITY_NS
        if stamp == self._stamp and (self._is_certain or not is_settled):
            return
        with _transaction(db):
            self._require(self._is_intact(db, since))
        self._stamp, self._is_certain = stamp, is_settled

    def require_successor(self, db: sqlite3.Connection) -> None:
        """Check that a file that is only read was changed by writes to the same bank.

        Args:
            db: A new connection to the changed file.

        Raises:
            StoreWriteError: If not. From then on, every call raises it.
        """
        newest = read_lineage(db)
        self._require(not self.is_overwritten and _descends_from(newest, self.newest))
        self.newest = newest

    def record_write(self, db: sqlite3.Connection) -> Lineage:
        """Record the open transaction in the lineage; return it, as it is `newest` from then on."""
        lineage = None
        with suppress(ValueError):  # a damaged one is replaced
            lineage = read_lineage(db)
        lineage = lineage or new_lineage()
        in_file = self._state.lineage if self._state else None
        schema, base = read_schema_cookie(db), in_file.writes if in_file else 0
        lineage = lineage.next(self._writer, base, schema)
        record_lineage(db, lineage)
        return lineage

    def _is_intact(self, db: sqlite3.Connection, since: Lineage | None) -> bool:
        """Return whether the main file can be that of the WAL; wait for a running checkpoint."""
        deadline = time.monotonic() + _PATIENCE
        while (verdict := self._judge(db, since)) is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL)
        return verdict

    def _judge(self, db: sqlite3.Connection, since: Lineage | None) -> bool | None:
        """Compare the main file with the WAL; return None if that is not possible now."""
        before, newest, schema = self._state, None, 0
        with suppress(sqlite3.DatabaseError, ValueError):  # a mixture cannot always be read
            newest, schema = read_lineage(db), read_schema_cookie(db)
        state = _read_state(self._path)
        if not state.is_bank:
            return False
        if not _descends_from(newest, since):
            return None if newest is None else False
        if before and state.is_short and state.size < before.size:
            return False  # it was cut off: no checkpoint does that
        in_file_before = before.lineage if before else None
        if newest and not newest.allows(state.lineage, in_file_before, schema):
            return None if state.lineage is None else False
        if newest is not None and (self.newest is None or newest.writes > self.newest.writes):
            self.newest = newest
        self._state = state
        return True

    def _refuse_without_name(self) -> None:
        raise StoreWriteError(
            f"{self._path} was deleted, replaced or moved while it was open; nothing was stored. "
            "Close this bank, and open the file that should be written"
        )

    def _require(self, is_intact: bool) -> None:
        if is_intact:
            return
        self.is_overwritten = True
        raise StoreWriteError(
            f"{self._path} was overwritten by another program: its write-ahead log, "
            f"{self._path.name}-wal, belongs to the file that was there before. Nothing was read "
            "or stored. Close this bank in every process. What was written last may be only in the "
            "log: keep a copy of both files, delete the log, and open the bank again"
        )


def require_own_wal(path: Path, guard: FileGuard | None = None) -> None:
    """Check that the WAL of a file was not left by another file of this name.

    To be called before a connection is opened that can write: closing it applies the WAL.

    Args:
        path: The file.
        guard: The guard of the file, if it has one.

    Raises:
        StoreWriteError: If another program has overwritten the file.
        sqlite3.Error: If the file or its WAL cannot be read.
    """
    target = Path(os.path.realpath(path))
    wal = target.with_name(f"{target.name}-wal")
    if wal.exists() and wal.stat().st_size:
        with closing(_connect(target, "mode=ro")) as db:
            (guard or FileGuard(path)).require_intact(db)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Begin a transaction that reads, if none is open."""
    if db.in_transaction:
        yield
        return
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.rollback()


def _descends_from(lineage: Lineage | None, before: Lineage | None) -> bool:
    return before is None or (lineage is not None and lineage.includes(before))


def _read_state(path: Path) -> _FileState:
    """Read the main file, without its WAL.

    SQLite opens it, without locks: if we opened and closed it, the locks that this process has on
    it would be dropped (sqlite.org/howtocorrupt.html, 2.2).

    Raises:
        sqlite3.Error: If it cannot be opened.
        OSError: If it is gone.
    """
    size = path.stat().st_size
    for is_short in (False, True):
        try:
            lineage, is_bank = _read_content(path, is_short=is_short)
        except sqlite3.DatabaseError as error:
            if "not a database" in str(error):
                return _FileState(size, is_bank=False)
            if "malformed" not in str(error):
                raise
        except ValueError:
            break
        else:
            return _FileState(size, lineage, is_short, is_bank)
    return _FileState(size)


def _read_content(path: Path, *, is_short: bool) -> tuple[Lineage | None, bool]:
    """Return the lineage of the main file, and whether it is a bank or empty."""
    with closing(_connect(Path(os.path.realpath(path)), "mode=ro&immutable=1")) as db:
        if is_short:
            db.execute("PRAGMA writable_schema=ON")  # reads a file that lacks pages
        (owner,) = db.execute("PRAGMA application_id").fetchone()
        is_bank = (
            owner == APPLICATION_ID or not db.execute("SELECT 1 FROM sqlite_master").fetchone()
        )
        return read_lineage(db), is_bank


def _connect(target: Path, options: str) -> sqlite3.Connection:
    return sqlite3.connect(sqlite_uri(target, options), uri=True, isolation_level=None)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _identify(status: os.stat_result | None) -> tuple[int, int] | None:
    """Return device and inode; None if there is no such file."""
    return None if status is None else (status.st_dev, status.st_ino)
