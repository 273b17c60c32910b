"""MemoryBankStore: LangGraph's key-value store in a bank."""

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

from memorybank_core import InvalidInputError, MemoryBank
from memorybank_core import protocols as core
from memorybank_core.concurrency import in_thread
from memorybank_core.ingest import embed_query, embed_windows

from .store_filters import matches, passes
from .store_items import json_of, labels, minutes, parts_of, paths, place_of, require_page, texts_of

_BATCH = 64


class MemoryBankStore(BaseStore):
    """Values under keys for graphs and agents, found by key, by filter and by meaning.

    `graph.compile(store=MemoryBankStore(bank))`, or `create_agent(..., store=...)`. The values lie
    beside the memories of the bank: they do not fade, belong to no user of the bank, and go only
    when they are deleted or expire.

    Labels of a namespace may be any strings, e-mail addresses among them; a prefix is compared
    label by label. A search without a query gives the last updated first. With one, the nearest
    come first, scored by the best cosine of their indexed texts, then what is not indexed. An
    expired item is gone at once; a later write drops it from the disk. Deleting wipes what was
    deleted from a file, which takes the reading of the whole file, once a batch; bytes that
    another program's open read still holds go with the next deletion. In PostgreSQL they stay
    until VACUUM has been there.

    Args:
        bank: Where the values lie, and whose embedder compares them.
        index_fields: The paths of a value's texts that a query is compared with, where `put` has
            no `index`; "$" is the whole value. Empty for none.
        ttl: Default time to live (minutes), and whether reading starts it anew. Sweeping needs no
            interval here.

    Raises:
        InvalidInputError: From a call: a namespace, value or option is not what it must be;
            nothing of the batch was stored.
        EmbedderError: From a call: the embedder failed, or another one writes the bank now;
            likewise.
        StoreError: From a call: the file could not be read or written; likewise.
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
        self._fields = paths(index_fields)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """The result of each operation, in order; all reads see the state before the writes.

        Of several writes to one key the last counts. All writes are one transaction.
        """
        ops = list(ops)
        puts = {place_of(op): op for op in ops if isinstance(op, PutOp)}
        drafts = [self._draft(place, op) for place, op in puts.items() if op.value is not None]
        vectors = self._embedded(drafts)
        now = _now()
        results = [self._read(op, now) for op in ops]
        if puts:
            items = [replace(draft, created_at=now, updated_at=now) for draft in drafts]
            deleted = [place for place, op in puts.items() if op.value is None]
            self.bank.store.items.write(items, vectors, deleted, now)
        return results

    def get(
        self, namespace: tuple[str, ...], key: str, *, refresh_ttl: bool | None = None
    ) -> Item | None:
        op = GetOp(namespace, str(key), self._refreshes(refresh_ttl))
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
        refresh = self._refreshes(refresh_ttl)
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
        if isinstance(ttl, NotProvided):
            ttl = (self.ttl_config or {}).get("default_ttl")
        self.batch([PutOp(namespace, str(key), cast("dict[str, Any]", value), index, ttl)])

    def delete(self, namespace: tuple[str, ...], key: str) -> None:
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
        conditions = [MatchCondition("prefix", prefix)] if prefix else []
        conditions += [MatchCondition("suffix", suffix)] if suffix else []
        op = ListNamespacesOp(tuple(conditions), max_depth, limit, offset)
        return cast("list[tuple[str, ...]]", self.batch([op])[0])

    _reading = in_thread(get), in_thread(search), in_thread(list_namespaces)
    _writing = in_thread(put), in_thread(delete), in_thread(batch)
    aget, asearch, alist_namespaces = _reading  # in two steps: mypy reads the base's types into one
    aput, adelete, abatch = _writing

    def _refreshes(self, asked: bool | None) -> bool:
        return (self.ttl_config or {}).get("refresh_on_read", True) if asked is None else asked

    def _draft(self, place: tuple[core.Namespace, str], op: PutOp) -> core.Item:
        """What a put stores, but for its time."""
        namespace, key = place
        if not namespace:
            raise InvalidInputError("a namespace needs at least one label, such as ('notes',)")
        fields = self._fields if op.index is None else paths(op.index or ())
        unset, ttl = _now(), minutes(op.ttl)
        return core.Item(namespace, key, json_of(op.value), unset, unset, ttl, fields)

    def _embedded(self, items: Sequence[core.Item]) -> list[core.Matrix | None]:
        """The vectors of each item's texts; None for one that is not indexed."""
        texts = [texts_of(item) for item in items]
        flat = [text for of_one in texts for text in of_one]
        matrices = iter(embed_windows(flat, self.bank.embedder) if flat else ())
        none = np.empty((0, self.bank.embedder.dimension), np.float32)
        joined = [np.concatenate([none, *islice(matrices, len(of_one))]) for of_one in texts]
        pairs = zip(items, joined, strict=True)
        return [matrix if item.fields else None for item, matrix in pairs]

    def _read(self, op: Op, now: datetime) -> Result:
        if isinstance(op, GetOp):
            return self._got(op, now)
        if isinstance(op, SearchOp):
            return cast("Result", self._found(op, now))
        if isinstance(op, ListNamespacesOp):
            return self._listed(op, now)
        if isinstance(op, PutOp):
            return None
        raise InvalidInputError(f"a batch is made of LangGraph's operations, not {op!r}")

    def _got(self, op: GetOp, now: datetime) -> Item | None:
        items = self.bank.store.items
        item = items.get(labels(op.namespace), str(op.key), now)
        if item is not None and op.refresh_ttl:
            items.refresh([item], now)
        return None if item is None else Item(**parts_of(item))

    def _found(self, op: SearchOp, now: datetime) -> list[SearchItem]:
        prefix, filter = labels(op.namespace_prefix), op.filter
        items = self.bank.store.items
        require_page(op.limit, op.offset)
        found = items.search(
            prefix,
            now,
            vector=self._question(op.query, prefix, now) if op.query else None,
            accepts=(lambda value: passes(json.loads(value), filter)) if filter else None,
            limit=op.limit,
            offset=op.offset,
        )
        if op.refresh_ttl:
            items.refresh([item for item, _ in found], now)
        return [SearchItem(**parts_of(item), score=score) for item, score in found]

    def _question(self, query: str, prefix: core.Namespace, now: datetime) -> core.Vector:
        """The vector of a query, when all that it is to be compared with have theirs."""
        items = self.bank.store.items
        missing = items.unembedded(prefix, now)
        for start in range(0, len(missing), _BATCH):
            batch = missing[start : start + _BATCH]
            vectors = [matrix for matrix in self._embedded(batch) if matrix is not None]
            items.set_vectors(batch, vectors)
        return embed_query(query, self.bank.embedder)

    def _listed(self, op: ListNamespacesOp, now: datetime) -> list[tuple[str, ...]]:
        require_page(op.limit, op.offset)
        conditions = op.match_conditions or ()
        prefixes = [labels(path) for kind, path in conditions if kind == "prefix"]
        start = takewhile(lambda label: label != "*", prefixes[0] if prefixes else ())
        found = {
            namespace[: op.max_depth]
            for namespace in self.bank.store.items.namespaces(tuple(start), now)
            if all(matches(namespace, condition) for condition in conditions)
        }
        return sorted(found)[op.offset : op.offset + op.limit]


def _now() -> datetime:
    return datetime.now(timezone.utc)
