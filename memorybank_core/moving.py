"""Move a bank: copy it from one store to another, and compare the two row by row."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from os import PathLike
from typing import Any

from .embedders.placeholder import EmbedderPlaceholder
from .errors import ConfigurationError, StoreError
from .locations import without_password
from .protocols import Item, ItemStore, MemoryStore, Stored
from .registry import open_store, stored_embedder

BATCH = 256
"""Default number of memories copied in one transaction."""

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
        ConfigurationError: If there is no bank at `source`.
        EmbedderMismatchError: If another embedder wrote the bank at `target`.
        StoreError: If a bank cannot be read or written, or the two differ after the copy, because
            the target held other data or a bank was written to during the move.
    """
    embedder = stored_embedder(source)
    if embedder is None:
        raise ConfigurationError(f"there is no bank at {without_password(source)}")
    placeholder, on_progress = EmbedderPlaceholder(*embedder), progress or (lambda _: None)
    with (
        closing(open_store(source, placeholder)) as old,
        closing(open_store(target, placeholder)) as new,
    ):
        now = datetime.now(timezone.utc)
        moved = _copy_memories(old, new, on_progress, batch)
        _copy_items(old.items, new.items, now)
        checksum, counts = _compute_checksum(old, now, on_progress, batch)
        if _compute_checksum(new, now, lambda _: None, batch) != (checksum, counts):
            raise StoreError(
                f"{without_password(target)} is not equal to {without_password(source)}: it "
                "held other data before the move, or a bank was written to during the move. "
                "The source is unchanged. Repeat the move, if necessary to an empty location."
            )
    source, target = without_password(source), without_password(target)
    return MoveReceipt(source, target, **counts, moved=moved, checksum=checksum)


def _copy_memories(
    old: MemoryStore, new: MemoryStore, progress: Callable[[int], None], batch: int
) -> int:
    """Copy users, memories and digests that are missing or differ; count the memories."""
    moved, existing_users = 0, set(new.users())
    for user_id in old.users():
        profile = old.profile(user_id)
        if user_id not in existing_users or profile != new.profile(user_id):
            new.set_profile(user_id, profile)
        for stored in _read_batches(old, user_id, batch):
            known = new.known(user_id, [row.memory.id for row in stored])
            missing = [row for row in stored if known.get(row.memory.id) != row.memory]
            if missing:
                new.put(user_id, missing)
            moved += len(missing)
            progress(len(stored))
        if (digests := old.digests(user_id)) != new.digests(user_id):
            new.set_digests(user_id, digests)
    return moved


def _read_batches(store: MemoryStore, user_id: str, batch: int) -> Iterator[list[Stored]]:
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


def _compute_checksum(
    store: MemoryStore, now: datetime, progress: Callable[[int], None], batch: int
) -> tuple[str, dict[str, int]]:
    """Return a checksum of all contents of a store, and their counts."""
    checksum = hashlib.sha256()
    counts = Counter(users=0, memories=0, vectors=0, recalls=0, digests=0, items=0)

    def update(*values: Any) -> None:
        checksum.update(json.dumps(values, default=str).encode(errors="surrogatepass"))

    for user_id in store.users():
        counts["users"] += 1
        update("user", user_id, store.profile(user_id))
        for stored in _read_batches(store, user_id, batch):
            for row in stored:
                update(row.memory.to_dict(), row.recalls)
                checksum.update(row.vectors.tobytes())
                counts["vectors"] += len(row.vectors)
                counts["recalls"] += len(row.recalls)
            counts["memories"] += len(stored)
            progress(len(stored))
        digests = store.digests(user_id)
        counts["digests"] += len(digests)
        update([digest.to_dict() for digest in digests])
    for items in _read_items(store.items, now):
        counts["items"] += len(items)
        for item in items:
            update(item.namespace, item.key, item.value, item.created_at, item.updated_at, item.ttl)
    return checksum.hexdigest(), dict(counts)
