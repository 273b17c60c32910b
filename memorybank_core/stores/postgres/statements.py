"""SQL statements with their values, and how they are sent and their rows read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from .characters import ESCAPE, escape, unescape
from .schema import in_schema

Row = tuple[Any, ...]
Rows = list[Row]

_TEXT = 25  # the OID of the type text, in pg_type


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with its values; a list of values runs it once for each.

    Attributes:
        text: The SQL, about tables in the schema "memorybank".
        values: The values of its parameters.
        is_unique: Whether the text is unlikely to be sent again: then nothing of it is kept.
        marks: Whether it writes the commit marker, and returns the user's number of writes first.
    """

    text: str
    values: Mapping[str, Any] | Sequence[Mapping[str, Any]] = field(default_factory=dict)
    is_unique: bool = False
    marks: bool = False


def send(db: psycopg.Connection[Row], schema: str, statements: Sequence[Statement]) -> list[Rows]:
    """Send statements in one round trip (libpq's pipeline mode); return the rows of each.

    A statement that returns no rows yields one row: the number of rows that it changed.
    """
    if len(statements) == 1:
        return [read_rows(execute(db, schema, statements[0]))]
    with db.pipeline():
        cursors = [execute(db, schema, statement) for statement in statements]
    return [read_rows(cursor) for cursor in cursors]


def execute(db: psycopg.Connection[Row], schema: str, statement: Statement) -> psycopg.Cursor[Row]:
    """Execute one statement about the tables of a schema."""
    cursor = db.cursor(binary=True)
    if statement.is_unique:
        return cursor.execute(statement.text.encode(), prepare=False)
    text = in_schema(statement.text, schema)
    if isinstance(statement.values, Mapping):
        cursor.execute(text, _escape_values(statement.values))
    else:
        cursor.executemany(text, [_escape_values(values) for values in statement.values])
    return cursor


def read_rows(cursor: psycopg.Cursor[Row]) -> Rows:
    """Return the rows of a cursor, their texts unescaped."""
    result = cursor.pgresult  # its types; `cursor.description` takes a sixth of a statement's time
    if result is None or not result.nfields:
        return [(cursor.rowcount,)]
    columns = [index for index in range(result.nfields) if result.ftype(index) == _TEXT]
    rows = cursor.fetchall()
    for index in columns:
        for number, row in enumerate(rows):
            if row[index] and ESCAPE in row[index]:  # rare
                rows[number] = (*row[:index], unescape(row[index]), *row[index + 1 :])
    return rows


def _escape_values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: escape(value) for name, value in values.items()}
