"""What PostgreSQL's errors mean: try again, or an error in our own words."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout

from memorybank_core.errors import (
    InvalidInputError,
    MemoryBankError,
    NotABankError,
    StoreBusyError,
    StoreClosedError,
    StoreError,
    StoreUnavailableError,
    StoreWriteError,
)

from .address import Address

_FIRST_WAIT, _LONGEST_WAIT = 0.02, 0.5

_COLLISIONS = (errors.SerializationFailure, errors.DeadlockDetected)
_AWAY = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.TooManyConnections,
    errors.ReadOnlySqlTransaction,  # a server that another has taken over from
    errors.IdleInTransactionSessionTimeout,
)


class Unsure(Exception):  # noqa: N818 - no failure: it may have been kept
    """The connection was lost while a transaction was committed: it may have been, or not."""


class Attempts:
    """How often a call may be tried: as long as its time allows.

    Attributes:
        lost: Whether the last attempt ended because the connection was lost.
    """

    def __init__(self, address: Address, timeout: float) -> None:
        self._address, self._timeout = address, timeout
        self._deadline = time.monotonic() + timeout
        self._wait = _FIRST_WAIT
        self.lost = False

    @property
    def left(self) -> float:
        """Seconds that are left, never less than a moment."""
        return max(self._deadline - time.monotonic(), 0.01)

    def after(self, error: BaseException) -> float:
        """How many seconds to wait before the next attempt.

        Raises:
            MemoryBankError: There is no use in another, or no time.
        """
        self.lost = is_lost(error)
        may_pass = self.lost or isinstance(error, (*_COLLISIONS, PoolTimeout))
        if not may_pass or time.monotonic() + self._wait > self._deadline:
            raise translation(error, self._address, self._timeout) from error
        wait, self._wait = self._wait, min(2 * self._wait, _LONGEST_WAIT)
        return wait * random.uniform(0.5, 1.0)  # noqa: S311 - so that collided calls part


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, or the server; nothing was wrong with the statement."""
    if isinstance(error, (PoolTimeout, PoolClosed)):
        return False
    return isinstance(error, _AWAY) or (
        isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
        and (error.sqlstate is None or error.sqlstate.startswith("08"))
    )


@contextmanager
def translated(address: Address) -> Iterator[None]:
    """Turns PostgreSQL's errors into ours, with the cause chained."""
    try:
        yield
    except (psycopg.Error, UnicodeEncodeError) as error:
        raise translation(error, address) from error


def translation(
    error: BaseException, address: Address, timeout: float | None = None
) -> MemoryBankError:
    """The error of ours for one of PostgreSQL, of its pool, or of a text that cannot be sent."""
    message = " ".join(str(error).split())
    if isinstance(error, UnicodeEncodeError):
        return InvalidInputError(
            f"{error.object!r} has a character that cannot be stored (half a surrogate pair)"
        )
    if isinstance(error, PoolClosed):
        return StoreClosedError(f"{address} was closed. Open the bank again.")
    if is_lost(error) or isinstance(error, PoolTimeout):
        within = f" within {timeout:g} s" if timeout else ""
        return StoreUnavailableError(
            f"{address} cannot be reached{within}: {_reason(error, address) or message}. Nothing "
            "of this call was kept; call again when the server is back."
        )
    for kinds, kind, advice in _SIGNS:
        if isinstance(error, kinds):
            return kind(f"{address}: {message}. {advice}")
    return StoreError(f"{address}: {message}")


def _reason(error: BaseException, address: Address) -> str:
    """Why the pool got no connection: it does not tell."""
    if not isinstance(error, PoolTimeout):
        return ""
    try:
        psycopg.connect(address.conninfo, connect_timeout=2).close()
    except psycopg.Error as cause:
        return " ".join(str(cause).split())
    return "all connections are in use; open the bank with a larger pool_size"


_SIGNS: tuple[tuple[tuple[type[psycopg.Error], ...], type[MemoryBankError], str], ...] = (
    (
        (errors.QueryCanceled, errors.LockNotAvailable, *_COLLISIONS),
        StoreBusyError,
        "Other calls were in the way; nothing of this one was kept. Try again, or open the bank "
        "with a longer statement_timeout.",
    ),
    (
        (errors.DiskFull, errors.OutOfMemory, errors.IoError),
        StoreWriteError,
        "Nothing of this call was kept. Make room on the server and call again.",
    ),
    (
        (errors.ProgramLimitExceeded,),
        InvalidInputError,
        "The user id, an id or a session is too long for an index: keep each under 1,000 bytes.",
    ),
    (
        (errors.InsufficientPrivilege,),
        StoreError,
        "Grant this role the rights on the schema, or let an owner run: memorybank db init.",
    ),
    (
        (errors.UndefinedTable, errors.InvalidSchemaName),
        NotABankError,
        "The tables of the bank are gone. Restore them from a backup.",
    ),
    ((psycopg.DataError,), InvalidInputError, "A value cannot be stored."),
)
