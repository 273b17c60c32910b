"""Write memories, digests and profiles. A write locks the row of its user until it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from memorybank_core.errors import ConflictError
from memorybank_core.protocols import Matrix, Stored
from memorybank_core.records import Digest, Memory
from memorybank_core.stores.rows import DIGEST_COLUMNS, from_digest, to_digest, to_memory, to_micros
from memorybank_core.stores.rules import ExpectedEmbedder, require_unchanged

from .connections import Session
from .places import LAST_PLACES, RECOMPUTE_PLACES, find_places
from .reading import (
    SELECT_BY_ID,
    SELECT_DIGESTS,
    STORED_EMBEDDER,
    check_embedder,
    unfinished_tables,
)
from .rows import STATE, Entry, entries
from .statements import Statement
from .tables import MAX_HALF_PRECISION

_BACKLOG_PER_MEMORY = 4
"""Number of old memories of a large user to index with each new memory."""

_CREATE_USER = (
    "INSERT INTO memorybank.users (user_id) VALUES (%(user)s) ON CONFLICT (user_id) DO NOTHING"
)
LOCK_USER = (
    "SELECT next_seq, windows, indexed_from FROM memorybank.users WHERE user_id = %(user)s "
    "FOR UPDATE"
)
_SELECT_REPLACED = (
    "SELECT id, seq, length, kind, conversation, (SELECT count(*) FROM memorybank.vectors AS v "
    "WHERE v.user_id = %(user)s AND v.seq = m.seq) FROM memorybank.memories AS m "
    "WHERE user_id = %(user)s AND id = ANY(%(ids)s::text[])"
)
_CONTENT = (
    "kind, session, day, created_at, query, response, user_name, companion_name, conversation, "
    "place, utterances, speaker, terms, counts, length"
).split(", ")
_COLUMNS = ["id", *_CONTENT, *STATE]
_INSERT = (
    f"INSERT INTO memorybank.memories (user_id, seq, {', '.join(_COLUMNS)}) VALUES "
    f"(%(user)s, %(seq)s, {', '.join(f'%({name})s' for name in _COLUMNS)}) "
    "ON CONFLICT (user_id, seq) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _CONTENT)
)  # a replaced memory keeps its strength, recalls, archiving and pin
DELETE_ROWS = (
    "DELETE FROM memorybank.{table} WHERE user_id = %(user)s AND seq = ANY(%(seqs)s::bigint[])"
)
"""Deletes the rows of these memories from a table."""
_INSERT_VECTOR = (
    "INSERT INTO memorybank.vectors (user_id, seq, number, vector, indexed) "
    "VALUES (%(user)s, %(seq)s, %(number)s, %(vector)s, %(indexed)s)"
)
INSERT_RECALL = (
    "INSERT INTO memorybank.recalls (user_id, seq, number, at, turn) "
    "VALUES (%(user)s, %(seq)s, %(number)s, %(at)s, %(turn)s)"
)
_UPDATE_COUNTS = (
    "UPDATE memorybank.users SET next_seq = next_seq + %(new)s, memories = memories + %(new)s, "
    "terms = terms + %(terms)s, windows = windows + %(windows)s, indexed_from = %(indexed_from)s "
    "WHERE user_id = %(user)s"
)
_SET_INDEXED = (
    "UPDATE memorybank.vectors SET indexed = true WHERE user_id = %(user)s "
    "AND seq >= %(indexed_from)s AND seq < %(before)s AND NOT indexed"
)
_SET_STATE = (
    "UPDATE memorybank.memories SET "
    + ", ".join(f"{name} = %({name})s" for name in STATE)
    + " WHERE user_id = %(user)s AND seq = %(seq)s"
)
_INSERT_DIGEST = (
    f"INSERT INTO memorybank.digests (user_id, {DIGEST_COLUMNS}) "
    f"VALUES (%(user)s, {', '.join(f'%({name})s' for name in DIGEST_COLUMNS.split(', '))}) "
    "ON CONFLICT (user_id, kind, day) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in DIGEST_COLUMNS.split(", ")[2:])
)
_SET_PROFILE = (
    "INSERT INTO memorybank.users (user_id, profile) VALUES (%(user)s, %(profile)s) "
    "ON CONFLICT (user_id) DO UPDATE SET profile = excluded.profile"
)


@dataclass(frozen=True, slots=True)
class VectorSpace:
    """The embedder of a bank's vectors, and when they are indexed.

    Attributes:
        embedder: The embedder that writes them.
        exact_up_to: Number of windows of one user up to which they are not indexed.
    """

    embedder: ExpectedEmbedder
    exact_up_to: int

    def needs_index(self, window_count: int) -> bool:
        """Return whether a user with this many windows is searched with the HNSW index."""
        return window_count > self.exact_up_to and self.embedder.dimension <= MAX_HALF_PRECISION


def add(
    session: Session,
    vector_space: VectorSpace,
    user_id: str,
    memories: Sequence[Memory],
    vectors: Sequence[Matrix],
    *,
    replace: bool,
    recalled: Mapping[str, Sequence[datetime]],
) -> None:
    """Store memories; see `MemoryStore.add`."""
    new = entries(user_id, memories, vectors)
    _insert(session, vector_space, user_id, new, replace=replace, recalled=recalled)


def put(
    session: Session, vector_space: VectorSpace, user_id: str, stored: Sequence[Stored]
) -> None:
    """Store memories copied from another store; see `MemoryStore.put`."""
    memories = [item.memory for item in stored]
    new = entries(user_id, memories, [item.vectors for item in stored])
    seqs = _insert(session, vector_space, user_id, new, replace=True, recalled={})
    if not new:
        return
    states = [
        {"user": user_id, "seq": seqs[entry.id], **{name: entry.row[name] for name in STATE}}
        for entry in new
    ]
    recalls = [
        {
            "user": user_id,
            "seq": seqs[item.memory.id],
            "number": number,
            "at": to_micros(at),
            "turn": turn,
        }
        for item in stored
        for number, (at, turn) in enumerate(item.recalls, 1)
    ]
    replaced = {"user": user_id, "seqs": list(seqs.values())}
    statements = [
        Statement(_SET_STATE, states),
        Statement(DELETE_ROWS.format(table="recalls"), replaced),
    ]
    if recalls:
        statements.append(Statement(INSERT_RECALL, recalls))
    session.execute(*statements)


def set_digests(
    session: Session,
    vector_space: VectorSpace,
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
    *_, memory_rows, digest_rows = session.execute(
        Statement(_CREATE_USER, user),
        Statement(LOCK_USER, user),
        Statement(SELECT_BY_ID, {**user, "ids": ids}),
        Statement(SELECT_DIGESTS, user),
    )
    stored = [to_memory(user_id, row) for row in memory_rows]
    stored_digests = [to_digest(user_id, row) for row in digest_rows]
    require_unchanged(user_id, made_from, stored, stored_digests)
    if events:
        new = entries(user_id, events, vectors)
        _insert(session, vector_space, user_id, new, replace=True, recalled={})
    names = DIGEST_COLUMNS.split(", ")
    values = [{**user, **dict(zip(names, from_digest(digest), strict=True))} for digest in digests]
    if values:
        session.execute(Statement(_INSERT_DIGEST, values))


def set_profile(session: Session, user_id: str, profile: str) -> None:
    """Store the profile of a user."""
    session.execute(Statement(_SET_PROFILE, {"user": user_id, "profile": profile}))


def _insert(
    session: Session,
    vector_space: VectorSpace,
    user_id: str,
    new: Sequence[Entry],
    *,
    replace: bool,
    recalled: Mapping[str, Sequence[datetime]],
) -> dict[str, int]:
    """Insert memories, and the past recalls of those that are new; see `MemoryStore.add`.

    Returns:
        The sequence number of each memory, by its id.

    Raises:
        ConflictError: If an id is replaced_rows and `replace` is False.
    """
    user = {"user": user_id}
    conversations = sorted({entry.conversation for entry in new if entry.kind == "turn"})
    _, [(next_seq, window_count, indexed_from)], replaced_rows, ends, stored_embedder = (
        session.execute(
            Statement(_CREATE_USER, user),
            Statement(LOCK_USER, user),
            Statement(_SELECT_REPLACED, {**user, "ids": [entry.id for entry in new]}),
            Statement(LAST_PLACES, {**user, "conversations": conversations}),
            STORED_EMBEDDER,
        )
    )
    check_embedder(vector_space.embedder, stored_embedder)
    if replaced_rows and not replace:
        ids = sorted(row[0] for row in replaced_rows)
        raise ConflictError(f"user {user_id!r} already has memories with the ids {ids}")
    seqs = {row[0]: row[1] for row in replaced_rows}
    added = [entry for entry in new if entry.id not in seqs]
    seqs |= {entry.id: seq for seq, entry in enumerate(added, next_seq)}
    places, disordered = find_places(new, seqs, replaced_rows, ends)
    more_windows = sum(len(entry.vectors) for entry in new) - sum(row[5] for row in replaced_rows)
    before = indexed_from
    if vector_space.needs_index(window_count + more_windows):
        before = min(indexed_from, next_seq)
        indexed_from = max(before - _BACKLOG_PER_MEMORY * len(new), 0)
    counts = {
        **user,
        "new": len(added),
        "terms": sum(entry.row["length"] for entry in new) - sum(row[2] for row in replaced_rows),
        "windows": more_windows,
        "indexed_from": indexed_from,
        "before": before,
    }
    statements = [Statement(_UPDATE_COUNTS, counts)]
    if replaced_rows:
        replaced = {**user, "seqs": [row[1] for row in replaced_rows]}
        tables = ["vectors", *unfinished_tables(stored_embedder)]
        statements += [Statement(DELETE_ROWS.format(table=table), replaced) for table in tables]
    statements += _build_insertions(user_id, new, seqs, places, indexed_from)
    recalls = [
        {**user, "seq": seqs[entry.id], "number": number, "at": to_micros(at), "turn": None}
        for entry in added
        for number, at in enumerate(sorted(recalled.get(entry.id, ())), 1)
    ]
    if recalls:
        statements.append(Statement(INSERT_RECALL, recalls))
    if indexed_from < before:
        statements.append(Statement(_SET_INDEXED, counts))
    if disordered:
        statements.append(Statement(RECOMPUTE_PLACES, {**user, "conversations": disordered}))
    session.execute(*statements)
    return seqs


def _build_insertions(
    user_id: str,
    new: Sequence[Entry],
    seqs: Mapping[str, int],
    places: Mapping[str, int],
    indexed_from: int,
) -> list[Statement]:
    """Return the statements that insert memories and the vectors of their windows."""
    if not new:
        return []
    rows = [
        {"user": user_id, "seq": seqs[entry.id], "place": places[entry.id], **entry.row}
        for entry in new
    ]
    vectors = [
        {
            "user": user_id,
            "seq": seqs[entry.id],
            "number": number,
            "vector": vector,
            "indexed": seqs[entry.id] >= indexed_from,
        }
        for entry in new
        for number, vector in enumerate(entry.vectors)
    ]
    return [Statement(_INSERT, rows), Statement(_INSERT_VECTOR, vectors)]
