"""PostgresStore: a bank in a PostgreSQL database, for any number of processes and machines.

Searches run in this process, on an index of the user that is brought up to date before each search.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from functools import partial
from typing import Any, TypeVar

from memorybank_core.errors import StoreError
from memorybank_core.forgetting import ForgettingLaw
from memorybank_core.protocols import Candidates, Filter, Matrix, Probe, StateChange, Stored
from memorybank_core.records import Change, Digest, Memory
from memorybank_core.reports import DeletionReceipt, Stats
from memorybank_core.stores.deprecated import DeprecatedStateCalls
from memorybank_core.stores.index.cache import IndexCache
from memorybank_core.stores.rules import ExpectedEmbedder

from . import changes as change_rows
from . import deleting, index_refresh, page_rows, reading, state, writing
from .address import parse_address
from .administration import prepare
from .connections import Connections, Options, Session
from .inspection import DatabaseInspector
from .items import PostgresItems
from .metadata import set_metadata as replace_metadata
from .row_security import ALL_ROWS, user_scope
from .scan import scan
from .settings import PostgresSettings
from .tables import Layout
from .vacuum import select_bytes, vacuum

R = TypeVar("R")
CACHE_BYTES = 256 * 2**20


class PostgresStore(DeprecatedStateCalls):
    """A `MemoryStore` in a PostgreSQL database, for any number of threads, processes and machines.

    If the schema that the URL names is empty, its tables are created with the default layout of
    `memorybank db init`. To choose another layout, run that command first.

    Args:
        url: postgresql://user@host:port/database, with ?schema=NAME for a schema other than
            "memorybank" and ?pooler=true for a pooler. Missing parts, above all the password, come
            from libpq's environment and files.
        embedder: Name of the embedder whose vectors the bank holds.
        dimension: Length of its vectors.
        pool_size: Maximum number of connections of this store.
        timeout: Seconds in which a call must succeed, waiting and retries included.
        statement_timeout: Maximum seconds of one statement; 0 sets no limit.
        pooler: Whether a pooler such as PgBouncer assigns connections per transaction: nothing is
            then prepared, or set for longer than a transaction.
        cache_bytes: Maximum size of all indexes, of users and of items, together, in bytes.
        exact_up_to: Ignored: every search is exact. Deprecated.
        readonly: Whether to open the bank for reading only; it must exist.

    Attributes:
        path: The URL without the password: opens the same bank if libpq knows the password.
        readonly: True if the bank is only read, on request or because it cannot be written.

    Raises:
        ConfigurationError: If `url` is not such a URL.
        NotABankError: If the schema has tables of another application.
        SchemaTooNewError: If a newer version of the package created the tables.
        SchemaTooOldError: If an older one did; `memorybank db upgrade` upgrades them.
        EmbedderMismatchError: If another embedder wrote the vectors.
        StoreUnavailableError: If the server cannot be reached.
    """

    def __init__(
        self,
        url: str,
        *,
        embedder: str,
        dimension: int,
        pool_size: int = 10,
        timeout: float = 10.0,
        statement_timeout: float = 30.0,
        pooler: bool = False,
        cache_bytes: int = CACHE_BYTES,
        exact_up_to: int | None = None,
        readonly: bool = False,
    ) -> None:
        if exact_up_to is not None:
            warnings.warn("exact_up_to has no effect", DeprecationWarning, stacklevel=2)
        address = parse_address(url, pooler=pooler)
        self.path = address.safe_url
        self._embedder = ExpectedEmbedder(self.path, embedder, dimension)
        self._cache = IndexCache(cache_bytes, dimension)
        options = Options(pool_size, timeout, statement_timeout, readonly)
        self._layout, options = prepare(address, options, Layout(embedder, dimension))
        self.readonly = options.readonly
        self._embedder.require(self._layout.embedder, self._layout.dimension)
        self._connections = Connections(address, options, self._layout)
        self.settings = PostgresSettings(self._connections)
        self.inspector = DatabaseInspector(self._connections)
        self._items = PostgresItems(self._connections, self._embedder, self._cache)

    @property
    def items(self) -> PostgresItems:
        """The items in the same database."""
        return self._items

    @property
    def cache_nbytes(self) -> int:
        """Current size of all indexes in bytes."""
        return self._cache.nbytes

    def known(self, user_id: str, ids: Collection[str]) -> dict[str, Memory]:
        """Return the memories with these ids, archived ones included, by id."""
        return self._read(user_id, lambda session: reading.known(session, user_id, ids))

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
        options: dict[str, Any] = {"recalled": recalled or {}, "expected": expected or {}}
        add = partial(writing.add, embedder=self._embedder, user_id=user_id, memories=memories)
        should_merge = self._write(
            user_id, partial(add, vectors=vectors, replace=replace, **options)
        )
        if should_merge:
            with suppress(StoreError):  # the memories are stored; a later call merges the pages
                self._write(user_id, lambda session: page_rows.merge(session, user_id))

    def set_metadata(self, user_id: str, metadata: Mapping[str, Mapping[str, Any]]) -> int:
        """Replace the metadata of turns, given by id; return how many of them are stored."""
        return self._write(user_id, lambda session: replace_metadata(session, user_id, metadata))

    def candidates(self, user_id: str, probe: Probe) -> Candidates:
        """Find the memories that may answer `probe`, and their neighbours."""
        cached = self._cache.get(user_id)
        with cached.lock:
            read = partial(self._read, user_id)
            if index_refresh.refresh(read, self._embedder, user_id, cached):
                self._cache.resize(user_id, cached.index.nbytes)
            return cached.index.candidates(probe)

    def fetch(self, user_id: str, keys: Sequence[int]) -> dict[int, Memory]:
        """Return the memories of candidates by sequence number, without those deleted since."""
        return self._read(user_id, lambda session: reading.fetch(session, user_id, keys))

    def memories(self, user_id: str, filter: Filter, *, last: int | None = None) -> list[Memory]:
        """Return memories in the order of their time, all or the last `last`."""
        return self._read(
            user_id, lambda session: reading.memories(session, user_id, filter, last=last)
        )

    def span(self, user_id: str, until: date | None = None) -> tuple[date, date] | None:
        """Return the days of the first and last memory up to a day; None if there are no such."""
        return self._read(user_id, lambda session: reading.span(session, user_id, until))

    def strengthen(
        self,
        user_id: str,
        ids: Collection[str],
        now: datetime,
        turn: str | None,
        law: ForgettingLaw,
    ) -> int:
        """Record a recall of memories and strengthen them by `law`; return how many."""
        return self._write(
            user_id, lambda session: state.strengthen(session, user_id, ids, now, turn, law)
        )

    def change_state(
        self, user_id: str, ids: Collection[str], change: StateChange, now: datetime
    ) -> int:
        """Archive, restore, pin or unpin memories; return how many changed."""
        return self._write(
            user_id, lambda session: state.change_state(session, user_id, ids, change, now)
        )

    def recalls(self, user_id: str, id: str) -> list[datetime]:
        """Return the times at which a memory was recalled, oldest first."""
        return self._read(user_id, lambda session: reading.recalls(session, user_id, id))

    def delete(
        self, user_id: str, *, ids: Collection[str] | None = None, day: date | None = None
    ) -> DeletionReceipt:
        """Delete memories for good: these ids, this day, or everything of the user.

        No reader sees the rows any more. Their bytes remain in the server's files until VACUUM has
        freed them and the space was reused, and in its log and backups as long as those are
        kept. So `erased` is True in the receipt only if there was nothing to delete.
        """
        receipt = self._write(
            user_id, lambda session: deleting.delete(session, user_id, ids=ids, day=day)
        )
        self._cache.drop(user_id)
        return receipt

    def vectors(self, user_id: str, ids: Collection[str]) -> dict[str, Matrix]:
        """Return the vectors of the windows of these memories, by id; float32 (windows, d)."""
        return self._read(user_id, lambda session: reading.vectors(session, user_id, ids))

    def scan(self, user_id: str, *, after: int = 0, limit: int = 256) -> list[Stored]:
        """Return all data of the next `limit` memories after a sequence number."""
        dimension = self._embedder.dimension
        return self._read(user_id, lambda db: scan(db, user_id, after, limit, dimension))

    def put(self, user_id: str, stored: Sequence[Stored]) -> None:
        """Store memories copied from another store with all their data; see `MemoryStore`."""
        self._write(user_id, lambda session: writing.put(session, self._embedder, user_id, stored))

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
        options: dict[str, Any] = {"made_from": made_from, "events": events, "vectors": vectors}
        write = partial(writing.set_digests, embedder=self._embedder, user_id=user_id)
        self._write(user_id, partial(write, digests=digests, **options))

    def digests(self, user_id: str, *, days: bool = True) -> list[Digest]:
        """Return the user's digests by kind and day; only overall ones if `days` is False."""
        return self._read(user_id, lambda session: reading.digests(session, user_id, days=days))

    def record_changes(
        self, user_id: str, changes: Sequence[Change], *, made_from: Sequence[Memory] = ()
    ) -> None:
        """Store which turns replaced which; see `MemoryStore`."""
        record = partial(
            change_rows.record_changes, user_id=user_id, changes=changes, made_from=made_from
        )
        self._write(user_id, record)

    def changes(self, user_id: str) -> list[Change]:
        """Return the user's changes in the order of their newer turns."""
        return self._read(user_id, partial(change_rows.read_changes, user_id=user_id))

    def forget_change(self, user_id: str, older: str, newer: str) -> bool:
        """Delete a change; return False if it is not stored."""
        delete = partial(change_rows.forget_change, user_id=user_id, older=older, newer=newer)
        return self._write(user_id, delete)

    def set_profile(self, user_id: str, profile: str) -> None:
        """Store facts about the user that are not from the dialogue, as JSON."""
        self._write(user_id, lambda session: state.set_profile(session, user_id, profile))

    def profile(self, user_id: str) -> str:
        """Return the stored profile, or "{}"."""
        return self._read(user_id, lambda session: reading.profile(session, user_id))

    def users(self) -> Iterator[str]:
        """Yield every user id, sorted."""
        after = ""
        while batch := self._connections.run(
            partial(reading.users, after=after), ALL_ROWS, writes=False
        ):
            yield from batch
            after = batch[-1]

    def stats(self, user_id: str | None = None) -> Stats:
        """Return counts over one user or, with None, over all."""
        scope = ALL_ROWS if user_id is None else user_scope(user_id)
        select = select_bytes(self._layout, self._connections.address.schema)
        call = partial(reading.stats, select_bytes=select, user_id=user_id)
        return self._connections.run(call, scope, writes=False)

    def compact(self) -> bool:
        """Run VACUUM on the tables, so that the space of deleted rows can be reused.

        It blocks no other calls. VACUUM (FULL) also returns the space to the disk, and locks them.

        Returns:
            False if an open transaction still sees deleted rows.
        """
        return vacuum(self._connections)

    def close(self) -> None:
        """Close the connections; a second call does nothing."""
        self._connections.close()
        self._cache.clear()

    def _read(self, user_id: str, call: Callable[[Session], R]) -> R:
        return self._connections.run(call, user_scope(user_id), writes=False)

    def _write(self, user_id: str, call: Callable[[Session], R]) -> R:
        """Run a call about one user as one transaction."""
        return self._connections.run(call, user_scope(user_id), writes=True)
