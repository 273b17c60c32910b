"""Databases that are imported, opened for reading only: SQLite files and PostgreSQL servers."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from memorybank_core.errors import FormatError, MissingDependencyError
from memorybank_core.locations import is_url, without_password

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_ROWS = 256
"""Number of rows fetched at a time."""


class Database(Protocol):
    """A database of another package."""

    def columns(self, table: str) -> list[str]:
        """Return the names of a table's columns; an empty list if there is no such table."""
        ...

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query, whose parameters are written "?"."""
        ...


@contextmanager
def open_database(location: str) -> Iterator[Database]:
    """Open a SQLite file or a PostgreSQL database for reading.

    Raises:
        FormatError: If it cannot be opened.
        MissingDependencyError: If the driver is not installed.
    """
    if is_url(location):
        with _open_server(location) as server:
            yield server
        return
    uri = f"{Path(location).absolute().as_uri()}?mode=ro"
    try:
        connection = sqlite3.connect(uri, uri=True)
    except sqlite3.Error as error:
        raise FormatError(f"cannot read {location}: {error}") from error
    with closing(connection):
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        yield _SqliteFile(connection, location)


def quoted(name: str) -> str:
    """Return a table or column name in quotes.

    Raises:
        FormatError: If it has other characters than letters, digits, "_" and ".".
    """
    if not _NAME.fullmatch(name):
        raise FormatError(f"{name!r} is not the name of a table")
    return ".".join(f'"{part}"' for part in name.split("."))


class _SqliteFile:
    """Rows of a SQLite file."""

    def __init__(self, connection: sqlite3.Connection, location: str) -> None:
        self._connection, self._location = connection, location

    def columns(self, table: str) -> list[str]:
        query = "SELECT name FROM pragma_table_info(?)"
        return [str(name) for (name,) in self.rows(query, [table])]

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            with closing(self._connection.execute(query, parameters)) as cursor:
                while rows := cursor.fetchmany(_ROWS):
                    yield from rows
        except sqlite3.Error as error:
            raise FormatError(f"cannot read {self._location}: {error}") from error


class _Server:
    """Rows of a PostgreSQL database, read through a cursor on the server."""

    def __init__(self, connection: Any, location: str, error: type[Exception]) -> None:
        self._connection, self._location, self._error = connection, location, error

    def columns(self, table: str) -> list[str]:
        query = (
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0 "
            "AND NOT attisdropped ORDER BY attnum"
        )
        return [str(name) for (name,) in self.rows(query, [table])]

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            with self._connection.cursor(name="memorybank_import") as cursor:
                cursor.itersize = _ROWS
                yield from cursor.execute(query.replace("?", "%s"), list(parameters))
        except self._error as error:
            raise FormatError(f"cannot read {self._location}: {error}") from error


@contextmanager
def _open_server(location: str) -> Iterator[Database]:
    try:
        import psycopg
    except ImportError as error:
        raise MissingDependencyError.of("psycopg", "postgres") from error
    label = without_password(location)
    try:
        connection = psycopg.connect(location)
    except psycopg.Error as error:
        raise FormatError(f"cannot read {label}: {error}") from error
    with closing(connection):
        connection.read_only = True
        yield _Server(connection, label, psycopg.Error)
