"""Bring a user's search index up to date with the database.

One statement compares the index with the user's row and returns what is newer. Every write raises
the user's version. The index is truncated at the first page with a higher version than its own, and
loaded again from there on, with the states that changed. A page that lost its last memory is gone:
after that (`rewritten`), for a user who was deleted and created again (`birth`) and after `reembed`
(`generation`) the index is built from scratch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np

from memorybank_core.stores.damage import READ_ERRORS, convert_parts, report_damage
from memorybank_core.stores.index.batch import StateBatch
from memorybank_core.stores.index.cache import CachedIndex
from memorybank_core.stores.index.user_index import UserIndex
from memorybank_core.stores.rows import to_micros
from memorybank_core.stores.rules import ExpectedEmbedder

from .connections import Session
from .intact_rows import page_name
from .pages import Page, unpack
from .reading import EMBEDDER_FITS, STORED_EMBEDDER, check_embedder, values_of_embedder
from .statements import Rows, Statement

Read = Callable[[Callable[[Session], Rows]], Rows]
"""Runs a call that reads about one user."""

_PAGES_AT_ONCE = 128
_NEVER = to_micros(datetime.min.replace(tzinfo=timezone.utc))  # before every creation
# In `changed`, "+ 0" makes the planner look for new versions; it would read every page for min().
_LOAD = f"""
    WITH found AS MATERIALIZED (
        SELECT birth, writes, value::integer AS generation,
            CASE WHEN birth = %(birth)s AND value::integer = %(generation)s
                AND %(version)s BETWEEN rewritten AND writes THEN %(version)s ELSE -1 END AS since
        FROM memorybank.users, memorybank.meta
        WHERE user_id = %(user)s AND name = 'generation' AND {EMBEDDER_FITS}
    ), changed AS MATERIALIZED (
        SELECT min(first_seq + 0) AS first_seq FROM memorybank.pages
        WHERE user_id = %(user)s AND generation = (SELECT generation FROM found)
            AND version > (SELECT since FROM found)
    )
    SELECT 0, birth, writes, generation::bigint, since::bigint, NULL::bytea, NULL::bytea FROM found
    UNION ALL
    (
        SELECT 1, first_seq, last_seq, NULL, NULL, columns, vectors FROM memorybank.pages
        WHERE user_id = %(user)s AND generation = (SELECT generation FROM found)
            AND first_seq >= (SELECT first_seq FROM changed) AND last_seq > %(loaded)s
        ORDER BY first_seq LIMIT {_PAGES_AT_ONCE}
    )
    UNION ALL
    SELECT 2, NULL, NULL, NULL, NULL, string_agg(
        int8send(seq) || float8send(strength) || int8send(coalesce(last_recalled_at, {_NEVER}))
        || int4send((archived_at IS NOT NULL)::integer) || int4send(pinned::integer), ''
    ), NULL
    FROM memorybank.states WHERE user_id = %(user)s AND %(loaded)s = 0 AND (
        version > (SELECT since FROM found) OR seq >= (SELECT first_seq FROM changed)
    )
"""
_STATE = np.dtype(
    [
        ("key", ">i8"),
        ("strength", ">f8"),
        ("recalled", ">i8"),
        ("archived", ">i4"),
        ("pinned", ">i4"),
    ]
)


@dataclass(frozen=True, slots=True)
class _Changes:
    """The rows that an index lacks.

    Attributes:
        owner: Birth and generation.
        version: The user's version.
        from_scratch: Whether the index cannot be brought up to date.
        pages: The pages to load, perhaps not all.
        states: The states that changed.
    """

    owner: tuple[int, int]
    version: int
    from_scratch: bool
    pages: list[Page]
    states: StateBatch


def refresh(
    read: Read, embedder: ExpectedEmbedder, user_id: str, cached: CachedIndex[UserIndex]
) -> bool:
    """Load what was written since the last refresh; return whether there was anything."""
    changes = _load(read, embedder, user_id, cached, loaded=0)
    if changes is None:
        changed = cached.owner is not None
        cached.index, cached.owner = UserIndex(embedder.dimension), None
        return changed
    if not changes.from_scratch and changes.version == cached.index.version:
        return False
    index = UserIndex(embedder.dimension) if changes.from_scratch else cached.index
    pages = changes.pages
    while pages:
        index.truncate(pages[0].first_seq)
        _extend(index, pages, embedder.location, user_id)
        if len(pages) < _PAGES_AT_ONCE:
            break
        more = _load(read, embedder, user_id, cached, loaded=pages[-1].last_seq)
        if more is None or more.owner != changes.owner:  # changed while they were loaded
            cached.index, cached.owner = UserIndex(embedder.dimension), None
            return refresh(read, embedder, user_id, cached)
        pages = more.pages
    index.update(changes.states)
    index.version = changes.version
    cached.index, cached.owner = index, changes.owner
    return True


def _extend(index: UserIndex, pages: Sequence[Page], location: str, user_id: str) -> None:
    """Add the memories of pages to an index, without those that are damaged."""

    def add_rows(page: Page) -> None:
        try:
            batch = unpack([page])
        except READ_ERRORS:
            report_damage(location, page_name(user_id, page))
            return
        convert_parts(
            batch.key.tolist(),
            lambda keys: index.extend(batch.select(np.isin(batch.key, keys))),
            lambda key: report_damage(location, f"the vector of memory {key} of user {user_id!r}"),
        )

    convert_parts(pages, lambda part: index.extend(unpack(part)), add_rows)


def _load(
    read: Read,
    embedder: ExpectedEmbedder,
    user_id: str,
    cached: CachedIndex[UserIndex],
    *,
    loaded: int,
) -> _Changes | None:
    """Return what is new after the pages loaded so far; None if there is no such user.

    Raises:
        EmbedderMismatchError: If another embedder wrote the vectors.
    """
    birth, generation = cached.owner if isinstance(cached.owner, tuple) else (-1, -1)
    values = {
        "user": user_id,
        "birth": birth,
        "generation": generation,
        "version": cached.index.version,
        "loaded": loaded,
        **values_of_embedder(embedder),
    }
    rows = read(lambda session: session.execute(Statement(_LOAD, values))[0])
    user = next((row for row in rows if row[0] == 0), None)
    if user is None:
        check_embedder(embedder, read(lambda session: session.execute(STORED_EMBEDDER)[0]))
        return None
    return _Changes(
        owner=(user[1], user[3]),
        version=user[2],
        from_scratch=user[4] < 0,
        pages=[Page(row[1], row[2], row[5], row[6]) for row in rows if row[0] == 1],
        states=_to_states(next(row[5] for row in rows if row[0] == 2)),
    )


def _to_states(blob: bytes | None) -> StateBatch:
    """Return the states that `_LOAD` packed."""
    rows: Any = np.frombuffer(blob or b"", _STATE)
    rows = rows[np.isfinite(rows["strength"])]  # whoever reads such a memory reports it
    return StateBatch(
        key=rows["key"].astype(np.int64),
        refreshed=np.where(rows["pinned"], np.inf, rows["recalled"] / 1e6),
        strength=rows["strength"].astype(np.float64),
        archived=rows["archived"].astype(bool),
    )
