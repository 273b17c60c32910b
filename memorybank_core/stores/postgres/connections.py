"""Connections to PostgreSQL: the statements of a call are sent, and sent again where that is safe.

What a call does is told by a generator: it yields batches of statements, is sent their rows, and
returns the result. So it is written once and run by blocking connections or by those of asyncio.
The statements of a batch travel together, in one round trip (libpq's pipeline mode).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import psycopg
from pgvector.psycopg import register_vector
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from memorybank_core.errors import StoreUnavailableError

from .address import Address
from .characters import ESCAPE, escaped, plain
from .errors import Attempts, Unsure, is_lost, translated
from .schema import named

R = TypeVar("R")
Row = tuple[Any, ...]
Rows = list[Row]

SLICE = 1.0  # seconds to wait for a connection before the pool is asked anew


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with its values; a list of them runs it once for each."""

    text: str
    values: Mapping[str, Any] | Sequence[Mapping[str, Any]] = field(default_factory=dict)


Steps = Generator[Sequence[Statement], list[Rows], R]
"""What a call does: yields batches of statements, is sent the rows of each, returns the result.

A statement that gives no rows gives one with the number of those that it changed.
"""


@dataclass(frozen=True, slots=True)
class Options:
    """How a store uses its connections.

    Attributes:
        pool_size: How many connections there are at most.
        timeout: Seconds in which a call must succeed, waiting and trying again included.
        statement_timeout: Seconds that one statement may take; 0 sets no limit.
        pooler: Whether a pooler that lends connections by the transaction stands between
            (PgBouncer): nothing is then prepared, or set for longer than a transaction.
    """

    pool_size: int = 10
    timeout: float = 10.0
    statement_timeout: float = 30.0
    pooler: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows a call is about: what row-level security lets it see."""

    setting: str
    value: str
    is_user: bool = False


def user_scope(user_id: str) -> Scope:
    """The rows of one user, whose row a write leaves its mark in."""
    return Scope("user_id", user_id, is_user=True)


EVERYONE = Scope("scope", "all")


class Marks(Exception):  # noqa: N818 - an answer
    """How many writes of a user there were, and the marks that the last of them left."""

    def __init__(self, count: int, last: Sequence[int]) -> None:
        super().__init__(count)
        self.count, self.last = count, last


_BEGIN = Statement("BEGIN ISOLATION LEVEL READ COMMITTED")
_BEGIN_READING = Statement("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
COMMIT = Statement("COMMIT")

_TEXT = 25  # the type of texts, in pg_type
_MARKS = 32
"""How many marks of the last writes a user's row keeps."""
_MARK = (
    "UPDATE memorybank.users SET writes = writes + 1, "
    f"marks = (%(mark)s::bigint || marks)[1:{_MARKS}] WHERE user_id = %(user)s RETURNING writes"
)
_MARKED = (
    "INSERT INTO memorybank.users (user_id) VALUES (%(user)s) ON CONFLICT DO NOTHING",
    "SELECT writes, marks FROM memorybank.users WHERE user_id = %(user)s FOR UPDATE",
)


class Call(Generic[R]):
    """One attempt at a call: the batches to send, with what makes them a transaction.

    One that `writes` is one transaction, to be ended by a commit. In a user's row it leaves a mark,
    by which it is known again should the connection be lost while it is committed. (The number of
    the transaction would not do: a server that crashed may give it to another.) Of a call that
    reads, each batch sees one state of the database.

    Attributes:
        batch: What to send next; empty where the call is at its end.
        result: What the call returns, at its end.
        mark: What it leaves in the user's row.
        count: How many writes of the user there are with it; None before it has left its mark.
    """

    result: R

    def __init__(self, steps: Steps[R], scope: Scope, *, writes: bool, walls: bool) -> None:
        self._steps, self._scope, self._writes = steps, scope, writes
        self._scoping = [_scoped(scope)] if walls else []
        self._told = slice(0)  # which statements of the batch are the call's own
        self.mark = secrets.randbits(62)
        self.count: int | None = None
        self.batch: Sequence[Statement] = ()
        self.began = False
        self._next(None)

    def send(self, found: list[Rows]) -> None:
        """Takes the rows of the batch that was sent."""
        if self._writes and not self.began:
            self.began = True
            if self._scope.is_user:
                self.count = next((count for (count,) in found[-1]), None)
        self._next(found[self._told])

    def _next(self, found: list[Rows] | None) -> None:
        try:
            own = next(self._steps) if found is None else self._steps.send(found)
            while not own:  # a batch of nothing need not travel
                own = self._steps.send([])
        except StopIteration as done:
            self.batch, self.result = (), done.value
            return
        before: Sequence[Statement] = ()
        after: Sequence[Statement] = ()
        if self._writes and not self.began:
            before = [_BEGIN, *self._scoping]
            mark = Statement(_MARK, {"mark": self.mark, "user": self._scope.value})
            after = [mark] if self._scope.is_user else []
        elif not self._writes and (self._scoping or len(own) > 1):
            before, after = [_BEGIN_READING, *self._scoping], [COMMIT]
        self._told = slice(len(before), len(before) + len(own))
        self.batch = [*before, *own, *after]

    def looking(self) -> tuple[Callable[[], Steps[None]], Scope]:
        """A call that raises the `Marks` of the user, once this one has ended; and its scope.

        That it raises rolls it back: looking leaves no trace.
        """

        def look() -> Steps[None]:
            if not self._scope.is_user:
                raise Marks(0, ())
            user = {"user": self._scope.value}
            _, [(count, marks)] = yield [Statement(text, user) for text in _MARKED]
            raise Marks(count, marks)

        return look, replace(self._scope, is_user=False)

    def was_kept(self, marks: Marks, address: Address) -> bool:
        """Whether it was committed, by the marks that the last writes of the user left.

        Raises:
            StoreUnavailableError: That cannot be known.
        """
        if self._scope.setting == "path":
            return False  # what is about items may just be repeated
        if self._scope.is_user and self.count is None:
            return True  # there was no such user, and nothing to do
        if self.mark in marks.last:
            return True
        if self.count is not None and marks.count == 0:  # the user is gone, or never came
            return self.count > 1
        if self.count is not None and marks.count < self.count + _MARKS:
            return False
        raise StoreUnavailableError(
            f"{address}: the connection was lost while this call was committed, and what became "
            "of it is not known. Look, or call again: turns of known ids are not stored twice."
        )


class Connections:
    """Runs calls on the connections of a pool.

    Args:
        address: Where the bank is.
        options: How the connections are used.
        walls: Whether rows are walled off by row-level security.
    """

    def __init__(self, address: Address, options: Options, *, walls: bool) -> None:
        self.address, self.options, self._walls = address, options, walls
        self._pool: ConnectionPool[psycopg.Connection[Row]] = ConnectionPool(
            address.conninfo,
            kwargs=connection_options(options),
            configure=self._configure,
            open=True,
            **pool_options(options),
        )

    def run(self, make: Callable[[], Steps[R]], scope: Scope, *, writes: bool) -> R:
        """Runs a call and returns its result.

        Args:
            make: Makes the generator, once for each attempt.
            scope: Whose rows it is about.
            writes: Whether all of it is one transaction, on disk when this returns.

        Raises:
            StoreUnavailableError: The server cannot be reached, in the time that a call may take.
            StoreError: It could not be done, and nothing of it was.
        """
        attempts = Attempts(self.address, self.options.timeout)
        while True:
            try:
                with self._pool.connection(timeout=min(attempts.left, SLICE)) as db:
                    call = Call(make(), scope, writes=writes, walls=self._walls)
                    return self._attempt(db, call)
            except Unsure as unsure:
                try:
                    self.run(*call.looking(), writes=True)
                except Marks as marks:
                    if call.was_kept(marks, self.address):
                        return call.result
                time.sleep(attempts.after(unsure.__cause__ or unsure))
            except (psycopg.Error, PoolTimeout, PoolClosed, UnicodeEncodeError) as error:
                wait = attempts.after(error)
                if attempts.lost:
                    with suppress(psycopg.Error, PoolClosed):
                        self._pool.check()
                time.sleep(wait)

    def close(self) -> None:
        """Closes every connection; a second call does nothing."""
        self._pool.close()

    def _attempt(self, db: psycopg.Connection[Row], call: Call[R]) -> R:
        """Sends the batches of a call; what it began, the pool rolls back where this raises."""
        while call.batch:
            call.send(self._execute(db, call.batch))
        if call.began:
            try:
                self._execute(db, [COMMIT])
            except psycopg.OperationalError as error:
                if is_lost(error):
                    raise Unsure from error
                raise
        return call.result

    def _execute(self, db: psycopg.Connection[Row], batch: Sequence[Statement]) -> list[Rows]:
        if len(batch) == 1:
            return [_rows(self._sent(db, batch[0]))]
        with db.pipeline():
            cursors = [self._sent(db, statement) for statement in batch]
        return [_rows(cursor) for cursor in cursors]

    def _sent(self, db: psycopg.Connection[Row], statement: Statement) -> psycopg.Cursor[Row]:
        cursor = db.cursor(binary=True)
        text, values = prepared(statement, self.address.schema)
        if isinstance(values, list):
            cursor.executemany(text, values)
        else:
            cursor.execute(text, values)
        return cursor

    def _configure(self, db: psycopg.Connection[Row]) -> None:
        """Prepares a new connection."""
        register_vector(db)
        for statement in settings(self.options):
            db.execute(statement)


@contextmanager
def alone(address: Address, options: Options) -> Iterator[psycopg.Connection[Row]]:
    """A new connection, the caller's own, outside of any transaction; its errors are ours.

    Raises:
        StoreUnavailableError: The server cannot be reached, or lets nobody in.
    """
    told = {"connect_timeout": max(round(options.timeout), 2), **connection_options(options)}
    with translated(address), psycopg.connect(address.conninfo, **told) as db:
        yield db


def connection_options(options: Options) -> dict[str, Any]:
    """What every connection is opened with."""
    return {"autocommit": True, "prepare_threshold": None if options.pooler else 5}


def pool_options(options: Options) -> dict[str, Any]:
    """What a pool is opened with: connections come when they are needed, and go when idle."""
    return {"min_size": 0, "max_size": options.pool_size, "reconnect_timeout": 0.5}


def settings(options: Options) -> list[bytes]:
    """What is set for as long as a connection lasts.

    To compile a statement of ours (JIT), or to start a process that helps, takes longer than it.
    And where one user has much of a partition, all of it would be read.
    """
    if options.pooler:
        return []
    return [
        b"SET jit = off",
        b"SET max_parallel_workers_per_gather = 0",
        b"SET enable_seqscan = off",
        b"SET statement_timeout = %d" % round(options.statement_timeout * 1000),
    ]


def _scoped(scope: Scope) -> Statement:
    return Statement(
        "SELECT set_config(%(setting)s, %(value)s, true)",
        {"setting": f"memorybank_session.{scope.setting}", "value": scope.value},
    )


def prepared(
    statement: Statement, schema: str
) -> tuple[bytes, dict[str, Any] | list[dict[str, Any]]]:
    """A statement as it is sent: about this schema, and with texts that PostgreSQL holds."""
    values = statement.values
    one_by_one = [values] if isinstance(values, Mapping) else values
    sent = [{name: escaped(value) for name, value in one.items()} for one in one_by_one]
    return named(statement.text, schema), sent[0] if isinstance(values, Mapping) else sent


def _rows(cursor: psycopg.Cursor[Row]) -> Rows:
    return to_rows(cursor, cursor.fetchall() if cursor.description else ())


def to_rows(cursor: psycopg.Cursor[Row] | psycopg.AsyncCursor[Row], found: Sequence[Row]) -> Rows:
    """The rows of a cursor, with the texts as they were."""
    if cursor.description is None:
        return [(cursor.rowcount,)]
    texts = [at for at, column in enumerate(cursor.description) if column.type_code == _TEXT]
    rows = list(found)
    for at in texts:
        for number, row in enumerate(rows):
            if row[at] and ESCAPE in row[at]:  # hardly ever
                rows[number] = (*row[:at], plain(row[at]), *row[at + 1 :])
    return rows
