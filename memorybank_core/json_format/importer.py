"""Import the original MemoryBank's JSON into a bank."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import groupby
from typing import Any

from memorybank_core.bank import MemoryBank
from memorybank_core.bulk import BATCH, add_advice, batch_size, overlap, split
from memorybank_core.configuration import TIMEZONE
from memorybank_core.errors import ConflictError, MemoryBankError
from memorybank_core.ingest import embed_windows, start_fading
from memorybank_core.protocols import Matrix, Stored
from memorybank_core.records import Digest, Memory, Portrait
from memorybank_core.validation import find_zone, require_count, require_moment

from .fields import resolve_user_id, short_repr
from .items import parse_items, store_items
from .parser import UserEntry, parse_entries
from .settings import read_settings


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
        items: Items of the bank, such as those of a LangGraph store, that were stored.
    """

    users: int = 0
    turns: int = 0
    unchanged: int = 0
    events: int = 0
    digests: int = 0
    empty: int = 0
    items: int = 0


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
    fresh: bool = False,
    progress: Callable[[int], None] | None = None,
    batch: int = BATCH,
    dry_run: bool = False,
) -> ImportReport:
    """Import the original MemoryBank's JSON; turns that the bank already has are not changed.

    A bank without memories takes the settings of an export, such as the time zone, where it has
    the defaults. Summaries and portraits replace those in the bank. Items replace older ones with
    the same key. Settings and items are imported only if `users` is None. Everything is checked
    before anything is stored. An interrupted import can be repeated.

    Args:
        bank: The bank; days are in its time zone.
        data: The JSON, as `load` returns it.
        users: Ids of the users to import, without spaces around them; None for all. Other users'
            entries are ignored.
        now: Creation time of digests without one, and start of `fresh`; default the present.
        fresh: Whether the forgetting of new memories starts at `now`, as if just recalled; else at
            their own times, so that `forget` may archive an old log at once.
        progress: Called with a number of turns stored or known already.
        batch: Maximum number of memories in a transaction; the embedder may prefer fewer.
        dry_run: Check everything and count what would be stored; nothing is written.

    Raises:
        FormatError: If entries are malformed; the message names up to ten. Nothing is imported.
        ConflictError: If the bank has another text under the id of a turn. Nothing is imported.
        InvalidInputError: If an argument is not valid.
        EmbedderError: If the embedder fails or returns invalid vectors; earlier batches are kept.
        StoreError: If storing fails; earlier batches are kept.
    """
    moment = require_moment(now)
    require_count(batch, "batch")
    settings = read_settings(bank, data) if users is None else {}
    zone = find_zone(settings.get(TIMEZONE, bank.timezone.key))
    entries = parse_entries(data, zone, users)
    items = parse_items(data, zone) if users is None else []
    if settings and not dry_run:
        bank.configure(**settings)
    new = [memory for entry in entries for memory in _select_new(bank, entry)]
    if dry_run:
        return _count_new(bank, entries, new, len(items), moment)
    if fresh:
        new = start_fading(new, moment)
    for entry in entries:
        _store_profile(bank, entry)
    turns, new_turns = sum(entry.turns for entry in entries), _count_turns(new)
    on_progress = progress or (lambda _: None)
    if turns > new_turns:
        on_progress(turns - new_turns)
    recalls = {entry.user_id: entry.recalls for entry in entries}
    _store_memories(bank, new, recalls, batch, on_progress)
    for entry in entries:
        if entry.changes:
            bank.store.record_changes(entry.user_id, entry.changes)
    return ImportReport(
        users=len(entries),
        turns=new_turns,
        unchanged=turns - new_turns,
        events=len(new) - new_turns,
        digests=sum(_store_digests(bank, entry, moment) for entry in entries),
        empty=sum(entry.empty for entry in entries),
        items=store_items(bank.store.items, items, datetime.now(timezone.utc)),
    )


def _select_new(bank: MemoryBank, entry: UserEntry) -> list[Memory]:
    """Return the entry's memories that the bank does not have with the same text, earliest first.

    Raises:
        ConflictError: If the bank has another text under an id, unless both are event summaries.
    """
    known = bank.get(entry.memories.keys(), user_id=entry.user_id)
    new = [
        memory
        for id, memory in entry.memories.items()
        if id not in known or known[id].text != memory.text
    ]
    for memory in new:
        existing = known.get(memory.id)
        if existing is not None and {existing.kind, memory.kind} != {"event"}:
            raise ConflictError(
                f"nothing was imported: the bank has another text under the id {memory.id!r} of "
                f"user {entry.user_id!r}, {short_repr(existing.text)}. Give the entry another "
                "memory_id."
            )
    return sorted(new, key=lambda memory: memory.created_at)


def _store_profile(bank: MemoryBank, entry: UserEntry) -> None:
    old = bank.profile(user_id=entry.user_id)
    profile = {**old, **entry.profile}
    if profile != old or not entry.memories:
        bank.set_profile(profile, user_id=entry.user_id)


def _store_memories(
    bank: MemoryBank,
    new: Sequence[Memory],
    recalls: Mapping[str, Mapping[str, Sequence[tuple[datetime, str | None]]]],
    batch: int,
    on_progress: Callable[[int], None],
) -> None:
    """Embed and store memories of any users in batches: one is stored while the next is embedded.

    Args:
        bank: The bank.
        new: The memories, user by user.
        recalls: Time and turn of each of their recalls, by user and id.
        batch: Maximum number of memories in a transaction.
        on_progress: Called with the number of turns in each batch that was stored.
    """
    stored = 0

    def embed(memories: Sequence[Memory]) -> list[tuple[Memory, Matrix]]:
        texts = [memory.text for memory in memories]
        return list(zip(memories, embed_windows(texts, bank.embedder), strict=True))

    def write(pairs: list[tuple[Memory, Matrix]]) -> list[Memory]:
        for user_id, group in groupby(pairs, key=lambda pair: pair[0].user_id):
            _write(bank, user_id, list(group), recalls[user_id])
        return [memory for memory, _ in pairs]

    def count(memories: list[Memory]) -> None:
        nonlocal stored
        stored += len(memories)
        if turns := _count_turns(memories):
            on_progress(turns)

    batches = split(new, batch_size(bank.embedder, batch))
    try:
        overlap(map(embed, batches), write, count)
    except MemoryBankError as error:
        add_advice(
            error,
            f"{stored:,} of {len(new):,} new memories are stored; import the same data again to "
            "store the others.",
        )
        raise


def _write(
    bank: MemoryBank,
    user_id: str,
    pairs: Sequence[tuple[Memory, Matrix]],
    recalls: Mapping[str, Sequence[tuple[datetime, str | None]]],
) -> None:
    """Store memories of a user: new ones with their state, event summaries with the stored one."""
    with_turns = {memory.id for memory, _ in pairs if any(turn for _, turn in recalls[memory.id])}
    known = bank.get(with_turns, user_id=user_id) if with_turns else {}
    copied = with_turns.difference(known)  # `add` knows the times of recalls, but not their turns
    for is_copy, group in groupby(pairs, key=lambda pair: pair[0].id in copied):
        if is_copy:
            stored = [Stored(0, memory, matrix, recalls[memory.id]) for memory, matrix in group]
            bank.store.put(user_id, stored)
            continue
        memories, vectors = zip(*group, strict=True)
        times = {memory.id: [at for at, _ in recalls[memory.id]] for memory in memories}
        bank.store.add(user_id, memories, vectors, replace=True, recalled=times)


def _count_new(
    bank: MemoryBank, entries: Sequence[UserEntry], new: Sequence[Memory], items: int, now: datetime
) -> ImportReport:
    """Return the report of a dry run."""
    turns, new_turns = sum(entry.turns for entry in entries), _count_turns(new)
    digests = [digest for entry in entries for digest in _new_digests(bank, entry, now)]
    return ImportReport(
        users=len(entries),
        turns=new_turns,
        unchanged=turns - new_turns,
        events=len(new) - new_turns,
        digests=_count_overall(digests),
        empty=sum(entry.empty for entry in entries),
        items=items,
    )


def _store_digests(bank: MemoryBank, entry: UserEntry, now: datetime) -> int:
    """Store new and changed digests; return how many of them are not daily summaries."""
    new = _new_digests(bank, entry, now)
    if new:
        bank.store.set_digests(entry.user_id, new)
    return _count_overall(new)


def _new_digests(bank: MemoryBank, entry: UserEntry, now: datetime) -> list[Digest]:
    """Return the digests that the bank does not have."""
    known = {(type(digest), digest.day): digest for digest in bank.digests(user_id=entry.user_id)}
    new = []
    for digest in entry.make_digests(now):
        stored = known.get((type(digest), digest.day))
        is_equal = stored is not None and stored.text == digest.text
        if stored != digest and (not is_equal or entry.has_provenance(digest)):
            new.append(digest)
    return new


def _count_overall(digests: Iterable[Digest]) -> int:
    return sum(isinstance(digest, Portrait) or digest.day is None for digest in digests)


def _count_turns(memories: Iterable[Memory]) -> int:
    return sum(memory.kind == "turn" for memory in memories)
