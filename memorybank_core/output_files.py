"""Write an output file whole or not at all, and never over a memory bank or another database."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timezone
from itertools import count
from os import PathLike
from pathlib import Path, PurePath
from urllib.parse import quote

from .errors import StoreWriteError

LOG_SUFFIXES = ("-wal", "-shm", "-journal")
"""Ends of the names of the files that SQLite keeps next to a database."""

_NOT_A_DATABASE = "file is not a database"
_HEADER = b"SQLite format 3\0"
_MIN_BYTES = 512  # of a database: one page of the smallest size


def require_output(path: str | PathLike[str], *, source: str | PathLike[str] | None = None) -> Path:
    """Return the file that writing to `path` replaces: the target of a link, not the link.

    Args:
        path: The output file.
        source: The bank that is read; it must be another file.

    Raises:
        StoreWriteError: If the file is the source, a SQLite database or one of its logs, or not a
            regular file.
    """
    target = resolve(path)
    if database_of_log(target) is not None:
        reason = "it is the name of the log of a database"
    elif not target.exists():
        reason = ""
    elif not target.is_file():
        reason = "it is not a regular file"
    elif source is not None and is_same_file(target, source):
        reason = "it is the bank itself"
    elif is_database(target):
        reason = "it is a memory bank or another SQLite database"
    else:
        reason = ""
    if reason:
        raise StoreWriteError(f"cannot write {path}: {reason}. Choose another path.")
    return target


@contextmanager
def replaced(
    path: str | PathLike[str], *, source: str | PathLike[str] | None = None
) -> Iterator[Path]:
    """Yield a new file, readable by its owner only, which then replaces `path` atomically.

    If the block raises, an existing file is left unchanged.

    Args:
        path: The output file.
        source: The bank that is read; it must be another file.

    Raises:
        StoreWriteError: If the file cannot be written, or as by `require_output`.
    """
    try:
        with file_beside(require_output(path, source=source)) as new:
            yield new
            synchronize(new)
            new.replace(require_output(path, source=source))
    except OSError as error:
        raise StoreWriteError(
            f"cannot write {path}: {error.strerror or error}. Choose an existing, writable folder "
            "with free space."
        ) from error


@contextmanager
def file_beside(target: Path) -> Iterator[Path]:
    """Yield a new, empty file in the folder of `target`; delete it afterwards if still there.

    Raises:
        OSError: If it cannot be created.
    """
    descriptor, name = tempfile.mkstemp(
        dir=target.parent, prefix=".memorybank-", suffix=target.suffix
    )
    os.close(descriptor)
    new = Path(name)
    try:
        yield new
    finally:
        for suffix in ("", *LOG_SUFFIXES):
            with suppress(OSError):
                log_of(new, suffix).unlink()


def synchronize(path: Path) -> None:
    """Wait until the contents of a file are on disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def synchronize_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk, where the platform can do that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def replace_bank(new: Path, target: Path, *, keep: bool) -> str | None:
    """Give a new file the name of a bank that is locked or missing.

    Args:
        new: The new file, in the same folder.
        target: The bank.
        keep: Whether the replaced file gets another name.

    Returns:
        The new name of the replaced file, if it is kept.

    Raises:
        OSError: If that is not possible; the bank is left as it was.
    """
    other = _free_name(target)
    has_old, kept = target.exists(), None
    if has_old:
        new.chmod(target.stat().st_mode & 0o777)
    for suffix in LOG_SUFFIXES:  # SQLite would apply a log that was left there to the copy
        log = log_of(target, suffix)
        if log.exists():
            log.rename(log_of(other, suffix)) if keep else log.unlink()
    if has_old and keep:
        kept = _add_name(target, other)
    try:
        new.replace(target)
    except OSError:
        if kept is not None:
            kept.unlink() if target.exists() else kept.rename(target)
        raise
    return None if kept is None else str(kept)


def sqlite_uri(path: PurePath, options: str) -> str:
    """Return the URI by which SQLite opens a file (sqlite.org/uri.html).

    Unlike `Path.as_uri`, it never names a host, which SQLite refuses: the share of a server on
    Windows, //server/share/a.db, becomes file:////server/share/a.db.

    Args:
        path: An absolute path.
        options: Such as "mode=ro".
    """
    text = quote(os.fsencode(path.as_posix()), safe="/:")
    return f"file://{'' if text.startswith('/') else '/'}{text}?{options}"


def resolve(path: str | PathLike[str]) -> Path:
    """Return the absolute path of a file, with every link followed."""
    return Path(os.path.realpath(path))


def is_same_file(path: Path, other: str | PathLike[str]) -> bool:
    """Return whether both paths lead to one existing file, through links of either kind."""
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return False


def is_database(path: Path) -> bool:
    """Return whether a file is a SQLite database, even a damaged one or one still in its log.

    SQLite itself reads the file: if we opened and closed it, the locks that this process has on it
    would be dropped (sqlite.org/howtocorrupt.html, section 2.2).
    """
    if not path.is_file():
        return False
    log = log_of(path, "-wal")
    if log.exists() and log.stat().st_size:
        return True
    if path.stat().st_size < _MIN_BYTES:
        return _has_header(path)
    uri = sqlite_uri(path.absolute(), "mode=ro&immutable=1")
    try:
        with closing(sqlite3.connect(uri, uri=True)) as db:
            db.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error as error:
        return _NOT_A_DATABASE not in str(error) or _has_header(path)
    return True


def _has_header(path: Path) -> bool:
    """Return whether a file that SQLite cannot read begins as a database."""
    with path.open("rb") as file:
        return file.read(len(_HEADER)) == _HEADER


def log_of(path: Path, suffix: str) -> Path:
    """Return the file next to a database whose name ends with `suffix`."""
    return path.with_name(path.name + suffix)


def database_of_log(path: Path) -> Path | None:
    """Return the database of which a file is the log, or None."""
    for suffix in LOG_SUFFIXES:
        database = path.with_name(path.name.removesuffix(suffix))
        if path.name.endswith(suffix) and database.name and is_database(database):
            return database
    return None


def _add_name(target: Path, other: Path) -> Path:
    """Give a file another name, besides its own where the file system has hard links."""
    try:
        other.hardlink_to(target)
    except OSError:
        target.rename(other)
    return other


def _free_name(target: Path) -> Path:
    """Return a name for the replaced bank, such as friends.replaced-20240309T120000Z.db."""
    stamp = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"
    for number in count(1):
        label = f"{stamp}-{number}" if number > 1 else stamp
        name = target.with_name(f"{target.stem}.replaced-{label}{target.suffix}")
        if not os.path.lexists(name):
            break
    return name
