"""Delete on a full disk, where one transaction may need more space than there is.

A checkpoint copies the WAL into the main file, so that the next transaction can reuse the space of
the WAL (see `disk_space`).
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


def retry_after_checkpoint(connections: Connections, call: Callable[[], R]) -> R:
    """Run one transaction; if the disk is full, run it again after a checkpoint."""
    try:
        return call()
    except DiskFullError:
        connections.checkpoint_wal()
        return call()


def delete_despite_full_disk(
    connections: Connections,
    user_id: str,
    ids: Collection[str] | None,
    day: date | None,
    *,
    dimension: int,
) -> dict[str, int]:
    """Delete memories in one transaction, or on a full disk in several that fit into the WAL.

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
            connections.checkpoint_wal()
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
                retry_after_checkpoint(connections, lambda: delete(None, day))
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
