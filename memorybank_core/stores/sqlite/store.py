"""LocalStore: a bank in one SQLite file that holds everything, vectors included.

One transaction covers a memory as a whole. The FAISS and BM25 indexes of a user are caches: they
are built from the file on first use and refreshed before each search.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from os import PathLike
from pathlib import Path
from typing import Any

from memorybank_core.errors import ConfigurationError, StoreBusyError, StoreWriteError
from memorybank_core.forgetting import ForgettingLaw
from memorybank_core.protocols import Candidates, Filter, Matrix, Probe, StateChange, Stored
from memorybank_core.records import Change, Digest, Memory
from memorybank_core.reports import DeletionReceipt, Stats
from memorybank_core.stores.deprecated import DeprecatedStateCalls
from memorybank_core.stores.index.cache import IndexCache
from memorybank_core.stores.rules import ExpectedEmbedder

from . import index_refresh, reading, state, writing
from .changes import forget_change, read_changes, record_changes
from .erasure import compact, erase
from .full_disk import delete_despite_full_disk
from .inspection import FileInspector
from .items import LocalItems
from .memory_cache import MemoryCache
from .rows import entries
from .scan import scan
from .settings import LocalSettings
from .startup import open_file

CACHE_BYTES = 256 * 2**20


class LocalStore(DeprecatedStateCalls):
    """A `MemoryStore` in one file, for any number of threads and processes of one machine.

    Args:
        path: The file; created, readable only by its owner, if it does not exist.
        embedder: Name of the embedder whose vectors the file holds.
        dimension: Length of its vectors.
        cache_bytes: Maximum size of all indexes, of users and of items, together, in bytes.
        busy_timeout: Seconds to wait for another process's write.
        readonly: Whether to open the file for reading only; it must exist.

    Attributes:
        readonly: True if the file is only read, on request or because it cannot be written here.

    Raises:
        ConfigurationError: If `path` is ":memory:".
        NotABankError: If the file is not a bank, or damaged.
        SchemaTooNewError: If a newer version of the package wrote it.
        EmbedderMismatchError: If another embedder wrote its vectors.
        StoreError: If it cannot be opened.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        embedder: str,
        dimension: int,
        cache_bytes: int = CACHE_BYTES,
        busy_timeout: float = 30.0,
        readonly: bool = False,
    ) -> None:
        if str(path) == ":memory:":
            raise ConfigurationError("a bank is a file; pass a path instead of ':memory:'")
        self.path = Path(path).absolute()  # the working directory may change
        self._embedder = ExpectedEmbedder(str(self.path), embedder, dimension)
        self._cache = IndexCache(cache_bytes, dimension)
        self._memory_cache = MemoryCache()
        self._connections = open_file(self.path, busy_timeout, readonly=readonly)
        self.readonly = self._connections.readonly
        try:
            self._record_embedder()
        except BaseException:
            self._connections.close()
            raise
        self.settings = LocalSettings(self._connections)
        self.inspector = FileInspector(self.path, self._connections)
        self._items = LocalItems(self._connections, self._embedder, self._cache, self._erase)

    @property
    def items(self) -> LocalItems:
        """The items in the same file."""
        return self._items

    @property
    def cache_nbytes(self) -> int:
        """Current size of all indexes in bytes."""
        return self._cache.nbytes

    def known(self, user_id: str, ids: Collection[str]) -> dict[str, Memory]:
        """Return the memories with these ids, archived ones included, by id."""
        with self._connections.read() as db:
            return reading.known(db, user_id, ids)

    def add(
        self,
        user_id: str,
        memories: Sequence[Memory],
        vectors: Sequence[Matrix],
        *,
        replace: bool = False,
        recalled: Mapping[str, Sequence[datetime]] | None = None,
        expected: Mapping[str, str] | None = None,
    ) -> None:
        """Store memories with the vectors of their windows; see `MemoryStore`."""
        new = entries(memories, vectors)
        options: dict[str, Any] = {"recalled": recalled or {}, "expected": expected or {}}
        with self._connections.write() as db:
            writing.add(db, self._embedder, user_id, new, replace=replace, **options)

    def set_metadata(self, user_id: str, metadata: Mapping[str, Mapping[str, Any]]) -> int:
        """Replace the metadata of turns, given by id; return how many of them are stored."""
        with self._connections.write() as db:
            return writing.set_metadata(db, user_id, metadata)

    def candidates(self, user_id: str, probe: Probe) -> Candidates:
        """Find the memories that may answer `probe`, and their neighbours."""
        cached = self._cache.get(user_id)
        with cached.lock:
            with self._connections.read() as db:
                if index_refresh.refresh(db, self._embedder, user_id, cached):
                    self._cache.resize(user_id, cached.index.nbytes)
            return cached.index.candidates(probe)

    def fetch(self, user_id: str, keys: Sequence[int]) -> dict[int, Memory]:
        """Return the memories of candidates by sequence number, without those deleted since."""
        with self._connections.read() as db:
            return reading.add_replacements(db, user_id, self._memory_cache.read(db, user_id, keys))

    def memories(self, user_id: str, filter: Filter, *, last: int | None = None) -> list[Memory]:
        """Return memories in the order of their time, all or the last `last`."""
        with self._connections.read() as db:
            return reading.memories(db, user_id, filter, last=last)

    def span(self, user_id: str, until: date | None = None) -> tuple[date, date] | None:
        """Return the days of the first and last memory up to a day; None if there are no such."""
        with self._connections.read() as db:
            return reading.span(db, user_id, until)

    def strengthen(
        self,
        user_id: str,
        ids: Collection[str],
        now: datetime,
        turn: str | None,
        law: ForgettingLaw,
    ) -> int:
        """Record a recall of memories and strengthen them by `law`; return how many."""
        with self._connections.write() as db:
            return state.strengthen(db, user_id, ids, now, turn, law)

    def change_state(
        self, user_id: str, ids: Collection[str], change: StateChange, now: datetime
    ) -> int:
        """Archive, restore, pin or unpin memories; return how many changed."""
        with self._connections.write() as db:
            return state.change_state(db, user_id, ids, change, now)

    def recalls(self, user_id: str, id: str) -> list[datetime]:
        """Return the times at which a memory was recalled, oldest first."""
        with self._connections.read() as db:
            return reading.recalls(db, user_id, id)

    def delete(
        self, user_id: str, *, ids: Collection[str] | None = None, day: date | None = None
    ) -> DeletionReceipt:
        """Delete memories for good: these ids, this day, or everything of the user.

        This is one transaction, or on a full disk as many as the space needs. Also overwrites the
        copies of them that SQLite left in unused parts of the file.
        """
        try:
            counts = delete_despite_full_disk(
                self._connections, user_id, ids, day, dimension=self._embedder.dimension
            )
        finally:  # also after an error, part of them may be deleted
            self._cache.drop(user_id)
            self._memory_cache.clear()
        with self._connections.read() as db:
            remaining = reading.count_memories(db, user_id)
        return DeletionReceipt(user_id, **counts, remaining=remaining, erased=self._erase())

    def vectors(self, user_id: str, ids: Collection[str]) -> dict[str, Matrix]:
        """Return the vectors of the windows of these memories, by id; float32 (windows, d)."""
        with self._connections.read() as db:
            return reading.vectors(db, user_id, ids, self._embedder.dimension)

    def scan(self, user_id: str, *, after: int = 0, limit: int = 256) -> list[Stored]:
        """Return all data of the next `limit` memories after a sequence number."""
        dimension = self._embedder.dimension
        with self._connections.read() as db:
            return scan(db, user_id, after=after, limit=limit, dimension=dimension)

    def put(self, user_id: str, stored: Sequence[Stored]) -> None:
        """Store memories copied from another store with all their data; see `MemoryStore`."""
        new = entries([item.memory for item in stored], [item.vectors for item in stored])
        with self._connections.write() as db:
            writing.put(db, self._embedder, user_id, stored, new)

    def set_digests(
        self,
        user_id: str,
        digests: Sequence[Digest],
        *,
        made_from: Sequence[Memory | Digest] = (),
        events: Sequence[Memory] = (),
        vectors: Sequence[Matrix] = (),
    ) -> None:
        """Store digests with their event summaries; see `MemoryStore`."""
        new = entries(events, vectors)
        with self._connections.write() as db:
            writing.set_digests(
                db, self._embedder, user_id, digests, made_from=made_from, events=new
            )

    def digests(self, user_id: str, *, days: bool = True) -> list[Digest]:
        """Return the user's digests by kind and day; only overall ones if `days` is False."""
        with self._connections.read() as db:
            return reading.digests(db, user_id, days=days)

    def record_changes(
        self, user_id: str, changes: Sequence[Change], *, made_from: Sequence[Memory] = ()
    ) -> None:
        """Store which turns replaced which; see `MemoryStore`."""
        with self._connections.write() as db:
            record_changes(db, user_id, changes, made_from)

    def changes(self, user_id: str) -> list[Change]:
        """Return the user's changes in the order of their newer turns."""
        with self._connections.read() as db:
            return read_changes(db, user_id)

    def forget_change(self, user_id: str, older: str, newer: str) -> bool:
        """Delete a change; return False if it is not stored."""
        with self._connections.write() as db:
            return forget_change(db, user_id, older, newer)

    def set_profile(self, user_id: str, profile: str) -> None:
        """Store facts about the user that are not from the dialogue, as JSON."""
        with self._connections.write() as db:
            writing.set_profile(db, user_id, profile)

    def profile(self, user_id: str) -> str:
        """Return the stored profile, or "{}"."""
        with self._connections.read() as db:
            return reading.profile(db, user_id)

    def users(self) -> Iterator[str]:
        """Yield every user id, sorted."""
        with self._connections.read() as db:
            return iter(reading.users(db))

    def stats(self, user_id: str | None = None) -> Stats:
        """Return counts over one user or, with None, over all."""
        with self._connections.read() as db:
            return reading.stats(db, user_id)

    def compact(self) -> bool:
        """Rewrite the file with live rows only, and truncate the write-ahead log (WAL).

        This returns the space of deleted rows to the disk. While it runs, it needs free disk space
        of twice the file's size, half of it in SQLite's temporary folder (SQLITE_TMPDIR, TMPDIR).

        Returns:
            False if a reader of an old snapshot kept the WAL from being truncated.
        """
        return compact(self._connections)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._connections.close()
        self._cache.clear()

    def _erase(self) -> bool:
        """Overwrite the remains of deleted rows; return False if that is not possible now."""
        try:
            return erase(self._connections)
        except (StoreBusyError, StoreWriteError):
            return False  # the rows are already deleted: this failure does not undo that

    def _record_embedder(self) -> None:
        """Record the embedder in a new file; refuse a file of another embedder."""
        with self._connections.read() as db:
            name, dimension = reading.stored_embedder(db)
        if not name and not self.readonly:
            expected = self._embedder
            meta = (("embedder", expected.name), ("dimension", str(expected.dimension)))
            with self._connections.write() as db:
                db.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", meta)
                name, dimension = reading.stored_embedder(db)
        self._embedder.require(name, dimension)
