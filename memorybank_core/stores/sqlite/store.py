"""LocalStore: one SQLite file that holds everything, vectors included.

One transaction covers a memory whole. The FAISS and BM25 indexes of a user are caches, built
from the file on first use and brought up to date by the version that every write of that user
raises, whichever process made it: rows of a higher version are new or changed. Where the text of
one has changed (`written`), the index is cut back to it and read again from there; a deletion
raises `rewritten`, and the index is built anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from os import PathLike
from pathlib import Path

from memorybank_core.errors import (
    ConfigurationError,
    StoreBusyError,
    StoreWriteError,
)
from memorybank_core.forgetting import ForgettingLaw
from memorybank_core.protocols import Candidates, Filter, Matrix, Probe, StateChange, Stored
from memorybank_core.records import Digest, Memory
from memorybank_core.reports import DeletionReceipt, Stats
from memorybank_core.stores.rows import COLUMNS, moment, to_memory, to_stats
from memorybank_core.stores.rules import ExpectedEmbedder
from memorybank_core.stores.user_index import UserIndex

from . import queries, rows
from .cache import Entry, IndexCache
from .connections import open_file
from .erasure import compact, erase
from .items import LocalItems

CACHE_BYTES = 256 * 2**20


class LocalStore:
    """A `MemoryStore` in one file, for any number of threads and processes of one machine.

    Args:
        path: The file; made, readable by its owner only, where there is none.
        embedder: Name of the embedder whose vectors the file holds.
        dimension: Length of its vectors.
        cache_bytes: How much memory the users' indexes may take together.
        busy_timeout: Seconds to wait for another process's write.

    Raises:
        ConfigurationError: `path` is ":memory:".
        NotABankError: The file is something else, or damaged.
        SchemaTooNewError: A newer version of the package wrote it.
        EmbedderMismatchError: Another embedder wrote its vectors.
        StoreError: It cannot be opened.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        embedder: str,
        dimension: int,
        cache_bytes: int = CACHE_BYTES,
        busy_timeout: float = 30.0,
    ) -> None:
        if str(path) == ":memory:":
            raise ConfigurationError("a bank is a file; give a path in place of ':memory:'")
        self.path = Path(path).absolute()  # the working directory may change
        self._embedder, self._dimension = embedder, dimension
        self._cache = IndexCache(cache_bytes, dimension)
        self._connections = open_file(self.path, busy_timeout)
        try:
            self._claim()
        except BaseException:
            self._connections.close()
            raise
        self._items = LocalItems(self._connections, self._check_embedder, self._erase)

    @property
    def items(self) -> LocalItems:
        """Values under keys, in the same file."""
        return self._items

    @property
    def cache_nbytes(self) -> int:
        """Bytes that the users' indexes take now."""
        return self._cache.nbytes

    def known(self, user_id: str, ids: Collection[str]) -> dict[str, Memory]:
        """Those of `ids` that exist, archived ones included."""
        select = f"SELECT {COLUMNS} FROM {queries.BY_ID} WHERE {queries.MINE}"
        with self._connections.reading() as db:
            found = queries.select_in(db, select, (user_id,), "id", ids)
            return {row[0]: to_memory(user_id, row) for row in found}

    def add(
        self,
        user_id: str,
        memories: Sequence[Memory],
        vectors: Sequence[Matrix],
        *,
        replace: bool = False,
        recalled: Mapping[str, Sequence[datetime]] | None = None,
    ) -> None:
        """Stores memories with the vectors of their windows."""
        entries = rows.entries(memories, vectors)
        with self._connections.writing() as db:
            self._check_embedder(db)
            queries.insert(db, user_id, entries, replace=replace, recalled=recalled or {})

    def candidates(self, user_id: str, probe: Probe) -> Candidates:
        """The memories that may answer `probe`, and their neighbours."""
        with self._fresh(user_id) as index:
            return index.candidates(probe)

    def fetch(self, user_id: str, keys: Sequence[int]) -> dict[int, Memory]:
        """The memories of these candidate keys; what is gone meanwhile is left out."""
        select = f"SELECT seq, {COLUMNS} FROM memories WHERE {queries.MINE}"
        with self._connections.reading() as db:
            selected = queries.select_in(db, select, (user_id,), "seq", keys)
            return {row[0]: to_memory(user_id, row[1:]) for row in selected}

    def memories(self, user_id: str, filter: Filter, *, last: int | None = None) -> list[Memory]:
        """Memories in the order of their time, all or the `last` so many of them."""
        condition, values = rows.condition(filter)
        select = f"SELECT {COLUMNS} FROM memories WHERE {queries.MINE} {condition}"
        newest_first = f"{select} ORDER BY created_at DESC, seq DESC LIMIT ?"
        with self._connections.reading() as db:
            found = db.execute(newest_first, (user_id, *values, -1 if last is None else last))
            return [to_memory(user_id, row) for row in found][::-1]

    def span(self, user_id: str) -> tuple[date, date] | None:
        """The days of the first and the last memory, or None if there is none."""
        with self._connections.reading() as db:
            return queries.span(db, user_id)

    def strengthen(
        self,
        user_id: str,
        ids: Collection[str],
        now: datetime,
        turn: str | None,
        law: ForgettingLaw,
    ) -> int:
        """Recalls memories: each grows stronger by `law` and starts to fade anew at `now`."""
        with self._connections.writing() as db:
            if not queries.is_known(db, user_id):
                return 0
            user_key, version = queries.next_version(db, user_id)
            return queries.strengthen(db, user_key, version, ids, now, turn, law)

    def change_state(
        self, user_id: str, ids: Collection[str], change: StateChange, now: datetime
    ) -> int:
        """Archive, restore, pin or unpin memories; return how many changed."""
        with self._connections.writing() as db:
            return queries.change_state(db, user_id, ids, change, now)

    def recalls(self, user_id: str, id: str) -> list[datetime]:
        """When a memory was recalled, oldest first."""
        with self._connections.reading() as db:
            found = db.execute(
                f"SELECT at FROM recalls JOIN memories USING (user_key, seq) "
                f"WHERE {queries.MINE} AND id = ? ORDER BY at, number",
                (user_id, id),
            )
            return [moment(at) for (at,) in found]

    def delete(
        self, user_id: str, *, ids: Collection[str] | None = None, day: date | None = None
    ) -> DeletionReceipt:
        """Erases memories for good: these ids, this day, or everything of the user.

        The copies that SQLite left of them in unused parts of the file are wiped, too.
        """
        with self._connections.writing() as db:
            counts = queries.delete(db, user_id, ids, day)
            remaining = queries.count(db, user_id)
        self._cache.drop(user_id)
        return DeletionReceipt(user_id, **counts, remaining=remaining, erased=self._erase())

    def vectors(self, user_id: str, ids: Collection[str]) -> dict[str, Matrix]:
        """The vectors of the windows of those memories that exist, by id; float32 (windows, d)."""
        select = (
            f"SELECT id, vector FROM {queries.BY_ID} JOIN vectors USING (user_key, seq) "
            f"WHERE memories.{queries.MINE}"
        )
        with self._connections.reading() as db:
            found = list(queries.select_in(db, select, (user_id,), "id", ids))
        return {id: rows.to_vectors(blob, self._dimension) for id, blob in found}

    def scan(self, user_id: str, *, after: int = 0, limit: int = 256) -> list[Stored]:
        """All of the memories that were written after a key, in that order, so many at most."""
        with self._connections.reading() as db:
            return queries.scan(db, user_id, after, limit, self._dimension)

    def put(self, user_id: str, stored: Sequence[Stored]) -> None:
        """Stores memories with all that another store had of them; see `MemoryStore`."""
        memories = [one.memory for one in stored]
        entries = rows.entries(memories, [one.vectors for one in stored])
        with self._connections.writing() as db:
            self._check_embedder(db)
            queries.insert(db, user_id, entries, replace=True, recalled={})
            queries.set_state(db, user_id, stored)

    def set_digests(
        self,
        user_id: str,
        digests: Sequence[Digest],
        *,
        made_from: Sequence[Memory | Digest] = (),
        events: Sequence[Memory] = (),
        vectors: Sequence[Matrix] = (),
    ) -> None:
        """Stores digests, each in the place of one of its kind and day, with their events."""
        entries = rows.entries(events, vectors)
        with self._connections.writing() as db:
            queries.require_sources(db, user_id, made_from)
            if entries:
                self._check_embedder(db)
                queries.insert(db, user_id, entries, replace=True, recalled={})
            queries.insert_digests(db, user_id, digests)

    def digests(self, user_id: str, *, days: bool = True) -> list[Digest]:
        """The user's digests: by kind, then by day, the overall ones first, or those alone."""
        with self._connections.reading() as db:
            return queries.digests(db, user_id, days=days)

    def set_profile(self, user_id: str, profile: str) -> None:
        """Stores what is known of the user beside the dialogue, as JSON."""
        with self._connections.writing() as db:
            user_key, _ = queries.next_version(db, user_id)
            db.execute("UPDATE users SET profile = ? WHERE user_key = ?", (profile, user_key))

    def profile(self, user_id: str) -> str:
        """What `set_profile` stored; "{}" where nothing was."""
        with self._connections.reading() as db:
            select = "SELECT profile FROM users WHERE user_id = ?"
            found = db.execute(select, (user_id,)).fetchone()
        return "{}" if found is None else str(found[0])

    def users(self) -> Iterator[str]:
        """Every user id, sorted."""
        with self._connections.reading() as db:
            found = db.execute("SELECT user_id FROM users ORDER BY user_id").fetchall()
        return iter([user_id for (user_id,) in found])

    def stats(self, user_id: str | None = None) -> Stats:
        """Counts over one user or, with None, over all."""
        condition, values = ("TRUE", ()) if user_id is None else (queries.MINE, (user_id,))
        with self._connections.reading() as db:
            counts = db.execute(
                "SELECT count(DISTINCT user_key), count(*), count(archived_at), total(recalls), "
                f"min(day), max(day) FROM memories WHERE {condition}",
                values,
            ).fetchone()
            pages = db.execute("PRAGMA page_count").fetchone()[0]
            page_size = db.execute("PRAGMA page_size").fetchone()[0]
        return to_stats(counts, pages * page_size)

    def compact(self) -> bool:
        """Rewrites the file with what is alive and nothing else, and empties the log into it.

        Gives back the room of what was deleted. While it runs it takes twice the file's size of
        disk, half of that where SQLite puts temporary files (SQLITE_TMPDIR, TMPDIR). Returns
        False where a reader of an old state kept the log from being emptied.
        """
        return compact(self._connections)

    def close(self) -> None:
        """Closes the file; a second call does nothing."""
        self._connections.close()

    @contextmanager
    def _fresh(self, user_id: str) -> Iterator[UserIndex]:
        """The user's index, up to date with the file, while nobody else changes it."""
        entry = self._cache.entry(user_id)
        with entry.lock:
            with self._connections.reading() as db:
                if self._refresh(db, entry, user_id):
                    self._cache.resized(user_id, entry.index.nbytes)
            yield entry.index

    def _refresh(self, db: sqlite3.Connection, entry: Entry, user_id: str) -> bool:
        """Takes over what was written since; returns whether anything was."""
        user_key, version, rewritten = db.execute(
            "SELECT user_key, version, rewritten FROM users WHERE user_id = ?", (user_id,)
        ).fetchone() or (None, 0, 0)
        if (entry.user_key, entry.index.version) == (user_key, version):
            return False
        self._check_embedder(db)
        if entry.user_key != user_key or rewritten > entry.index.version:
            entry.index, entry.user_key = UserIndex(self._dimension), user_key
        self._load(db, user_key, entry.index)
        entry.index.version = version
        return True

    def _load(self, db: sqlite3.Connection, user_key: int | None, index: UserIndex) -> None:
        """Reads the rows that are newer than the index."""
        (replaced,) = db.execute(
            "SELECT min(seq) FROM memories INDEXED BY memories_by_version "
            "WHERE user_key = ? AND version > ? AND written > ? AND seq <= ?",
            (user_key, index.version, index.version, index.last_key),
        ).fetchone()
        if replaced is not None:
            index.truncate(replaced)
        last = index.last_key
        columns = f"SELECT terms, {rows.INDEXED} FROM memories"
        changed = db.execute(  # left to itself, SQLite reads every row of the user
            f"{columns} INDEXED BY memories_by_version "
            "WHERE user_key = ? AND version > ? AND seq <= ?",
            (user_key, index.version, last),
        ).fetchall()
        new = db.execute(
            f"{columns} WHERE user_key = ? AND seq > ? ORDER BY seq", (user_key, last)
        ).fetchall()
        blobs = db.execute(
            "SELECT vector FROM vectors WHERE user_key = ? AND seq > ? ORDER BY seq",
            (user_key, last),
        )
        vectors = [rows.to_vectors(blob, self._dimension) for (blob,) in blobs]
        index.update([rows.to_indexed(row[1:]) for row in changed])
        index.extend([rows.to_indexed(row[1:]) for row in new], vectors, [row[0] for row in new])

    def _erase(self) -> bool:
        """Wipes what is left of deleted rows; False where that could not be done now."""
        try:
            return erase(self._connections)
        except (StoreBusyError, StoreWriteError):
            return False  # the rows are gone already: that much is not taken back

    def _claim(self) -> None:
        """Notes in a new file whose vectors it holds; refuses a file of another embedder."""
        written_by = (("embedder", self._embedder), ("dimension", str(self._dimension)))
        with self._connections.reading() as db:
            is_new = not queries.written_by(db)[0]
        if is_new:
            with self._connections.writing() as db:
                db.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", written_by)
        with self._connections.reading() as db:
            self._check_embedder(db)

    def _check_embedder(self, db: sqlite3.Connection) -> None:
        expected = ExpectedEmbedder(str(self.path), self._embedder, self._dimension)
        expected.require(*queries.written_by(db))
