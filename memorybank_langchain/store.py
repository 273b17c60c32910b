"""LangGraph key-value store that keeps its values in a bank."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from copy import copy
from datetime import datetime, timezone
from types import TracebackType
from typing import Any, Literal, cast

from langgraph.store.base import (
    NOT_PROVIDED,
    BaseStore,
    GetOp,
    IndexConfig,
    Item,
    ListNamespacesOp,
    MatchCondition,
    NamespacePath,
    NotProvided,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
)

from memorybank_core import MemoryBank
from memorybank_core.concurrency import in_thread

from .bridges import MemoryBankEmbeddings
from .run_config import USER_ID_KEY, UserId, resolve_user, to_user_id
from .store_batch import Batch
from .store_context import StoreContext
from .store_items import require_fields, require_unreserved
from .store_sweeper import Sweeper, finished
from .store_user import below_user, without_user


class MemoryBankStore(BaseStore):
    """Key-value store for graphs and agents, searchable by key, by filter and by meaning.

    `graph.compile(store=MemoryBankStore(bank))`, or `create_agent(..., store=...)`. The values are
    stored next to the memories of the bank. They do not fade, belong to no user of the bank, and
    disappear only when they are deleted or expire. `from_conn_string` opens the bank too.

    The labels of a namespace may be any strings that are not empty, including e-mail addresses; a
    prefix is compared label by label. Dates, UUIDs and dataclasses in a value are stored as
    LangGraph's `SqliteStore` stores them, and come back as strings and objects.

    A search without a query returns the last updated items first. With a query, the nearest items
    come first, scored by the best cosine of their indexed texts, followed by items that are not
    indexed. Searches use an index of the searched prefix, which is kept in the cache of the bank's
    store and includes every write, of any process. An expired item is invisible immediately, and is
    removed from disk by a later write or `sweep_ttl`.

    In a file, deletion overwrites the deleted bytes, which requires one pass over the whole file
    per batch. Bytes that another program is still reading are overwritten by the next deletion. In
    PostgreSQL deleted bytes remain until VACUUM has run.

    If a call raises an error, its batch has changed nothing.

    With `user_id` or `user_id_key`, the store shows the items of one user: each namespace is below
    the user's, and `("likes",)` stands for `("carol@example.com", "likes")`. Without both, it shows
    all items, and the namespaces in your code keep users apart.

    As a context manager, the store stops its sweeper at the end; who opened the bank closes it.

    Args:
        bank: Bank that holds the values and whose embedder compares them.
        index_fields: Paths of the texts in a value that queries are compared with, used if `put`
            has no `index`; "$" is the whole value. An empty sequence indexes nothing.
        ttl: Default time to live in minutes, whether a read restarts it, and the interval of
            `start_ttl_sweeper`. Expired items are never visible, whatever `omit_expired` is.
        user_id: The user whose items the store shows.
        user_id_key: Key of the user's id in the context or config of the run in progress;
            "langgraph_auth_user_id" on a LangGraph server with authentication.

    Attributes:
        index_config: LangGraph's index options, as they are in use.

    Raises:
        InvalidInputError: From a call, if a namespace, value or option is invalid; for a namespace
            it is LangGraph's `InvalidNamespaceError` too. Also if the run does not name its user.
        EmbedderError: From a call, if the embedder fails, or the bank has since been
            written with another embedder.
        StoreError: From a call, if the store cannot be read or written.
    """

    supports_ttl = True

    def __init__(
        self,
        bank: MemoryBank,
        *,
        index_fields: Sequence[str] = ("$",),
        ttl: TTLConfig | None = None,
        user_id: UserId | None = None,
        user_id_key: str | None = None,
    ) -> None:
        self.bank, self.ttl_config = bank, ttl
        self._user_id = None if user_id is None else to_user_id(user_id)
        self._user_id_key = user_id_key
        self._fields = require_fields(index_fields)
        self.index_config: IndexConfig = {
            "dims": bank.embedder.dimension,
            "embed": MemoryBankEmbeddings(bank.embedder),
            "fields": list(index_fields),
        }
        self._sweeper = Sweeper(lambda: bank.store.items.sweep(datetime.now(timezone.utc)))

    @classmethod
    def from_conn_string(
        cls,
        conn_string: str,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        **options: Any,
    ) -> StoreContext[MemoryBankStore]:
        """Open a bank and its store, for `with` or `async with`, and close the bank at the end.

        Args:
            conn_string: The path of a file, or the URL of a PostgreSQL database.
            index: As for LangGraph's stores: "embed" is an embedder, its name, LangChain embeddings
                or a function; by default the embedder that wrote the bank or the best one
                installed. "dims", if given, must be its dimension. "fields" are `index_fields`.
            ttl: See the class.
            **options: Other options of `MemoryBank.open`.

        Raises:
            ConfigurationError: From `with`, if an option is not valid.
            StoreError: From `with`, if the file or database cannot be opened.
        """
        return StoreContext(cls, conn_string, index, ttl, options)

    def __deepcopy__(self, copied: dict[int, Any]) -> MemoryBankStore:
        return copy(self)  # the bank and the sweeper are shared

    def setup(self) -> None:
        """Do nothing, because opening the bank has created its tables; for code of other stores."""

    def __enter__(self) -> MemoryBankStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop_ttl_sweeper()

    async def __aenter__(self) -> MemoryBankStore:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.astop_ttl_sweeper()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Execute operations, and return their results in order.

        All reads see the state before the writes. Of several writes to one key, the last is used.
        All changes, including those of times to live by reads, are made in one transaction.
        """
        batch = Batch(self.bank, self._fields)
        if self._user_id is None and self._user_id_key is None:
            return batch.execute(ops)
        user_id = resolve_user(self._user_id, None, key=self._user_id_key or USER_ID_KEY)
        return [
            without_user(result) for result in batch.execute(below_user(op, user_id) for op in ops)
        ]

    def get(
        self, namespace: tuple[str, ...], key: str, *, refresh_ttl: bool | None = None
    ) -> Item | None:
        """Return the item at a key; None if it does not exist."""
        op = GetOp(namespace, str(key), self._should_refresh(refresh_ttl))
        return cast("Item | None", self.batch([op])[0])

    def search(
        self,
        namespace_prefix: tuple[str, ...],
        /,
        *,
        query: str | None = None,
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> list[SearchItem]:
        """Return the items below a prefix that match the filter.

        With a query the best come first, otherwise the last updated.
        """
        refresh = self._should_refresh(refresh_ttl)
        op = SearchOp(namespace_prefix, filter, limit, offset, query, refresh)
        return cast("list[SearchItem]", self.batch([op])[0])

    def put(
        self,
        namespace: tuple[str, ...],
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | list[str] | None = None,
        *,
        ttl: float | NotProvided | None = NOT_PROVIDED,
    ) -> None:
        """Store a value at a key, replacing an earlier value."""
        require_unreserved(namespace)
        if isinstance(ttl, NotProvided):
            ttl = (self.ttl_config or {}).get("default_ttl")
        self.batch([PutOp(namespace, str(key), cast("dict[str, Any]", value), index, ttl)])

    def delete(self, namespace: tuple[str, ...], key: str) -> None:
        """Delete the item at a key, if it exists."""
        self.batch([PutOp(namespace, str(key), None)])

    def list_namespaces(
        self,
        *,
        prefix: NamespacePath | None = None,
        suffix: NamespacePath | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[tuple[str, ...]]:
        """Return the distinct matching namespaces, truncated to `max_depth` labels and sorted."""
        conditions = [MatchCondition("prefix", prefix)] if prefix else []
        conditions += [MatchCondition("suffix", suffix)] if suffix else []
        op = ListNamespacesOp(tuple(conditions), max_depth, limit, offset)
        return cast("list[tuple[str, ...]]", self.batch([op])[0])

    def sweep_ttl(self) -> int:
        """Remove all expired items from disk, and return their number."""
        return self.bank.store.items.sweep(datetime.now(timezone.utc))

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Future[None]:
        """Start a thread that calls `sweep_ttl` regularly, if the store has a `ttl`.

        Args:
            sweep_interval_minutes: Minutes between two calls; None uses that of `ttl`, or 5.

        Returns:
            A future that is done when the thread has stopped; cancelling it stops the thread.
        """
        config = self.ttl_config
        if not config:
            return finished()
        return self._sweeper.start(
            sweep_interval_minutes or config.get("sweep_interval_minutes") or 5
        )

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stop the thread, wait for it at most `timeout` seconds, and return whether it stopped."""
        return self._sweeper.stop(timeout)

    _async_reads = in_thread(get), in_thread(search), in_thread(list_namespaces)
    _async_writes = in_thread(put), in_thread(delete), in_thread(batch)
    # In a single assignment mypy would infer the types of the base class.
    aget, asearch, alist_namespaces = _async_reads
    aput, adelete, abatch = _async_writes
    asetup, asweep_ttl = in_thread(setup), in_thread(sweep_ttl)
    astop_ttl_sweeper = in_thread(stop_ttl_sweeper)

    def _should_refresh(self, refresh_ttl: bool | None) -> bool:
        if refresh_ttl is None:
            return (self.ttl_config or {}).get("refresh_on_read", True)
        return refresh_ttl
