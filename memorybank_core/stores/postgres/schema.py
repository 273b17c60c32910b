"""The schema of a bank: its version and its layout; see `tables` for the SQL."""

from __future__ import annotations

import warnings
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
from .tables import VERSION, Layout, create_bank

Connection = psycopg.Connection[tuple[Any, ...]]

_LOCK = 0x4D42414E  # "MBAN"
TAKE_LOCK = f"SELECT pg_advisory_xact_lock({_LOCK})"
"""Makes others that change the schema or the embedder wait until the transaction ends."""

_OLDEST_SERVER = 140_000
_HAS_SCHEMA = "SELECT true FROM pg_namespace WHERE nspname = %s"
_HAS_CITUS = "SELECT true FROM pg_extension WHERE extname = 'citus'"
_CREATE_META = "CREATE TABLE memorybank.meta (name text PRIMARY KEY, value text NOT NULL)"
_ROW_SECURITY = "walls"  # its name in `meta`, which cannot change without a migration
_META = "SELECT value FROM memorybank.meta WHERE name = %s"
SET_META = (
    "INSERT INTO memorybank.meta VALUES (%(name)s, %(value)s) ON CONFLICT (name) DO UPDATE SET "
    "value = excluded.value"
)
"""Stores a property of the bank."""


def read_version(db: Connection, schema: str) -> int:
    """Return the schema version of a database; 0 if it has no bank.

    Raises:
        ConfigurationError: If the server is older than PostgreSQL 14.
        NotABankError: If the schema has tables of another application.
        SchemaTooNewError: If a newer version of the package created the tables.
    """
    if db.info.server_version < _OLDEST_SERVER:
        raise ConfigurationError(
            "a bank needs PostgreSQL 14 or newer; this server has version "
            f"{db.info.parameter_status('server_version')}"
        )
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
    if number > VERSION:
        raise SchemaTooNewError(
            f"the bank has schema version {number}; this version of memorybank knows up to "
            f"{VERSION}. Run: pip install --upgrade memorybank-llm"
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
    if number < VERSION:
        raise SchemaTooOldError(
            f"{address} has schema version {number}, and this version of memorybank needs "
            f"{VERSION}. Run: memorybank db upgrade {address}"
        )
    return load_layout(db, address.schema)


def create(db: Connection, address: Address, layout: Layout) -> bool:
    """Create the tables of a bank in one transaction; return False if there already is one.

    If two processes do this at the same time, one of them waits, and then has nothing to do.

    Raises:
        ConfigurationError: If Citus is to distribute the tables and is not installed.
        NotABankError, SchemaTooNewError: See `read_version`.
    """
    schema = address.schema
    if read_version(db, schema):
        return False  # the usual case, without a lock
    with db.transaction():
        db.execute(TAKE_LOCK)
        if read_version(db, schema):
            return False
        _check_citus(db, address, layout)
        if not db.execute(_HAS_SCHEMA, (schema,)).fetchone():  # CREATE may be forbidden
            db.execute(f"CREATE SCHEMA {quote(schema)}".encode())
        for statement in (_CREATE_META, *create_bank(layout)):
            db.execute(in_schema(statement, schema))
        for name, value in {"schema": VERSION, **_layout_to_rows(layout)}.items():
            db.execute(in_schema(SET_META, schema), {"name": name, "value": str(value)})
    return True


@lru_cache(maxsize=1024)
def in_schema(statement: str, schema: str) -> bytes:
    """Return a statement about the schema "memorybank", changed to be about `schema`."""
    if schema != "memorybank":
        statement = statement.replace("memorybank.", f"{quote(schema)}.")
    return statement.encode()


def quote(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def load_layout(db: Connection, schema: str) -> Layout:
    """Return the layout of a bank of any version."""
    rows = db.execute(in_schema("SELECT name, value FROM memorybank.meta", schema))
    properties: dict[str, str] = dict(rows.fetchall())
    return Layout(
        properties["embedder"],
        int(properties["dimension"]),
        int(properties["partitions"]),
        citus=properties["citus"] == "True",
        row_security=properties[_ROW_SECURITY] == "True",
    )


def _layout_to_rows(layout: Layout) -> dict[str, object]:
    """Return the rows of `meta` that store a layout."""
    return {
        "embedder": layout.embedder,
        "dimension": layout.dimension,
        "partitions": layout.partitions,
        "citus": layout.citus,
        _ROW_SECURITY: layout.row_security,
    }


def _check_citus(db: Connection, address: Address, layout: Layout) -> None:
    """Compare a new layout with what the database has.

    Raises:
        ConfigurationError: If Citus is to distribute the tables and is not installed.
    """
    has_citus = db.execute(_HAS_CITUS).fetchone() is not None
    if layout.citus and not has_citus:
        raise ConfigurationError(
            f"{address} has no Citus to distribute the tables: run CREATE EXTENSION citus in this "
            "database on every node, or create the bank without --citus"
        )
    if has_citus and not layout.citus:
        warnings.warn(
            f"{address} has Citus, but the tables of this bank stay on one node. To distribute "
            f"them, create the bank with: memorybank db init {address} --citus",
            stacklevel=4,
        )
