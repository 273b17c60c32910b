"""Which users' indexes are kept in memory: the last used, up to a budget of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from memorybank_core.stores.user_index import UserIndex


@dataclass(slots=True)
class Entry:
    """One user's index, and the lock that whoever reads or refreshes it holds."""

    index: UserIndex
    user_key: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class IndexCache:
    """Least recently used out. The index in use stays, even one larger than the budget."""

    def __init__(self, budget: int, dimension: int) -> None:
        self._budget, self._dimension = budget, dimension
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes that the kept indexes hold."""
        with self._lock:
            return sum(self._sizes.values())

    def entry(self, user_id: str) -> Entry:
        """The entry of a user, new and empty where none was kept."""
        with self._lock:
            entry = self._entries.get(user_id)
            if entry is None:
                entry = self._entries[user_id] = Entry(UserIndex(self._dimension))
            self._entries.move_to_end(user_id)
            return entry

    def resized(self, user_id: str, nbytes: int) -> None:
        """Notes that a user's index now holds `nbytes`, and drops others until all fit."""
        with self._lock:
            if user_id in self._entries:
                self._sizes[user_id] = nbytes
            total = sum(self._sizes.values())
            for other in list(self._entries):
                if total <= self._budget:
                    break
                if other != user_id:
                    total -= self._sizes.pop(other, 0)
                    del self._entries[other]

    def drop(self, user_id: str) -> None:
        """Forgets a user's index."""
        with self._lock:
            self._entries.pop(user_id, None)
            self._sizes.pop(user_id, None)
