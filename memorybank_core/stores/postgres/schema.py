"""The database: its tables, their numbered migrations, and how they are spread.

All tables lie in one schema of the database. The key of each begins with the user (of `items`,
with the first label of the namespace), by which they are also partitioned or distributed: what one
call reads lies on one shard, however many users share the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
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
"""Into how many partitions `init` splits every table, unless told otherwise."""

TABLES = {
    "users": "user_id",
    "memories": "user_id",
    "vectors": "user_id",
    "recalls": "user_id",
    "digests": "user_id",
    "items": "root",
}
"""Every table but `meta`, with the column that it is spread by."""

MOST_INDEXED, MOST_HALVED = 2000, 4000
"""The longest vectors of which pgvector makes an HNSW index: whole, and with halved precision."""

_LOCK = 0x4D42414E  # "MBAN"; the advisory lock under which the schema changes

_CREATE_META = "CREATE TABLE memorybank.meta (name text PRIMARY KEY, value text NOT NULL)"
_META = "SELECT value FROM memorybank.meta WHERE name = %s"
SET_META = (
    "INSERT INTO memorybank.meta VALUES (%(name)s, %(value)s) ON CONFLICT (name) DO UPDATE SET "
    "value = excluded.value"
)
"""Notes something about the bank."""

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
    """How the tables of a bank are made.

    Attributes:
        embedder: Name of the embedder whose vectors they hold.
        dimension: Length of its vectors.
        partitions: Into how many partitions each is split by a hash of the user; 0 for none, as
            engines that split tables themselves want it.
        citus: Whether they are distributed by Citus instead.
        walls: Whether row-level security lets a connection see only the user it was set to.
    """

    embedder: str
    dimension: int
    partitions: int = PARTITIONS
    citus: bool = False
    walls: bool = False


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
    """The statements that make a table of vectors, with the index of those of large users."""
    statement = _VECTORS.format(table=table, dimension=dimension)
    yield from _spread(layout, table, statement, beside="vectors")
    column, kind = "vector", "vector"
    if dimension > MOST_INDEXED:
        column, kind = f"(vector::halfvec({dimension}))", "halfvec"
    if dimension <= MOST_HALVED:
        yield (
            f"CREATE INDEX {table}_by_nearness ON memorybank.{table} "
            f"USING hnsw ({column} {kind}_ip_ops) WHERE indexed"
        )


def _spread(layout: Layout, table: str, statement: str, beside: str = "") -> Iterator[str]:
    """The statements that make a table, in parts, with what walls its rows off."""
    key = TABLES[beside or table]
    count = 0 if layout.citus else layout.partitions
    yield statement.replace(" PARTITION", f" PARTITION BY HASH ({key})" if count else "")
    parts = [f"{table}_{number}" for number in range(count)]
    for number, part in enumerate(parts):
        yield (
            f"CREATE TABLE memorybank.{part} PARTITION OF memorybank.{table} "
            f"FOR VALUES WITH (MODULUS {count}, REMAINDER {number})"
        )
    if layout.citus:
        others = "" if table == "users" else ", colocate_with => 'memorybank.users'"
        yield f"SELECT create_distributed_table('memorybank.{table}', '{key}'{others})"
    if layout.walls:
        yield from _walls(table, parts)


def _walls(table: str, parts: Sequence[str]) -> Iterator[str]:
    """Row-level security for a table: a row is there for the user, or the namespace, that is set.

    Whoever looks into a part by its own name sees nothing.
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
"""What takes a database from schema version i to i + 1; entries are only ever appended."""


def version(db: Connection, schema: str) -> int:
    """The schema version of a database; 0 where no bank is.

    Raises:
        NotABankError: The schema has tables, and they are another application's.
        SchemaTooNewError: A newer version of the package made them.
    """
    [(tables, metas)] = db.execute(
        "SELECT count(*), count(*) FILTER (WHERE tablename = 'meta') FROM pg_tables "
        "WHERE schemaname = %s",
        (schema,),
    )
    if not tables:
        return 0
    found = [row[0] for row in db.execute(named(_META, schema), ("schema",))] if metas else []
    if not found:
        raise NotABankError(
            f"the schema {schema!r} of this database has another application's tables. They were "
            "left as they are; name another with ?schema=NAME at the end of the URL"
        )
    number = int(found[0])
    if number > len(MIGRATIONS):
        raise SchemaTooNewError(
            f"the bank has schema version {number}; this version of memorybank knows up to "
            f"{len(MIGRATIONS)}. Run: pip install --upgrade memorybank"
        )
    return number


def layout_of(db: Connection, address: Address) -> Layout:
    """How the tables of a bank were made.

    Raises:
        ConfigurationError: There is no bank.
        SchemaTooOldError: An older version of the package made them.
        NotABankError, SchemaTooNewError: As `version`.
    """
    number = version(db, address.schema)
    if not number:
        raise ConfigurationError(
            f"there is no bank at {address}. Make one with: memorybank db init {address}"
        )
    if number < len(MIGRATIONS):
        raise SchemaTooOldError(
            f"{address} has schema version {number}, and this version of memorybank needs "
            f"{len(MIGRATIONS)}. Run: memorybank db upgrade {address}"
        )
    return _layout(db, address.schema)


def migrate(db: Connection, address: Address, layout: Layout | None = None) -> tuple[int, int]:
    """Makes the tables with a `layout`, or without one brings them to the newest version.

    One transaction: all of it, or nothing. Who comes second finds it done.

    Returns:
        The version of before, 0 where there was none, and that of now.

    Raises:
        ConfigurationError: pgvector is not there, and this role may not install it.
        NotABankError, SchemaTooNewError: As `version`.
    """
    schema = address.schema
    if layout is not None and (before := version(db, schema)):
        return before, before  # without a lock, as a rule
    with db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        before = version(db, schema)
        if bool(before) == (layout is not None):
            return before, before
        told: dict[str, object] = {"schema": len(MIGRATIONS)}
        if layout is not None:
            _require_pgvector(db)
            db.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}".encode())
            db.execute(named(_CREATE_META, schema))
            told |= {field.name: getattr(layout, field.name) for field in fields(layout)}
        for migration in MIGRATIONS[before:]:
            for statement in migration(layout or _layout(db, schema)):
                db.execute(named(statement, schema))
        for name, value in told.items():
            db.execute(named(SET_META, schema), {"name": name, "value": str(value)})
    return before, len(MIGRATIONS)


def named(statement: str, schema: str) -> bytes:
    """A statement about the schema "memorybank", for one of another name."""
    if schema != "memorybank":
        statement = statement.replace("memorybank.", f"{quoted(schema)}.")
    return statement.encode()


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def _layout(db: Connection, schema: str) -> Layout:
    rows = db.execute(named("SELECT name, value FROM memorybank.meta", schema))
    told: dict[str, str] = dict(rows.fetchall())
    return Layout(
        told["embedder"],
        int(told["dimension"]),
        int(told["partitions"]),
        citus=told["citus"] == "True",
        walls=told["walls"] == "True",
    )


def _require_pgvector(db: Connection) -> None:
    try:
        with db.transaction():
            db.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except psycopg.Error as error:
        raise ConfigurationError(
            "this database has no pgvector: install it on the server, and let an administrator "
            f"run CREATE EXTENSION vector here ({error})"
        ) from error
