"""From the original's JSON into a bank."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from memorybank_core.bank import MemoryBank
from memorybank_core.errors import ConflictError, InvalidInputError
from memorybank_core.records import Memory, Portrait
from memorybank_core.validation import require_moment

from .fields import shortened, user_id_of
from .parser import Plan, read_plans

BATCH = 256
"""How many memories are stored in one transaction."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What `import_json` did.

    Attributes:
        users: Users that were read.
        turns: Turns added.
        unchanged: Turns that were there already.
        events: Daily summaries added.
        digests: Portraits and overall summaries stored, new or with a new text.
        empty: Turns left out because nobody said anything in them.
    """

    users: int = 0
    turns: int = 0
    unchanged: int = 0
    events: int = 0
    digests: int = 0
    empty: int = 0


def count_turns(data: Mapping[str, Any], *, users: Collection[str] | None = None) -> int:
    """How many turns `import_json` will report to `progress`; malformed entries count for none."""
    return sum(
        any(str(turn.get(name) or "").strip() for name in ("query", "response"))
        for key, entry in data.items()
        if isinstance(entry, Mapping) and (users is None or user_id_of(key, entry) in users)
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
    """Stores what the original's JSON holds. Turns that the bank knows it leaves as they are.

    Summaries and portraits take the place of the bank's. Everything is checked before anything
    is stored. Interrupted later, it can be called again.

    Args:
        bank: Where to; its time zone is that of the days.
        data: The parsed JSON, as `load` gives it.
        users: The ids of the users to read, without spaces around them; default all. Others
            are not looked at.
        now: When the digests were made that do not say; default the present.
        progress: Called with how many turns were just stored, or found to be there.
        batch: How many memories are stored in one transaction.

    Raises:
        FormatError: Entries are malformed; names up to ten. Nothing was imported.
        ConflictError: The bank has another turn under an id. Nothing was imported.
        InvalidInputError: An argument is not what it must be.
        EmbedderError: The embedder gave vectors that cannot be used.
        StoreError: It could not be stored; the transactions before it were.
    """
    moment = require_moment(now)
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise InvalidInputError(f"batch must be a whole number of 1 or more, not {batch!r}")
    plans = read_plans(data, bank.timezone, users)
    known = [_known(bank, plan) for plan in plans]
    reports = [
        _store(bank, plan, ids, moment, batch, progress or (lambda _: None))
        for plan, ids in zip(plans, known, strict=True)
    ]
    names = [field.name for field in fields(ImportReport)]
    return ImportReport(*(sum(getattr(one, name) for one in reports) for name in names))


def _known(bank: MemoryBank, plan: Plan) -> set[str]:
    """Those ids that the bank has already, with the same text.

    Raises:
        ConflictError: It has another, and not of an event summary, which may be made anew.
    """
    known = bank.store.known(plan.user_id, plan.memories.keys())
    changed = {id for id, memory in known.items() if memory.text != plan.memories[id].text}
    for id in changed:
        memory = known[id]
        if {memory.kind, plan.memories[id].kind} != {"event"}:
            raise ConflictError(
                f"nothing was imported: the bank has another text under the id {id!r} of user "
                f"{plan.user_id!r}, {shortened(memory.text)}. Give the entry an own memory_id."
            )
    return known.keys() - changed


def _store(
    bank: MemoryBank,
    plan: Plan,
    known: set[str],
    now: datetime,
    batch: int,
    progress: Callable[[int], None],
) -> ImportReport:
    """Stores what is new of a user, the earliest first."""
    before = bank.profile(user_id=plan.user_id)
    profile = {**before, **plan.profile}
    if profile != before or not plan.memories:
        bank.set_profile(profile, user_id=plan.user_id)
    new = [memory for id, memory in plan.memories.items() if id not in known]
    new.sort(key=lambda memory: memory.created_at)
    turns = _turns_in(new)
    if plan.turns > turns:
        progress(plan.turns - turns)
    for start in range(0, len(new), batch):
        part = new[start : start + batch]
        bank.add_memories(part, user_id=plan.user_id, recalled=plan.recalled, replace=True)
        if _turns_in(part):
            progress(_turns_in(part))
    return ImportReport(
        users=1,
        turns=turns,
        unchanged=plan.turns - turns,
        events=len(new) - turns,
        digests=_store_digests(bank, plan, now),
        empty=plan.empty,
    )


def _store_digests(bank: MemoryBank, plan: Plan, now: datetime) -> int:
    """Stores the digests whose text is new; returns how many beside the daily summaries."""
    known = {(type(one), one.day, one.text) for one in bank.store.digests(plan.user_id)}
    new = [one for one in plan.signed(now) if (type(one), one.day, one.text) not in known]
    if new:
        bank.store.set_digests(plan.user_id, new)
    return sum(isinstance(one, Portrait) or one.day is None for one in new)


def _turns_in(memories: Iterable[Memory]) -> int:
    return sum(memory.kind == "turn" for memory in memories)
