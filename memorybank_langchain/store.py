"""LangGraph key-value store that keeps its values in a bank."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from itertools import islice, takewhile
from typing import Any, Literal, cast

import numpy as np
from langgraph.store.base import (
    NOT_PROVIDED,
    BaseStore,
    GetOp,
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

from memorybank_core import InvalidInputError, MemoryBank, protocols
from memorybank_core.concurrency import in_thread
from memorybank_core.ingest import embed_windows

from .store_filters import matches_condition, matches_filter
from .store_items import (
    encode_value,
    extract_indexed_texts,
    parse_full_key,
    require_fields,
    require_namespace,
    require_page,
    require_ttl,
    to_item_arguments,
)

_BATCH_SIZE = 64
"""Number of items embedded and written at a time."""


class MemoryBankStore(BaseStore):
    """Key-value store for graphs and agents, searchable by key, by filter and by meaning.

    `graph.compile(store=MemoryBankStore(bank))`, or `create_agent(..., store=...)`. The values are
    stored next to the memories of the bank. They do not fade, belong to no user of the bank, and
    disappear only when they are deleted or expire.

    The labels of a namespace may be any strings, including e-mail addresses; a prefix is compared
    label by label. A search without a query returns the last updated items first. With a query,
    the nearest items come first, scored by the best cosine of their indexed texts, followed by
    items that are not indexed. Searches use an index of the searched prefix, which is kept in the
    cache of the bank's store and includes every write, of any process. An expired item is
    invisible immediately and is removed from disk by a later write.

    In a file, deletion overwrites the deleted bytes, which requires one pass over the whole file
    per batch. Bytes that another program is still reading are overwritten by the next deletion. In
    PostgreSQL deleted bytes remain until VACUUM has run.

    If a call raises an error, no value of its batch is stored.

    Args:
        bank: Bank that holds the values and whose embedder compares them.
        index_fields: Paths of the texts in a value that queries are compared with, used if `put`
            has no `index`; "$" is the whole value. An empty sequence indexes nothing.
        ttl: Default time to live in minutes, and whether a read restarts it. The sweep interval is
            ignored, because expired items are never visible.

    Raises:
        InvalidInputError: From a call, if a namespace, value or option is invalid.
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
    ) -> None:
        self.bank, self.ttl_config = bank, ttl
        self._fields = require_fields(index_fields)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Execute operations, and return their results in order.

        All reads see the state before the writes. Of several writes to one key, the last is used.
        All writes are made in one transaction.
        """
        ops = list(ops)
        puts = {parse_full_key(op): op for op in ops if isinstance(op, PutOp)}
        drafts = [self._draft(key, op) for key, op in puts.items() if op.value is not None]
        vectors = self._embed(drafts)
        now = _now()
        results = [self._read(op, now) for op in ops]
        if puts:
            items = [replace(draft, created_at=now, updated_at=now) for draft in drafts]
            deleted = [key for key, op in puts.items() if op.value is None]
            self.bank.store.items.write(items, vectors, deleted, now)
        return results

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

    _async_reads = in_thread(get), in_thread(search), in_thread(list_namespaces)
    _async_writes = in_thread(put), in_thread(delete), in_thread(batch)
    # In a single assignment mypy would infer the types of the base class.
    aget, asearch, alist_namespaces = _async_reads
    aput, adelete, abatch = _async_writes

    def _should_refresh(self, refresh_ttl: bool | None) -> bool:
        if refresh_ttl is None:
            return (self.ttl_config or {}).get("refresh_on_read", True)
        return refresh_ttl

    def _draft(self, full_key: tuple[protocols.Namespace, str], op: PutOp) -> protocols.Item:
        """Return the item that a put stores; its times are placeholders until it is written."""
        namespace, key = full_key
        if not namespace:
            raise InvalidInputError("a namespace must have at least one label, such as ('notes',)")
        fields = self._fields if op.index is None else require_fields(op.index or ())
        placeholder, ttl = _now(), require_ttl(op.ttl)
        value = encode_value(op.value)
        return protocols.Item(namespace, key, value, placeholder, placeholder, ttl, fields)

    def _embed(self, items: Sequence[protocols.Item]) -> list[protocols.Matrix | None]:
        """Return the vectors of each item's texts; None for an item that is not indexed."""
        texts_by_item = [extract_indexed_texts(item) for item in items]
        all_texts = [text for texts in texts_by_item for text in texts]
        matrices = iter(embed_windows(all_texts, self.bank.embedder) if all_texts else ())
        empty = np.empty((0, self.bank.embedder.dimension), np.float32)
        vectors = [
            np.concatenate([empty, *islice(matrices, len(texts))]) for texts in texts_by_item
        ]
        pairs = zip(items, vectors, strict=True)
        return [matrix if item.fields else None for item, matrix in pairs]

    def _read(self, op: Op, now: datetime) -> Result:
        if isinstance(op, GetOp):
            return self._run_get(op, now)
        if isinstance(op, SearchOp):
            return cast("Result", self._run_search(op, now))
        if isinstance(op, ListNamespacesOp):
            return self._run_list(op, now)
        if isinstance(op, PutOp):
            return None
        raise InvalidInputError(f"a batch must consist of LangGraph operations, not {op!r}")

    def _run_get(self, op: GetOp, now: datetime) -> Item | None:
        items = self.bank.store.items
        item = items.get(require_namespace(op.namespace), str(op.key), now)
        if item is not None and op.refresh_ttl:
            items.refresh([item], now)
        return None if item is None else Item(**to_item_arguments(item))

    def _run_search(self, op: SearchOp, now: datetime) -> list[SearchItem]:
        prefix, filter = require_namespace(op.namespace_prefix), op.filter
        items = self.bank.store.items
        require_page(op.limit, op.offset)
        results = items.search(
            prefix,
            now,
            vector=self._embed_query(op.query, prefix, now) if op.query else None,
            accepts=(lambda value: matches_filter(json.loads(value), filter)) if filter else None,
            limit=op.limit,
            offset=op.offset,
        )
        if op.refresh_ttl:
            items.refresh([item for item, _ in results], now)
        return [SearchItem(**to_item_arguments(item), score=score) for item, score in results]

    def _embed_query(
        self, query: str, prefix: protocols.Namespace, now: datetime
    ) -> protocols.Vector:
        """Return the vector of a query, after embedding any items that lack vectors."""
        items = self.bank.store.items
        missing = items.unembedded(prefix, now)
        for start in range(0, len(missing), _BATCH_SIZE):
            batch = missing[start : start + _BATCH_SIZE]
            vectors = [matrix for matrix in self._embed(batch) if matrix is not None]
            items.set_vectors(batch, vectors)
        return self.bank.embed_query(query)

    def _run_list(self, op: ListNamespacesOp, now: datetime) -> list[tuple[str, ...]]:
        require_page(op.limit, op.offset)
        conditions = op.match_conditions or ()
        prefixes = [require_namespace(path) for kind, path in conditions if kind == "prefix"]
        fixed_prefix = takewhile(lambda label: label != "*", prefixes[0] if prefixes else ())
        namespaces = {
            namespace[: op.max_depth]
            for namespace in self.bank.store.items.namespaces(tuple(fixed_prefix), now)
            if all(matches_condition(namespace, condition) for condition in conditions)
        }
        return sorted(namespaces)[op.offset : op.offset + op.limit]


def _now() -> datetime:
    return datetime.now(timezone.utc)
