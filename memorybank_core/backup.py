"""Back up a bank in a file while others write to it, and restore a backup.

Both copy the whole database with SQLite's online backup (sqlite.org/backup.html) into a new file,
verify the copy by opening it, and only then give it its name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

from .errors import ConfigurationError, NotABankError, StoreError, StoreWriteError
from .locations import is_url, without_password
from .output_files import (
    database_of_log,
    file_beside,
    is_same_file,
    replace_bank,
    resolve,
    synchronize,
    synchronize_folder,
)
from .stores.sqlite.errors import translate_errors
from .stores.sqlite.file_guard import require_own_wal
from .stores.sqlite.file_lock import locked_for_replacement
from .stores.sqlite.read_only import is_writable, require_readable, to_uri
from .stores.sqlite.schema import check_file

__all__ = ["BackupReceipt", "back_up", "restore"]


@dataclass(frozen=True, slots=True)
class BackupReceipt:
    """Result of `back_up` and `restore`: counts of the copy, which was verified.

    Attributes:
        source: The file that was copied.
        target: The copy.
        users: Number of users.
        memories: Number of memories.
        recalls: Number of their recalls.
        digests: Number of summaries and portraits.
        items: Number of values under keys, such as those of a LangGraph store.
        file_bytes: Size of the copy.
        replaced: Where the bank that `restore` replaced is kept; None without one.
    """

    source: str
    target: str
    users: int
    memories: int
    recalls: int
    digests: int
    items: int
    file_bytes: int
    replaced: str | None = None


def back_up(
    bank: str | PathLike[str], file: str | PathLike[str], *, force: bool = False
) -> BackupReceipt:
    """Copy a bank to a file, with everything up to now, while others read and write the bank.

    The copy is readable by its owner only, and can be opened like any bank.

    Args:
        bank: The file of the bank.
        file: The new file.
        force: Whether to replace an existing file, such as an earlier backup. Neither the bank
            itself, nor a file that is open, nor another application's database is replaced.

    Raises:
        ConfigurationError: If there is no bank, it is in a database, or `file` exists.
        NotABankError: If the bank is damaged, or not a bank.
        StoreBusyError: If the file to be replaced is open.
        StoreWriteError: If the copy cannot be written; an existing file is left unchanged.
    """
    source, target = _require_source(bank, "bank"), resolve(file)
    _require_other(target, source)
    if target.exists() and not force:
        raise ConfigurationError(
            f"{target} exists already: name a new file, or pass force (--force) to replace it"
        )
    with (
        _verified_copy(source, target) as (new, counts),
        locked_for_replacement(target, force=True),
    ):
        replace_bank(new, target, keep=False)
    return _to_receipt(source, target, counts)


def restore(
    file: str | PathLike[str], bank: str | PathLike[str], *, force: bool = False
) -> BackupReceipt:
    """Replace a bank by a backup of it, or create it from a backup.

    The bank must not be open in any process, because its writes would go to a file that no longer
    has the name. The replaced file is renamed, not deleted.

    Args:
        file: The backup, which stays.
        bank: The file of the bank.
        force: Whether to delete the replaced bank, and to replace a file that is too damaged to
            be recognized as a bank.

    Raises:
        ConfigurationError: If there is no backup, or `bank` is in a database or the backup itself.
        NotABankError: If the backup is damaged, or one of the files is not a bank.
        StoreBusyError: If the bank is open.
        SchemaTooNewError: If a newer version of the package wrote the backup.
        StoreWriteError: If the bank cannot be written; it is left unchanged.
    """
    if is_url(bank):
        raise ConfigurationError(
            f"{without_password(bank)} is in a database: restore it with pg_restore, or copy a "
            "backup into an empty schema with: memorybank move FILE URL"
        )
    source, target = _require_source(file, "backup"), resolve(bank)
    _require_other(target, source)
    with (
        _verified_copy(source, target) as (new, counts),
        locked_for_replacement(target, force=force),
    ):
        kept = replace_bank(new, target, keep=not force)
    return _to_receipt(source, target, counts, kept)


def _require_source(path: str | PathLike[str], noun: str) -> Path:
    """Return the file to copy; raise ConfigurationError without one."""
    if is_url(path):
        raise ConfigurationError(
            f"{without_password(path)} is in a database: back it up with pg_dump, or copy it to a "
            "file with: memorybank move URL FILE"
        )
    source = resolve(path)
    if not source.is_file():
        raise ConfigurationError(f"there is no {noun} at {fspath(path)}")
    return source


def _require_other(target: Path, source: Path) -> None:
    """Check that `target` is another file, and regular if it exists."""
    if is_same_file(target, source) or target == source:
        raise ConfigurationError(f"{target} is the same file as {source}; name another one")
    if target.exists() and not target.is_file():
        raise StoreWriteError(f"cannot write {target}: it is not a regular file")
    if database_of_log(target) is not None:
        raise StoreWriteError(f"cannot write {target}: it is the name of the log of a database")


@contextmanager
def _verified_copy(source: Path, target: Path) -> Iterator[tuple[Path, Mapping[str, int]]]:
    """Yield a copy of `source` in the folder of `target` and the number of rows of each table."""
    try:
        with file_beside(target) as new:
            counts = _copy(source, new, target)
            synchronize(new)
            yield new, counts
            synchronize_folder(target.parent)
    except OSError as error:
        raise StoreWriteError(
            f"cannot write {target}: {error.strerror or error}. Nothing was replaced."
        ) from error


def _copy(source: Path, new: Path, target: Path) -> dict[str, int]:
    """Copy one state of a bank, and verify the copy; return the number of rows of each table."""
    require_readable(source)
    with translate_errors(source):
        require_own_wal(source)
    with closing(_connect(source)) as db:
        with translate_errors(source):
            _require_bank(db, source)
            db.execute("BEGIN")  # the state that the first statement reads is copied
            expected = _count_rows(db)
        with translate_errors(target), closing(_connect(new)) as copy:
            db.backup(copy)
    with translate_errors(source), closing(_connect(new)) as copy:
        faults = [fault for (fault,) in copy.execute("PRAGMA integrity_check(3)")]
        if faults != ["ok"]:
            raise NotABankError(f"{source} is damaged ({'; '.join(faults)}); it was not copied")
        if _count_rows(copy) != expected:
            raise StoreError(f"the copy of {source} is not complete; it was not kept")
    return expected


def _require_bank(db: sqlite3.Connection, path: Path) -> None:
    """Raise NotABankError if a file is not a bank, or is empty."""
    check_file(db, path)
    db.rollback()
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'memories'").fetchone():
        raise NotABankError(f"{path} is not a memory bank: it is empty")


def _connect(path: Path) -> sqlite3.Connection:
    uri = to_uri(path, readonly=not is_writable(path))
    return sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)


def _count_rows(db: sqlite3.Connection) -> dict[str, int]:
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {
        name: int(db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])
        for name in sorted(names)
    }


def _to_receipt(
    source: Path, target: Path, counts: Mapping[str, int], replaced: str | None = None
) -> BackupReceipt:
    names = ("users", "memories", "recalls", "digests", "items")
    values = {name: counts.get(name, 0) for name in names}
    size = target.stat().st_size
    return BackupReceipt(str(source), str(target), **values, file_bytes=size, replaced=replaced)
