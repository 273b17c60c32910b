"""Read the rows of a file without those that are damaged; see `stores.damage`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from memorybank_core.records import Memory
from memorybank_core.stores.damage import (
    READ_ERRORS,
    convert_intact,
    memory_name,
    report_damage,
)
from memorybank_core.stores.rows import Row, to_memory

R = TypeVar("R")

Name = Callable[[Row], str]
"""Returns how a report names a row."""


class _UndecodableText(bytes):
    """A text that is not UTF-8."""


def recover(db: sqlite3.Connection, read: Callable[[], R], careful: Callable[[], R]) -> R:
    """Return the result of `read`; if it fails because of a damaged row, that of `careful`.

    While `careful` runs, texts that are not UTF-8 are read too; `select_intact` leaves them out.
    """
    try:
        return read()
    except sqlite3.OperationalError as error:
        if not is_undecodable(error):
            raise
    except READ_ERRORS:
        pass
    with undecoded_texts(db):
        return careful()


def is_undecodable(error: sqlite3.OperationalError) -> bool:
    """Return whether SQLite's error is that a text is not UTF-8."""
    return "Could not decode" in str(error)


@contextmanager
def undecoded_texts(db: sqlite3.Connection) -> Iterator[None]:
    """Let the connection also return texts that are not UTF-8, for `require_decoded`."""
    db.text_factory = _decode
    try:
        yield
    finally:
        db.text_factory = str


def require_decoded(row: Row) -> Row:
    """Return a row; raise ValueError if one of its texts is not UTF-8."""
    if any(isinstance(value, _UndecodableText) for value in row):
        raise ValueError("text that is not UTF-8")
    return row


def convert_rows(
    db: sqlite3.Connection,
    select: Callable[[], Iterable[Row]],
    convert: Callable[[Row], R],
    name: Name,
) -> list[R]:
    """Return the converted rows of a statement, without those that are damaged.

    Args:
        db: The connection.
        select: Runs the statement.
        convert: Converts a row; raises one of `READ_ERRORS` if it is damaged.
        name: Names a row for the report.
    """
    return recover(
        db,
        lambda: [convert(row) for row in select()],
        lambda: list(select_intact(db, select(), convert, name)),
    )


def select_intact(
    db: sqlite3.Connection, rows: Iterable[Row], convert: Callable[[Row], R], name: Name
) -> Iterator[R]:
    """Yield the converted rows, and report those that are damaged; for `recover`."""
    return convert_intact(rows, lambda row: convert(require_decoded(row)), reporter(db, name))


def reporter(db: sqlite3.Connection, name: Name) -> Callable[[Row], None]:
    """Return a function that reports a damaged row."""
    select = "SELECT file FROM pragma_database_list WHERE name = 'main'"

    def report(row: Row) -> None:
        (location,) = db.execute(select).fetchone()
        report_damage(str(location), name(row))

    return report


def read_memories(
    db: sqlite3.Connection, user_id: str, select: Callable[[], Iterable[Row]]
) -> list[Memory]:
    """Return the memories of rows of `MEMORY_COLUMNS`, without those that are damaged."""
    return convert_rows(
        db,
        select,
        lambda row: to_memory(user_id, row),
        lambda row: memory_name(user_id, row[0]),
    )


def _decode(text: bytes) -> str | bytes:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return _UndecodableText(text)
