"""Execute the operations of a batch of LangGraph's store on the items of a bank."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from itertools import islice, takewhile
from typing import cast

import numpy as np
from langgraph.store.base import (
    GetOp,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)

from memorybank_core import InvalidInputError, MemoryBank, protocols
from memorybank_core.ingest import embed_windows

from .store_filters import matches_condition, require_condition, require_filter
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


class Batch:
    """One batch of operations; see `MemoryBankStore.batch`.

    Args:
        bank: Bank that holds the items.
        fields: Paths of the texts to index, for writes that do not name any.
    """

    def __init__(self, bank: MemoryBank, fields: Sequence[str]) -> None:
        self._items, self._embedder, self._bank = bank.store.items, bank.embedder, bank
        self._fields = tuple(fields)
        self._now = _now()
        self._read_items: list[protocols.Item] = []  # of which the time to live starts again

    def execute(self, ops: Iterable[Op]) -> list[Result]:
        """Execute the operations, and return their results in order."""
        ops = list(ops)
        puts = {parse_full_key(op): op for op in ops if isinstance(op, PutOp)}
        drafts = [self._draft(key, op) for key, op in puts.items() if op.value is not None]
        vectors = self._embed(drafts)
        self._now = _now()
        results = [self._read(op) for op in ops]
        if puts:
            now = self._now
            items = [replace(draft, created_at=now, updated_at=now) for draft in drafts]
            deleted = [key for key, op in puts.items() if op.value is None]
            self._items.write(items, vectors, deleted, now, self._read_items)
        elif self._read_items:
            self._items.refresh(self._read_items, self._now)
        return results

    def _draft(self, full_key: tuple[protocols.Namespace, str], op: PutOp) -> protocols.Item:
        """Return the item that a put stores; its times are placeholders until it is written."""
        namespace, key = full_key
        fields = self._fields if op.index is None else require_fields(op.index or ())
        value, ttl = encode_value(op.value), require_ttl(op.ttl)
        return protocols.Item(namespace, key, value, self._now, self._now, ttl, fields)

    def _embed(self, items: Sequence[protocols.Item]) -> list[protocols.Matrix | None]:
        """Return the vectors of each item's texts; None for an item that is not indexed."""
        texts_by_item = [extract_indexed_texts(item) for item in items]
        all_texts = [text for texts in texts_by_item for text in texts]
        matrices = iter(embed_windows(all_texts, self._embedder) if all_texts else ())
        empty = np.empty((0, self._embedder.dimension), np.float32)
        vectors = [
            np.concatenate([empty, *islice(matrices, len(texts))]) for texts in texts_by_item
        ]
        pairs = zip(items, vectors, strict=True)
        return [matrix if item.fields else None for item, matrix in pairs]

    def _read(self, op: Op) -> Result:
        if isinstance(op, GetOp):
            return self._run_get(op)
        if isinstance(op, SearchOp):
            return cast("Result", self._run_search(op))
        if isinstance(op, ListNamespacesOp):
            return self._run_list(op)
        if isinstance(op, PutOp):
            return None
        raise InvalidInputError(f"a batch must consist of LangGraph operations, not {op!r}")

    def _run_get(self, op: GetOp) -> Item | None:
        item = self._items.get(require_namespace(op.namespace), str(op.key), self._now)
        if item is not None and op.refresh_ttl:
            self._read_items.append(item)
        return None if item is None else Item(**to_item_arguments(item))

    def _run_search(self, op: SearchOp) -> list[SearchItem]:
        prefix = require_namespace(op.namespace_prefix)
        require_page(op.limit, op.offset)
        results = self._items.search(
            prefix,
            self._now,
            vector=self._embed_query(op.query, prefix) if op.query else None,
            accepts=require_filter(op.filter),
            limit=op.limit,
            offset=op.offset,
        )
        if op.refresh_ttl:
            self._read_items += [item for item, _ in results]
        return [SearchItem(**to_item_arguments(item), score=score) for item, score in results]

    def _embed_query(self, query: str, prefix: protocols.Namespace) -> protocols.Vector:
        """Return the vector of a query, after embedding any items that lack vectors."""
        missing = self._items.unembedded(prefix, self._now)
        for start in range(0, len(missing), _BATCH_SIZE):
            batch = missing[start : start + _BATCH_SIZE]
            vectors = [matrix for matrix in self._embed(batch) if matrix is not None]
            self._items.set_vectors(batch, vectors)
        return self._bank.embed_query(query)

    def _run_list(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        require_page(op.limit, op.offset)
        conditions = [require_condition(condition) for condition in op.match_conditions or ()]
        prefixes = [path for kind, path in conditions if kind == "prefix"]
        fixed_prefix = takewhile(lambda label: label != "*", prefixes[0] if prefixes else ())
        namespaces = {
            namespace[: op.max_depth]
            for namespace in self._items.namespaces(tuple(fixed_prefix), self._now)
            if all(matches_condition(namespace, condition) for condition in conditions)
        }
        return sorted(namespaces)[op.offset : op.offset + op.limit]


def _now() -> datetime:
    return datetime.now(timezone.utc)
