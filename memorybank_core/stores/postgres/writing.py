"""Writing memories and what is kept beside them. A write holds the user's row until it ends."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from memorybank_core.errors import ConflictError
from memorybank_core.forgetting import ForgettingLaw, days_between
from memorybank_core.protocols import Matrix, Stored
from memorybank_core.records import Digest, Memory
from memorybank_core.stores.rows import (
    DIGEST,
    from_digest,
    micros,
    moment,
    to_digest,
    to_memory,
)
from memorybank_core.stores.rules import require_unchanged

from .base import WRITTEN_BY, Base, awaited, unfinished, writes
from .connections import Rows, Statement, Steps
from .reading import DIGESTS, KNOWN
from .rows import STATE, Entry, entries
from .schema import MOST_HALVED

CATCH_UP = 4
"""How many old windows of a user who grew large are indexed with each new memory."""

ENTER = "INSERT INTO memorybank.users (user_id) VALUES (%(user)s) ON CONFLICT (user_id) DO NOTHING"
LOCK = (
    "SELECT next_seq, windows, indexed_from FROM memorybank.users WHERE user_id = %(user)s "
    "FOR UPDATE"
)
_TAKEN = (
    "SELECT id, seq, length, kind, conversation, (SELECT count(*) FROM memorybank.vectors AS v "
    "WHERE v.user_id = %(user)s AND v.seq = m.seq) FROM memorybank.memories AS m "
    "WHERE user_id = %(user)s AND id = ANY(%(ids)s::text[])"
)
_ENDS = """
    SELECT c.conversation, ended.created_at, ended.place
    FROM unnest(%(conversations)s::text[]) AS c (conversation), LATERAL (
        SELECT created_at, place FROM memorybank.memories
        WHERE user_id = %(user)s AND conversation = c.conversation AND kind = 'turn'
        ORDER BY place DESC LIMIT 1
    ) AS ended
"""
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
)  # what takes another's place is as strong and as fresh as that was
DROP = "DELETE FROM memorybank.{table} WHERE user_id = %(user)s AND seq = ANY(%(seqs)s::bigint[])"
"""Deletes what a table has of these memories."""
_INSERT_VECTOR = (
    "INSERT INTO memorybank.vectors (user_id, seq, number, vector, indexed) "
    "VALUES (%(user)s, %(seq)s, %(number)s, %(vector)s, %(indexed)s)"
)
_INSERT_RECALL = (
    "INSERT INTO memorybank.recalls (user_id, seq, number, at, turn) "
    "VALUES (%(user)s, %(seq)s, %(number)s, %(at)s, %(turn)s)"
)
_COUNT = (
    "UPDATE memorybank.users SET next_seq = next_seq + %(new)s, memories = memories + %(new)s, "
    "terms = terms + %(terms)s, windows = windows + %(windows)s, indexed_from = %(indexed_from)s "
    "WHERE user_id = %(user)s"
)
_INDEX = (
    "UPDATE memorybank.vectors SET indexed = true WHERE user_id = %(user)s "
    "AND seq >= %(indexed_from)s AND seq < %(before)s AND NOT indexed"
)
PLACE = """
    UPDATE memorybank.memories AS m SET place = counted.place
    FROM (
        SELECT seq, sum(utterances) OVER (
            PARTITION BY conversation ORDER BY created_at, seq
        ) AS place
        FROM memorybank.memories
        WHERE user_id = %(user)s AND conversation = ANY(%(conversations)s::text[])
            AND kind = 'turn'
    ) AS counted
    WHERE m.user_id = %(user)s AND m.seq = counted.seq AND m.place <> counted.place
"""
"""Notes anew where in these conversations the memories stand."""

_SET_STATE = (
    "UPDATE memorybank.memories SET "
    + ", ".join(f"{name} = %({name})s" for name in STATE)
    + " WHERE user_id = %(user)s AND seq = %(seq)s"
)
_RECALLED = """
    SELECT seq, strength, greatest(created_at, coalesce(last_recalled_at, 0)),
        (
            SELECT coalesce(max(number), 0) FROM memorybank.recalls AS r
            WHERE r.user_id = %(user)s AND r.seq = m.seq
        ),
        EXISTS (
            SELECT FROM memorybank.recalls AS r
            WHERE r.user_id = %(user)s AND r.seq = m.seq AND r.turn = %(turn)s
        )
    FROM memorybank.memories AS m
    WHERE user_id = %(user)s AND id = ANY(%(ids)s::text[])
"""
_STRENGTHEN = (
    "UPDATE memorybank.memories SET strength = %(strength)s, recalls = recalls + 1, "
    "last_recalled_at = greatest(%(at)s, coalesce(last_recalled_at, 0)) "
    "WHERE user_id = %(user)s AND seq = %(seq)s"
)
_CHANGE = (
    "UPDATE memorybank.memories SET {change} AND user_id = %(user)s AND id = ANY(%(ids)s::text[])"
)
_INSERT_DIGEST = (
    f"INSERT INTO memorybank.digests (user_id, {DIGEST}) "
    f"VALUES (%(user)s, {', '.join(f'%({name})s' for name in DIGEST.split(', '))}) "
    "ON CONFLICT (user_id, kind, day) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in DIGEST.split(", ")[2:])
)
_SET_PROFILE = (
    "INSERT INTO memorybank.users (user_id, profile) VALUES (%(user)s, %(profile)s) "
    "ON CONFLICT (user_id) DO UPDATE SET profile = excluded.profile"
)


class Writing(Base):
    """`add`, `strengthen`, `archive` and their like."""

    _exact_up_to: int

    @writes
    def add(
        self,
        user_id: str,
        memories: Sequence[Memory],
        vectors: Sequence[Matrix],
        *,
        replace: bool = False,
        recalled: Mapping[str, Sequence[datetime]] | None = None,
    ) -> Steps[None]:
        """Stores memories with the vectors of their windows."""
        new = entries(user_id, memories, vectors)
        yield from self._insert(user_id, new, replace=replace, recalled=recalled or {})

    @writes
    def put(self, user_id: str, stored: Sequence[Stored]) -> Steps[None]:
        """Stores memories with all that another store had of them; see `MemoryStore`."""
        new = entries(user_id, [one.memory for one in stored], [one.vectors for one in stored])
        seqs = yield from self._insert(user_id, new, replace=True, recalled={})
        states = [
            {"user": user_id, "seq": seqs[one.id], **{name: one.row[name] for name in STATE}}
            for one in new
        ]
        recalls = [
            {
                "user": user_id,
                "seq": seqs[one.memory.id],
                "number": number,
                "at": micros(at),
                "turn": turn,
            }
            for one in stored
            for number, (at, turn) in enumerate(one.recalls, 1)
        ]
        gone = {"user": user_id, "seqs": list(seqs.values())}
        batch = [Statement(_SET_STATE, states), Statement(DROP.format(table="recalls"), gone)]
        if recalls:
            batch.append(Statement(_INSERT_RECALL, recalls))
        if states:
            yield batch

    @writes
    def strengthen(
        self,
        user_id: str,
        ids: Collection[str],
        now: datetime,
        turn: str | None,
        law: ForgettingLaw,
    ) -> Steps[int]:
        """Recalls memories: each grows stronger by `law` and starts to fade anew at `now`."""
        values = {"user": user_id, "ids": list(set(ids)), "turn": turn}
        _, found = yield [Statement(LOCK, {"user": user_id}), Statement(_RECALLED, values)]
        changes = [
            {
                "user": user_id,
                "seq": seq,
                "strength": law.strengthened(strength, days_between(moment(refreshed), now)),
                "number": number + 1,
                "at": micros(now),
                "turn": turn,
            }
            for seq, strength, refreshed, number, is_done in found
            if not is_done
        ]
        if changes:
            yield [Statement(_STRENGTHEN, changes), Statement(_INSERT_RECALL, changes)]
        return len(changes)

    @writes
    def archive(self, user_id: str, ids: Collection[str], now: datetime) -> Steps[int]:
        """Archives active memories as of `now`, but for pinned ones; returns how many changed."""
        change = "archived_at = %(at)s WHERE archived_at IS NULL AND NOT pinned"
        return (yield from _change(user_id, ids, change, at=micros(now)))

    @writes
    def restore(self, user_id: str, ids: Collection[str], now: datetime) -> Steps[int]:
        """Brings archived memories back, to fade anew from `now`; returns how many changed."""
        change = "archived_at = NULL, last_recalled_at = %(at)s WHERE archived_at IS NOT NULL"
        return (yield from _change(user_id, ids, change, at=micros(now)))

    @writes
    def pin(self, user_id: str, ids: Collection[str]) -> Steps[int]:
        """Keeps memories from fading, archived ones are brought back; returns how many changed."""
        loose = "(NOT pinned OR archived_at IS NOT NULL)"
        change = f"archived_at = NULL, pinned = true WHERE {loose}"
        return (yield from _change(user_id, ids, change))

    @writes
    def unpin(self, user_id: str, ids: Collection[str], now: datetime) -> Steps[int]:
        """Lets pinned memories fade, anew from `now`; returns how many changed."""
        change = "pinned = false, last_recalled_at = %(at)s WHERE pinned"
        return (yield from _change(user_id, ids, change, at=micros(now)))

    @writes
    def set_digests(
        self,
        user_id: str,
        digests: Sequence[Digest],
        *,
        made_from: Sequence[Memory | Digest] = (),
        events: Sequence[Memory] = (),
        vectors: Sequence[Matrix] = (),
    ) -> Steps[None]:
        """Stores digests, each in the place of one of its kind and day, with their events."""
        ids = [piece.id for piece in made_from if isinstance(piece, Memory)]
        user = {"user": user_id}
        *_, known, others = yield [
            Statement(ENTER, user),
            Statement(LOCK, user),
            Statement(KNOWN, {**user, "ids": ids}),
            Statement(DIGESTS, user),
        ]
        memories = [to_memory(user_id, row) for row in known]
        require_unchanged(user_id, made_from, memories, [to_digest(user_id, row) for row in others])
        if events:
            new = entries(user_id, events, vectors)
            yield from self._insert(user_id, new, replace=True, recalled={})
        names = DIGEST.split(", ")
        values = [
            {**user, **dict(zip(names, from_digest(digest), strict=True))} for digest in digests
        ]
        if values:
            yield [Statement(_INSERT_DIGEST, values)]

    @writes
    def set_profile(self, user_id: str, profile: str) -> Steps[None]:
        """Stores what is known of the user beside the dialogue, as JSON."""
        yield [Statement(_SET_PROFILE, {"user": user_id, "profile": profile})]

    aadd = awaited(add)
    aput = awaited(put)
    astrengthen = awaited(strengthen)
    aarchive = awaited(archive)
    arestore = awaited(restore)
    apin = awaited(pin)
    aunpin = awaited(unpin)
    aset_digests = awaited(set_digests)
    aset_profile = awaited(set_profile)

    def _insert(
        self,
        user_id: str,
        new: Sequence[Entry],
        *,
        replace: bool,
        recalled: Mapping[str, Sequence[datetime]],
    ) -> Steps[dict[str, int]]:
        """Enters memories, and the recalls that new ones bring; see `MemoryStore.add`.

        Returns:
            The number of each, by its id.

        Raises:
            ConflictError: An id is taken and `replace` is False.
        """
        user = {"user": user_id}
        conversations = sorted({one.conversation for one in new if one.kind == "turn"})
        _, [locked], taken, ends, written_by = yield [
            Statement(ENTER, user),
            Statement(LOCK, user),
            Statement(_TAKEN, {**user, "ids": [one.id for one in new]}),
            Statement(_ENDS, {**user, "conversations": conversations}),
            WRITTEN_BY,
        ]
        self._check_embedder(written_by)
        if taken and not replace:
            ids = sorted(row[0] for row in taken)
            raise ConflictError(f"user {user_id!r} has memories of the ids {ids}")
        next_seq, windows, indexed_from = locked
        seqs = {row[0]: row[1] for row in taken}
        fresh = [one for one in new if one.id not in seqs]
        seqs |= {one.id: seq for seq, one in enumerate(fresh, next_seq)}
        places, disordered = _places(new, seqs, taken, ends)
        more = sum(len(one.vectors) for one in new) - sum(row[5] for row in taken)
        before = indexed_from
        if windows + more > self._exact_up_to and self._dimension <= MOST_HALVED:
            before = min(indexed_from, next_seq)
            indexed_from = max(before - CATCH_UP * len(new), 0)
        vectors = [
            {
                **user,
                "seq": seqs[one.id],
                "number": number,
                "vector": vector,
                "indexed": seqs[one.id] >= indexed_from,
            }
            for one in new
            for number, vector in enumerate(one.vectors)
        ]
        recalls = [
            {**user, "seq": seqs[one.id], "number": number, "at": micros(at), "turn": None}
            for one in fresh
            for number, at in enumerate(sorted(recalled.get(one.id, ())), 1)
        ]
        counted = {
            **user,
            "new": len(fresh),
            "terms": sum(one.row["length"] for one in new) - sum(row[2] for row in taken),
            "windows": more,
            "indexed_from": indexed_from,
            "before": before,
        }
        rows = [{**user, "seq": seqs[one.id], "place": places[one.id], **one.row} for one in new]
        batch = [Statement(_COUNT, counted)]
        if taken:
            gone = {**user, "seqs": [row[1] for row in taken]}
            tables = ["vectors", *unfinished(written_by)]
            batch += [Statement(DROP.format(table=table), gone) for table in tables]
        if new:
            batch += [Statement(_INSERT, rows), Statement(_INSERT_VECTOR, vectors)]
        if recalls:
            batch.append(Statement(_INSERT_RECALL, recalls))
        if indexed_from < before:
            batch.append(Statement(_INDEX, counted))
        if disordered:
            batch.append(Statement(PLACE, {**user, "conversations": disordered}))
        yield batch
        return seqs


def _places(
    new: Sequence[Entry], seqs: Mapping[str, int], taken: Rows, ends: Rows
) -> tuple[dict[str, int], list[str]]:
    """Where new memories stand, and the conversations whose places must be counted anew."""
    last = {conversation: (created_at, place) for conversation, created_at, place in ends}
    replaced = {row[0] for row in taken}
    disordered = {row[4] for row in taken if row[3] == "turn"}
    places = dict.fromkeys((one.id for one in new), 0)
    for one in sorted(new, key=lambda one: seqs[one.id]):
        if one.kind != "turn":
            continue
        created_at, place = last.get(one.conversation, (one.row["created_at"], 0))
        if one.id in replaced or one.row["created_at"] < created_at:
            disordered.add(one.conversation)
        else:
            places[one.id] = place + one.row["utterances"]
            last[one.conversation] = (one.row["created_at"], places[one.id])
    return places, sorted(disordered)


def _change(user_id: str, ids: Collection[str], change: str, **values: Any) -> Steps[int]:
    """Runs an UPDATE (its assignments and its condition) over some memories."""
    told = {"user": user_id, "ids": list(set(ids)), **values}
    _, [row] = yield [
        Statement(LOCK, {"user": user_id}),
        Statement(_CHANGE.format(change=change), told),
    ]
    return int(row[0])
