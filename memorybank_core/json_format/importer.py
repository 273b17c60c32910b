"""Import the original MemoryBank's JSON into a bank."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from memorybank_core.bank import MemoryBank
from memorybank_core.errors import ConflictError, InvalidInputError
from memorybank_core.records import Memory, Portrait
from memorybank_core.validation import require_moment

from .fields import resolve_user_id, short_repr
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
        digests: Portraits and overall summaries stored, whether new or changed.
        empty: Turns skipped because they contain no text.
    """

    users: int = 0
    turns: int = 0
    unchanged: int = 0
    events: int = 0
    digests: int = 0
    empty: int = 0


def count_turns(data: Mapping[str, Any], *, users: Collection[str] | None = None) -> int:
    """Return how many turns `import_json` will report to `progress`, without malformed entries.

    Args:
        data: The JSON, as `load` returns it.
        users: Ids of the users to import; None for all.
    """
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
    """Import the original MemoryBank's JSON; turns that the bank already has are not changed.

    Summaries and portraits replace those in the bank. Everything is checked before anything is
    stored. An interrupted import can be repeated.

    Args:
        bank: The bank; days are in its time zone.
        data: The JSON, as `load` returns it.
        users: Ids of the users to import, without spaces around them; None for all. Other users'
            entries are ignored.
        now: Creation time of digests without one; default the present.
        progress: Called with a number of turns that were stored or that the bank already had.
        batch: Number of memories stored in one transaction.

    Raises:
        FormatError: If entries are malformed; the message names up to ten. Nothing is imported.
        ConflictError: If the bank has another text under the id of a turn. Nothing is imported.
        InvalidInputError: If an argument is not valid.
        EmbedderError: If the embedder returns invalid vectors; earlier batches are kept.
        StoreError: If storing fails; earlier batches are kept.
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
    """Return the entry's ids that the bank already has with the same text.

    Raises:
        ConflictError: If the bank has another text under an id, unless both are event summaries.
    """
    known = bank.get(entry.memories.keys(), user_id=entry.user_id)
    changed = {id for id, memory in known.items() if memory.text != entry.memories[id].text}
    for id in changed:
        memory = known[id]
        if {memory.kind, entry.memories[id].kind} != {"event"}:
            raise ConflictError(
                f"nothing was imported: the bank has another text under the id {id!r} of user "
                f"{entry.user_id!r}, {short_repr(memory.text)}. Give the entry another memory_id."
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
    old_profile = bank.profile(user_id=entry.user_id)
    profile = {**old_profile, **entry.profile}
    if profile != old_profile or not entry.memories:
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
    """Store new and changed digests; return how many of them are not daily summaries."""
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
