"""Checks of a database as a whole: its server, tables, indexes, rights and row-level security."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from memorybank_core.check_reports import Finding
from memorybank_core.stores.findings import report_orphans

from .connections import Session
from .row_security import ALL_ROWS, Scope
from .schema import quote
from .statements import Rows, Statement
from .tables import GENERATION, TABLES, VERSION, Layout, create_tables
from .vacuum import select_bytes

_VERSIONS = Statement(
    "SELECT current_setting('server_version') UNION ALL "
    "(SELECT extname || ' ' || extversion FROM pg_extension "
    "WHERE extname IN ('citus', 'vector') ORDER BY extname)"
)
_CHECKSUM_FAILURES = Statement(
    "SELECT coalesce(sum(checksum_failures), 0)::bigint FROM pg_stat_database "
    "WHERE datname = current_database()"
)
_INDEXES = (
    "SELECT c.relname::text, x.indisvalid AND x.indisready, c.relkind = 'i' FROM pg_index AS x "
    "JOIN pg_class AS c ON c.oid = x.indexrelid "
    "WHERE c.relnamespace = %(schema)s::regnamespace ORDER BY c.relname"
)
_TABLES = (
    "SELECT c.relname::text, (SELECT count(*) FROM pg_inherits AS p WHERE p.inhparent = c.oid), "
    "c.relrowsecurity AND c.relforcerowsecurity, "
    "EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid), row_security_active(c.oid) "
    "FROM pg_class AS c WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('r', 'p')"
)
_RIGHTS = (
    "SELECT c.relname::text, has_table_privilege(c.oid, 'SELECT') AND (c.relname = 'meta' OR "
    "has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE') "
    "AND has_table_privilege(c.oid, 'DELETE')), "
    "EXISTS (SELECT FROM aclexplode(c.relacl) AS a WHERE a.grantee = 0) "
    "FROM pg_class AS c WHERE c.relnamespace = %(schema)s::regnamespace "
    "AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname"
)
_OF_NO_MEMORY = (
    "NOT EXISTS (SELECT FROM memorybank.memories AS m "
    "WHERE m.user_id = t.user_id AND m.seq = t.{seq})"
)
_HAS_NOTHING = (
    "NOT EXISTS (SELECT FROM memorybank.users AS u WHERE u.user_id = t.user_id) "
    "AND NOT EXISTS (SELECT FROM memorybank.memories AS m WHERE m.user_id = t.user_id)"
)
_IS_UNFINISHED = "EXISTS (SELECT FROM memorybank.meta WHERE name = 'next_embedder')"
ORPHANS = {
    "states": _OF_NO_MEMORY.format(seq="seq"),
    "recalls": _OF_NO_MEMORY.format(seq="seq"),
    "replacements": f"({_OF_NO_MEMORY.format(seq='newer')} "
    f"OR t.older > 0 AND {_OF_NO_MEMORY.format(seq='older')})",
    "pages": f"({_HAS_NOTHING} OR t.generation <> {GENERATION} AND NOT {_IS_UNFINISHED})",
}
"""The condition of the rows `t` of each table that belong to no memory."""
_TOTALS = (
    "(SELECT user_id, count(*) AS memories, max(seq) AS last FROM memorybank.memories "
    "GROUP BY user_id)"
)
MISCOUNTED = (
    f"SELECT coalesce(u.user_id, m.user_id) FROM memorybank.users AS u FULL JOIN {_TOTALS} AS m "
    "ON m.user_id = u.user_id WHERE u.user_id IS NULL OR u.memories <> coalesce(m.memories, 0) "
    "OR u.next_seq <= coalesce(m.last, 0) ORDER BY 1"
)
"""Users whose row is missing, or does not fit their memories."""
COUNT_AGAIN = (
    "INSERT INTO memorybank.users AS u (user_id, memories, next_seq) SELECT n.user_id, "
    "coalesce(m.memories, 0), coalesce(m.last, 0) + 1 "
    f"FROM unnest(%(users)s::text[]) AS n (user_id) LEFT JOIN {_TOTALS} AS m USING (user_id) "
    "ON CONFLICT (user_id) DO UPDATE SET memories = excluded.memories, "
    "next_seq = greatest(u.next_seq, excluded.next_seq)"
)
"""Creates or corrects the rows of these users."""
_ANY_KEY = "SELECT {key} FROM memorybank.{table} LIMIT 1"
_IS_VISIBLE = "SELECT count(*) FROM memorybank.{table} WHERE {key} = %(key)s"
_NOBODY = "memorybank doctor: a user who does not exist"
_MAX_NAMES = 5  # in a message


def check_server(session: Session) -> Iterator[Finding]:
    """State the versions of the server and its extensions, and the damage that it has seen."""
    versions, [(failures,)] = session.execute(_VERSIONS, _CHECKSUM_FAILURES)
    names = ", ".join(name for (name,) in versions)
    message = f"PostgreSQL {names}"
    yield Finding("server", "ok", message, code="server_ok", values={"names": names})
    if failures:
        message = f"the server has read {failures:,} damaged pages in this database"
        advice = "Look into its log and check the disk; restore the database from a backup."
        values = {"count": failures}
        yield Finding("integrity", "error", message, advice, code="pages_damaged", values=values)


def check_indexes(session: Session, schema: str) -> Iterator[Finding]:
    """Check whether the server uses all indexes."""
    rows = _select(session, _INDEXES, schema)
    invalid = [(name, can_rebuild) for name, is_valid, can_rebuild in rows if not is_valid]
    if invalid:
        can_rebuild = all(can_rebuild for _, can_rebuild in invalid)
        names = _list(name for name, _ in invalid)
        yield Finding(
            "integrity",
            "error",
            f"invalid indexes, which the server does not use: {names}",
            "Run the check with repair: they are built again from the rows.",
            can_rebuild,
            code="indexes_invalid",
            values={"names": names},
        )
    else:
        message, values = f"all {len(rows):,} indexes are valid", {"count": len(rows)}
        yield Finding("integrity", "ok", message, code="indexes_ok", values=values)


def find_invalid(session: Session, schema: str) -> list[str]:
    """Return the names of the indexes that the server does not use and REINDEX repairs."""
    rows = _select(session, _INDEXES, schema)
    return [name for name, is_valid, can_rebuild in rows if can_rebuild and not is_valid]


def check_schema(session: Session, schema: str, layout: Layout) -> Iterator[Finding]:
    """Compare tables, partitions and indexes with those of this package."""
    partitions = {name: count for name, count, *_ in _select(session, _TABLES, schema)}
    expected = 0 if layout.citus else layout.partitions
    lacking = [name for name in TABLES if name not in partitions]
    incomplete = [name for name in TABLES if partitions.get(name, expected) != expected]
    missing = find_missing_indexes(session, schema, layout)
    if lacking:
        message = f"the database lacks the tables {_list(lacking)}"
        advice, names = "Restore the database from a backup.", {"names": _list(lacking)}
        yield Finding("schema", "error", message, advice, code="tables_lacking", values=names)
    if incomplete:
        message = f"not all {expected} partitions are attached to: {_list(incomplete)}"
        advice = "Attach them again, or restore the database from a backup."
        values = {"count": expected, "names": _list(incomplete)}
        yield Finding("schema", "error", message, advice, code="partitions_lacking", values=values)
    if missing:
        message = f"the database lacks the indexes {_list(missing)}"
        yield Finding(
            "schema",
            "error",
            message,
            "Run the check with repair: they are built from the rows.",
            True,
            code="indexes_lacking",
            values={"names": _list(missing)},
        )
    if not (lacking or incomplete or missing):
        in_parts = f" in {expected} partitions" if expected else ""
        message = f"schema {VERSION}, with all tables{in_parts} and indexes"
        yield Finding("schema", "ok", message, code="schema_ok", values={"version": VERSION})


def find_missing_indexes(session: Session, schema: str, layout: Layout) -> dict[str, str]:
    """Return the statements that create the indexes that a database lacks, by their names."""
    names = {name for name, *_ in _select(session, _INDEXES, schema)}
    statements = (text.strip() for text in create_tables(layout))
    expected = {
        text.partition(" INDEX ")[2].split()[0]: text
        for text in statements
        if text.startswith(("CREATE INDEX", "CREATE UNIQUE INDEX"))
    }
    return {name: text for name, text in expected.items() if name not in names}


def check_orphans(session: Session) -> Iterator[Finding]:
    """Count the rows that belong to no memory."""
    selects = (
        f"SELECT count(*) FROM memorybank.{table} AS t WHERE {condition}"
        for table, condition in ORPHANS.items()
    )
    results = session.execute(*map(Statement, selects), Statement(f"SELECT {_IS_UNFINISHED}"))
    counts = {table: rows[0][0] for table, rows in zip(ORPHANS, results, strict=False)}
    is_unfinished = results[-1] == [(True,)]
    if is_unfinished:
        message, advice = (
            "a change of the embedder was not finished",
            "Run again: memorybank reembed",
        )
        yield Finding("leftovers", "warning", message, advice, code="reembed_unfinished")
    if any(counts.values()) or not is_unfinished:
        yield report_orphans(counts)


def check_counts(session: Session) -> Iterator[Finding]:
    """Compare the rows of users with their memories."""
    [rows] = session.execute(Statement(MISCOUNTED))
    if rows:
        names = _list(repr(user) for (user,) in rows)
        message = f"the rows of these users are missing or do not fit their memories: {names}"
        advice = "Run the check with repair: they are made from the memories."
        values = {"names": names}
        yield Finding("counts", "error", message, advice, True, code="counts_wrong", values=values)
    else:
        message = "the row of every user fits the user's memories"
        yield Finding("counts", "ok", message, code="counts_ok")


def check_size(session: Session, schema: str, layout: Layout) -> Iterator[Finding]:
    """State the size of the tables; the free space of a server is not known to its clients."""
    [[(size,)]] = session.execute(select_bytes(layout, schema))
    megabytes = f"{size / 1e6:,.1f}"
    message = f"the tables have {megabytes} MB; watch the free space on the server"
    yield Finding("disk", "ok", message, code="tables_size", values={"size": megabytes})


def check_rights(session: Session, schema: str) -> Iterator[Finding]:
    """Check whether this role may use the tables, and roles without a grant may not."""
    rows = _select(session, _RIGHTS, schema)
    lacking = [name for name, is_enough, _ in rows if not is_enough]
    public = [name for name, _, is_public in rows if is_public]
    if lacking:
        message = f"this role may not read and write the tables {_list(lacking)}"
        advice = (
            f"Run: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {quote(schema)}"
        )
        advice, values = f"{advice} TO …", {"names": _list(lacking), "schema": quote(schema)}
        yield Finding("permissions", "error", message, advice, code="rights_lacking", values=values)
    if public:
        message = f"every role of the database has rights on the tables {_list(public)}"
        advice = f"Run: REVOKE ALL ON ALL TABLES IN SCHEMA {quote(schema)} FROM PUBLIC"
        values = {"names": _list(public), "schema": quote(schema)}
        yield Finding("permissions", "warning", message, advice, code="rights_open", values=values)
    if not (lacking or public):
        message = "this role may use all tables, and not every role may"
        yield Finding("permissions", "ok", message, code="rights_ok")


def check_row_security(session: Session, schema: str, layout: Layout) -> Iterator[Finding]:
    """Check that row-level security is in force: try to read rows as another user."""
    if not layout.row_security:
        message = "this bank was created without row-level security"
        yield Finding("row security", "ok", message, code="row_security_absent")
        return
    rows = {name: flags for name, _, *flags in _select(session, _TABLES, schema)}
    parts = {f"{name}_{n}" for name in TABLES for n in range(layout.partitions)}
    open_tables = [
        name
        for name, (is_forced, has_policy, _) in sorted(rows.items())
        if (name in TABLES or name in parts) and not (is_forced and (has_policy or name in parts))
    ]
    if open_tables:
        message = f"row-level security is not in force on {_list(open_tables)}"
        advice = "Run ALTER TABLE … ENABLE and FORCE ROW LEVEL SECURITY, or create the bank again."
        code, values = "row_security_off", {"names": _list(open_tables)}
        yield Finding("row security", "error", message, advice, code=code, values=values)
    elif not all(rows[name][2] for name in TABLES if name in rows):
        message = "this role is exempt from row-level security: a superuser, or BYPASSRLS"
        advice = "Let applications connect as a role that is not, and run this check as that role."
        yield Finding("row security", "warning", message, advice, code="row_security_exempt")
    elif visible := _find_visible(session, layout):
        message = f"another user's rows are visible in {_list(visible)}"
        advice = "Look for added policies: SELECT * FROM pg_policies"
        code, values = "row_security_broken", {"names": _list(visible)}
        yield Finding("row security", "error", message, advice, code=code, values=values)
    else:
        message = "the rows of a user were not visible to another, nor without a user"
        yield Finding("row security", "ok", message, code="row_security_ok")


def _find_visible(session: Session, layout: Layout) -> list[str]:
    """Return the tables in which rows are visible to another user or namespace, or to no user."""
    selects = (_ANY_KEY.format(key=key, table=table) for table, key in TABLES.items())
    results = session.execute(*map(Statement, selects))
    keys = {table: rows[0][0] for table, rows in zip(TABLES, results, strict=True) if rows}
    scopes = (Scope("user_id", _NOBODY), Scope("path", f"/{_NOBODY}/"), Scope("user_id", ""))
    visible = set()
    for scope in scopes:
        hidden = [*Scope(ALL_ROWS.setting, "").statements(layout), *scope.statements(layout)]
        probes = [
            Statement(_IS_VISIBLE.format(table=table, key=TABLES[table]), {"key": key})
            for table, key in keys.items()
        ]
        results = session.execute(*hidden, *probes)[len(hidden) :]
        visible |= {table for table, rows in zip(keys, results, strict=True) if rows != [(0,)]}
    return sorted(visible)


def _select(session: Session, text: str, schema: str) -> Rows:
    values: Mapping[str, Any] = {"schema": quote(schema)}
    return session.execute(Statement(text, values))[0]


def _list(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join([*shown[:_MAX_NAMES], *(["…"] if len(shown) > _MAX_NAMES else [])])
