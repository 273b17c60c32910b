"""Erase the remains of deleted rows from a file, without rewriting the file.

secure_delete overwrites deleted rows and pages in place. But when SQLite moves rows between pages
(`rebuildPage`, while it balances a tree), it leaves their old copies in the gap of the page: the
unused bytes between the pointers to the cells and the cells (sqlite.org/fileformat2.html, 1.6).
`erase` overwrites these gaps in place. That is safe because:

- No other process writes at the same time. Our transaction holds the lock for writing to the WAL,
  and the WAL is empty, so that nothing can be copied from it to the main file.
- A reader may be reading a page. Only bytes that no reader uses are changed.
- After a crash some gaps are overwritten and some are not. All of them are unused, so the file is
  intact, and the next deletion overwrites the rest. Like SQLite, this relies on a write not
  damaging neighbouring bytes.
- Other connections, of any process, may have cached pages with the old gaps, and would write them
  back with their next change. Our transaction ends with a write, which changes the header of the
  WAL's index, so every connection drops its cached pages before its next transaction.
- Our own connection is new. It has read only the schema, which contains no user data, and it
  reads the page that it changes after the gaps were overwritten. So the WAL contains no deleted
  data either.
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
from .disk_space import reserve_wal
from .pages import HEADER, find_gaps, is_plain, page_size

_ATTEMPTS = 20
_CHUNK = 8 * 2**20  # whole pages of any size
_MAX_DESCRIPTORS = 64
_COUNT_ERASURE = (
    "INSERT INTO meta VALUES ('erasures', '1') "
    "ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
)


@dataclass(frozen=True)
class _Descriptor:
    """A file descriptor that is closed after its last use if the file was unlinked."""

    number: int

    def __del__(self) -> None:
        if not os.fstat(self.number).st_nlink:
            os.close(self.number)


_descriptors: dict[tuple[int, int], _Descriptor] = {}
"""One descriptor for each file (device, inode) from which something was erased.

They stay open until the file is unlinked: closing any descriptor of a file drops all locks of the
process on it, including SQLite's (sqlite.org/howtocorrupt.html, 2.2). (A separate process for the
erasure would have no locks to drop, but could outlive the lock that protects its work.) A forked
child shares the descriptors, which are used without a position, and has no locks of its parent.
"""


def erase(connections: Connections) -> bool:
    """Overwrite the remains of deleted rows in the file and its WAL.

    Reads the whole file. A file with an unusual layout is compacted instead, as is any file on a
    platform without `pwrite`.

    Returns:
        False if a reader of an old snapshot kept the WAL from being truncated, or other writers
        interfered at every attempt: the bytes may still be there. Call again later.

    Raises:
        StoreBusyError: If another process is writing.
        StoreWriteError: If the file could not be read and written.
    """
    with connections.exclusive() as db:
        try:
            path = _find_path(db)
            descriptor = _keep_descriptor(path)
            if descriptor is None:
                return compact(connections)
            with closing(connections.connect()) as new_connection:
                for _ in range(_ATTEMPTS):
                    if not _truncate_wal(db, connections.busy_timeout):
                        return False
                    header = os.pread(descriptor.number, HEADER, 0)
                    if not is_plain(header, os.fstat(descriptor.number).st_size):
                        return compact(connections)
                    if _overwrite_gaps(new_connection, descriptor, path):
                        reserve_wal(path)  # truncating the WAL gave up its space
                        return True
        except OSError as error:
            raise StoreWriteError(
                f"cannot erase the deleted rows: {error}. They are deleted, but their bytes may "
                "still be in the file; delete again."
            ) from error
    return False


def compact(connections: Connections) -> bool:
    """Rewrite the file with live rows only, and truncate the WAL.

    Returns:
        False if a reader of an old snapshot kept the WAL from being truncated.
    """
    with connections.exclusive() as db:
        db.execute("PRAGMA temp_store=FILE")  # the new file may not fit into memory
        try:
            db.execute("VACUUM")
        finally:
            db.execute("PRAGMA temp_store=MEMORY")
        return _truncate_wal(db, connections.busy_timeout)


def _truncate_wal(db: sqlite3.Connection, busy_timeout: float) -> bool:
    """Run a TRUNCATE checkpoint; return False if a reader needs the WAL.

    SQLite waits for readers and writers, but not for another checkpoint, so this retries.
    """
    deadline = time.monotonic() + busy_timeout
    while db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _overwrite_gaps(
    new_connection: sqlite3.Connection, descriptor: _Descriptor, path: Path
) -> bool:
    """Overwrite the gaps; return False, having changed nothing, if the WAL is not empty."""
    new_connection.execute("BEGIN IMMEDIATE")
    try:
        if path.with_name(f"{path.name}-wal").stat().st_size:
            return False
        if _identity(path.stat()) != _identity(os.fstat(descriptor.number)):
            raise OSError("the file was replaced")
        for offset, length in _find_gaps(descriptor.number):
            if os.pwrite(descriptor.number, bytes(length), offset) != length:
                raise OSError(f"a gap at {offset} was written only in part")
        os.fsync(descriptor.number)
        new_connection.execute(_COUNT_ERASURE)
        new_connection.execute("COMMIT")
    finally:
        new_connection.rollback()
    return True


def _find_gaps(fd: int) -> Iterator[tuple[int, int]]:
    """Yield offset and length of every gap of the file that is not all zero."""
    size = page_size(os.pread(fd, HEADER, 0))
    total = os.fstat(fd).st_size
    for offset in range(0, total, _CHUNK):
        chunk = os.pread(fd, _CHUNK, offset)
        if len(chunk) != min(_CHUNK, total - offset):
            raise OSError(f"the pages at {offset} were read only in part")
        for start, end in find_gaps(chunk, size, first=not offset):
            yield offset + start, end - start


def _find_path(db: sqlite3.Connection) -> Path:
    """Return the path that SQLite uses: that of a link's target, next to which the WAL is."""
    row = db.execute(
        "SELECT CAST(file AS BLOB) FROM pragma_database_list WHERE name = 'main'"
    ).fetchone()
    return Path(os.fsdecode(row[0]))


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _keep_descriptor(path: Path) -> _Descriptor | None:
    """Return the descriptor that this process keeps of a file, opened if missing.

    None if the platform has no `pwrite`, or too many descriptors are kept already.
    """
    if not hasattr(os, "pwrite"):
        return None
    identity = _identity(path.stat())
    if identity not in _descriptors:
        for known, descriptor in list(_descriptors.items()):
            if not os.fstat(descriptor.number).st_nlink:
                _descriptors.pop(known, None)
        if len(_descriptors) >= _MAX_DESCRIPTORS:
            return None
        descriptor = _Descriptor(os.open(path, os.O_RDWR))
        _descriptors.setdefault(_identity(os.fstat(descriptor.number)), descriptor)
    return _descriptors.get(identity)
