"""Connections to PostgreSQL: run calls on a pool, and retry them if that is safe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from memorybank_core.concurrency import limit_wait
from memorybank_core.errors import StoreUnavailableError, StoreWriteError
from memorybank_core.forked_processes import ForkLock, abandon, call_in_child

from .address import Address
from .characters import require_utf8
from .commit_markers import CommitMarker, read_markers
from .errors import is_lost, translate_errors
from .options import Options as Options
from .retries import Retries
from .row_security import Scope
from .statements import Row, Rows, Statement, send
from .tables import Layout

R = TypeVar("R")
Pool = ConnectionPool[psycopg.Connection[Row]]

_POOL_WAIT = 1.0  # seconds to wait for a connection before asking the pool again

_BEGIN = Statement("BEGIN ISOLATION LEVEL READ COMMITTED")
_BEGIN_READING = Statement("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
_COMMIT = Statement("COMMIT")
_ROLLBACK = Statement("ROLLBACK")


class CommitUnknown(Exception):  # noqa: N818 - not an error: the transaction may be committed
    """The connection was lost during COMMIT: the transaction may be committed or not."""


class Session:
    """One attempt at a call, on one connection.

    A call that writes is one transaction: one statement alone, or as many as it executes. If it is
    about one user, its first statement locks the user's row and leaves a commit marker there. A
    call that reads sees one state of the database per batch of statements.

    Args:
        previous: The last attempt at the same call.

    Attributes:
        marker: The marker of a call that writes about one user; its first statement is
            `marker.lock()` or another that writes the marker.
        lost_marker: The marker of an earlier attempt whose statement alone got no answer: it may
            be committed, or still be on its way to the server.
    """

    def __init__(
        self,
        db: psycopg.Connection[Row],
        schema: str,
        scope: Scope,
        layout: Layout,
        *,
        writes: bool,
        previous: Session | None = None,
    ) -> None:
        self._db, self._schema, self._writes = db, schema, writes
        self._scope = scope.statements(layout)
        self._is_open = False  # whether a transaction that writes was begun
        self.marker = CommitMarker(scope.user_id or "")
        self.lost_marker: int | None = previous.lost_marker if previous else None
        self.can_write_alone = not (layout.citus or self._scope)

    @property
    def location(self) -> str:
        """The database, as reports name it."""
        return f"postgresql://{self._db.info.host}/{self._db.info.dbname}"

    def execute(self, *statements: Statement) -> list[Rows]:
        """Execute a batch of statements in one round trip; return the rows of each.

        A statement that returns no rows yields one row: the number of rows that it changed.
        """
        if not statements:
            return []
        before: list[Statement] = []
        after: list[Statement] = []
        if self._writes and not self._is_open:
            before = [_BEGIN, *self._scope]
        elif not self._writes and (self._scope or len(statements) > 1):
            before, after = [_BEGIN_READING, *self._scope], [_COMMIT]
        self._is_open = self._writes
        results = self._send(*before, *statements, *after)[len(before) :][: len(statements)]
        for statement, rows in zip(statements, results, strict=True):
            if statement.marks and rows:
                self.marker.write_count = rows[0][0]
        return results

    def execute_alone(self, statement: Statement) -> Rows:
        """Execute the only statement of a call that writes; it is committed with its answer.

        If it changed nothing, others may follow. Only where `can_write_alone`: elsewhere, it would
        need statements before it.
        """
        try:
            [rows] = self._send(statement)
        except psycopg.Error as error:
            if is_lost(error):
                self.lost_marker = self.marker.value
            raise
        return rows

    def commit(self) -> None:
        """Commit what was written.

        Raises:
            CommitUnknown: If the connection was lost in the meantime.
        """
        if not self._is_open:
            return
        try:
            self._send(_COMMIT)
        except psycopg.Error as error:
            if is_lost(error):
                raise CommitUnknown from error
            raise

    def rollback(self) -> None:
        """Undo what was written."""
        if self._is_open:
            self._send(_ROLLBACK)
            self._is_open = False

    def _send(self, *statements: Statement) -> list[Rows]:
        return send(self._db, self._schema, statements)


Run = Callable[[Callable[[Session], R]], R]
"""Runs a call in a transaction and returns its result."""


class Connections:
    """Runs calls on the connections of a pool.

    Args:
        address: The database.
        options: How the connections are used.
        layout: The layout of the tables.
    """

    def __init__(self, address: Address, options: Options, layout: Layout) -> None:
        self.address, self.options, self.layout = address, options, layout
        self._lock = ForkLock(str(address))
        self._pool: Pool | None = self._open_pool()
        call_in_child(self._abandon_inherited)

    def run(self, call: Callable[[Session], R], scope: Scope, *, writes: bool) -> R:
        """Run a call and return its result.

        Args:
            call: The call; run again if its connection is lost or it collides with another.
            scope: The rows that it may see.
            writes: Whether it writes: then it is one transaction, on disk when this returns.

        Raises:
            StoreUnavailableError: If the server cannot be reached within the timeout.
            StoreError: If the call failed; nothing was changed.
        """
        if writes:
            self.require_writable()
        retries = Retries(self.address, limit_wait(self.options.timeout))
        session: Session | None = None
        while True:
            try:
                timeout = min(retries.seconds_left, _POOL_WAIT)
                with self._get_pool().connection(timeout=timeout) as db:
                    session = Session(
                        db, self.address.schema, scope, self.layout, writes=writes, previous=session
                    )
                    result = call(session)
                    session.commit()
                    return result
            except CommitUnknown as unknown:
                if session and self._was_committed(session, scope):
                    return result
                time.sleep(retries.next_wait(unknown.__cause__ or unknown))
            except (psycopg.Error, PoolTimeout, PoolClosed, UnicodeEncodeError) as error:
                in_doubt = session is not None and session.lost_marker is not None
                wait = retries.next_wait(error, in_doubt=in_doubt)
                if retries.is_lost:
                    with suppress(psycopg.Error, PoolClosed):
                        self._get_pool().check()
                time.sleep(wait)

    def require_writable(self) -> None:
        """Raise StoreWriteError if the bank is only read."""
        if self.options.readonly:
            raise StoreWriteError(
                f"{self.address} was opened for reading only; nothing was changed. Open it without "
                "readonly, as a role that may write, on a server that is not a standby."
            )

    def close(self) -> None:
        """Close every connection; a second call does nothing."""
        self._get_pool().close()

    def _get_pool(self) -> Pool:
        """Return the pool; a forked child has its own."""
        with self._lock:
            if self._pool is None:
                self._pool = self._open_pool()
            return self._pool

    def _open_pool(self) -> Pool:
        return ConnectionPool(
            self.address.conninfo,
            kwargs=_build_options(self.address),
            configure=self._configure,
            open=True,
            min_size=0,  # connect when needed, disconnect when idle
            max_size=self.options.pool_size,
            reconnect_timeout=0.5,
        )

    def _abandon_inherited(self) -> None:
        """In a forked child: give up the connections and threads of the parent."""
        if self._pool is not None and not self._pool.closed:
            abandon(self._pool)
            self._pool = None

    def _was_committed(self, session: Session, scope: Scope) -> bool:
        """Return whether a call whose COMMIT got no answer was committed.

        Raises:
            StoreUnavailableError: If that cannot be known.
        """
        if scope.setting == "path":
            return False  # writing items again does no harm
        committed = None
        if scope.user_id is not None:
            committed = session.marker.was_committed(*self._read_markers(scope))
        if committed is None:
            raise StoreUnavailableError(
                f"{self.address}: the connection was lost while this call was committed, and it is "
                "unknown whether that succeeded. Check the bank, or call again: turns with known "
                "ids are not stored twice."
            )
        return committed

    def _read_markers(self, scope: Scope) -> tuple[int, list[int]]:
        """Return the number of a user's writes and the last markers, once no write is open."""

        def read(session: Session) -> tuple[int, list[int]]:
            _, [(count, markers)] = session.execute(*read_markers(scope.value))
            session.rollback()
            return count, markers

        return self.run(read, scope, writes=True)

    def _configure(self, db: psycopg.Connection[Row]) -> None:
        """Prepare a new connection.

        Our statements look up keys: planning one for each user takes longer than running it. But
        Citus plans it where the user is.
        """
        if self.address.pooler:
            return
        db.execute(b"SET statement_timeout = %d" % round(self.options.statement_timeout * 1000))
        if not self.layout.citus:
            db.execute(b"SET plan_cache_mode = force_generic_plan")


@contextmanager
def connect(address: Address, options: Options) -> Iterator[psycopg.Connection[Row]]:
    """Open a connection outside the pool and outside any transaction; translate its errors.

    Raises:
        StoreUnavailableError: If the server cannot be reached or refuses the connection.
        ConfigurationError: If the database cannot store every text.
    """
    timeout = {"connect_timeout": max(round(options.timeout), 2)}
    connection_options = {**timeout, **_build_options(address)}
    with (
        translate_errors(address),
        psycopg.connect(address.conninfo, **connection_options) as db,
    ):
        require_utf8(db, address)
        yield db


def _build_options(address: Address) -> dict[str, Any]:
    threshold = None if address.pooler else 5
    return {"autocommit": True, "prepare_threshold": threshold, "client_encoding": "utf8"}
