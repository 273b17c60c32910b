"""Databases that are imported, opened for reading only: SQLite files and PostgreSQL servers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from memorybank_core.errors import FormatError, MissingDependencyError
from memorybank_core.locations import is_url, without_password
from memorybank_core.output_files import sqlite_uri

_ROWS = 256
"""Number of rows fetched at a time."""


class Database(Protocol):
    """A database of another package."""

    def tables(self) -> dict[str, set[str]]:
        """Return the columns of all tables, by the table's name with its schema."""
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
    uri = sqlite_uri(Path(location).absolute(), "mode=ro")
    try:
        connection = sqlite3.connect(uri, uri=True)
    except sqlite3.Error as error:
        raise FormatError(f"cannot read {location}: {error}") from error
    with closing(connection):
        connection.text_factory = _decode
        yield _SqliteFile(connection, location)


def quoted(name: str) -> str:
    """Return the name of a table in quotes, as a query needs it."""
    return ".".join('"{}"'.format(part.replace('"', '""')) for part in name.split("."))


def find_tables(database: Database | None, *columns: str) -> list[str]:
    """Return the tables that have all of these columns, sorted."""
    if database is None:
        return []
    return sorted(name for name, own in database.tables().items() if own.issuperset(columns))


def _decode(data: bytes) -> str | bytes:
    """Return a text; its bytes, which no reader takes for a text, if it is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


class _SqliteFile:
    """Rows of a SQLite file."""

    def __init__(self, connection: sqlite3.Connection, location: str) -> None:
        self._connection, self._location = connection, location

    def tables(self) -> dict[str, set[str]]:
        """Return the columns of all tables, by name."""
        query = (
            "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c "
            "WHERE m.type = 'table'"
        )
        return _group(self.rows(query))

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
        self._cursors = 0  # each open one has a name of its own

    def tables(self) -> dict[str, set[str]]:
        """Return the columns of all tables, by name; with its schema if that is not searched."""
        query = (
            "SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname "
            "ELSE n.nspname || '.' || c.relname END, a.attname FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "JOIN pg_attribute a ON a.attrelid = c.oid "
            "WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped "
            "AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
        )
        return _group(self.rows(query))

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        self._cursors += 1
        try:
            with self._connection.cursor(name=f"memorybank_{self._cursors}") as cursor:
                cursor.itersize = _ROWS
                text = query.replace("%", "%%").replace("?", "%s")
                yield from cursor.execute(text, list(parameters))
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


def _group(rows: Iterator[tuple[Any, ...]]) -> dict[str, set[str]]:
    tables: dict[str, set[str]] = {}
    for table, column in rows:
        tables.setdefault(str(table), set()).add(str(column))
    return tables
