"""Inspection of a database: read its rows as they are, and check it as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from memorybank_core.check_reports import Finding
from memorybank_core.errors import StoreBusyError, StoreError
from memorybank_core.protocols.inspection import RawMemory, RebuiltMemory
from memorybank_core.search.terms import TERMS_VERSION
from memorybank_core.stores.damage import READ_ERRORS
from memorybank_core.stores.findings import WRITE_OK, report_busy, report_failure
from memorybank_core.stores.index.batch import IndexBatch, to_batch

from . import database_checks as checks
from .characters import unescape
from .connections import Connections, Session, connect
from .page_rows import PAGE_COLUMNS, read_pages, replace_all
from .pages import Page, unpack
from .row_security import ALL_ROWS, user_scope
from .rows import CONTENT, FROM_MEMORIES, SELECT_STATE
from .schema import in_schema, quote
from .statements import Statement
from .tables import GENERATION

_AT_ONCE = 1024  # memories that are read at once
_CONTENT = ", ".join(
    f"textsend(m.{name})" if kind == "text" else f"m.{name}" for name, kind in CONTENT.items()
)
"""Texts as bytes: a damaged text cannot be decoded."""
_SELECT = (
    f"SELECT m.seq, {_CONTENT}, {SELECT_STATE} {FROM_MEMORIES} AND m.seq > %(after)s "
    "ORDER BY m.seq LIMIT %(limit)s"
)
_LAST = (
    "(SELECT max(seq) FROM (SELECT seq FROM memorybank.memories WHERE user_id = %(user)s "
    "AND seq > %(after)s ORDER BY seq LIMIT %(limit)s) AS these)"
)
_SELECT_PAGES = (
    f"SELECT {PAGE_COLUMNS} FROM memorybank.pages WHERE user_id = %(user)s "
    f"AND generation = {GENERATION} AND last_seq > %(after)s AND first_seq <= {_LAST} "
    "ORDER BY first_seq"
)
_SELECT_TEXTS = (
    "SELECT seq, query, response FROM memorybank.memories WHERE user_id = %(user)s "
    "AND seq = ANY(%(seqs)s::bigint[])"
)
_TEST_WRITE = Statement("INSERT INTO memorybank.users (user_id) VALUES ('') ON CONFLICT DO NOTHING")
_LOCK_WRITERS = Statement("LOCK TABLE memorybank.users IN EXCLUSIVE MODE")


class DatabaseInspector:
    """Reads a database as it is; see `StoreInspector`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def examine(self) -> list[Finding]:
        """Check the database as a whole, without the rows of each user."""
        schema, layout = self._connections.address.schema, self._connections.layout
        return [
            *self._guarded("server", checks.check_server),
            *self._guarded("integrity", partial(checks.check_indexes, schema=schema)),
            *self._guarded("schema", partial(checks.check_schema, schema=schema, layout=layout)),
            *self._guarded("leftovers", checks.check_orphans),
            *self._guarded("counts", checks.check_counts),
            *self._guarded("disk", partial(checks.check_size, schema=schema, layout=layout)),
            *self._guarded("permissions", partial(checks.check_rights, schema=schema)),
            *self._guarded(
                "row security", partial(checks.check_row_security, schema=schema, layout=layout)
            ),
            self._check_write(),
        ]

    def repair(self) -> list[str]:
        """Delete rows that belong to no memory, count again, and build indexes of the database."""
        repaired: list[str] = self._connections.run(_repair_rows, ALL_ROWS, writes=True)
        address, layout = self._connections.address, self._connections.layout
        invalid, missing = self._connections.run(
            lambda session: (
                checks.find_invalid(session, address.schema),
                checks.find_missing_indexes(session, address.schema, layout),
            ),
            ALL_ROWS,
            writes=False,
        )
        statements = {name: f"REINDEX INDEX memorybank.{quote(name)}" for name in invalid} | missing
        with connect(address, self._connections.options) as db:
            for name, statement in statements.items():
                db.execute(in_schema(statement, address.schema))
                repaired.append(f"the index {name}")
        return repaired

    def rows(self, user_id: str) -> Iterator[RawMemory]:
        """Yield all memories of a user, in the order of their sequence numbers."""
        after = -1
        while batch := self._read(user_id, partial(_read_memories, user_id=user_id, after=after)):
            yield from batch
            after = batch[-1].key

    def rebuild(self, user_id: str, memories: Sequence[RebuiltMemory]) -> int:
        """Store vectors and terms of the changed memories again; return of how many."""
        changed = [memory for memory in memories if memory.is_changed]
        return self._connections.run(
            partial(_rebuild, user_id=user_id, changed=changed), user_scope(user_id), writes=True
        )

    def reindex(self, user_ids: Iterable[str]) -> None:
        """Make every process build the search indexes of these users again."""
        for user_id in user_ids:
            self.rebuild(user_id, [])

    def _read(self, user_id: str, call: Callable[[Session], Any]) -> Any:
        return self._connections.run(call, user_scope(user_id), writes=False)

    def _guarded(self, check: str, run: Callable[[Session], Iterable[Finding]]) -> list[Finding]:
        """Return the findings of a check, or that the database cannot be read."""

        # Each check is undone at its end: it may change the scope of its session.
        def call(session: Session) -> list[Finding]:
            findings = list(run(session))
            session.rollback()
            return findings

        try:
            return self._connections.run(call, ALL_ROWS, writes=True)
        except StoreError as error:
            advice = "Follow the message; if the database is damaged, restore it from a backup."
            return [report_failure(check, error, advice, "database_fails")]

    def _check_write(self) -> Finding:
        """Write a row and roll it back."""

        def write(session: Session) -> None:
            session.execute(_TEST_WRITE)
            session.rollback()

        try:
            self._connections.run(write, ALL_ROWS, writes=True)
        except StoreBusyError as error:
            return report_busy(error)
        except StoreError as error:
            advice = "The bank can be read only: check the rights of this role, and the server."
            return report_failure("write", error, advice, "write_denied")
        return WRITE_OK


def _read_memories(session: Session, user_id: str, after: int) -> list[RawMemory]:
    """Return the next memories after a sequence number, with what the pages have of them."""
    values = {"user": user_id, "after": after, "limit": _AT_ONCE}
    rows, page_rows = session.execute(Statement(_SELECT, values), Statement(_SELECT_PAGES, values))
    entries: dict[int, tuple[bytes, tuple[bytes, int, int] | None]] = {}
    for page in read_pages(page_rows):
        with suppress(*READ_ERRORS):  # its memories then have no vector
            entries.update(_read_entries(page))
    return [
        RawMemory(seq, tuple(map(_decode, values)), *entries.get(seq, (None, None)))
        for seq, *values in rows
    ]


def _read_entries(page: Page) -> dict[int, tuple[bytes, tuple[bytes, int, int] | None]]:
    """Return vectors, and what is derived from texts, of a page's memories by sequence number."""
    batch = unpack([page])
    vectors = np.split(batch.vectors, np.cumsum(batch.windows)[:-1])
    terms = np.split(batch.postings, np.cumsum(batch.terms)[:-1])
    derived = zip(terms, batch.asks.tolist(), batch.flags.tolist(), strict=True)
    is_current = page.terms_version == TERMS_VERSION
    return {
        key: (matrix.tobytes(), (of_text.tobytes(), asks, flags) if is_current else None)
        for key, matrix, (of_text, asks, flags) in zip(
            batch.key.tolist(), vectors, derived, strict=True
        )
    }


def _decode(value: Any) -> Any:
    """Return a text that was read as bytes; the bytes, if they are not UTF-8."""
    if not isinstance(value, bytes):
        return value
    try:
        return unescape(value.decode())
    except UnicodeDecodeError:
        return value


def _repair_rows(session: Session) -> list[str]:
    """Delete rows that belong to no memory, and correct the rows of users."""
    repaired = []
    session.execute(_LOCK_WRITERS)
    for table, condition in checks.ORPHANS.items():
        delete = Statement(f"DELETE FROM memorybank.{table} AS t WHERE {condition}")
        [[(count,)]] = session.execute(delete)
        if count:
            repaired.append(f"{count:,} rows of the table {table} without a memory")
    [rows] = session.execute(Statement(checks.MISCOUNTED))
    if rows:
        session.execute(Statement(checks.COUNT_AGAIN, {"users": [user for (user,) in rows]}))
        repaired.append(f"the rows of {len(rows):,} users")
    return repaired


def _rebuild(session: Session, user_id: str, changed: Sequence[RebuiltMemory]) -> int:
    """Write the user's pages again: without deleted memories, and with the changed ones."""
    seqs = [item.key for item in changed]
    [locked, texts] = session.execute(
        session.marker.lock(), Statement(_SELECT_TEXTS, {"user": user_id, "seqs": seqs})
    )
    if not locked:
        return 0
    stored = {seq: (query, response) for seq, query, response in texts}
    current = [item for item in changed if stored.get(item.key) == _texts_of(item)]
    new: IndexBatch | None = None
    if current:
        memories = [item.memory for item in current]
        matrices = [np.asarray(item.vectors, np.float32) for item in current]
        new = to_batch(memories, matrices, [item.key for item in current])
    replace_all(session, user_id, new)
    return len(current)


def _texts_of(item: RebuiltMemory) -> tuple[str, str]:
    turn = item.memory.turn
    return (turn.query, turn.response) if turn else (item.memory.text, "")
