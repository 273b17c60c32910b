"""Search items with an index: rank, read the rows that are ranked first, and check the index.

Every read also returns the number of the last change. If the index has not seen it, the index is
refreshed, and the search begins again.

A filter is applied to the best items first. If it accepts few of them, it is applied to all items,
and those that it accepts are ranked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Protocol

from memorybank_core.protocols import Item, Vector
from memorybank_core.stores.item_rows import select_page, to_item
from memorybank_core.stores.rows import Row

from .cache import IndexCache, item_key
from .item_index import ItemIndex, RankedItem

_FIRST_ROWS, _GROWTH = 64, 4
"""Number of rows to read first if a filter must accept each, and how many times more then."""
_MOST_ROWS, _LARGEST_PART = 256, 1 / 16
"""Beyond both this number and this part of the items, it is faster to read all of them."""
_ATTEMPTS = 8
"""Number of times to rank before reading all items, if others write all the time."""

Ranked = list[tuple[Row, float | None]]
"""Rows of `ItemSource.read` with scores, in the order of a search."""


class ItemSource(Protocol):
    """The rows of the items under one prefix, and when they change."""

    def read(self, items: Sequence[RankedItem]) -> tuple[dict[str, int], list[Row]]:
        """Return the last change, by path, and the rows of items, both of one moment.

        A row is the version and `ITEM_COLUMNS`. Expired items and versions that no longer exist are
        left out.
        """
        ...

    def refresh(self, index: ItemIndex) -> ItemIndex:
        """Load what changed since `index.seen`; return a new index if that is unknown."""
        ...

    def filter(self, accepts: Callable[[str], bool] | None) -> tuple[dict[str, int], list[Row]]:
        """Return the last change, by path, and the rows of all accepted items; see `read`."""
        ...

    def read_all(self) -> Iterable[Row]:
        """Yield the rows of all items for `select_page`."""
        ...


def search_items(
    cache: IndexCache,
    prefix: str,
    source: ItemSource,
    *,
    vector: Vector | None,
    accepts: Callable[[str], bool] | None,
    limit: int,
    offset: int,
) -> list[tuple[Item, float | None]]:
    """Return the items of a page, with scores; see `ItemStore.search`.

    Args:
        cache: The cache of the index.
        prefix: The path of the prefix.
        source: The rows under it.
        vector: See `ItemStore.search`, as for the others.
        accepts: Called with the values of the best items, until enough are accepted.
        limit: Maximum number of items.
        offset: Number of items to skip.
    """
    search, last = _Search(cache, prefix, source, vector, accepts), offset + limit
    results = search.read_best(last)
    if results is None:
        results = search.filter_all(last)
    if results is not None:
        return [(to_item(row[1:]), score) for row, score in results[offset:last]]
    rows = source.read_all()
    return select_page(rows, vector=vector, accepts=accepts, limit=limit, offset=offset)


class _ChangedError(Exception):
    """Others wrote; the index has been refreshed."""


class _Search:
    """A search with an index."""

    def __init__(
        self,
        cache: IndexCache,
        prefix: str,
        source: ItemSource,
        vector: Vector | None,
        accepts: Callable[[str], bool] | None,
    ) -> None:
        self._cache, self._prefix, self._source = cache, prefix, source
        self._vector, self._accepts = vector, accepts
        self._cached = cache.get_items(prefix)

    def read_best(self, last: int) -> Ranked | None:
        """Return the first `last` results; None if too many rows must be read, or others write."""
        for _ in range(_ATTEMPTS):
            with suppress(_ChangedError):
                return self._read_best(last)
        return None

    def filter_all(self, last: int) -> Ranked | None:
        """Apply the filter to all items, then rank those that it accepts; None if others write."""
        with suppress(_ChangedError):
            seen, _ = self._prepare()
            last_change, rows = self._source.filter(self._accepts)
            self._check(last_change, seen)
            by_name = {(row[1], row[2]): row for row in rows}
            with self._cached.lock:
                if self._cached.index.seen != seen:
                    return None
                ranked = self._cached.index.rank_some(list(by_name), self._vector, last)
            return [(by_name[item.name], item.score) for item in ranked]
        return None

    def _read_best(self, last: int) -> Ranked | None:
        """Read the best items in growing parts until the filter has accepted enough."""
        seen, size = self._prepare()
        results: Ranked = []
        most, done = max(_MOST_ROWS, size * _LARGEST_PART), 0
        count = last if self._accepts is None else max(last, _FIRST_ROWS)
        while count <= most:
            with self._cached.lock:
                if self._cached.index.seen != seen:
                    raise _ChangedError
                ranked = self._cached.index.rank(self._vector, count)[done:]
            last_change, rows = self._source.read(ranked)
            self._check(last_change, seen)
            results += self._select(ranked, rows, last - len(results))
            if len(results) == last or count >= size:
                return results
            done, count = count, count * _GROWTH
        return None

    def _select(self, ranked: Sequence[RankedItem], rows: Iterable[Row], count: int) -> Ranked:
        """Return the first `count` of the ranked items that exist and that the filter accepts."""
        by_state = {(row[1], row[0]): row for row in rows}
        in_order = ((by_state.get((item.name[0], item.version)), item.score) for item in ranked)
        accepted = (
            (row, score)
            for row, score in in_order
            if row is not None and (self._accepts is None or self._accepts(row[3]))
        )
        return list(islice(accepted, count))

    def _prepare(self) -> tuple[dict[str, int] | None, int]:
        """Return the last change that the index has seen, and its number of items."""
        with self._cached.lock:
            if self._vector is not None and not self._cached.index.embedded:
                self._cached.index = ItemIndex(self._cache.dimension, embedded=True)
            return self._cached.index.seen, len(self._cached.index)

    def _check(self, last_change: dict[str, int], seen: dict[str, int] | None) -> None:
        """Refresh the index if it has not seen the last change.

        Raises:
            _ChangedError: If it had not.
        """
        if last_change != seen:
            with self._cached.lock:
                self._cached.index = self._source.refresh(self._cached.index)
                self._cache.resize(item_key(self._prefix), self._cached.index.nbytes)
            raise _ChangedError
