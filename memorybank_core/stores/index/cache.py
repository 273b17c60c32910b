"""In-memory cache of search indexes, of users' memories and of items, limited in bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from memorybank_core.forked_processes import ForkLock, abandon, call_in_child

from .item_index import ItemIndex, Name
from .user_index import UserIndex

I = TypeVar("I")  # noqa: E741 - an index

_EMPTY_NBYTES = 6_000  # of an index of nothing, about


@dataclass(slots=True)
class CachedIndex(Generic[I]):
    """An index, and the lock to hold while reading or refreshing it.

    Attributes:
        index: The index.
        owner: The store's identity of the user whose rows it was built from; it differs for a user
            who was deleted and created again.
        lock: The lock.
        nbytes: Its size in bytes, as the cache counts it.
    """

    index: I
    owner: Hashable = None
    lock: ForkLock = field(default_factory=lambda: ForkLock("an index"))
    nbytes: int = 0


class IndexCache:
    """Cache of indexes, which drops the least recently used ones.

    The key of an index is a user id, or for items an `item_key`. The index in use is kept even if
    it alone exceeds the budget.

    Args:
        budget: Maximum size of all indexes together, in bytes.
        dimension: Length of the vectors.
    """

    def __init__(self, budget: int, dimension: int) -> None:
        self._budget, self.dimension = budget, dimension
        self._indexes: OrderedDict[Hashable, CachedIndex[Any]] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.Lock()
        call_in_child(self._drop_orphaned)

    @property
    def nbytes(self) -> int:
        """Size of the cached indexes in bytes."""
        return self._nbytes

    def get(self, user_id: str) -> CachedIndex[UserIndex]:
        """Return a user's cached index, or a new empty one."""
        return self._get(user_id, UserIndex)

    def get_items(self, prefix: str) -> CachedIndex[ItemIndex]:
        """Return the cached index of the items under the path of a prefix, or a new empty one."""
        return self._get(item_key(prefix), ItemIndex)

    def erase_items(self, names: Iterable[Name]) -> None:
        """Remove items from every cached index that may have them, and overwrite their vectors."""
        for path, key in names:
            for cached in self._find_items(path):
                with cached.lock:
                    cached.index.erase([(path, key)])

    def resize(self, key: Hashable, nbytes: int) -> None:
        """Record the size of an index; drop other indexes until all fit into the budget."""
        with self._lock:
            if key in self._indexes:
                self._resize(key, nbytes)

    def clear(self) -> None:
        """Drop all indexes."""
        with self._lock:
            self._indexes.clear()
            self._nbytes = 0

    def drop(self, key: Hashable) -> None:
        """Drop an index."""
        with self._lock:
            if key in self._indexes:
                self._drop(key)

    def _drop_orphaned(self) -> None:
        """In a forked child: drop the indexes that another thread was changing at the fork."""
        self._lock = threading.Lock()  # the same thread may hold the old one
        for key, cached in list(self._indexes.items()):
            if cached.lock.is_orphaned:
                abandon(cached)
                self._drop(key)

    def _find_items(self, path: str) -> list[CachedIndex[ItemIndex]]:
        """Return the cached indexes that may have items of a path."""
        ends = [end for end, character in enumerate(path, 1) if character == "/"]
        with self._lock:
            indexes = (self._indexes.get(item_key(path[:end])) for end in ends)
            return [cached for cached in indexes if cached is not None]

    def _get(self, key: Hashable, new_index: Callable[[int], I]) -> CachedIndex[I]:
        with self._lock:
            cached = self._indexes.get(key)
            if cached is None:
                cached = self._indexes[key] = CachedIndex(new_index(self.dimension))
                self._resize(key, 0)
            self._indexes.move_to_end(key)
            return cached

    def _resize(self, key: Hashable, nbytes: int) -> None:
        cached = self._indexes[key]
        self._nbytes += nbytes + _EMPTY_NBYTES - cached.nbytes
        cached.nbytes = nbytes + _EMPTY_NBYTES
        self._indexes.move_to_end(key)
        while self._nbytes > self._budget and len(self._indexes) > 1:
            self._drop(next(iter(self._indexes)))

    def _drop(self, key: Hashable) -> None:
        self._nbytes -= self._indexes.pop(key).nbytes


def item_key(prefix: str) -> Hashable:
    """Return the key of the index of the items under the path of a prefix."""
    return ("items", prefix)
