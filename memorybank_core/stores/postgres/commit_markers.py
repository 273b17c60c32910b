"""Commit markers: find out whether a write was committed if its COMMIT got no answer.

Each write puts a random number, its marker, at the front of a list in the row of its user, and
counts the user's writes. (A transaction id is not sufficient: a server that crashed may assign it
again.)
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from .statements import Statement
from .tables import GENERATION

_MAX_MARKERS = 32  # markers in the row of a user
MARK = f"writes = users.writes + 1, marks = %(marker)s::bigint || users.marks[1:{_MAX_MARKERS - 1}]"
"""The assignments that write a marker.

There is no subscript at the top of an expression: it crashes the coordinator of Citus 13 and 14.
"""
_LOCK = (
    f"UPDATE memorybank.users SET {MARK}, generation = {GENERATION} WHERE user_id = %(user)s "
    "RETURNING writes, next_seq"
)
_CREATE = (
    "INSERT INTO memorybank.users (user_id, writes, marks) "
    "VALUES (%(user)s, 1, ARRAY[%(marker)s::bigint]) "
    f"ON CONFLICT (user_id) DO UPDATE SET {MARK} RETURNING writes, next_seq"
)


@dataclass(slots=True)
class CommitMarker:
    """The marker of one write.

    Attributes:
        user_id: The user.
        value: The random number.
        write_count: Number of the user's writes, this one included; None before the marker is
            written, and if there is no such user.
    """

    user_id: str
    value: int = field(default_factory=lambda: secrets.randbits(62))
    write_count: int | None = None

    def lock(self, *, create: bool = False) -> Statement:
        """Return the statement that locks the row of the user and writes the marker into it.

        It returns the number of the user's writes, which is the version of what the write stores,
        and the next key; no row if there is no such user.

        Args:
            create: Whether to create the user if missing.
        """
        values = {"marker": self.value, "user": self.user_id}
        return Statement(_CREATE if create else _LOCK, values, marks=True)

    def was_committed(self, write_count: int, markers: Sequence[int]) -> bool | None:
        """Return whether the write was committed, or None if that can no longer be known.

        Args:
            write_count: The user's number of writes now; 0 if there is no such user.
            markers: The markers of the last of them.
        """
        if self.write_count is None:  # no such user: nothing to write
            return True
        if self.value in markers:
            return True
        if write_count == 0:  # the user was deleted since, or the write never created it
            return self.write_count > 1
        return False if write_count < self.write_count + _MAX_MARKERS else None


def read_markers(user_id: str) -> list[Statement]:
    """Return statements that wait for the user's open transactions, then read the markers.

    They insert the user if missing: run them in a transaction and roll it back.
    """
    user = {"user": user_id}
    return [
        Statement(
            "INSERT INTO memorybank.users (user_id) VALUES (%(user)s) ON CONFLICT DO NOTHING",
            user,
        ),
        Statement(
            "SELECT writes, marks FROM memorybank.users WHERE user_id = %(user)s FOR UPDATE", user
        ),
    ]
