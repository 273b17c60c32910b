"""Import the original's JSON into a bank."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from memorybank_core.bank import MemoryBank
from memorybank_core.errors import ConflictError, InvalidInputError
from memorybank_core.records import Memory, Portrait
from memorybank_core.validation import require_moment

from .fields import resolve_user_id, shorten
from .parser import UserEntry, parse_entries

BATCH = 256
"""Number of memories stored in one transaction."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Result of `import_json`.

    Attributes:
        users: Users read.
        turns: Turns added.
        unchanged: Turns that the bank already had.
        events: Daily summaries added.
        digests: Portraits and overall summaries stored, new or with a new text.
        empty: Turns left out because they contain no text.
    """

    users: int = 0
    turns: int = 0
    unchanged: int = 0
    events: int = 0
    digests: int = 0
    empty: int = 0


def count_turns(data: Mapping[str, Any], *, users: Collection[str] | None = None) -> int:
    """Return how many turns `import_json` will report to `progress`, ignoring malformed entries."""
    return sum(
        any(str(turn.get(name) or "").strip() for name in ("query", "response"))
        for key, entry in data.items()
        if isinstance(entry, Mapping) and (users is None or resolve_user_id(key, entry) in users)
        if isinstance(history := entry.get("history"), Mapping)
        for turns in history.values()
        if isinstance(turns, list)
        for turn in turns
        if isinstance(turn, Mapping)
    )


def import_json(
    bank: MemoryBank,
    data: Mapping[str, Any],
    *,
    users: Collection[str] | None = None,
    now: datetime | None = None,
    progress: Callable[[int], None] | None = None,
    batch: int = BATCH,
) -> ImportReport:
    """Store the contents of the original's JSON; turns that the bank already has stay as they are.

    Summaries and portraits replace the bank's. Everything is checked before anything is stored.
    An interrupted import can be repeated.

    Args:
        bank: The bank; days are in its time zone.
        data: The entry JSON, as `load` returns it.
        users: Ids of the users to import, without spaces around them; default all. Other users'
            entries are ignored.
        now: Creation time of digests without one; default the present.
        progress: Called with the number of turns just stored, or already present.
        batch: Number of memories stored in one transaction.

    Raises:
        FormatError: If entries are malformed; up to ten are named. Nothing is imported.
        ConflictError: If the bank has another turn with an id. Nothing is imported.
        InvalidInputError: If an argument is not valid.
        EmbedderError: If the embedder returns invalid vectors.
        StoreError: If storing fails; the transactions before are kept.
    """
    moment = require_moment(now)
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise InvalidInputError(f"batch must be a whole number of 1 or more, not {batch!r}")
    entries = parse_entries(data, bank.timezone, users)
    known = [_known_ids(bank, entry) for entry in entries]
    reports = [
        _store_user(bank, entry, ids, moment, batch, progress or (lambda _: None))
        for entry, ids in zip(entries, known, strict=True)
    ]
    names = [field.name for field in fields(ImportReport)]
    return ImportReport(*(sum(getattr(report, name) for report in reports) for name in names))


def _known_ids(bank: MemoryBank, entry: UserEntry) -> set[str]:
    """Return the ids that the bank already has with the same text.

    Raises:
        ConflictError: If it has another text; an event summary may differ and is replaced.
    """
    known = bank.get(entry.memories.keys(), user_id=entry.user_id)
    changed = {id for id, memory in known.items() if memory.text != entry.memories[id].text}
    for id in changed:
        memory = known[id]
        if {memory.kind, entry.memories[id].kind} != {"event"}:
            raise ConflictError(
                f"nothing was imported: the bank has another text under the id {id!r} of user "
                f"{entry.user_id!r}, {shorten(memory.text)}. Give the entry another memory_id."
            )
    return known.keys() - changed


def _store_user(
    bank: MemoryBank,
    entry: UserEntry,
    known: set[str],
    now: datetime,
    batch: int,
    progress: Callable[[int], None],
) -> ImportReport:
    """Store the new memories and digests of a user, the earliest first."""
    before = bank.profile(user_id=entry.user_id)
    profile = {**before, **entry.profile}
    if profile != before or not entry.memories:
        bank.set_profile(profile, user_id=entry.user_id)
    new = [memory for id, memory in entry.memories.items() if id not in known]
    new.sort(key=lambda memory: memory.created_at)
    turns = _count_turns(new)
    if entry.turns > turns:
        progress(entry.turns - turns)
    for start in range(0, len(new), batch):
        part = new[start : start + batch]
        bank.add_memories(part, user_id=entry.user_id, recalled=entry.recalls, replace=True)
        if _count_turns(part):
            progress(_count_turns(part))
    return ImportReport(
        users=1,
        turns=turns,
        unchanged=entry.turns - turns,
        events=len(new) - turns,
        digests=_store_digests(bank, entry, now),
        empty=entry.empty,
    )


def _store_digests(bank: MemoryBank, entry: UserEntry, now: datetime) -> int:
    """Store the digests with a new text; return how many of them are not daily summaries."""
    stored = bank.digests(user_id=entry.user_id)
    known = {(type(digest), digest.day, digest.text) for digest in stored}
    new = [
        digest
        for digest in entry.make_digests(now)
        if (type(digest), digest.day, digest.text) not in known
    ]
    if new:
        bank.store.set_digests(entry.user_id, new)
    return sum(isinstance(digest, Portrait) or digest.day is None for digest in new)


def _count_turns(memories: Iterable[Memory]) -> int:
    return sum(memory.kind == "turn" for memory in memories)
