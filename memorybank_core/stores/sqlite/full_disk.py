"""Delete on a full disk, where one transaction may need more space than there is.

Writing the log into the file lets the next transaction use the log's space again (see
`disk_space`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import date
from typing import TypeVar

from . import deleting
from .connections import Connections
from .errors import DiskFullError
from .reading import OF_USER

R = TypeVar("R")


def call_with_space(connections: Connections, call: Callable[[], R]) -> R:
    """Return the result of a call that is one transaction; on a full disk, empty the log for it."""
    try:
        return call()
    except DiskFullError:
        connections.restart_log()
        return call()


def delete_durably(
    connections: Connections,
    user_id: str,
    ids: Collection[str] | None,
    day: date | None,
    *,
    dimension: int,
) -> dict[str, int]:
    """Delete memories in one transaction, or on a full disk in as many as the log has space for.

    Returns:
        The numbers of `deleting.delete`, summed over the transactions.

    Raises:
        DiskFullError: If there is no space even for one memory.
    """
    counts: Counter[str] = Counter()

    def delete(ids: Collection[str] | None, day: date | None = None) -> None:
        with connections.write() as db:
            deleted = deleting.delete(db, user_id, ids=ids, day=day, dimension=dimension)
        counts.update(deleted)

    def delete_parts(ids: Sequence[str]) -> None:
        try:
            connections.restart_log()
            delete(ids)
        except DiskFullError:
            if len(ids) < 2:
                raise
            middle = len(ids) // 2
            delete_parts(ids[:middle])
            delete_parts(ids[middle:])

    try:
        delete(ids, day)
    except DiskFullError:
        try:
            delete_parts(_select_ids(connections, user_id, day) if ids is None else sorted(ids))
            if ids is None:  # what is left: digests, and the user
                call_with_space(connections, lambda: delete(None, day))
        except DiskFullError as error:
            raise _report(error, user_id, counts["memories"]) from error
    return counts


def _report(error: DiskFullError, user_id: str, deleted: int) -> DiskFullError:
    """Return an error that says how many memories were deleted before it."""
    if not deleted:
        return DiskFullError(str(error))
    return DiskFullError(
        f"the disk is full: {deleted} memories of user {user_id!r} were deleted, the others are "
        "still stored. Free some space and delete again."
    )


def _select_ids(connections: Connections, user_id: str, day: date | None) -> list[str]:
    """Return the ids of a user's memories, of one day or all."""
    select = f"SELECT id FROM memories WHERE {OF_USER} AND (?2 IS NULL OR day = ?2)"
    with connections.read() as db:
        return [id for (id,) in db.execute(select, (user_id, day and day.isoformat()))]
