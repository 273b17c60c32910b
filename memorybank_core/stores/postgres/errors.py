"""Translate errors of PostgreSQL and its driver into MemoryBank's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout

from memorybank_core.errors import (
    InvalidInputError,
    MemoryBankError,
    NotABankError,
    SchemaTooNewError,
    StoreBusyError,
    StoreClosedError,
    StoreError,
    StoreUnavailableError,
    StoreWriteError,
)

from .address import Address

COLLISIONS = (errors.SerializationFailure, errors.DeadlockDetected)
"""Errors of a statement that collided with another one; it can be run again."""

_UNAVAILABLE = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.TooManyConnections,
    errors.ReadOnlySqlTransaction,  # the server was demoted to a standby
    errors.IdleInTransactionSessionTimeout,
)
_LOST_WORKER = (
    "failure on connection marked as essential",
    "could not commit transaction for shard",
)
"""Messages of errors of Citus that have no code of their own; the second may have committed."""


def is_lost(error: BaseException) -> bool:
    """Return whether the connection or the server was lost; the statement may be correct."""
    if isinstance(error, (PoolTimeout, PoolClosed)):
        return False
    return (
        isinstance(error, _UNAVAILABLE)
        or (
            isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
            and (error.sqlstate is None or error.sqlstate.startswith("08"))
        )
        or (
            isinstance(error, errors.InternalError_)
            and any(message in str(error) for message in _LOST_WORKER)
        )
    )


@contextmanager
def translate_errors(address: Address) -> Iterator[None]:
    """Raise MemoryBank's errors in place of PostgreSQL's, with the cause chained."""
    try:
        yield
    except (psycopg.Error, UnicodeEncodeError) as error:
        raise translate(error, address) from error


def translate(
    error: BaseException,
    address: Address,
    timeout: float | None = None,
    *,
    in_doubt: bool = False,
) -> MemoryBankError:
    """Return MemoryBank's error for an error of PostgreSQL, of the pool or of encoding a text.

    Args:
        error: The error.
        address: The database, for the message.
        timeout: Seconds that the call was retried for, if it was.
        in_doubt: Whether an attempt at the call may have been committed.
    """
    message = " ".join(str(error).split())
    if isinstance(error, UnicodeEncodeError):
        return InvalidInputError(
            f"{error.object!r} has a character that cannot be stored (half a surrogate pair)"
        )
    if isinstance(error, PoolClosed):
        return StoreClosedError(f"{address} was closed. Open the bank again.")
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return StoreWriteError(
            f"{address} allows reading only: {message}. Nothing was changed; call again when the "
            "server that allows writing is back."
        )
    if is_lost(error) or isinstance(error, PoolTimeout):
        within = f" within {timeout:g} s" if timeout else ""
        outcome = (
            "It is unknown whether anything was changed" if in_doubt else "Nothing was changed"
        )
        return StoreUnavailableError(
            f"{address} cannot be reached{within}: {_find_reason(error, address) or message}. "
            f"{outcome}; call again when the server is back."
        )
    for kinds, error_type, advice in _TRANSLATIONS:
        if isinstance(error, kinds):
            return error_type(f"{address}: {message}. {advice}")
    return StoreError(f"{address}: {message}")


def _find_reason(error: BaseException, address: Address) -> str:
    """Return why the pool got no connection, which its error does not say."""
    if not isinstance(error, PoolTimeout):
        return ""
    try:
        psycopg.connect(address.conninfo, connect_timeout=2).close()
    except psycopg.Error as cause:
        return " ".join(str(cause).split())
    return "all connections are in use; open the bank with a larger pool_size"


_TRANSLATIONS: tuple[tuple[tuple[type[psycopg.Error], ...], type[MemoryBankError], str], ...] = (
    (
        (errors.QueryCanceled, errors.LockNotAvailable, *COLLISIONS),
        StoreBusyError,
        "Other calls blocked this one; nothing was changed. Try again, or open the bank "
        "with a longer statement_timeout.",
    ),
    (
        (errors.DiskFull, errors.OutOfMemory, errors.IoError),
        StoreWriteError,
        "Nothing was changed. Free some space on the server and call again.",
    ),
    (
        (errors.ProgramLimitExceeded,),
        InvalidInputError,
        "The user id, an id or a session is too long for an index: keep each under 1,000 bytes.",
    ),
    (
        (errors.DuplicatePreparedStatement, errors.InvalidSqlStatementName),
        StoreError,
        "If a pooler such as PgBouncer assigns connections per transaction, say so in the URL: "
        "add ?pooler=true, or &pooler=true after another parameter.",
    ),
    (
        (errors.InsufficientPrivilege,),
        StoreError,
        "Grant this role the rights on the schema, or let an owner run: memorybank db init.",
    ),
    (
        (errors.UndefinedTable, errors.InvalidSchemaName),
        NotABankError,
        "The tables of the bank do not exist any more. Restore them from a backup.",
    ),
    (
        (errors.UndefinedColumn,),
        SchemaTooNewError,
        "Another version of the package has upgraded the tables; nothing was changed. Run: pip "
        "install --upgrade memorybank-llm, and open the bank again.",
    ),
    ((psycopg.DataError,), InvalidInputError, "A value cannot be stored."),
)
