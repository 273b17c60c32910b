"""Read all data of memories, to copy them to another store."""

from __future__ import annotations

import numpy as np

from memorybank_core.protocols import Stored
from memorybank_core.stores.damage import memory_name
from memorybank_core.stores.rows import from_micros, to_memory

from .connections import Session
from .intact_rows import convert_rows
from .page_rows import PAGE_COLUMNS, read_matrices
from .rows import FROM_MEMORIES, SELECT_MEMORY, group
from .statements import Statement
from .tables import GENERATION

_SCAN = (
    f"SELECT m.seq, {SELECT_MEMORY} {FROM_MEMORIES} AND m.seq > %(after)s "
    "ORDER BY m.seq LIMIT %(limit)s"
)
_LAST_SCANNED = (
    "(SELECT max(seq) FROM (SELECT seq FROM memorybank.memories WHERE user_id = %(user)s "
    "AND seq > %(after)s ORDER BY seq LIMIT %(limit)s) AS these)"
)
_SCAN_PAGES = (
    f"SELECT {PAGE_COLUMNS} FROM memorybank.pages WHERE user_id = %(user)s "
    f"AND generation = {GENERATION} AND last_seq > %(after)s AND first_seq <= {_LAST_SCANNED} "
    "ORDER BY first_seq"
)
_SCAN_RECALLS = (
    "SELECT seq, at, turn FROM memorybank.recalls WHERE user_id = %(user)s "
    f"AND seq > %(after)s AND seq <= {_LAST_SCANNED} ORDER BY seq, at, number"
)


def scan(session: Session, user_id: str, after: int, limit: int, dimension: int) -> list[Stored]:
    """See `MemoryStore.scan`."""
    values = {"user": user_id, "after": after, "limit": limit}
    selects = (_SCAN, _SCAN_PAGES, _SCAN_RECALLS)
    rows, pages, recalls = session.execute(*(Statement(select, values) for select in selects))
    intact = convert_rows(
        session,
        rows,
        lambda row: (row[0], to_memory(user_id, row[1:])),
        lambda row: memory_name(user_id, row[1]),
    )
    if rows and not intact:
        return scan(session, user_id, rows[-1][0], limit, dimension)
    matrices = read_matrices(session, user_id, pages)
    history = group(
        convert_rows(
            session,
            recalls,
            lambda row: (row[0], (from_micros(row[1]), row[2])),
            lambda row: f"a recall of memory number {row[0]} of user {user_id!r}",
        )
    )
    no_vectors = np.zeros((0, dimension), np.float32)
    return [
        Stored(seq, memory, matrices.get(seq, no_vectors), tuple(history.get(seq, ())))
        for seq, memory in intact
    ]
