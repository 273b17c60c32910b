"""Disk space that is kept for deletions, so that they succeed on a full disk.

A deletion writes to the write-ahead log (WAL). When the disk is full, the WAL cannot grow, but a
checkpoint can copy it into the main file, so that it is used again from its start. Two things make
that possible at any time:

- The main file has blocks for every page that is in the WAL. They are allocated before the commit
  that needs them, so a checkpoint needs no more space.
- The WAL has blocks for one small transaction, even if it is empty.

Blocks are allocated beyond the end of a file (FALLOC_FL_KEEP_SIZE), which changes neither its size
nor its contents. SQLite returns those of the main file at every checkpoint, and deletes the WAL
when the last connection is closed: a closed bank keeps no space. Elsewhere than on Linux, and on
file systems without this call, nothing is kept.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from .errors import DiskFullError

try:
    from fcntl import F_GETFL, fcntl
    from resource import RLIM_INFINITY, RLIMIT_FSIZE, getrlimit
except ModuleNotFoundError:  # Windows, where nothing is kept
    pass

RESERVE = 512 * 2**10
"""Bytes of the WAL: the pages that the deletion of one memory changes, several times over."""
STEP = 256 * 2**10
"""Bytes by which the blocks of the main file grow."""

_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE of linux/falloc.h
_BLOCK = 512  # bytes of a unit of st_blocks
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_unsupported: set[int] = set()
"""Devices whose file system cannot allocate, or compresses: trying again is a waste of time."""


def reserve_wal(path: Path) -> None:
    """Allocate the blocks of the WAL of a file, if it has too few and there is space.

    SQLite has no locks on the WAL, so that opening and closing it drops none.
    """
    if _find_allocate() is None:
        return
    with suppress(OSError):  # a full disk has nothing to keep
        descriptor = os.open(f"{os.path.realpath(path)}-wal", os.O_RDWR)
        try:
            _allocate(descriptor, RESERVE)
        finally:
            os.close(descriptor)


def reserve_file(db: sqlite3.Connection, path: Path) -> None:
    """Allocate the blocks that the file will need for the pages of the open transaction.

    Args:
        db: The connection of the transaction.
        path: The file.

    Raises:
        DiskFullError: If the disk is full, or over a quota or limit.
    """
    if _find_allocate() is None:
        return
    (size,) = db.execute(
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    ).fetchone()
    try:
        _require_below_limit(size)
        status = path.stat()
        if status.st_blocks * _BLOCK >= size or status.st_dev in _unsupported:
            return
        descriptor = _find_descriptor(status)
        if descriptor is not None:
            _allocate(descriptor, size + STEP)
            if os.fstat(descriptor).st_blocks * _BLOCK < size:
                _unsupported.add(status.st_dev)
    except OSError as error:
        raise DiskFullError(
            f"{path}: {error}. Nothing was changed. Free some space and call again."
        ) from error


def _require_below_limit(size: int) -> None:
    """Raise OSError if this process may not make a file so long; the allocation ignores that."""
    limit = getrlimit(RLIMIT_FSIZE)[0]
    if limit != RLIM_INFINITY and size > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))


def _find_descriptor(status: os.stat_result) -> int | None:
    """Return a descriptor that SQLite has open for writing to the file of this status.

    Opening another one would drop SQLite's locks when it is closed (howtocorrupt.html, 2.2).
    """
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            number = int(entry.name)
            is_same = os.path.samestat(os.fstat(number), status)
            if is_same and fcntl(number, F_GETFL) & os.O_ACCMODE == os.O_RDWR:
                return number
    return None


def _allocate(descriptor: int, size: int) -> None:
    """Allocate the blocks of the first `size` bytes of a file, where its file system can.

    Raises:
        OSError: If the disk is full, or over a quota or limit.
    """
    allocate = _find_allocate()
    if allocate is not None and allocate(descriptor, _KEEP_SIZE, 0, size):
        number = ctypes.get_errno()
        if number in _FULL:
            raise OSError(number, os.strerror(number))


@cache
def _find_allocate() -> Callable[[int, int, int, int], int] | None:
    """Return Linux's fallocate. posix_fallocate would write zeros where it is not supported."""
    if not sys.platform.startswith("linux"):
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if function is None:
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long)
    allocate: Callable[[int, int, int, int], int] = function
    return allocate
