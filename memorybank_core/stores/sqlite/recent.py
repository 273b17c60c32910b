"""The memories that searches read last, kept while their rows stay as they are."""

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

_MOST = 2_048  # memories, and users

_CHANGED = (
    "SELECT seq FROM memories INDEXED BY memories_by_version WHERE user_key = ? AND version > ?"
)


@dataclass(slots=True)
class _Kept:
    """Memories of one user by number, as they are at the user's `version`."""

    version: int = 0
    memories: dict[int, Memory] = field(default_factory=dict)


class RecentMemories:
    """Reads memories of a file by number, and keeps the last ones.

    Searches find the same memories again and again. What is kept is compared with the user's
    version, which every write raises (see `searching`), so that a read never returns an old state.
    """

    def __init__(self) -> None:
        self._users: OrderedDict[int, _Kept] = OrderedDict()
        self._size = 0  # number of memories
        self._lock = threading.Lock()
        call_in_child(self._start_again)

    def read(self, db: sqlite3.Connection, user_id: str, seqs: Sequence[int]) -> dict[int, Memory]:
        """Return those of a user's memories that exist, by number."""
        user = db.execute(
            "SELECT user_key, version, rewritten FROM users WHERE user_id = ?", (user_id,)
        ).fetchone()
        if user is None:
            return {}
        user_key, version, rewritten = user
        with self._lock:
            kept = self._refresh(db, user_key, version, rewritten)
            memories = {seq: kept[seq] for seq in seqs if seq in kept}
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
            self._keep(user_key, version, new)
            memories.update(new)
        return memories

    def clear(self) -> None:
        """Forget all memories."""
        with self._lock:
            self._users.clear()
            self._size = 0

    def _start_again(self) -> None:
        """In a forked child: forget all memories, which another thread may have been changing."""
        self._lock = threading.Lock()
        self.clear()

    def _refresh(
        self, db: sqlite3.Connection, user_key: int, version: int, rewritten: int
    ) -> Mapping[int, Memory]:
        """Return the kept memories of a user as they are at a version."""
        kept = self._users.get(user_key)
        if kept is None or kept.version > version:  # a thread with a newer transaction was faster
            return {}
        changed: Iterable[int] = ()
        if rewritten > kept.version:
            changed = tuple(kept.memories)
        elif version > kept.version:
            changed = (seq for (seq,) in db.execute(_CHANGED, (user_key, kept.version)))
        for seq in changed:
            self._size -= kept.memories.pop(seq, None) is not None
        kept.version = version
        self._users.move_to_end(user_key)
        return kept.memories

    def _keep(self, user_key: int, version: int, memories: Mapping[int, Memory]) -> None:
        """Keep memories as they are at a version, without long texts."""
        with self._lock:
            kept = self._users.setdefault(user_key, _Kept(version))
            if kept.version != version:
                return
            for seq, memory in memories.items():
                if len(memory.text) <= MAX_CACHED_LENGTH:
                    self._size += seq not in kept.memories
                    kept.memories[seq] = memory
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Drop the users that were searched longest ago; of a single user, the oldest memories."""
        while self._size > _MOST or len(self._users) > _MOST:
            user_key, kept = next(iter(self._users.items()))
            if len(self._users) > 1:
                del self._users[user_key]
                self._size -= len(kept.memories)
            else:
                del kept.memories[next(iter(kept.memories))]
                self._size -= 1
