"""Translate SQLite's errors into MemoryBank's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
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


class DiskFullError(StoreWriteError):
    """The disk is full, over a limit, or failing."""


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Raise MemoryBank's errors in place of SQLite's, with the cause chained."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(str(error), path) from error
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"{error.object!r} has a character that cannot be stored (half a surrogate pair)"
        ) from error


def _translate(message: str, path: Path) -> MemoryBankError:
    for part, error_type, advice in _TRANSLATIONS:
        if part in message:
            return error_type(f"{path}: {message}. {advice}")
    return StoreError(f"{path}: {message}")


_TRANSLATIONS: tuple[tuple[str, type[MemoryBankError], str], ...] = (
    (
        "locked",
        StoreBusyError,
        "Another process is writing; nothing was changed. Try again, or open the bank with a "
        "longer busy_timeout.",
    ),
    (
        "full",
        DiskFullError,
        "Nothing was changed. Free some space and call again.",
    ),
    (
        "disk I/O error",
        DiskFullError,
        "Nothing was changed. The disk is full, over a limit, or failing: free some space and "
        "call again.",
    ),
    ("readonly", StoreWriteError, "This user may not write to the file or its folder."),
    ("unable to open", StoreWriteError, "This user may not read and write the file or its folder."),
    ("not a database", NotABankError, "The file was not changed."),
    ("malformed", NotABankError, "The file is damaged; restore it from a backup."),
    ("closed", StoreClosedError, "Open the bank again."),
    ("binding parameter", InvalidInputError, "Ids and names must be strings."),
)
