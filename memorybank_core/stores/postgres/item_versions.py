"""Versions of namespaces and of their items, by which an index of items finds what changed.

`item_source` describes them.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from memorybank_core.stores.index.item_index import KEPT
from memorybank_core.stores.item_rows import namespace_of

from .connections import Session
from .statements import Row, Rows, Statement

OF_PATH = "root = %(root)s AND path = %(path)s"
"""The condition of a namespace; its values are `values_of_path`."""

_NEXT_VERSION = """
    INSERT INTO memorybank.item_paths (root, path, version)
    VALUES (%(root)s, %(path)s, %(first)s)
    ON CONFLICT (root, path) DO UPDATE SET version = item_paths.version + %(count)s
    RETURNING path, version
"""
_INSERT_REMOVAL = (
    "INSERT INTO memorybank.item_removals (root, path, version, removed) "
    "VALUES (%(root)s, %(path)s, %(version)s, %(removed)s)"
)
_DELETE_OLD_REMOVALS = (
    f"DELETE FROM memorybank.item_removals WHERE {OF_PATH} AND version < %(version)s - {KEPT}"
)
_DELETE_EMPTY_PATH = (
    f"DELETE FROM memorybank.item_paths WHERE {OF_PATH} "
    f"AND NOT EXISTS (SELECT FROM memorybank.items WHERE {OF_PATH})",
    f"DELETE FROM memorybank.item_removals WHERE {OF_PATH} "
    f"AND NOT EXISTS (SELECT FROM memorybank.item_paths WHERE {OF_PATH})",
)


def number_rows(
    session: Session,
    rows: Sequence[dict[str, Any]],
    paths: Iterable[str],
    statements: Sequence[Statement],
) -> tuple[dict[str, int], list[Rows]]:
    """Lock namespaces, sorted, so that writers cannot deadlock; give rows new versions.

    Args:
        session: The transaction.
        rows: Rows that are stored afterwards.
        paths: More paths to lock than those of the rows.
        statements: Sent after the locks.

    Returns:
        The last change of each namespace, and the rows of the statements.
    """
    counts = dict.fromkeys(paths, 1) | Counter(row["path"] for row in rows)
    locks = [
        {**values_of_path(path), "count": counts[path], "first": secrets.randbits(60)}
        for path in sorted(counts)
    ]
    results = session.execute(*(Statement(_NEXT_VERSION, lock) for lock in locks), *statements)
    versions: dict[str, int] = dict(concatenate(results[: len(locks)]))
    for row in rows:
        counts[row["path"]] -= 1
        row["version"] = versions[row["path"]] - counts[row["path"]]
    return versions, results[len(locks) :]


def record_removals(
    session: Session,
    versions: dict[str, int],
    removed: Sequence[Row],
    emptied: Collection[str],
) -> None:
    """Keep the versions of removed items; delete the rows of namespaces without items.

    Args:
        session: The transaction.
        versions: The last change of each namespace.
        removed: Path and version of each removed item.
        emptied: The paths that may have no items.
    """
    statements = []
    if removed:
        removals = [
            {**values_of_path(path), "version": versions[path], "removed": version}
            for path, version in removed
        ]
        statements += [
            Statement(text, removals) for text in (_INSERT_REMOVAL, _DELETE_OLD_REMOVALS)
        ]
    if emptied:
        rows = [values_of_path(path) for path in sorted(emptied)]
        statements += [Statement(text, rows) for text in _DELETE_EMPTY_PATH]
    if statements:
        session.execute(*statements)


def values_of_path(path: str) -> dict[str, Any]:
    """Return the values of `OF_PATH`."""
    return {"root": namespace_of(path)[0], "path": path}


def concatenate(results: Iterable[Rows]) -> Rows:
    """Return the rows of all results."""
    return [row for rows in results for row in rows]
