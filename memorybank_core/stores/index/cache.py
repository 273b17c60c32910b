"""In-memory cache of users' search indexes, limited in bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from .user_index import UserIndex


@dataclass(slots=True)
class CachedIndex:
    """One user's index, and the lock to hold while reading or refreshing it.

    Attributes:
        index: The index.
        owner: The store's identity of the user whose rows it was built from; it differs for a user
            who was deleted and created again.
        lock: The lock.
    """

    index: UserIndex
    owner: Hashable = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class IndexCache:
    """Cache of users' indexes, which drops the least recently used ones.

    The index in use is kept even if it alone exceeds the budget.

    Args:
        budget: Maximum size of all indexes together, in bytes.
        dimension: Length of the vectors.
    """

    def __init__(self, budget: int, dimension: int) -> None:
        self._budget, self._dimension = budget, dimension
        self._indexes: OrderedDict[str, CachedIndex] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Size of the cached indexes in bytes."""
        with self._lock:
            return sum(self._sizes.values())

    def get(self, user_id: str) -> CachedIndex:
        """Return a user's cached index, or a new empty one."""
        with self._lock:
            cached = self._indexes.get(user_id)
            if cached is None:
                cached = self._indexes[user_id] = CachedIndex(UserIndex(self._dimension))
            self._indexes.move_to_end(user_id)
            return cached

    def resize(self, user_id: str, nbytes: int) -> None:
        """Record the size of a user's index; drop other indexes until all fit into the budget."""
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
