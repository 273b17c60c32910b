"""The SQL of the tables: columns, indexes, partitions and policies.

All tables are in one schema of the database. The key of each begins with the user (for `items`,
with the first label of the namespace), by which the tables are also partitioned or distributed:
what one call reads is on one shard, however many users share the database.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import InitVar, dataclass

VERSION = 3
"""Version of the tables that this module describes."""

PARTITIONS = 8
"""Default number of partitions of every table."""

TABLES = {
    "users": "user_id",
    "memories": "user_id",
    "states": "user_id",
    "pages": "user_id",
    "recalls": "user_id",
    "digests": "user_id",
    "replacements": "user_id",
    "items": "root",
    "item_paths": "root",
    "item_removals": "root",
}
"""Every table except `meta`, with the column that it is partitioned by."""

FIRST_GENERATION = 1
"""The generation of the first pages of a bank; `reembed` writes those of the next one."""
GENERATION = "(SELECT value::integer FROM memorybank.meta WHERE name = 'generation')"
"""The generation of the pages that searches read.

A write copies it to the row of its user, for its INSERTs: Citus sends an INSERT that reads `meta`,
a copy of which is on every worker, to all of them.
"""

BIRTH = "(random() * 9007199254740992)::bigint"
"""The number of a new user, unlike that of an earlier one with the same id."""

_TABLES = f"""
CREATE TABLE memorybank.users (
    user_id text COLLATE "C" NOT NULL,
    birth bigint NOT NULL DEFAULT {BIRTH},
    next_seq bigint NOT NULL DEFAULT 1,
    memories bigint NOT NULL DEFAULT 0,
    writes bigint NOT NULL DEFAULT 0,
    rewritten bigint NOT NULL DEFAULT 0,
    generation integer,
    marks bigint[] NOT NULL DEFAULT '{{}}',
    profile text NOT NULL DEFAULT '{{}}',
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
    metadata text,
    PRIMARY KEY (user_id, seq)
) PARTITION;
CREATE UNIQUE INDEX memories_by_id ON memorybank.memories (user_id, id);
CREATE INDEX memories_by_day ON memorybank.memories (user_id, day);
CREATE INDEX memories_by_time ON memorybank.memories (user_id, created_at, seq);
CREATE INDEX memories_by_session ON memorybank.memories (user_id, coalesce(session, day));
CREATE TABLE memorybank.states (
    user_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    version bigint NOT NULL,
    strength double precision NOT NULL,
    recalls bigint NOT NULL,
    last_recalled_at bigint,
    archived_at bigint,
    pinned boolean NOT NULL,
    PRIMARY KEY (user_id, seq)
) PARTITION;
CREATE INDEX states_by_version ON memorybank.states (user_id, version);
CREATE TABLE memorybank.pages (
    user_id text COLLATE "C" NOT NULL,
    generation integer NOT NULL,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    version bigint NOT NULL,
    columns bytea NOT NULL,
    vectors bytea NOT NULL,
    PRIMARY KEY (user_id, generation, first_seq)
) PARTITION;
CREATE INDEX pages_by_version ON memorybank.pages (user_id, generation, version);
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
CREATE TABLE memorybank.replacements (
    user_id text COLLATE "C" NOT NULL,
    older bigint NOT NULL,
    newer bigint NOT NULL,
    made_by text NOT NULL,
    made_at bigint NOT NULL,
    PRIMARY KEY (user_id, older, newer)
) PARTITION;
CREATE INDEX replacements_by_newer ON memorybank.replacements (user_id, newer);
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
    version bigint NOT NULL,
    PRIMARY KEY (root, path, key)
) PARTITION;
CREATE INDEX items_by_path ON memorybank.items (path, key);
CREATE INDEX items_by_expiry ON memorybank.items (root, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX items_by_version ON memorybank.items (path, version);
CREATE INDEX items_unembedded ON memorybank.items (root, path)
    WHERE fields IS NOT NULL AND vectors IS NULL;
CREATE TABLE memorybank.item_paths (
    root text COLLATE "C" NOT NULL,
    path text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (root, path)
) PARTITION;
CREATE TABLE memorybank.item_removals (
    root text COLLATE "C" NOT NULL,
    path text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    removed bigint NOT NULL,
    PRIMARY KEY (path, version, removed, root)
) PARTITION;
"""

_UNCOMPRESSED = (
    "ALTER TABLE memorybank.pages ALTER columns SET STORAGE EXTERNAL, "
    "ALTER vectors SET STORAGE EXTERNAL"
)
"""Pages are read far more often than written, and their vectors hardly compress."""


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


def create_tables(layout: Layout, names: Collection[str] = tuple(TABLES)) -> Iterator[str]:
    """Yield the statements that create these tables with their indexes."""
    for statement in filter(str.strip, _TABLES.split(";")):
        table = statement.partition("memorybank.")[2].partition(" ")[0]
        if table not in names:
            continue
        if statement.endswith(" PARTITION"):
            yield from _create_partitioned(layout, table, statement)
        else:
            yield statement


def create_bank(layout: Layout) -> Iterator[str]:
    """Yield the statements that create all tables in an empty schema that has only `meta`."""
    yield from create_tables(layout)
    yield f"INSERT INTO memorybank.meta VALUES ('generation', '{FIRST_GENERATION}')"
    if layout.citus:
        yield "SELECT create_reference_table('memorybank.meta')"


def _create_partitioned(layout: Layout, table: str, statement: str) -> Iterator[str]:
    """Yield the statements that create a table with its partitions and its policy."""
    key = TABLES[table]
    count = 0 if layout.citus else layout.partitions
    yield statement.replace(" PARTITION", f" PARTITION BY HASH ({key})" if count else "")
    if table == "pages":
        yield _UNCOMPRESSED
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
    if TABLES[table] == "root":
        own = "starts_with(path, nullif(current_setting('memorybank_session.path', true), ''))"
    every = "current_setting('memorybank_session.scope', true) = 'all'"
    for name in (table, *parts):
        yield f"ALTER TABLE memorybank.{name} ENABLE ROW LEVEL SECURITY"
        yield f"ALTER TABLE memorybank.{name} FORCE ROW LEVEL SECURITY"
    yield f"CREATE POLICY one_user ON memorybank.{table} USING ({own} OR {every})"
