"""A cache of users' indexes in memory, bounded in bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from memorybank_core.stores.user_index import UserIndex


@dataclass(slots=True)
class CachedIndex:
    """One user's index, and the lock to hold while reading or refreshing it."""

    index: UserIndex
    user_key: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class IndexCache:
    """Drops the least recently used indexes.

    The index in use stays, even if it exceeds the budget alone.
    """

    def __init__(self, budget: int, dimension: int) -> None:
        self._budget, self._dimension = budget, dimension
        self._indexes: OrderedDict[str, CachedIndex] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes that the cached indexes take."""
        with self._lock:
            return sum(self._sizes.values())

    def get(self, user_id: str) -> CachedIndex:
        """Return the index of a user, a new empty one if it is not cached."""
        with self._lock:
            cached = self._indexes.get(user_id)
            if cached is None:
                cached = self._indexes[user_id] = CachedIndex(UserIndex(self._dimension))
            self._indexes.move_to_end(user_id)
            return cached

    def resize(self, user_id: str, nbytes: int) -> None:
        """Record the size of a user's index, and drop others until all fit into the budget."""
        with self._lock:
            if user_id in self._indexes:
                self._sizes[user_id] = nbytes
            total = sum(self._sizes.values())
            for other in list(self._indexes):
                if total <= self._budget:
                    break
                if other != user_id:
                    total -= self._sizes.pop(other, 0)
                    del self._indexes[other]

    def drop(self, user_id: str) -> None:
        """Drop a user's index."""
        with self._lock:
            self._indexes.pop(user_id, None)
            self._sizes.pop(user_id, None)
