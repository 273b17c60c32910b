"""The schema of a bank: its version, its layout and its migrations; see `tables` for the SQL."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import psycopg

from memorybank_core.errors import (
    ConfigurationError,
    NotABankError,
    SchemaTooNewError,
    SchemaTooOldError,
)

from .address import Address
from .tables import MIGRATIONS, Layout

Connection = psycopg.Connection[tuple[Any, ...]]

_LOCK = 0x4D42414E  # "MBAN"; the key of the advisory lock during a change of the schema

_CREATE_META = "CREATE TABLE memorybank.meta (name text PRIMARY KEY, value text NOT NULL)"
_META = "SELECT value FROM memorybank.meta WHERE name = %s"
SET_META = (
    "INSERT INTO memorybank.meta VALUES (%(name)s, %(value)s) ON CONFLICT (name) DO UPDATE SET "
    "value = excluded.value"
)
"""Stores a property of the bank."""


def read_version(db: Connection, schema: str) -> int:
    """Return the schema version of a database; 0 if it has no bank.

    Raises:
        NotABankError: If the schema has tables of another application.
        SchemaTooNewError: If a newer version of the package created the tables.
    """
    [(table_count, meta_count)] = db.execute(
        "SELECT count(*), count(*) FILTER (WHERE tablename = 'meta') FROM pg_tables "
        "WHERE schemaname = %s",
        (schema,),
    )
    if not table_count:
        return 0
    versions = db.execute(in_schema(_META, schema), ("schema",)).fetchall() if meta_count else []
    if not versions:
        raise NotABankError(
            f"the schema {schema!r} of this database has tables of another application. They were "
            "not changed; name another schema with ?schema=NAME at the end of the URL"
        )
    number = int(versions[0][0])
    if number > len(MIGRATIONS):
        raise SchemaTooNewError(
            f"the bank has schema version {number}; this version of memorybank knows up to "
            f"{len(MIGRATIONS)}. Run: pip install --upgrade memorybank"
        )
    return number


def read_layout(db: Connection, address: Address) -> Layout:
    """Return the layout of a bank.

    Raises:
        ConfigurationError: If there is no bank.
        SchemaTooOldError: If an older version of the package created the tables.
        NotABankError, SchemaTooNewError: See `read_version`.
    """
    number = read_version(db, address.schema)
    if not number:
        raise ConfigurationError(
            f"there is no bank at {address}. Create one with: memorybank db init {address}"
        )
    if number < len(MIGRATIONS):
        raise SchemaTooOldError(
            f"{address} has schema version {number}, and this version of memorybank needs "
            f"{len(MIGRATIONS)}. Run: memorybank db upgrade {address}"
        )
    return _load_layout(db, address.schema)


def migrate(db: Connection, address: Address, layout: Layout | None = None) -> tuple[int, int]:
    """Create the tables with a `layout`, or without one upgrade them to the newest version.

    This is one transaction. If two processes do this at the same time, one of them waits, and then
    has nothing left to do.

    Returns:
        The schema version before (0 if there was no bank) and after.

    Raises:
        ConfigurationError: If pgvector is missing and this role may not install it.
        NotABankError, SchemaTooNewError: See `read_version`.
    """
    schema = address.schema
    if layout is not None and (before := read_version(db, schema)):
        return before, before  # the usual case, without a lock
    with db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        before = read_version(db, schema)
        if bool(before) == (layout is not None):
            return before, before
        properties: dict[str, object] = {"schema": len(MIGRATIONS)}
        if layout is not None:
            _require_pgvector(db)
            db.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}".encode())
            db.execute(in_schema(_CREATE_META, schema))
            properties |= _layout_to_rows(layout)
        for migration in MIGRATIONS[before:]:
            for statement in migration(layout or _load_layout(db, schema)):
                db.execute(in_schema(statement, schema))
        for name, value in properties.items():
            db.execute(in_schema(SET_META, schema), {"name": name, "value": str(value)})
    return before, len(MIGRATIONS)


@lru_cache(maxsize=1024)
def in_schema(statement: str, schema: str) -> bytes:
    """Return a statement about the schema "memorybank", changed to be about `schema`."""
    if schema != "memorybank":
        statement = statement.replace("memorybank.", f"{quote(schema)}.")
    return statement.encode()


def quote(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _load_layout(db: Connection, schema: str) -> Layout:
    rows = db.execute(in_schema("SELECT name, value FROM memorybank.meta", schema))
    properties: dict[str, str] = dict(rows.fetchall())
    return Layout(
        properties["embedder"],
        int(properties["dimension"]),
        int(properties["partitions"]),
        citus=properties["citus"] == "True",
        row_security=properties["walls"] == "True",
    )


def _layout_to_rows(layout: Layout) -> dict[str, object]:
    """Return the rows of `meta` that store a layout."""
    return {
        "embedder": layout.embedder,
        "dimension": layout.dimension,
        "partitions": layout.partitions,
        "citus": layout.citus,
        "walls": layout.row_security,
    }


def _require_pgvector(db: Connection) -> None:
    try:
        with db.transaction():
            db.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except psycopg.Error as error:
        raise ConfigurationError(
            "this database has no pgvector: install it on the server, and let an administrator "
            f"run CREATE EXTENSION vector in the database ({error})"
        ) from error
