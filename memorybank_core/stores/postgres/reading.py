"""Reading memories and what is kept beside them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime

from memorybank_core.protocols import Filter, Matrix, Stored
from memorybank_core.records import Digest, Memory
from memorybank_core.stores.rows import COLUMNS, DIGEST, moment, to_digest, to_memory

from .base import Base, awaited, reads
from .connections import Statement, Steps
from .rows import conditions, grouped, to_matrix

KNOWN = (
    f"SELECT {COLUMNS} FROM memorybank.memories "
    "WHERE user_id = %(user)s AND id = ANY(%(ids)s::text[])"
)
_FETCH = (
    f"SELECT seq, {COLUMNS} FROM memorybank.memories "
    "WHERE user_id = %(user)s AND seq = ANY(%(keys)s::bigint[])"
)
_MEMORIES = (
    f"SELECT {COLUMNS} FROM memorybank.memories AS m WHERE user_id = %(user)s {{allowed}} "
    "ORDER BY created_at DESC, seq DESC LIMIT %(last)s"
)
_SPAN = (
    "SELECT (SELECT min(day) FROM memorybank.memories WHERE user_id = %(user)s), "
    "(SELECT max(day) FROM memorybank.memories WHERE user_id = %(user)s)"
)
_RECALLS = (
    "SELECT at FROM memorybank.recalls WHERE user_id = %(user)s AND seq = (SELECT seq FROM "
    "memorybank.memories WHERE user_id = %(user)s AND id = %(id)s) ORDER BY at, number"
)
_VECTORS = (
    "SELECT id, vector FROM memorybank.memories AS m JOIN memorybank.vectors AS v "
    "ON (v.user_id, v.seq) = (m.user_id, m.seq) "
    "WHERE m.user_id = %(user)s AND v.user_id = %(user)s AND id = ANY(%(ids)s::text[]) "
    "ORDER BY v.seq, number"
)
DIGESTS = f"SELECT {DIGEST} FROM memorybank.digests WHERE user_id = %(user)s"
_PROFILE = "SELECT profile FROM memorybank.users WHERE user_id = %(user)s"
_SCAN = (
    f"SELECT seq, {COLUMNS} FROM memorybank.memories "
    "WHERE user_id = %(user)s AND seq > %(after)s ORDER BY seq LIMIT %(limit)s"
)
_OF_THESE = (
    "SELECT {columns} FROM memorybank.{table} WHERE user_id = %(user)s AND seq > %(after)s "
    "AND seq <= (SELECT max(seq) FROM (SELECT seq FROM memorybank.memories WHERE user_id = "
    "%(user)s AND seq > %(after)s ORDER BY seq LIMIT %(limit)s) AS these) ORDER BY {order}"
)
_SCAN_VECTORS = _OF_THESE.format(columns="seq, vector", table="vectors", order="seq, number")
_SCAN_RECALLS = _OF_THESE.format(columns="seq, at, turn", table="recalls", order="seq, at, number")


class Reading(Base):
    """`known`, `fetch`, `memories` and their like."""

    @reads
    def known(self, user_id: str, ids: Collection[str]) -> Steps[dict[str, Memory]]:
        """Those of `ids` that exist, archived ones included."""
        [found] = yield [Statement(KNOWN, {"user": user_id, "ids": list(ids)})]
        return {row[0]: to_memory(user_id, row) for row in found}

    @reads
    def fetch(self, user_id: str, keys: Sequence[int]) -> Steps[dict[int, Memory]]:
        """The memories of these candidate keys; what is gone meanwhile is left out."""
        [found] = yield [Statement(_FETCH, {"user": user_id, "keys": list(keys)})]
        return {row[0]: to_memory(user_id, row[1:]) for row in found}

    @reads
    def memories(
        self, user_id: str, filter: Filter, *, last: int | None = None
    ) -> Steps[list[Memory]]:
        """Memories in the order of their time, all or the `last` so many of them."""
        allowed, values = conditions(filter)
        values |= {"user": user_id, "last": last}
        [found] = yield [Statement(_MEMORIES.format(allowed=allowed), values)]
        return [to_memory(user_id, row) for row in found][::-1]

    @reads
    def span(self, user_id: str) -> Steps[tuple[date, date] | None]:
        """The days of the first and the last memory, or None if there is none."""
        [[(first, last)]] = yield [Statement(_SPAN, {"user": user_id})]
        return (date.fromisoformat(first), date.fromisoformat(last)) if first else None

    @reads
    def recalls(self, user_id: str, id: str) -> Steps[list[datetime]]:
        """When a memory was recalled, oldest first."""
        [found] = yield [Statement(_RECALLS, {"user": user_id, "id": id})]
        return [moment(at) for (at,) in found]

    @reads
    def vectors(self, user_id: str, ids: Collection[str]) -> Steps[dict[str, Matrix]]:
        """The vectors of the windows of those memories that exist, by id; float32 (windows, d)."""
        [found] = yield [Statement(_VECTORS, {"user": user_id, "ids": list(ids)})]
        return {id: to_matrix(windows) for id, windows in grouped(found).items()}

    @reads
    def digests(self, user_id: str, *, days: bool = True) -> Steps[list[Digest]]:
        """The user's digests: by kind, then by day, the overall ones first, or those alone."""
        which = "" if days else " AND day = ''"
        select = f"{DIGESTS}{which} ORDER BY kind, day"
        [found] = yield [Statement(select, {"user": user_id})]
        return [to_digest(user_id, row) for row in found]

    @reads
    def profile(self, user_id: str) -> Steps[str]:
        """What `set_profile` stored; "{}" where nothing was."""
        [found] = yield [Statement(_PROFILE, {"user": user_id})]
        return str(found[0][0]) if found else "{}"

    @reads
    def scan(self, user_id: str, *, after: int = 0, limit: int = 256) -> Steps[list[Stored]]:
        """All of the memories that were written after a key, in that order, so many at most."""
        values = {"user": user_id, "after": after, "limit": limit}
        statements = (_SCAN, _SCAN_VECTORS, _SCAN_RECALLS)
        found, vectors, recalls = yield [Statement(text, values) for text in statements]
        windows = grouped(vectors)
        history = grouped((seq, (moment(at), turn)) for seq, at, turn in recalls)
        return [
            Stored(
                key=seq,
                memory=to_memory(user_id, tuple(row)),
                vectors=to_matrix(windows[seq]),
                recalls=tuple(history.get(seq, ())),
            )
            for seq, *row in found
        ]

    aknown = awaited(known)
    afetch = awaited(fetch)
    amemories = awaited(memories)
    aspan = awaited(span)
    arecalls = awaited(recalls)
    avectors = awaited(vectors)
    adigests = awaited(digests)
    aprofile = awaited(profile)
    ascan = awaited(scan)
