"""Write memories, digests and profiles. A write locks the row of its user until it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace as replace_fields
from datetime import datetime
from typing import Any

import numpy as np
from psycopg.errors import UniqueViolation

from memorybank_core.protocols import Array, Matrix, Stored
from memorybank_core.records import Digest, Memory
from memorybank_core.stores.index.batch import IndexBatch, concatenate, to_batch
from memorybank_core.stores.rows import to_micros
from memorybank_core.stores.rules import (
    ExpectedEmbedder,
    require_free,
    require_no_turns,
    require_unchanged,
)

from . import page_rows
from .changes import delete_changes
from .commit_markers import MARK
from .connections import Session
from .digest_rows import insert_digests, select_turns
from .intact_rows import read_memories
from .pages import PAGE_SIZE, to_pages
from .reading import (
    EMBEDDER_FITS,
    SELECT_BY_ID,
    SELECT_DIGESTS,
    STORED_EMBEDDER,
    check_embedder,
    known,
    read_digests,
    require_texts,
    values_of_embedder,
)
from .rows import CONTENT, DEFAULT_STATE, DELETE_ROWS, insert_rows, split_row, to_columns
from .state import insert_recalls, write_states
from .statements import Statement
from .tables import GENERATION

_ADDED = (
    "next_seq = users.next_seq + %(new)s, memories = users.memories + %(new)s, "
    f"generation = {GENERATION}"
)
_RESERVE = (
    f"UPDATE memorybank.users SET {MARK}, {_ADDED} WHERE user_id = %(user)s "
    f"AND {EMBEDDER_FITS} RETURNING writes, next_seq"
)
"""Locks the user, if there is one and the embedder fits, and numbers the new memories."""
_COUNT = f"UPDATE memorybank.users SET {_ADDED} WHERE user_id = %(user)s"
_ROW = {"seq": "bigint", **CONTENT}
_SEQ = {"seq": "u.next_seq - %(new)s + n.seq"}
_INSERT = insert_rows("memories", _ROW, _SEQ) + " AND u.marks[1] = %(marker)s"
_APPEND = (
    f"WITH owner AS ({_RESERVE}, user_id, generation), "
    f"stored AS ({insert_rows('memories', _ROW, _SEQ, owner='owner')}), "
    f"paged AS ({page_rows.ADD_FROM_OWNER}) SELECT writes, next_seq FROM owner"
)
"""Does what `_RESERVE`, `_INSERT` and the insertion of pages do, in one statement."""
_REPLACE = (
    "UPDATE memorybank.memories AS m SET "
    + ", ".join(f"{name} = n.{name}" for name in CONTENT)
    + " FROM unnest(%(seq)s::bigint[], "
    + ", ".join(f"%({name})s::{kind}[]" for name, kind in CONTENT.items())
    + f") AS n (seq, {', '.join(CONTENT)}) WHERE m.user_id = %(user)s AND m.seq = n.seq"
)
_SELECT_MARKS = "SELECT marks FROM memorybank.users WHERE user_id = %(user)s"
_SELECT_SEQS = (
    "SELECT id, seq FROM memorybank.memories WHERE user_id = %(user)s AND id = ANY(%(ids)s::text[])"
)
_APPENDED_AT_ONCE = page_rows.PAGES_A_STATEMENT * PAGE_SIZE


def add(
    session: Session,
    embedder: ExpectedEmbedder,
    user_id: str,
    memories: Sequence[Memory],
    vectors: Sequence[Matrix],
    *,
    replace: bool,
    recalled: Mapping[str, Sequence[datetime]],
    expected: Mapping[str, str],
) -> bool:
    """Store memories; see `MemoryStore.add`.

    Returns:
        Whether `page_rows.merge` should follow, in a transaction of its own.
    """
    if not memories:
        return False
    new = _Memories(user_id, memories, vectors)
    if session.lost_marker is not None:
        if _is_stored(session, new, session.lost_marker):
            return False
    elif not (replace or expected or new.states or recalled):
        next_seq = _append(session, embedder, new)
        if next_seq is not None:
            return page_rows.should_merge(next_seq, len(memories))
    if expected:
        require_texts(session, user_id, expected)
    _insert(session, embedder, new, replace=replace, recalled=recalled)
    return False


def put(
    session: Session, embedder: ExpectedEmbedder, user_id: str, stored: Sequence[Stored]
) -> None:
    """Store memories copied from another store; see `MemoryStore.put`."""
    if not stored:
        return
    memories = [item.memory for item in stored]
    new = _Memories(user_id, memories, [item.vectors for item in stored])
    seqs = _insert(session, embedder, new, replace=True, recalled={})
    states = [(seqs[memory.id], *split_row(memory)[1]) for memory in memories]
    recalls = [
        (seqs[item.memory.id], number, to_micros(at), turn)
        for item in stored
        for number, (at, turn) in enumerate(item.recalls, 1)
    ]
    replaced = {"user": user_id, "seqs": list(seqs.values())}
    session.execute(
        *(Statement(DELETE_ROWS.format(table=name), replaced) for name in ("states", "recalls")),
        *write_states(user_id, [row for row in states if row[1:] != DEFAULT_STATE]),
        *insert_recalls(user_id, recalls),
    )


def set_digests(
    session: Session,
    embedder: ExpectedEmbedder,
    user_id: str,
    digests: Sequence[Digest],
    *,
    made_from: Sequence[Memory | Digest],
    events: Sequence[Memory],
    vectors: Sequence[Matrix],
) -> None:
    """Store digests with their event summaries; see `MemoryStore.set_digests`."""
    ids = [source.id for source in made_from if isinstance(source, Memory)]
    user = {"user": user_id}
    _, memory_rows, digest_rows, taken = session.execute(
        session.marker.lock(create=True),
        Statement(SELECT_BY_ID, {**user, "ids": ids}),
        Statement(SELECT_DIGESTS, user),
        select_turns(user_id, [event.id for event in events]),
    )
    stored = read_memories(session, user_id, memory_rows)
    stored_digests = read_digests(session, user_id, digest_rows)
    require_unchanged(user_id, made_from, stored, stored_digests)
    require_no_turns(user_id, [id for (id,) in taken])
    if events:
        new = _Memories(user_id, events, vectors)
        _insert(session, embedder, new, replace=True, recalled={})
    session.execute(*insert_digests(user_id, digests))


class _Memories:
    """Memories to be written, as rows and as a batch of the search index.

    Attributes:
        ids: Their ids.
        contents: Their values of `CONTENT`.
        states: Their values of `STATE`, by position, if not those of new memories.
        batch: The batch of those that have vectors, with their positions for sequence numbers.
    """

    def __init__(self, user_id: str, memories: Sequence[Memory], vectors: Sequence[Matrix]) -> None:
        self.user_id = user_id
        self.ids = [memory.id for memory in memories]
        rows = [split_row(memory) for memory in memories]
        self.contents = [content for content, _ in rows]
        states = enumerate(state for _, state in rows)
        self.states = {number: state for number, state in states if state != DEFAULT_STATE}
        batch = to_batch(memories, vectors, range(len(memories)))
        self.batch = batch if batch.windows.all() else batch.select(batch.windows > 0)

    def columns(self, positions: Sequence[int]) -> dict[str, list[Any]]:
        """Return the values of the rows of those at these positions."""
        return to_columns(_ROW, [(n, *self.contents[i]) for n, i in enumerate(positions)])

    def insertions(self, marker: int, positions: Array) -> list[Statement]:
        """Return statements that insert those at these positions as the user's newest memories."""
        values = {"user": self.user_id, "marker": marker, "new": len(positions)}
        batch = self.batch.select(np.isin(self.batch.key, positions))
        batch = replace_fields(batch, key=np.searchsorted(positions, batch.key))
        return [
            Statement(_INSERT, {**values, **self.columns(positions.tolist())}),
            *page_rows.insert(list(to_pages(batch)), values),
        ]

    def keyed(self, seqs: Mapping[int, int]) -> IndexBatch:
        """Return the batch of those at some positions, with their sequence numbers and in order."""
        ordered = sorted(seqs.keys() & set(self.batch.key.tolist()), key=lambda place: seqs[place])
        if not ordered:
            return self.batch.select(np.zeros(len(self.batch), bool))
        batch = concatenate([self.batch.select(self.batch.key == place) for place in ordered])
        return replace_fields(batch, key=np.array([seqs[place] for place in ordered], np.int64))


def _append(session: Session, embedder: ExpectedEmbedder, new: _Memories) -> int | None:
    """Insert new memories of a known user in one round trip, if none of their ids is taken.

    Returns:
        The user's next sequence number; None if nothing was inserted.
    """
    values = {
        "user": new.user_id,
        "marker": session.marker.value,
        "new": len(new.ids),
        **values_of_embedder(embedder),
    }
    try:
        if session.can_write_alone and len(new.ids) <= _APPENDED_AT_ONCE:
            columns = new.columns(range(len(new.ids)))
            pages = page_rows.to_values(list(to_pages(new.batch)))
            reserved = session.execute_alone(Statement(_APPEND, {**values, **columns, **pages}))
        else:
            statements = new.insertions(session.marker.value, new.batch.key)
            [reserved, *_] = session.execute(Statement(_RESERVE, values, marks=True), *statements)
    except UniqueViolation:
        session.rollback()
        return None
    return reserved[0][1] if reserved else None


def _is_stored(session: Session, new: _Memories, marker: int) -> bool:
    """Return whether an earlier attempt, which got no answer, has stored the memories.

    If later writes have displaced its marker, the memories themselves decide. An attempt that
    reaches the server only after this one finds the ids taken, and changes nothing.
    """
    user = {"user": new.user_id}
    _, marks, rows = session.execute(
        session.marker.lock(create=True),
        Statement(_SELECT_MARKS, user),
        Statement(SELECT_BY_ID, {**user, "ids": new.ids}),
    )
    return marker in marks[0][0] or {row[: len(CONTENT)] for row in rows} == set(new.contents)


def _insert(
    session: Session,
    embedder: ExpectedEmbedder,
    new: _Memories,
    *,
    replace: bool,
    recalled: Mapping[str, Sequence[datetime]],
) -> dict[str, int]:
    """Insert memories, replace others or damaged ones, and insert the past recalls of new ones.

    Returns:
        The sequence number of each memory, by its id.

    Raises:
        ConflictError: If an id is taken and `replace` is False.
    """
    user = {"user": new.user_id}
    [(_, next_seq)], taken, stored_embedder = session.execute(
        session.marker.lock(create=True),
        Statement(_SELECT_SEQS, {**user, "ids": new.ids}),
        STORED_EMBEDDER,
    )
    check_embedder(embedder, stored_embedder)
    seqs: dict[str, int] = dict(taken)
    if seqs and not replace:
        require_free(new.user_id, known(session, new.user_id, seqs))
        damaged = {**user, "seqs": list(seqs.values())}
        session.execute(Statement(DELETE_ROWS.format(table="states"), damaged))
    replaced = {i: seqs[id] for i, id in enumerate(new.ids) if id in seqs}
    added = np.array([i for i, id in enumerate(new.ids) if id not in seqs], np.int64)
    seqs |= {new.ids[i]: seq for seq, i in enumerate(added.tolist(), next_seq)}
    recalls = [
        (seqs[new.ids[i]], number, to_micros(at), None)
        for i in added.tolist()
        for number, at in enumerate(sorted(recalled.get(new.ids[i], ())), 1)
    ]
    states = [(seqs[new.ids[i]], *new.states[i]) for i in added.tolist() if i in new.states]
    statements = [Statement(_COUNT, {**user, "new": len(added)})]
    if len(added):
        statements += new.insertions(session.marker.value, added)
    if replaced:
        rows = [(seq, *new.contents[i]) for i, seq in replaced.items()]
        statements.append(Statement(_REPLACE, {**user, **to_columns(_ROW, rows)}))
        statements.append(delete_changes(new.user_id, replaced.values()))
    session.execute(
        *statements, *write_states(new.user_id, states), *insert_recalls(new.user_id, recalls)
    )
    if replaced:
        page_rows.rewrite(session, new.user_id, list(replaced.values()), new.keyed(replaced))
    if page_rows.should_merge(next_seq + len(added), len(added)):
        page_rows.merge(session, new.user_id)
    return seqs
