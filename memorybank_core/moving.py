"""Move a bank: copy it from one store to another, and compare the two row by row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from itertools import chain
from operator import attrgetter
from os import PathLike
from pathlib import Path
from typing import Any

from .bulk import BATCH, add_advice, overlap
from .embedders.placeholder import EmbedderPlaceholder
from .errors import ConfigurationError, MemoryBankError, StoreError
from .locations import is_url, without_password
from .output_files import is_same_file
from .protocols import Item, ItemStore, MemoryStore, Stored
from .records import Change, Memory, Portrait, Summary, Turn
from .registry import open_store, stored_embedder

_NO_LIMIT = 1_000_000_000


@dataclass(frozen=True, slots=True)
class MoveReceipt:
    """Result of `move`: counts of the contents, which are the same in both banks.

    Attributes:
        source: Location of the source, without a password.
        target: Location of the target, without a password.
        users: Number of users.
        memories: Number of memories.
        vectors: Number of their vectors.
        recalls: Number of their recalls.
        digests: Number of summaries and portraits.
        items: Number of values under keys.
        moved: Number of memories that this call wrote; the target already had the others.
        checksum: SHA-256 of all contents, the same for both banks.
    """

    source: str
    target: str
    users: int
    memories: int
    vectors: int
    recalls: int
    digests: int
    items: int
    moved: int
    checksum: str


def move(
    source: str | PathLike[str],
    target: str | PathLike[str],
    *,
    progress: Callable[[int], None] | None = None,
    batch: int = BATCH,
) -> MoveReceipt:
    """Copy a bank to another location and compare the two row by row; the source does not change.

    After an interruption, call this again: it skips what the target already has. Do not write to
    the source during the move. Vectors of items are not copied (the next search of the items
    embeds them), and the time to live of items starts again.

    Args:
        source: A file, or the URL of a database.
        target: Another location: empty, or with the copy of an interrupted move.
        progress: Called with the number of memories just copied or compared; in total, twice the
            number of memories.
        batch: Number of memories copied in one transaction.

    Raises:
        ConfigurationError: If there is no bank at `source`, or `target` is the same file.
        EmbedderMismatchError: If another embedder wrote the bank at `target`.
        StoreError: If a bank cannot be read or written, or the two differ after the copy, because
            the target held other data or a bank was written to during the move.
    """
    embedder = stored_embedder(source)
    if embedder is None:
        raise ConfigurationError(f"there is no bank at {without_password(source)}")
    if not (is_url(source) or is_url(target)) and is_same_file(Path(source), target):
        raise ConfigurationError(f"{target} is the bank itself; name another location")
    placeholder, on_progress = EmbedderPlaceholder(*embedder), progress or (lambda _: None)
    with (
        closing(open_store(source, placeholder)) as old,
        closing(open_store(target, placeholder)) as new,
    ):
        now = datetime.now(timezone.utc)
        moved = _copy(old, new, now, on_progress, batch)
        try:
            checksum, counts = _compare(old, new, now, on_progress, batch)
        except _DifferenceError:
            raise StoreError(
                f"{without_password(target)} is not equal to {without_password(source)}: it "
                "held other data before the move, or a bank was written to during the move. "
                "The source is unchanged. Repeat the move, if necessary to an empty location."
            ) from None
    source, target = without_password(source), without_password(target)
    return MoveReceipt(source, target, **counts, moved=moved, checksum=checksum)


def _copy(
    old: MemoryStore,
    new: MemoryStore,
    now: datetime,
    on_progress: Callable[[int], None],
    batch: int,
) -> int:
    """Copy all contents that are missing or differ; return the number of memories copied."""
    moved, existing_users = 0, set(new.users())

    def copy(batch_of_user: tuple[str, list[Stored]]) -> tuple[int, int]:
        user_id, stored = batch_of_user
        known = new.known(user_id, [row.memory.id for row in stored])
        missing = [row for row in stored if known.get(row.memory.id) != row.memory]
        if missing:
            new.put(user_id, missing)
        return len(stored), len(missing)

    def count(counts: tuple[int, int]) -> None:
        nonlocal moved
        moved += counts[1]
        on_progress(counts[0])

    try:
        for user_id in old.users():
            profile = old.profile(user_id)
            if user_id not in existing_users or profile != new.profile(user_id):
                new.set_profile(user_id, profile)
        overlap(_read_batches(old, batch), copy, count)
        for user_id in old.users():
            if (digests := old.digests(user_id)) != new.digests(user_id):
                new.set_digests(user_id, digests)
            if (changes := old.changes(user_id)) != new.changes(user_id):
                new.record_changes(user_id, changes)
        _copy_items(old.items, new.items, now)
        new.settings.write(old.settings.read())
    except MemoryBankError as error:
        add_advice(
            error, f"{moved:,} memories were moved; move to the same target again to continue."
        )
        raise
    return moved


def _read_batches(store: MemoryStore, batch: int) -> Iterator[tuple[str, list[Stored]]]:
    """Yield the memories of each user, in batches."""
    for user_id in store.users():
        for stored in read_memories(store, user_id, batch):
            yield user_id, stored


def read_memories(store: MemoryStore, user_id: str, batch: int) -> Iterator[list[Stored]]:
    """Yield all data of a user's memories, in batches, in the order of writing."""
    after = 0
    while stored := store.scan(user_id, after=after, limit=batch):
        yield stored
        after = stored[-1].key


def _copy_items(old: ItemStore, new: ItemStore, now: datetime) -> None:
    for items in _read_items(old, now):
        new.write(items, [None] * len(items), [], now)
        new.refresh(items, now)


def _read_items(store: ItemStore, now: datetime) -> Iterator[list[Item]]:
    """Yield the items of each namespace."""
    for namespace in sorted(store.namespaces((), now)):
        results = store.search(namespace, now, limit=_NO_LIMIT)
        items = [item for item, _ in results if item.namespace == namespace]
        yield sorted(items, key=lambda item: item.key)


@dataclass(frozen=True, slots=True)
class _Section:
    """A section of a bank's contents: bytes that are equal if the contents are, and counts."""

    content: bytes
    counts: Mapping[str, int]


class _DifferenceError(Exception):
    """The banks are not equal."""


def _compare(
    old: MemoryStore,
    new: MemoryStore,
    now: datetime,
    on_progress: Callable[[int], None],
    batch: int,
) -> tuple[str, dict[str, int]]:
    """Compare all contents of two stores; return their checksum and counts.

    Raises:
        _DifferenceError: If they are not equal.
    """
    checksum, new_sections = hashlib.sha256(), _read_sections(new, now, batch)
    counts = dict.fromkeys(("users", "memories", "vectors", "recalls", "digests", "items"), 0)

    def compare(section: _Section | None) -> _Section | None:
        if next(new_sections, None) != section:
            raise _DifferenceError
        return section

    def count(section: _Section | None) -> None:
        if section is None:
            return
        checksum.update(section.content)
        for name, number in section.counts.items():
            counts[name] += number
        if memories := section.counts.get("memories"):
            on_progress(memories)

    overlap(chain(_read_sections(old, now, batch), [None]), compare, count)  # None: both end here
    return checksum.hexdigest(), counts


def _read_sections(store: MemoryStore, now: datetime, batch: int) -> Iterator[_Section]:
    """Yield all contents of a store in an order that is the same for equal contents."""
    for user_id in store.users():
        yield _Section(_to_json("user", user_id, store.profile(user_id)), {"users": 1})
        for stored in read_memories(store, user_id, batch):
            yield _to_section(stored)
        digests = store.digests(user_id)
        yield _Section(_to_json(*digests), {"digests": len(digests)})
        yield _Section(_to_json(*store.changes(user_id)), {})
    for items in _read_items(store.items, now):
        values = (
            _to_json(
                item.namespace, item.key, item.value, item.created_at, item.updated_at, item.ttl
            )
            for item in items
        )
        yield _Section(b"".join(values), {"items": len(items)})


def _to_section(stored: Sequence[Stored]) -> _Section:
    contents = (_to_json(row.memory, row.recalls) + row.vectors.tobytes() for row in stored)
    counts = {
        "memories": len(stored),
        "vectors": sum(len(row.vectors) for row in stored),
        "recalls": sum(len(row.recalls) for row in stored),
    }
    return _Section(b"".join(contents), counts)


def _to_json(*values: Any) -> bytes:
    return _ENCODER.encode(values).encode(errors="surrogatepass")


def _to_plain(value: Any) -> Any:
    """Return the type and the fields of a record, or a time as a string."""
    get_fields = _FIELDS.get(type(value))
    return [type(value).__name__, *get_fields(value)] if get_fields else str(value)


_ENCODER = json.JSONEncoder(default=_to_plain, sort_keys=True)
_FIELDS = {
    record: attrgetter(*(field.name for field in fields(record)))
    for record in (Memory, Turn, Summary, Portrait, Change)
}
