"""From one store to another: everything of a bank, row by row, and compared when it is there."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
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
"""How many memories go over in one transaction."""

_EVERY = 1_000_000_000


@dataclass(frozen=True, slots=True)
class MoveReceipt:
    """What two banks have in common after a move: everything.

    Attributes:
        source: Where from, without a password.
        target: Where to.
        users: How many users.
        memories: How many memories, each with its strength, archive and pin.
        vectors: Vectors of their windows.
        recalls: Times that they were recalled.
        digests: Summaries and portraits.
        items: Values under keys.
        moved: How many of the memories this call wrote; the others were there.
        checksum: SHA-256 over all of it, read back from either bank.
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
    """Copies a bank to another place, and compares the two row by row; the source stays.

    Goes on where it was cut off, when it is called again: what is there and the same is not
    written again. Nobody should write to the source meanwhile. Of items, the vectors are not
    taken along (who searches them next embeds them), and their time to live starts anew.

    Args:
        source: A file, or the URL of a database.
        target: Another, empty or begun by an earlier call.
        progress: Called with the number of memories just copied or compared: in all, twice their
            number.
        batch: How many memories go over in one transaction.

    Raises:
        ConfigurationError: There is no bank at `source`.
        EmbedderMismatchError: Another embedder wrote what is at `target`.
        StoreError: One of them cannot be read or written; or the two are not equal, because
            there was something else at `target`, or somebody wrote meanwhile.
    """
    embedder = stored_embedder(source)
    if embedder is None:
        raise ConfigurationError(f"there is no bank at {without_password(source)}")
    told = progress or (lambda _: None)
    old = open_store(source, EmbedderPlaceholder(*embedder))
    try:
        new = open_store(target, EmbedderPlaceholder(*embedder))
        try:
            now = datetime.now(timezone.utc)
            moved = _copy(old, new, told, batch)
            _copy_items(old.items, new.items, now)
            checksum, counts = _digest(old, now, told, batch)
            if _digest(new, now, lambda _: None, batch) != (checksum, counts):
                raise StoreError(
                    f"{without_password(target)} is not equal to {without_password(source)}: it "
                    "held other data before the move, or a bank was written to during the move. "
                    "The source is unchanged. Repeat the move, if necessary to an empty location."
                )
        finally:
            new.close()
    finally:
        old.close()
    return MoveReceipt(
        without_password(source), without_password(target), **counts, moved=moved, checksum=checksum
    )


def _copy(old: MemoryStore, new: MemoryStore, progress: Callable[[int], None], batch: int) -> int:
    """Copies what is missing or different; returns how many memories that were."""
    moved, entered = 0, set(new.users())
    for user_id in old.users():
        profile = old.profile(user_id)
        if user_id not in entered or profile != new.profile(user_id):
            new.set_profile(user_id, profile)
        for some in _batches(old, user_id, batch):
            known = new.known(user_id, [one.memory.id for one in some])
            missing = [one for one in some if known.get(one.memory.id) != one.memory]
            if missing:
                new.put(user_id, missing)
            moved += len(missing)
            progress(len(some))
        if (digests := old.digests(user_id)) != new.digests(user_id):
            new.set_digests(user_id, digests)
    return moved


def _batches(store: MemoryStore, user_id: str, batch: int) -> Iterator[list[Stored]]:
    after = 0
    while some := store.scan(user_id, after=after, limit=batch):
        yield some
        after = some[-1].key


def _copy_items(old: ItemStore, new: ItemStore, now: datetime) -> None:
    for items in _items(old, now):
        new.write(items, [None] * len(items), [], now)
        new.refresh(items, now)


def _items(store: ItemStore, now: datetime) -> Iterator[list[Item]]:
    """Every item, namespace by namespace."""
    for namespace in sorted(store.namespaces((), now)):
        under = store.search(namespace, now, limit=_EVERY)
        yield sorted(
            (item for item, _ in under if item.namespace == namespace), key=lambda item: item.key
        )


def _digest(
    store: MemoryStore, now: datetime, progress: Callable[[int], None], batch: int
) -> tuple[str, dict[str, int]]:
    """A checksum over all that a store has, and how much that is."""
    total = hashlib.sha256()
    counts = Counter(users=0, memories=0, vectors=0, recalls=0, digests=0, items=0)

    def note(*what: Any) -> None:
        total.update(json.dumps(what, default=str).encode(errors="surrogatepass"))

    for user_id in store.users():
        counts["users"] += 1
        note("user", user_id, store.profile(user_id))
        for some in _batches(store, user_id, batch):
            for one in some:
                note(one.memory.to_dict(), one.recalls)
                total.update(one.vectors.tobytes())
                counts["vectors"] += len(one.vectors)
                counts["recalls"] += len(one.recalls)
            counts["memories"] += len(some)
            progress(len(some))
        digests = store.digests(user_id)
        counts["digests"] += len(digests)
        note([digest.to_dict() for digest in digests])
    for items in _items(store.items, now):
        counts["items"] += len(items)
        for item in items:
            note(item.namespace, item.key, item.value, item.created_at, item.updated_at, item.ttl)
    return total.hexdigest(), dict(counts)
