"""The tables of a bank: their numbered migrations, partitions and policies.

All tables are in one schema of the database. The key of each begins with the user (for `items`,
with the first label of the namespace), by which the tables are also partitioned or distributed:
what one call reads is on one shard, however many users share the database.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import InitVar, dataclass
from typing import Any

import psycopg

from memorybank_core.errors import (
    ConfigurationError,
    NotABankError,
    SchemaTooNewError,
    SchemaTooOldError,
)

from .address import Address

Connection = psycopg.Connection[tuple[Any, ...]]

PARTITIONS = 8
"""Default number of partitions of every table."""

TABLES = {
    "users": "user_id",
    "memories": "user_id",
    "vectors": "user_id",
    "recalls": "user_id",
    "digests": "user_id",
    "items": "root",
}
"""Every table except `meta`, with the column that it is partitioned by."""

MAX_INDEXED, MAX_HALF_PRECISION = 2000, 4000
"""The longest vectors that pgvector can index with HNSW: in full, and in half precision."""

_LOCK = 0x4D42414E  # "MBAN"; the advisory lock that a change of the schema holds

_CREATE_META = "CREATE TABLE memorybank.meta (name text PRIMARY KEY, value text NOT NULL)"
_META = "SELECT value FROM memorybank.meta WHERE name = %s"
SET_META = (
    "INSERT INTO memorybank.meta VALUES (%(name)s, %(value)s) ON CONFLICT (name) DO UPDATE SET "
    "value = excluded.value"
)
"""Stores a property of the bank."""

_TABLES = """
CREATE TABLE memorybank.users (
    user_id text COLLATE "C" NOT NULL,
    next_seq bigint NOT NULL DEFAULT 1,
    memories bigint NOT NULL DEFAULT 0,
    terms bigint NOT NULL DEFAULT 0,
    windows bigint NOT NULL DEFAULT 0,
    indexed_from bigint NOT NULL DEFAULT 9223372036854775807,
    profile text NOT NULL DEFAULT '{}',
    writes bigint NOT NULL DEFAULT 0,
    marks bigint[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (user_id)
) PARTITION;
CREATE TABLE memorybank.memories (
    user_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    session text COLLATE "C",
    day text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    query text NOT NULL,
    response text NOT NULL,
    user_name text,
    companion_name text,
    strength double precision NOT NULL,
    recalls bigint NOT NULL,
    last_recalled_at bigint,
    archived_at bigint,
    pinned boolean NOT NULL,
    conversation text COLLATE "C" NOT NULL,
    place bigint NOT NULL,
    utterances smallint NOT NULL,
    speaker text COLLATE "C",
    terms bigint[] NOT NULL,
    counts integer[] NOT NULL,
    length integer NOT NULL,
    PRIMARY KEY (user_id, seq)
) PARTITION;
CREATE UNIQUE INDEX memories_by_id ON memorybank.memories (user_id, id);
CREATE INDEX memories_by_day ON memorybank.memories (user_id, day);
CREATE INDEX memories_by_time ON memorybank.memories (user_id, created_at, seq);
CREATE INDEX memories_by_place ON memorybank.memories (user_id, conversation, place);
CREATE INDEX memories_by_speaker ON memorybank.memories (user_id, speaker)
    WHERE speaker IS NOT NULL;
CREATE INDEX memories_by_term ON memorybank.memories USING gin (terms) WITH (fastupdate = off);
CREATE TABLE memorybank.recalls (
    user_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    number bigint NOT NULL,
    at bigint NOT NULL,
    turn text,
    PRIMARY KEY (user_id, seq, number)
) PARTITION;
CREATE TABLE memorybank.digests (
    user_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    day text COLLATE "C" NOT NULL,
    text text NOT NULL,
    made_by text,
    made_at bigint NOT NULL,
    source text,
    PRIMARY KEY (user_id, kind, day)
) PARTITION;
CREATE TABLE memorybank.items (
    root text COLLATE "C" NOT NULL,
    path text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    value text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    ttl double precision,
    fields text,
    expires_at bigint,
    vectors bytea,
    PRIMARY KEY (root, path, key)
) PARTITION;
CREATE INDEX items_by_path ON memorybank.items (path, key);
CREATE INDEX items_by_expiry ON memorybank.items (root, expires_at) WHERE expires_at IS NOT NULL;
"""

_VECTORS = """
CREATE TABLE memorybank.{table} (
    user_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    number integer NOT NULL,
    vector vector({dimension}) NOT NULL,
    indexed boolean NOT NULL,
    PRIMARY KEY (user_id, seq, number)
) PARTITION"""


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a bank's tables.

    Attributes:
        embedder: Name of the embedder whose vectors they hold.
        dimension: Length of its vectors.
        partitions: Number of partitions of each table, by a hash of the user; 0 for none, for
            engines that split tables themselves.
        citus: Whether Citus distributes the tables instead.
        row_security: Whether row-level security limits each call to the rows of its user.
    """

    embedder: str
    dimension: int
    partitions: int = PARTITIONS
    citus: bool = False
    row_security: bool = False
    walls: InitVar[bool | None] = None  # deprecated: use row_security

    def __post_init__(self, walls: bool | None) -> None:
        """Accept the old name of `row_security`."""
        if walls is not None:
            _warn_about_walls(stacklevel=4)
            object.__setattr__(self, "row_security", walls)


def _warn_about_walls(stacklevel: int) -> None:
    warnings.warn("use row_security instead of walls", DeprecationWarning, stacklevel=stacklevel)


def _walls(layout: Layout) -> bool:
    """Return `row_security`. Deprecated."""
    _warn_about_walls(stacklevel=3)
    return layout.row_security


Layout.walls = property(_walls)  # type: ignore[attr-defined]


def _first(layout: Layout) -> Iterator[str]:
    for statement in filter(str.strip, _TABLES.split(";")):
        if statement.endswith(" PARTITION"):
            table = statement.partition("memorybank.")[2].partition(" ")[0]
            yield from _spread(layout, table, statement)
        else:
            yield statement
    yield from vectors_table(layout, "vectors", layout.dimension)
    if layout.citus:
        yield "SELECT create_reference_table('memorybank.meta')"


def vectors_table(layout: Layout, table: str, dimension: int) -> Iterator[str]:
    """Yield the statements that create a table of vectors and the HNSW index of large users."""
    statement = _VECTORS.format(table=table, dimension=dimension)
    yield from _spread(layout, table, statement, template="vectors")
    column, kind = "vector", "vector"
    if dimension > MAX_INDEXED:
        column, kind = f"(vector::halfvec({dimension}))", "halfvec"
    if dimension <= MAX_HALF_PRECISION:
        yield (
            f"CREATE INDEX {table}_by_nearness ON memorybank.{table} "
            f"USING hnsw ({column} {kind}_ip_ops) WHERE indexed"
        )


def _spread(layout: Layout, table: str, statement: str, template: str = "") -> Iterator[str]:
    """Yield the statements that create a table with its partitions and its policy."""
    key = TABLES[template or table]
    count = 0 if layout.citus else layout.partitions
    yield statement.replace(" PARTITION", f" PARTITION BY HASH ({key})" if count else "")
    parts = [f"{table}_{number}" for number in range(count)]
    for number, part in enumerate(parts):
        yield (
            f"CREATE TABLE memorybank.{part} PARTITION OF memorybank.{table} "
            f"FOR VALUES WITH (MODULUS {count}, REMAINDER {number})"
        )
    if layout.citus:
        colocation = "" if table == "users" else ", colocate_with => 'memorybank.users'"
        yield f"SELECT create_distributed_table('memorybank.{table}', '{key}'{colocation})"
    if layout.row_security:
        yield from _policies(table, parts)


def _policies(table: str, parts: Sequence[str]) -> Iterator[str]:
    """Yield the statements that enable row-level security on a table.

    A row is visible if the session's user (for items, namespace) is set to the row's. Partitions
    have no policy: queries that name one see no rows.
    """
    own = "user_id = current_setting('memorybank_session.user_id', true)"
    if table == "items":
        own = "starts_with(path, nullif(current_setting('memorybank_session.path', true), ''))"
    every = "current_setting('memorybank_session.scope', true) = 'all'"
    for name in (table, *parts):
        yield f"ALTER TABLE memorybank.{name} ENABLE ROW LEVEL SECURITY"
        yield f"ALTER TABLE memorybank.{name} FORCE ROW LEVEL SECURITY"
    yield f"CREATE POLICY one_user ON memorybank.{table} USING ({own} OR {every})"


MIGRATIONS: tuple[Callable[[Layout], Iterator[str]], ...] = (_first,)
"""The statements that upgrade schema version i to i + 1; entries are only ever appended."""


def version(db: Connection, schema: str) -> int:
    """Return the schema version of a database; 0 if it has no bank.

    Raises:
        NotABankError: If the schema has tables of another application.
        SchemaTooNewError: If a newer version of the package created the tables.
    """
    [(tables, metas)] = db.execute(
        "SELECT count(*), count(*) FILTER (WHERE tablename = 'meta') FROM pg_tables "
        "WHERE schemaname = %s",
        (schema,),
    )
    if not tables:
        return 0
    versions = db.execute(in_schema(_META, schema), ("schema",)).fetchall() if metas else []
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


def layout_of(db: Connection, address: Address) -> Layout:
    """Return the layout of a bank.

    Raises:
        ConfigurationError: If there is no bank.
        SchemaTooOldError: If an older version of the package created the tables.
        NotABankError, SchemaTooNewError: See `version`.
    """
    number = version(db, address.schema)
    if not number:
        raise ConfigurationError(
            f"there is no bank at {address}. Create one with: memorybank db init {address}"
        )
    if number < len(MIGRATIONS):
        raise SchemaTooOldError(
            f"{address} has schema version {number}, and this version of memorybank needs "
            f"{len(MIGRATIONS)}. Run: memorybank db upgrade {address}"
        )
    return _layout(db, address.schema)


def migrate(db: Connection, address: Address, layout: Layout | None = None) -> tuple[int, int]:
    """Create the tables with a `layout`, or without one upgrade them to the newest version.

    All of it is one transaction. If another process does the same at once, one of them waits and
    then has nothing to do.

    Returns:
        The schema version before (0 if there was no bank) and after.

    Raises:
        ConfigurationError: If pgvector is missing and this role may not install it.
        NotABankError, SchemaTooNewError: See `version`.
    """
    schema = address.schema
    if layout is not None and (before := version(db, schema)):
        return before, before  # the usual case, without a lock
    with db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        before = version(db, schema)
        if bool(before) == (layout is not None):
            return before, before
        properties: dict[str, object] = {"schema": len(MIGRATIONS)}
        if layout is not None:
            _require_pgvector(db)
            db.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}".encode())
            db.execute(in_schema(_CREATE_META, schema))
            properties |= _properties(layout)
        for migration in MIGRATIONS[before:]:
            for statement in migration(layout or _layout(db, schema)):
                db.execute(in_schema(statement, schema))
        for name, value in properties.items():
            db.execute(in_schema(SET_META, schema), {"name": name, "value": str(value)})
    return before, len(MIGRATIONS)


def in_schema(statement: str, schema: str) -> bytes:
    """Return a statement about the schema "memorybank", changed to be about `schema`."""
    if schema != "memorybank":
        statement = statement.replace("memorybank.", f"{quote(schema)}.")
    return statement.encode()


def quote(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _layout(db: Connection, schema: str) -> Layout:
    rows = db.execute(in_schema("SELECT name, value FROM memorybank.meta", schema))
    properties: dict[str, str] = dict(rows.fetchall())
    return Layout(
        properties["embedder"],
        int(properties["dimension"]),
        int(properties["partitions"]),
        citus=properties["citus"] == "True",
        row_security=properties["walls"] == "True",
    )


def _properties(layout: Layout) -> dict[str, object]:
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
