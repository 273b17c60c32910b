"""The same calls on the connections of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import psycopg
from pgvector.psycopg import register_vector_async
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from .address import Address
from .connections import (
    COMMIT,
    SLICE,
    Call,
    Marks,
    Options,
    Row,
    Rows,
    Scope,
    Statement,
    Steps,
    connection_options,
    pool_options,
    prepared,
    settings,
    to_rows,
)
from .errors import Attempts, Unsure, is_lost

R = TypeVar("R")
Connection = psycopg.AsyncConnection[Row]


class AsyncConnections:
    """Runs calls on the connections of a pool, of which every event loop has its own.

    Args:
        address: Where the bank is.
        options: How the connections are used.
        walls: Whether rows are walled off by row-level security.
    """

    def __init__(self, address: Address, options: Options, *, walls: bool) -> None:
        self.address, self.options, self._walls = address, options, walls
        self._pools: dict[asyncio.AbstractEventLoop, AsyncConnectionPool[Connection]] = {}

    async def run(self, make: Callable[[], Steps[R]], scope: Scope, *, writes: bool) -> R:
        """Runs a call and returns its result; see `Connections.run`."""
        attempts = Attempts(self.address, self.options.timeout)
        while True:
            try:
                pool = await self._pool()
                async with pool.connection(timeout=min(attempts.left, SLICE)) as db:
                    call = Call(make(), scope, writes=writes, walls=self._walls)
                    return await self._attempt(db, call)
            except Unsure as unsure:
                try:
                    await self.run(*call.looking(), writes=True)
                except Marks as marks:
                    if call.was_kept(marks, self.address):
                        return call.result
                await asyncio.sleep(attempts.after(unsure.__cause__ or unsure))
            except (psycopg.Error, PoolTimeout, PoolClosed, UnicodeEncodeError) as error:
                wait = attempts.after(error)
                if attempts.lost:
                    with suppress(psycopg.Error, PoolClosed):
                        await pool.check()
                await asyncio.sleep(wait)

    async def close(self) -> None:
        """Closes the connections of this event loop; a second call does nothing."""
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            await pool.close()

    async def _pool(self) -> AsyncConnectionPool[Connection]:
        """The pool of this event loop; those of loops that are over are forgotten."""
        loop = asyncio.get_running_loop()
        if loop not in self._pools:
            for other in [other for other in self._pools if other.is_closed()]:
                del self._pools[other]
            self._pools[loop] = AsyncConnectionPool(
                self.address.conninfo,
                kwargs=connection_options(self.options),
                configure=self._configure,
                open=False,
                **pool_options(self.options),
            )
        await self._pools[loop].open()
        return self._pools[loop]

    async def _attempt(self, db: Connection, call: Call[R]) -> R:
        while call.batch:
            call.send(await self._execute(db, call.batch))
        if call.began:
            try:
                await self._execute(db, [COMMIT])
            except psycopg.OperationalError as error:
                if is_lost(error):
                    raise Unsure from error
                raise
        return call.result

    async def _execute(self, db: Connection, batch: Sequence[Statement]) -> list[Rows]:
        if len(batch) == 1:
            return [await _rows(await self._sent(db, batch[0]))]
        async with db.pipeline():
            cursors = [await self._sent(db, statement) for statement in batch]
        return [await _rows(cursor) for cursor in cursors]

    async def _sent(self, db: Connection, statement: Statement) -> psycopg.AsyncCursor[Row]:
        cursor = db.cursor(binary=True)
        text, values = prepared(statement, self.address.schema)
        if isinstance(values, list):
            await cursor.executemany(text, values)
        else:
            await cursor.execute(text, values)
        return cursor

    async def _configure(self, db: Connection) -> None:
        await register_vector_async(db)
        for statement in settings(self.options):
            await db.execute(statement)


async def _rows(cursor: psycopg.AsyncCursor[Row]) -> Rows:
    return to_rows(cursor, await cursor.fetchall() if cursor.description else ())
