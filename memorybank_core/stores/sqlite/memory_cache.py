"""LRU cache of the memories that searches read; it drops those whose rows have changed."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from memorybank_core.forked_processes import call_in_child
from memorybank_core.records import Memory
from memorybank_core.stores.damage import memory_name
from memorybank_core.stores.rows import MAX_CACHED_LENGTH, MEMORY_COLUMNS, to_memory

from .intact_rows import convert_rows
from .reading import select_in

_MAX_SIZE = 2_048  # memories, and users

_CHANGED = (
    "SELECT seq FROM memories INDEXED BY memories_by_version WHERE user_key = ? AND version > ?"
)


@dataclass(slots=True)
class _CachedUser:
    """Cached memories of one user by sequence number, as they are at the user's `version`."""

    version: int = 0
    memories: dict[int, Memory] = field(default_factory=dict)


class MemoryCache:
    """Reads memories of a file by sequence number, through an LRU cache.

    Searches return the same memories again and again. Every write raises the user's version (see
    `index_refresh`), which shows a read what has changed since: it never returns an old state.
    """

    def __init__(self) -> None:
        self._users: OrderedDict[int, _CachedUser] = OrderedDict()
        self._size = 0  # number of memories
        self._lock = threading.Lock()
        call_in_child(self._clear_in_child)

    def read(self, db: sqlite3.Connection, user_id: str, seqs: Sequence[int]) -> dict[int, Memory]:
        """Return those of a user's memories that exist, by sequence number."""
        user = db.execute(
            "SELECT user_key, version, rewritten FROM users WHERE user_id = ?", (user_id,)
        ).fetchone()
        if user is None:
            return {}
        user_key, version, rewritten = user
        with self._lock:
            cached = self._refresh(db, user_key, version, rewritten)
            memories = {seq: cached[seq] for seq in seqs if seq in cached}
        missing = [seq for seq in seqs if seq not in memories]
        if missing:
            select = f"SELECT seq, {MEMORY_COLUMNS} FROM memories WHERE user_key = ?"
            new = dict(
                convert_rows(
                    db,
                    lambda: select_in(db, select, (user_key,), "seq", missing),
                    lambda row: (row[0], to_memory(user_id, row[1:])),
                    lambda row: memory_name(user_id, row[1]),
                )
            )
            self._store(user_key, version, new)
            memories.update(new)
        return memories

    def clear(self) -> None:
        """Empty the cache."""
        with self._lock:
            self._users.clear()
            self._size = 0

    def _clear_in_child(self) -> None:
        """In a forked child: empty the cache, which another thread may have been changing."""
        self._lock = threading.Lock()
        self.clear()

    def _refresh(
        self, db: sqlite3.Connection, user_key: int, version: int, rewritten: int
    ) -> Mapping[int, Memory]:
        """Return the cached memories of a user as they are at a version."""
        cached = self._users.get(user_key)
        if cached is None or cached.version > version:  # cached from a newer transaction
            return {}
        changed: Iterable[int] = ()
        if rewritten > cached.version:
            changed = tuple(cached.memories)
        elif version > cached.version:
            changed = (seq for (seq,) in db.execute(_CHANGED, (user_key, cached.version)))
        for seq in changed:
            self._size -= cached.memories.pop(seq, None) is not None
        cached.version = version
        self._users.move_to_end(user_key)
        return cached.memories

    def _store(self, user_key: int, version: int, memories: Mapping[int, Memory]) -> None:
        """Cache memories as they are at a version, without long texts."""
        with self._lock:
            cached = self._users.setdefault(user_key, _CachedUser(version))
            if cached.version != version:
                return
            for seq, memory in memories.items():
                if len(memory.text) <= MAX_CACHED_LENGTH:
                    self._size += seq not in cached.memories
                    cached.memories[seq] = memory
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Drop the users that were searched longest ago; of a single user, the oldest memories."""
        while self._size > _MAX_SIZE or len(self._users) > _MAX_SIZE:
            user_key, cached = next(iter(self._users.items()))
            if len(self._users) > 1:
                del self._users[user_key]
                self._size -= len(cached.memories)
            else:
                del cached.memories[next(iter(cached.memories))]
                self._size -= 1
