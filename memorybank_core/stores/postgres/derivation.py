"""Upgrade a bank from schema 2 to 3, and derive the terms and traits of its memories again.

Schema 3 has a column for metadata, a table of replacements, and pages with the traits of their
memories. The first transaction adds the column and the table, and sets the new version. Then the
pages whose terms and traits are those of an older version are written again in short transactions,
while others search and write: they read pages of both layouts. Whenever this is interrupted, the
next run continues.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from memorybank_core.errors import StoreBusyError
from memorybank_core.records import Memory
from memorybank_core.stores.damage import convert_intact
from memorybank_core.stores.index.batch import to_batch
from memorybank_core.stores.rows import EPOCH

from .address import Address
from .connections import Run, Session
from .migration_1_to_2 import (
    LOCK_ATTEMPTS,
    SCHEMA_VERSION,
    SET_LOCK_TIMEOUT,
    copy_rights,
    transactions,
)
from .next_generation import to_record
from .pages import HEADER_NBYTES, IS_OUTDATED, Page, pack, read_count, read_keys, read_windows
from .rows import CONTENT
from .schema import SET_META, TAKE_LOCK
from .statements import Row, Rows, Statement
from .tables import Layout, create_tables

_PAGES = 16  # of a transaction
_PAGES_AT_ONCE = 1024  # whose headers are read at once

_ADD_METADATA = Statement("ALTER TABLE memorybank.memories ADD COLUMN IF NOT EXISTS metadata text")
_NEW_TABLES = ("replacements",)
_SELECT_OUTDATED = (
    "SELECT user_id, generation, first_seq, last_seq, "
    f"substring(columns FROM 1 FOR {HEADER_NBYTES}) FROM memorybank.pages "
    "WHERE (user_id, generation, first_seq) > (%(user)s, %(generation)s, %(first_seq)s) "
    f"AND {IS_OUTDATED} ORDER BY user_id, generation, first_seq LIMIT {_PAGES_AT_ONCE}"
)
_RAISE_VERSION = (
    "UPDATE memorybank.users SET writes = writes + 1 WHERE user_id = %(user)s RETURNING writes"
)
_OF_PAGE = "WHERE user_id = %(user)s AND generation = %(generation)s AND first_seq = %(first_seq)s"
_SELECT_PAGE = (
    f"SELECT first_seq, last_seq, columns FROM memorybank.pages {_OF_PAGE} AND {IS_OUTDATED}"
)
_SELECT_MEMORIES = (
    f"SELECT seq, {', '.join(CONTENT)} FROM memorybank.memories "
    "WHERE user_id = %(user)s AND seq BETWEEN %(first_seq)s AND %(last_seq)s"
)
_DAMAGED = Memory("", "", "event", "", EPOCH, EPOCH.date(), "")
"""Takes the place of a damaged memory, which no search can then find by its words."""
_UPDATE_PAGE = (
    f"UPDATE memorybank.pages SET columns = %(columns)s, version = %(version)s {_OF_PAGE}"
)


class _Outdated(NamedTuple):
    """The primary key of a page to derive again, its last memory, and its number of memories."""

    user: str
    generation: int
    first_seq: int
    last_seq: int
    memories: int


def count_outdated(address: Address, layout: Layout) -> int:
    """Return the number of memories whose terms and traits are to be derived again."""
    with transactions(address, layout) as run:
        return sum(page.memories for page in _find_outdated(run))


def migrate_to_3(address: Address, layout: Layout, progress: Callable[[int], None] | None) -> None:
    """Upgrade a bank of schema 2 to schema 3, and derive outdated terms and traits again.

    Args:
        address: The bank.
        layout: Its layout.
        progress: Called with the number of memories just derived.

    Raises:
        StoreBusyError: If other transactions keep the tables locked; call again.
        StoreError: If the server cannot be reached, or this role does not own the tables.
    """
    with transactions(address, layout) as run:
        _add_tables(run, layout)
        while pages := list(_find_outdated(run)):
            for start in range(0, len(pages), _PAGES):
                part = pages[start : start + _PAGES]
                run(partial(_derive, pages=part))
                if progress:
                    progress(sum(page.memories for page in part))


def _add_tables(run: Run[Any], layout: Layout) -> None:
    """Add the column of metadata and the new table, and set the version of the schema."""
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            run(partial(_upgrade_schema, layout=layout))
        except StoreBusyError:
            if attempt == LOCK_ATTEMPTS:
                raise
            time.sleep(1.0)
        else:
            return


def _upgrade_schema(session: Session, layout: Layout) -> None:
    *_, [(version,)] = session.execute(SET_LOCK_TIMEOUT, Statement(TAKE_LOCK), SCHEMA_VERSION)
    if version == "2":
        session.execute(_ADD_METADATA, *map(Statement, create_tables(layout, _NEW_TABLES)))
        copy_rights(session, layout, _NEW_TABLES)
        session.execute(Statement(SET_META, {"name": "schema", "value": "3"}))


def _find_outdated(run: Run[Any]) -> Iterator[_Outdated]:
    """Yield the pages to derive again."""
    after: dict[str, Any] | None = {"user": "", "generation": 0, "first_seq": 0}
    while after is not None:
        [rows] = run(partial(_select, values=after))
        pages = [_Outdated(row[0], row[1], row[2], row[3], read_count(row[4])) for row in rows]
        yield from pages
        after = pages[-1]._asdict() if pages else None


def _select(session: Session, values: dict[str, Any]) -> list[Rows]:
    return session.execute(Statement(_SELECT_OUTDATED, values))


def _derive(session: Session, pages: Sequence[_Outdated]) -> None:
    """Write the columns of these pages again, without those deleted or merged since."""
    users = sorted({page.user for page in pages})
    keys = [page._asdict() for page in pages]
    raised = session.execute(
        Statement(TAKE_LOCK), *(Statement(_RAISE_VERSION, {"user": user}) for user in users)
    )[1:]
    versions = {user: rows[0][0] for user, rows in zip(users, raised, strict=True) if rows}
    results = session.execute(
        *(Statement(_SELECT_PAGE, key) for key in keys),
        *(Statement(_SELECT_MEMORIES, key) for key in keys),
    )
    stored, memories = results[: len(keys)], results[len(keys) :]
    values = [
        {**key, "version": versions[key["user"]], "columns": _derive_columns(rows[0], contents)}
        for key, rows, contents in zip(keys, stored, memories, strict=True)
        if rows
    ]
    if values:
        session.execute(Statement(_UPDATE_PAGE, values))


def _derive_columns(row: Row, contents: Rows) -> bytes:
    """Return the columns of a page with the terms and traits of its memories derived again.

    Args:
        row: First and last sequence number, and columns of the page.
        contents: The rows of its memories.
    """
    first_seq, last_seq, columns = row
    page = Page(first_seq, last_seq, columns, vectors=b"")
    keys = read_keys(page).tolist()
    records = dict(convert_intact(contents, lambda row: (row[0], to_record(row)), lambda row: None))
    vectors = [np.zeros((count, 1), np.float32) for count in read_windows(page).tolist()]
    batch = to_batch([records.get(key, _DAMAGED) for key in keys], vectors, keys)
    return pack(batch, page.first_seq, page.last_seq).columns
