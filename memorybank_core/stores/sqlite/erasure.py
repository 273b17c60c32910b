"""Erase the remains of deleted rows from a file, without rewriting the file.

secure_delete overwrites deleted rows and pages in place. But when SQLite moves rows between pages
(`rebuildPage`, while it balances a tree), it leaves their old copies in the gap of the page: the
unused bytes between the pointers to the cells and the cells (sqlite.org/fileformat2.html, 1.6).
`erase` overwrites these gaps in place. That is safe because:

- No other process writes at the same time: not to the log, since our transaction holds the lock
  for that, and not from the log to the file, since the log is empty.
- A reader may be reading a page. Only bytes that no reader uses change under it.
- After a crash some gaps are overwritten and some are not. All of them are unused, so the file is
  intact, and the next deletion overwrites the rest. Like SQLite, this relies on a write not
  damaging neighbouring bytes.
- Other connections, of any process, may have cached pages with the old gaps, and would write them
  back with their next change. Our transaction ends with a change of its own, which changes the
  header of the log's index, so every connection drops its cached pages before its next
  transaction.
- Our own connection is new. It has read only the schema, which contains no user data, and it
  reads the page that it changes after the gaps were overwritten. So the log is clean, too.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from memorybank_core.errors import StoreWriteError

from .connections import Connections
from .pages import HEADER, gaps, is_plain, page_size

_ATTEMPTS = 20
_CHUNK = 8 * 2**20  # whole pages of any size
_MAX_HELD = 64
_MARK = (
    "INSERT INTO meta VALUES ('erasures', '1') "
    "ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
)


@dataclass(frozen=True)
class _Held:
    """A file descriptor of ours; closed after its last use if the file was unlinked."""

    number: int

    def __del__(self) -> None:
        if not os.fstat(self.number).st_nlink:
            os.close(self.number)


_held: dict[tuple[int, int], _Held] = {}
"""One descriptor for each file (device, inode) from which something was erased.

They stay open until the file is unlinked: closing any descriptor of a file drops all locks of the
process on it, those of SQLite too (sqlite.org/howtocorrupt.html, 2.2). (A separate process for the
erasure would have no locks to drop, but could outlive the lock that protects its work.) A forked
child shares the descriptors, which are used without a position, and has no locks of its parent.
"""


def erase(connections: Connections) -> bool:
    """Leave nothing but live rows in the file and its log.

    Reads the whole file and overwrites the gaps. A file with another layout is compacted instead,
    as is any file on a platform without `pwrite`.

    Returns:
        False if a reader of an old state kept the log from being emptied, or other writers
        interfered at every attempt: the bytes may still be there. Call again later.

    Raises:
        StoreBusyError: If another process is writing.
        StoreWriteError: If the file could not be read and written.
    """
    with connections.exclusive() as db:
        try:
            path = _path(db)
            held = _hold(path)
            if held is None:
                return compact(connections)
            with closing(connections.connect()) as fresh:
                for _ in range(_ATTEMPTS):
                    if not _empty_log(db, connections.busy_timeout):
                        return False
                    header = os.pread(held.number, HEADER, 0)
                    if not is_plain(header, os.fstat(held.number).st_size):
                        return compact(connections)
                    if _overwrite_gaps(fresh, held, path):
                        return True
        except OSError as error:
            raise StoreWriteError(
                f"cannot erase what was deleted: {error}. It is deleted, but bytes of it may "
                "still be in the file; delete again."
            ) from error
    return False


def compact(connections: Connections) -> bool:
    """Rewrite the file with live rows only, and empty the log into it.

    Returns:
        False if a reader of an old state kept the log from being emptied.
    """
    with connections.exclusive() as db:
        db.execute("PRAGMA temp_store=FILE")  # the new file may not fit into memory
        try:
            db.execute("VACUUM")
        finally:
            db.execute("PRAGMA temp_store=MEMORY")
        return _empty_log(db, connections.busy_timeout)


def _empty_log(db: sqlite3.Connection, busy_timeout: float) -> bool:
    """Write the log into the file and truncate it; return False if a reader needs the log.

    SQLite waits for readers and writers, but not for another checkpoint, so this retries.
    """
    deadline = time.monotonic() + busy_timeout
    while db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _overwrite_gaps(fresh: sqlite3.Connection, held: _Held, path: Path) -> bool:
    """Overwrite the gaps; return False, with nothing done, if the log is no longer empty."""
    fresh.execute("BEGIN IMMEDIATE")
    try:
        if path.with_name(f"{path.name}-wal").stat().st_size:
            return False
        if _identity(path.stat()) != _identity(os.fstat(held.number)):
            raise OSError("the file was replaced")
        for offset, length in _gaps(held.number):
            if os.pwrite(held.number, bytes(length), offset) != length:
                raise OSError(f"a gap at {offset} was not written whole")
        os.fsync(held.number)
        fresh.execute(_MARK)
        fresh.execute("COMMIT")
    finally:
        fresh.rollback()
    return True


def _gaps(descriptor: int) -> Iterator[tuple[int, int]]:
    """Yield offset and length of every gap of the file that is not all zero."""
    size = page_size(os.pread(descriptor, HEADER, 0))
    total = os.fstat(descriptor).st_size
    for offset in range(0, total, _CHUNK):
        chunk = os.pread(descriptor, _CHUNK, offset)
        if len(chunk) != min(_CHUNK, total - offset):
            raise OSError(f"the pages at {offset} were not read whole")
        for start, end in gaps(chunk, size, first=not offset):
            yield offset + start, end - start


def _path(db: sqlite3.Connection) -> Path:
    """Return the path that SQLite uses: that of a link's target, next to which the log is."""
    row = db.execute(
        "SELECT CAST(file AS BLOB) FROM pragma_database_list WHERE name = 'main'"
    ).fetchone()
    return Path(os.fsdecode(row[0]))


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _hold(path: Path) -> _Held | None:
    """Return our descriptor of the file, or None if it cannot have one."""
    if not hasattr(os, "pwrite"):
        return None
    identity = _identity(path.stat())
    if identity not in _held:
        for known, held in list(_held.items()):
            if not os.fstat(held.number).st_nlink:
                _held.pop(known, None)
        if len(_held) >= _MAX_HELD:
            return None
        held = _Held(os.open(path, os.O_RDWR))
        _held.setdefault(_identity(os.fstat(held.number)), held)
    return _held.get(identity)
