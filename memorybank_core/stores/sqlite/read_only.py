"""Files that are only read: on request, or because this process cannot write to them.

Without a WAL next to it, such a file is opened as immutable: SQLite then needs no locks and creates
no files. Should another process write to it after all, its size or time of change differs, or a WAL
appears; see `read_stamp`. With a WAL, SQLite reads both.
"""

from __future__ import annotations

import os
from pathlib import Path

from memorybank_core.errors import StoreError
from memorybank_core.output_files import sqlite_uri

FileStamp = tuple[int, int, int, int]
"""Device, inode, size and modification time of a file, which show whether it was written to."""


def is_writable(path: Path) -> bool:
    """Return whether this process may write to a file, and to its WAL or the folder for it.

    True for a file that does not exist: opening it raises the error.
    """
    try:
        target = Path(os.path.realpath(path))
    except ValueError:  # a null byte
        return True
    if not os.access(target, os.F_OK):
        return True
    is_wal_writable = all(os.access(file, os.W_OK) for file in _wal_files(target))
    return os.access(target, os.W_OK) and (is_wal_writable or os.access(target.parent, os.W_OK))


def to_uri(path: Path, *, readonly: bool) -> str:
    """Return the URI with which SQLite opens a file."""
    if not readonly:
        return sqlite_uri(path, "mode=rw")
    return sqlite_uri(path, "mode=ro" if read_stamp(path) is None else "mode=ro&immutable=1")


def read_stamp(path: Path) -> FileStamp | None:
    """Return the stamp of a file that is opened as immutable; None if it has a WAL or is gone."""
    target = Path(os.path.realpath(path))
    wal, shared_memory = _wal_files(target)
    if shared_memory.exists() or (wal.exists() and wal.stat().st_size):
        return None
    try:
        status = target.stat()
    except OSError:
        return None  # opening it raises the error
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def require_readable(path: Path) -> None:
    """Check that SQLite can read the WAL of a file that is only read.

    Raises:
        StoreError: If the WAL lacks its index, and this process cannot create it.
    """
    target = Path(os.path.realpath(path))
    wal, shared_memory = _wal_files(target)
    if shared_memory.exists() or not wal.exists() or not wal.stat().st_size:
        return
    if not os.access(target.parent, os.W_OK):
        raise StoreError(
            f"{path} has a write-ahead log, {wal.name}, which cannot be read in a folder that "
            "cannot be written. Copy both files to another folder, and open the copy"
        )


def _wal_files(target: Path) -> tuple[Path, Path]:
    """Return the WAL of a file and the WAL's index, the shared memory."""
    return target.with_name(f"{target.name}-wal"), target.with_name(f"{target.name}-shm")
