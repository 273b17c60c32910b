"""The SQL of the tables: columns, indexes, partitions and policies.

All tables are in one schema of the database. The key of each begins with the user (for `items`,
with the first label of the namespace), by which the tables are also partitioned or distributed:
what one call reads is on one shard, however many users share the database.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import InitVar, dataclass

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


def _create_tables(layout: Layout) -> Iterator[str]:
    for statement in filter(str.strip, _TABLES.split(";")):
        if statement.endswith(" PARTITION"):
            table = statement.partition("memorybank.")[2].partition(" ")[0]
            yield from _create_partitioned(layout, table, statement)
        else:
            yield statement
    yield from vectors_table(layout, "vectors", layout.dimension)
    if layout.citus:
        yield "SELECT create_reference_table('memorybank.meta')"


def vectors_table(layout: Layout, table: str, dimension: int) -> Iterator[str]:
    """Yield the statements that create a table of vectors and the HNSW index of large users."""
    statement = _VECTORS.format(table=table, dimension=dimension)
    yield from _create_partitioned(layout, table, statement, template="vectors")
    column, kind = "vector", "vector"
    if dimension > MAX_INDEXED:
        column, kind = f"(vector::halfvec({dimension}))", "halfvec"
    if dimension <= MAX_HALF_PRECISION:
        yield (
            f"CREATE INDEX {table}_by_nearness ON memorybank.{table} "
            f"USING hnsw ({column} {kind}_ip_ops) WHERE indexed"
        )


def _create_partitioned(
    layout: Layout, table: str, statement: str, template: str = ""
) -> Iterator[str]:
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
        yield from _create_policies(table, parts)


def _create_policies(table: str, parts: Sequence[str]) -> Iterator[str]:
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


MIGRATIONS: tuple[Callable[[Layout], Iterator[str]], ...] = (_create_tables,)
"""The statements that upgrade schema version i to i + 1; entries are only ever appended."""
