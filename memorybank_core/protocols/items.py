"""Interface of a store of items: JSON values under keys in namespaces."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from .models import Matrix, Vector

Namespace = tuple[str, ...]
"""The path of an item: one or more labels."""


@dataclass(frozen=True, slots=True)
class Item:
    """A JSON value under a key in a namespace. Unlike a memory, it does not fade.

    Attributes:
        namespace: One or more strings.
        key: Name of the item in the namespace.
        value: JSON.
        created_at: Time of the first write of the key.
        updated_at: Time of the last write.
        ttl: Minutes after the last read or write until it expires; None if it does not expire.
        fields: The parts of the value that a search compares, as the caller names them.
    """

    namespace: Namespace
    key: str
    value: str
    created_at: datetime
    updated_at: datetime
    ttl: float | None = None
    fields: Sequence[str] = ()


class ItemStore(Protocol):
    """Store of JSON values under keys in namespaces. Expired items are not returned.

    A prefix is the beginning of a namespace, label by label; () is every namespace. Each call that
    writes is one durable transaction.
    """

    def get(self, namespace: Namespace, key: str, now: datetime) -> Item | None:
        """Return the item of a key, or None."""
        ...

    def search(
        self,
        prefix: Namespace,
        now: datetime,
        *,
        vector: Vector | None = None,
        accepts: Callable[[str], bool] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> list[tuple[Item, float | None]]:
        """Return the items under a prefix, with scores; the last updated first.

        Args:
            prefix: The prefix.
            now: The time at which items may have expired.
            vector: Sort by nearness to this vector: the score is the best cosine of the item's
                vectors. Items without vectors follow, with None.
            accepts: Called with a value; only items for which it returns True are returned. If it
                is an `ItemFilter`, a store may find the items without reading every value.
            limit: Maximum number of items.
            offset: Number of items to skip.
        """
        ...

    def namespaces(self, prefix: Namespace, now: datetime) -> list[Namespace]:
        """Return every namespace under a prefix that has an item, sorted."""
        ...

    def write(
        self,
        items: Sequence[Item],
        vectors: Sequence[Matrix | None],
        deleted: Collection[tuple[Namespace, str]],
        now: datetime,
        refreshed: Sequence[Item] = (),
    ) -> bool:
        """Store items, delete others, drop expired items and restart the time of others.

        An item with a known key replaces the stored one, but keeps its `created_at`. All of it is
        one transaction.

        Args:
            items: The items to store.
            vectors: The vectors of each; None if it is not indexed.
            deleted: The keys to delete.
            now: The present.
            refreshed: Items that were read before the write; see `refresh`.

        Returns:
            False if bytes of the deleted items could not be erased yet.
        """
        ...

    def refresh(self, items: Sequence[Item], now: datetime) -> None:
        """Restart the time to live of items."""
        ...

    def sweep(self, now: datetime) -> int:
        """Delete all expired items, and return their number."""
        ...

    def unembedded(self, prefix: Namespace, now: datetime) -> list[Item]:
        """Return items with `fields` but without vectors, as after a change of the embedder."""
        ...

    def set_vectors(self, items: Sequence[Item], vectors: Sequence[Matrix]) -> None:
        """Store vectors of items, except for items that were written in the meantime."""
        ...
