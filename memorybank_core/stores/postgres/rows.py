"""Convert memories to rows, and name the columns of the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from memorybank_core.protocols import Filter
from memorybank_core.records import Memory
from memorybank_core.stores.rows import CONTENT_COLUMNS, from_memory

CONTENT = {
    name: "bigint" if name == "created_at" else "text" for name in CONTENT_COLUMNS.split(", ")
}
"""The columns of `memories` after the sequence number, and their types."""
STATE = {
    "strength": "double precision",
    "recalls": "bigint",
    "last_recalled_at": "bigint",
    "archived_at": "bigint",
    "pinned": "boolean",
}
"""The columns of `states` after the sequence number and the version, and their types."""
DEFAULT_STATE = (1.0, 0, None, None, False)
"""The state of a memory that has no row in `states`."""

SELECT_STATE = (
    "coalesce(s.strength, 1), coalesce(s.recalls, 0), s.last_recalled_at, s.archived_at, "
    "coalesce(s.pinned, false)"
)
"""The columns of `STATE`, of `FROM_MEMORIES`."""
SELECT_MEMORY = f"{', '.join(f'm.{name}' for name in CONTENT)}, {SELECT_STATE}"
"""The columns of `MEMORY_COLUMNS`, of `FROM_MEMORIES`."""
FROM_MEMORIES = (
    "FROM memorybank.memories AS m LEFT JOIN memorybank.states AS s "
    "ON s.user_id = m.user_id AND s.seq = m.seq AND s.user_id = %(user)s "
    "WHERE m.user_id = %(user)s"
)
"""The memories of a user with their states."""
DELETE_ROWS = (
    "DELETE FROM memorybank.{table} WHERE user_id = %(user)s AND seq = ANY(%(seqs)s::bigint[])"
)
"""Deletes the rows of these memories from a table."""


def split_row(memory: Memory) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the values of `CONTENT` and of `STATE`."""
    row = from_memory(memory)
    return row[: len(CONTENT)], row[len(CONTENT) :]


def insert_rows(
    table: str,
    types: Mapping[str, str],
    values: Mapping[str, str] | None = None,
    *,
    owner: str = "memorybank.users",
) -> str:
    """Return the SQL that inserts rows about one user, given as an array for each column.

    The user's row must exist. It is named because engines that distribute the tables then run the
    statement where the user is.

    Args:
        table: The table.
        types: Its columns except for the user, and their types.
        values: SQL of the columns that are not simply those of the arrays `n`.
        owner: Where the row `u` of the user comes from.
    """
    columns = {name: f"n.{name}" for name in types} | dict(values or {})
    arrays = ", ".join(f"%({name})s::{kind}[]" for name, kind in types.items())
    return (
        f"INSERT INTO memorybank.{table} (user_id, {', '.join(columns)}) "
        f"SELECT u.user_id, {', '.join(columns.values())} "
        f"FROM {owner} AS u, unnest({arrays}) AS n ({', '.join(types)}) "
        "WHERE u.user_id = %(user)s"
    )


def to_columns(names: Iterable[str], rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    """Return the values of each column, by its name: the arrays of `insert_rows`."""
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


def filter_conditions(filter: Filter) -> tuple[str, dict[str, Any]]:
    """Return the conditions of a filter on `FROM_MEMORIES` as SQL, and their values."""
    clauses, values = [], {}
    for name, clause, value in (
        ("since", "m.day >= %(since)s", filter.since and filter.since.isoformat()),
        ("until", "m.day <= %(until)s", filter.until and filter.until.isoformat()),
        ("kind", "m.kind = %(kind)s", filter.kind),
        ("session", "coalesce(m.session, m.day) = %(session)s", filter.session),
    ):
        if value is not None:
            clauses.append(f"AND {clause}")
            values[name] = value
    if filter.where:  # the metadata are compared in Python
        clauses.append("AND m.kind = 'turn'")
    if not filter.archived:
        clauses.append("AND s.archived_at IS NULL")
    return " ".join(clauses), values


def group(pairs: Iterable[Sequence[Any]]) -> dict[Any, list[Any]]:
    """Return the values of each key, in their order."""
    groups: dict[Any, list[Any]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups
