"""What a deletion leaves behind in the file, and how it is wiped without rewriting the file.

secure_delete overwrites rows and pages where they lie, but when SQLite moves rows between pages
(`rebuildPage`, while it balances a tree) it leaves their old copies in the gap of the page: the
unused bytes between the pointers to the cells and the cells (sqlite.org/fileformat2.html, 1.6).
`erase` overwrites these gaps in place. That is sound because:

- Nobody else writes meanwhile, neither to the log (a transaction of ours holds the lock for
  that) nor, since the log is empty, from the log to the file.
- A reader may be in the middle of a page. It sees bytes change that no reader looks at.
- A crash leaves some gaps wiped and some not, all of them unused: the file is whole, and the
  next deletion wipes the rest. As SQLite does, this relies on a write not harming its neighbours.
- Every other connection, of any process, may hold pages with the old gaps, and would write them
  back with its next change. The transaction ends in a change of its own, so that the header of
  the log's index differs, by which each of them drops its pages before its next transaction.
- Our own connection is new. Of the file it has read the schema alone, which tells of nobody,
  and it reads the page that it changes after that was wiped. So the log is clean, too.
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
_MOST_HELD = 64
_MARK = (
    "INSERT INTO meta VALUES ('erasures', '1') "
    "ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
)


@dataclass(frozen=True)
class _Held:
    """A descriptor of our own; closed after its last use if the file has no name any more."""

    number: int

    def __del__(self) -> None:
        if not os.fstat(self.number).st_nlink:
            os.close(self.number)


_held: dict[tuple[int, int], _Held] = {}
"""One descriptor for each file (device, inode) from which something was erased.

They stay open while the file has a name: whoever closes any descriptor of a file drops all the
locks of his process on it, SQLite's too (sqlite.org/howtocorrupt.html, 2.2). (A process of its own
for the wiping would have no locks to drop, but could outlive the lock that it works under.) A
child made by fork shares the descriptors, which have no position, and has no locks of its parent.
"""


def erase(connections: Connections) -> bool:
    """Leaves nothing in the file and its log but what is alive.

    Reads the whole file and writes where it has to; where a file is not laid out as ours are,
    or cannot be written beside SQLite on this platform, it is compacted.

    Returns:
        False where a reader of an old state kept the log from being emptied, or other writers
        came in between time after time: the bytes may still be there. A later call is enough.

    Raises:
        StoreBusyError: Another process is writing.
        StoreWriteError: The file could not be read and written.
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
                    if _wipe(fresh, held, path):
                        return True
        except OSError as error:
            raise StoreWriteError(
                f"cannot wipe what was deleted: {error}. It is deleted, but bytes of it may "
                "still be in the file; delete again."
            ) from error
    return False


def compact(connections: Connections) -> bool:
    """Rewrites the file with what is alive and nothing else, and empties the log into it.

    Returns:
        False where a reader of an old state kept the log from being emptied.
    """
    with connections.exclusive() as db:
        db.execute("PRAGMA temp_store=FILE")  # the new file may not fit into memory
        try:
            db.execute("VACUUM")
        finally:
            db.execute("PRAGMA temp_store=MEMORY")
        return _empty_log(db, connections.busy_timeout)


def _empty_log(db: sqlite3.Connection, busy_timeout: float) -> bool:
    """Takes the log over into the file and cuts it to no length; False if a reader needs it.

    SQLite waits for readers and writers, but not for another's checkpoint, so we do.
    """
    deadline = time.monotonic() + busy_timeout
    while db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _wipe(fresh: sqlite3.Connection, held: _Held, path: Path) -> bool:
    """Wipes the gaps; False, with nothing done, where the log was written since it was emptied."""
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
    """Offset and length of every gap of the file that is not all zero."""
    size = page_size(os.pread(descriptor, HEADER, 0))
    total = os.fstat(descriptor).st_size
    for offset in range(0, total, _CHUNK):
        chunk = os.pread(descriptor, _CHUNK, offset)
        if len(chunk) != min(_CHUNK, total - offset):
            raise OSError(f"the pages at {offset} were not read whole")
        for start, end in gaps(chunk, size, first=not offset):
            yield offset + start, end - start


def _path(db: sqlite3.Connection) -> Path:
    """The file as SQLite names it: beside a link's target lies the log, too."""
    found = db.execute(
        "SELECT CAST(file AS BLOB) FROM pragma_database_list WHERE name = 'main'"
    ).fetchone()
    return Path(os.fsdecode(found[0]))


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _hold(path: Path) -> _Held | None:
    """Our descriptor of the file; None where there is none to be had."""
    if not hasattr(os, "pwrite"):
        return None
    identity = _identity(path.stat())
    if identity not in _held:
        for known, held in list(_held.items()):
            if not os.fstat(held.number).st_nlink:
                _held.pop(known, None)
        if len(_held) >= _MOST_HELD:
            return None
        held = _Held(os.open(path, os.O_RDWR))
        _held.setdefault(_identity(os.fstat(held.number)), held)
    return _held.get(identity)
