"""Size of a bank's tables, and VACUUM, which makes the space of deleted rows reusable.

Citus keeps the rows on all nodes: its functions measure there, and it runs VACUUM there too.
"""

from __future__ import annotations

import time

import psycopg

from .connections import Connections, connect
from .schema import in_schema, quote
from .statements import Row, Statement
from .tables import TABLES, Layout

_BYTES = (
    "SELECT coalesce(sum({size}), 0)::bigint FROM pg_class AS c "
    "WHERE c.relnamespace = %(schema)s::regnamespace AND {condition}"
)
_LOCAL = {"size": "pg_total_relation_size(c.oid)", "condition": "c.relkind = 'r'"}
_DISTRIBUTED = {
    "size": "citus_total_relation_size(c.oid)",
    "condition": "c.oid IN (SELECT logicalrelid FROM pg_dist_partition)",
}
_DEAD_ROWS = (
    "SELECT coalesce(sum(pg_stat_get_dead_tuples(c.oid)), 0)::bigint FROM pg_class AS c "
    "WHERE c.relnamespace = %s::regnamespace AND c.relkind = 'r'"
)
_DEAD_ROWS_OF_SHARDS = (
    "SELECT coalesce(sum(result::bigint) FILTER (WHERE success), 0)::bigint FROM "
    "run_command_on_placements('memorybank.{table}', "
    "$$SELECT pg_stat_get_dead_tuples('%s'::regclass)$$)"
)
_FLUSH_SINCE = 150_000  # version of the server that has pg_stat_force_next_flush
_FLUSH_SECONDS = 0.6  # until an older server shows new statistics


def select_bytes(layout: Layout, schema: str) -> Statement:
    """Return the statement that measures the tables with their indexes, in bytes."""
    text = _BYTES.format(**(_DISTRIBUTED if layout.citus else _LOCAL))
    return Statement(text, {"schema": quote(schema)})


def vacuum(connections: Connections) -> bool:
    """Run VACUUM on every table; return False if an open transaction still sees deleted rows."""
    connections.require_writable()
    with connect(connections.address, connections.options) as db:
        return _vacuum(db, connections.layout, connections.address.schema)


def _vacuum(db: psycopg.Connection[Row], layout: Layout, schema: str) -> bool:
    for table in TABLES:
        db.execute(in_schema(f"VACUUM (ANALYZE) memorybank.{table}", schema))
    if db.info.server_version >= _FLUSH_SINCE:
        db.execute("SELECT pg_stat_force_next_flush()")
    else:
        time.sleep(_FLUSH_SECONDS)
    if layout.citus:
        texts = [in_schema(_DEAD_ROWS_OF_SHARDS.format(table=table), schema) for table in TABLES]
        cursors = [db.execute(text) for text in texts]
    else:
        cursors = [db.execute(_DEAD_ROWS, (quote(schema),))]
    return not any(count for cursor in cursors for (count,) in cursor.fetchall())
