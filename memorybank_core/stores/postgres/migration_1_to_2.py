"""Upgrade a bank from schema 1 to 2 while other processes go on searching and writing.

Schema 1 had a row for each vector, and the terms in the rows of memories; schema 2 has them in
pages. The pages are written user by user, in many short transactions: see `packing_1_to_2`. One
last transaction locks the tables, packs those who wrote in the meantime, drops what schema 2 does
not have and sets the new version. Whenever this is interrupted, the next run continues.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from memorybank_core.errors import StoreBusyError

from .address import Address
from .connections import Connections, Options, Run, Session, connect
from .packing_1_to_2 import pack_all
from .row_security import ALL_ROWS
from .schema import SET_META, TAKE_LOCK, in_schema
from .statements import Row, Statement
from .tables import BIRTH, FIRST_GENERATION, Layout, create_tables

_TIMEOUT = 60.0  # seconds for each transaction to reach the server
_SMALL_PASS = 1000  # memories that may remain for the last transaction
_MAX_PASSES = 5
_ITEMS = 4096  # items of a transaction
LOCK_ATTEMPTS = 100
SET_LOCK_TIMEOUT = Statement("SET LOCAL lock_timeout = '3s'")  # calls of others wait behind it

_NEW_TABLES = ("states", "pages", "item_paths", "item_removals")
_LOCK_WRITERS = Statement(
    "LOCK TABLE memorybank.users, memorybank.memories, memorybank.vectors, memorybank.recalls, "
    "memorybank.items IN EXCLUSIVE MODE"
)
_LOCK_ALL = Statement(
    "LOCK TABLE memorybank.users, memorybank.memories, memorybank.vectors, memorybank.items "
    "IN ACCESS EXCLUSIVE MODE"
)
SCHEMA_VERSION = Statement("SELECT value FROM memorybank.meta WHERE name = 'schema'")
_PACKED_EMBEDDER = Statement("SELECT value FROM memorybank.meta WHERE name = 'packed_embedder'")
_EMBEDDER = Statement(
    "SELECT string_agg(value, ' ' ORDER BY name) FROM memorybank.meta "
    "WHERE name IN ('dimension', 'embedder')"
)
_COUNT = "SELECT coalesce(sum(memories), 0)::bigint FROM memorybank.users WHERE "
_IS_PREPARED = Statement("SELECT to_regclass('memorybank.pages') IS NOT NULL")
_ADD_COLUMNS = (
    "ALTER TABLE memorybank.users ADD COLUMN birth bigint NOT NULL DEFAULT {birth}, "
    "ADD COLUMN rewritten bigint NOT NULL DEFAULT 0, ADD COLUMN generation integer, "
    "ADD COLUMN packed bigint[]",
    f"ALTER TABLE memorybank.users ALTER COLUMN birth SET DEFAULT {BIRTH}",
    "ALTER TABLE memorybank.pages ADD COLUMN source bigint",
    "ALTER TABLE memorybank.items ADD COLUMN version bigint",
)
"""All existing users get the same birth, so that no row is rewritten; new ones get another."""
_DELETE_PACKED = (
    Statement("DELETE FROM memorybank.pages"),
    Statement("UPDATE memorybank.users SET packed = NULL WHERE packed IS NOT NULL"),
)
_DELETE_ORPHANS = (
    "DELETE FROM memorybank.{table} AS t WHERE NOT EXISTS "
    "(SELECT FROM memorybank.users AS u WHERE u.user_id = t.user_id)"
)
_DROP_OLD = (
    "DROP TABLE memorybank.vectors",
    "DROP TABLE IF EXISTS memorybank.vectors_next",
    "ALTER TABLE memorybank.memories DROP COLUMN strength, DROP COLUMN recalls, "
    "DROP COLUMN last_recalled_at, DROP COLUMN archived_at, DROP COLUMN pinned, "
    "DROP COLUMN conversation, DROP COLUMN place, DROP COLUMN utterances, DROP COLUMN speaker, "
    "DROP COLUMN terms, DROP COLUMN counts, DROP COLUMN length",
    "ALTER TABLE memorybank.users DROP COLUMN terms, DROP COLUMN windows, "
    "DROP COLUMN indexed_from, DROP COLUMN packed",
    "ALTER TABLE memorybank.pages DROP COLUMN source",
    "DELETE FROM memorybank.meta "
    "WHERE name IN ('next_embedder', 'packed_embedder', 'numbered_items')",
)
_LAST_NUMBER = Statement("SELECT value::bigint FROM memorybank.meta WHERE name = 'numbered_items'")
_UNNUMBERED = (
    "SELECT root, path, key FROM memorybank.items WHERE version IS NULL "
    "AND (root, path, key) > (%(root)s, %(path)s, %(key)s) "
    f"ORDER BY root, path, key LIMIT {_ITEMS}"
)
_NUMBER_ITEMS = (
    "UPDATE memorybank.items AS i SET version = n.version "
    "FROM unnest(%(root)s::text[], %(path)s::text[], %(key)s::text[], %(version)s::bigint[]) "
    "AS n (root, path, key, version) WHERE i.root = n.root AND i.path = n.path AND i.key = n.key"
)
_FINISH_ITEMS = (
    "ALTER TABLE memorybank.items ALTER COLUMN version SET NOT NULL",
    "INSERT INTO memorybank.item_paths (root, path, version) "
    "SELECT root, path, max(version) FROM memorybank.items GROUP BY root, path",
)
_INDEXES = {
    "memories_by_session": "(user_id, coalesce(session, day))",
    "items_by_version": "(path, version)",
    "items_unembedded": "(root, path) WHERE fields IS NOT NULL AND vectors IS NULL",
}
"""The new indexes of old tables."""
_GRANTS = """
    SELECT a.privilege_type, coalesce(quote_ident(r.rolname), 'PUBLIC'),
        CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
    FROM pg_class AS c CROSS JOIN aclexplode(c.relacl) AS a
    LEFT JOIN pg_roles AS r ON r.oid = a.grantee
    WHERE c.oid = 'memorybank.{table}'::regclass AND a.grantee <> c.relowner
"""
_OWNER = """
    SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class
    WHERE oid = 'memorybank.{table}'::regclass AND pg_get_userbyid(relowner) <> current_user
"""
_IS_INVALID = """
    SELECT true FROM pg_index
    WHERE indexrelid = to_regclass('memorybank.{index}') AND NOT indisvalid
"""  # left by an interrupted run
_BUILD_INDEX = "CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON memorybank.{table} {definition}"


def count_unpacked(address: Address, layout: Layout) -> int:
    """Return the number of memories of a bank of schema 1 that are to be packed."""
    with transactions(address, layout) as run:
        [[(is_prepared,)]] = run(lambda session: session.execute(_IS_PREPARED))
        condition = "packed IS DISTINCT FROM marks" if is_prepared else "true"
        [[(count,)]] = run(lambda session: session.execute(Statement(_COUNT + condition)))
        return int(count)


def migrate_to_2(address: Address, layout: Layout, progress: Callable[[int], None] | None) -> None:
    """Upgrade a bank of schema 1 to schema 2; continue if an earlier run was interrupted.

    Args:
        address: The bank.
        layout: Its layout.
        progress: Called with the number of memories just packed.

    Raises:
        StoreBusyError: If other transactions keep the tables locked; call again.
        StoreError: If the server cannot be reached, or this role does not own the tables.
    """
    with transactions(address, layout) as run:
        for attempt in range(1, LOCK_ATTEMPTS + 1):
            try:
                if not run(partial(_prepare, layout=layout)):
                    return
                _build_indexes(address, layout)
                _number_items(run)
                for _ in range(_MAX_PASSES):
                    if pack_all(run, progress) <= _SMALL_PASS:
                        break
                    progress = None  # it had all memories once
                if run(_finish):
                    return
            except StoreBusyError:
                if attempt == LOCK_ATTEMPTS:
                    raise
                time.sleep(1.0)


@contextmanager
def transactions(address: Address, layout: Layout) -> Iterator[Run[Any]]:
    """Yield a function that runs a call about all users in a transaction."""
    connections = Connections(address, Options(2, _TIMEOUT, statement_timeout=0), layout)
    try:
        yield partial(connections.run, scope=ALL_ROWS, writes=True)
    finally:
        connections.close()


def _prepare(session: Session, layout: Layout) -> bool:
    """Create the tables and columns that packing needs; return False if schema 1 is gone.

    If another embedder has written all vectors again since, everything is packed again.
    """
    *_, [(version,)], packed_embedder, [(embedder,)] = session.execute(
        SET_LOCK_TIMEOUT, Statement(TAKE_LOCK), SCHEMA_VERSION, _PACKED_EMBEDDER, _EMBEDDER
    )
    if version != "1":
        return False
    if packed_embedder == [(embedder,)]:
        return True
    if packed_embedder:
        session.execute(*_DELETE_PACKED)
    else:
        statements = [*create_tables(layout, _NEW_TABLES), *_ADD_COLUMNS]
        birth = secrets.randbits(53)
        session.execute(*(Statement(text.format(birth=birth)) for text in statements))
        copy_rights(session, layout, _NEW_TABLES)
    session.execute(Statement(SET_META, {"name": "packed_embedder", "value": embedder}))
    return True


def copy_rights(session: Session, layout: Layout, tables: Sequence[str]) -> None:
    """Give new tables the owner and the grants of `memories`."""
    for suffix in ("", *(f"_{number}" for number in range(_count_partitions(layout)))):
        owner, grants = session.execute(
            *(Statement(text.format(table=f"memories{suffix}")) for text in (_OWNER, _GRANTS))
        )
        rights = [
            f"GRANT {right} ON memorybank.{{table}} TO {role}{option}"
            for right, role, option in grants
        ]
        rights += [f"ALTER TABLE memorybank.{{table}} OWNER TO {role}" for (role,) in owner]
        texts = [text.format(table=f"{new}{suffix}") for new in tables for text in rights]
        session.execute(*(Statement(text.replace("%", "%%")) for text in texts))


def _build_indexes(address: Address, layout: Layout) -> None:
    """Build the new indexes of old tables without locking out writers.

    The index of a partitioned table will take over those of its partitions, which are built here.
    """
    numbers = [f"_{number}" for number in range(_count_partitions(layout))]
    with connect(address, Options()) as db:
        for name, definition in _INDEXES.items():
            table, _, rest = name.partition("_")
            for number in numbers or [""]:
                names = {"index": f"{table}{number}_{rest}", "table": f"{table}{number}"}
                is_invalid = in_schema(_IS_INVALID.format(**names), address.schema)
                if db.execute(is_invalid).fetchone():
                    drop = f"DROP INDEX memorybank.{names['index']}"
                    db.execute(in_schema(drop, address.schema))
                build = _BUILD_INDEX.format(**names, definition=definition)
                db.execute(in_schema(build, address.schema))


def _number_items(run: Run[Any]) -> None:
    """Give each item that has none a version, by which indexes of items identify it."""
    after: Row | None = ("", "", "")
    while after is not None:
        after = run(partial(_number_batch, after=after))


def _number_batch(session: Session, after: Row) -> Row | None:
    """Number the next items after one; return the last of them."""
    values = dict(zip(("root", "path", "key"), after, strict=True))
    _, last, rows = session.execute(
        Statement(TAKE_LOCK), _LAST_NUMBER, Statement(_UNNUMBERED, values)
    )
    if not rows:
        return None
    first = (last[0][0] if last else 0) + 1
    roots, paths, keys = (list(column) for column in zip(*rows, strict=True))
    versions = list(range(first, first + len(rows)))
    session.execute(
        Statement(_NUMBER_ITEMS, {"root": roots, "path": paths, "key": keys, "version": versions}),
        Statement(SET_META, {"name": "numbered_items", "value": str(versions[-1])}),
    )
    return rows[-1]


def _count_partitions(layout: Layout) -> int:
    return 0 if layout.citus else layout.partitions


def _finish(session: Session) -> bool:
    """Pack those who wrote in the meantime, and drop what schema 2 does not have.

    Returns:
        False if another embedder has written the vectors since they were packed.
    """
    *_, [(version,)], packed_embedder, [(embedder,)] = session.execute(
        SET_LOCK_TIMEOUT,
        Statement(TAKE_LOCK),
        _LOCK_WRITERS,
        SCHEMA_VERSION,
        _PACKED_EMBEDDER,
        _EMBEDDER,
    )
    if version != "1":
        return True
    if packed_embedder != [(embedder,)]:
        return False
    pack_all(lambda call: call(session))
    _number_items(lambda call: call(session))
    indexes = [
        f"CREATE INDEX IF NOT EXISTS {name} ON memorybank.{name.partition('_')[0]} {definition}"
        for name, definition in _INDEXES.items()
    ]
    session.execute(
        *(Statement(_DELETE_ORPHANS.format(table=table)) for table in ("states", "pages")),
        _LOCK_ALL,
        *map(Statement, (*_DROP_OLD, *_FINISH_ITEMS, *indexes)),
        Statement(SET_META, {"name": "generation", "value": str(FIRST_GENERATION)}),
        Statement(SET_META, {"name": "schema", "value": "2"}),
    )
    return True
