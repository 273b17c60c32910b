"""Search items with an index: rank, read the rows that are ranked first, and check the index.

Every read also returns the number of the last change. If the index has not seen it, the index is
refreshed, and the search begins again.

A filter is applied to the best items first. If it accepts few of them, it is applied to all items,
and those that it accepts are ranked. For an `ItemFilter`, all values are read once instead, and the
index keeps the fields by which it filters: from then on, only items are ranked that it may accept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Protocol

from memorybank_core.item_filter import ItemFilter, find_field
from memorybank_core.protocols import Item, Vector
from memorybank_core.stores.damage import convert_all, report_damage
from memorybank_core.stores.item_rows import item_name, select_page, to_item
from memorybank_core.stores.rows import Row

from .cache import IndexCache, item_key
from .item_index import ItemIndex, Name, RankedItem

_FIRST_ROWS, _GROWTH = 64, 2
"""Number of rows to read first if a filter must accept each, and how many times more then."""
_MOST_ROWS, _LARGEST_PART = 256, 1 / 16
"""Beyond both this number and this part of the items, it is faster to read all of them."""
_LOADED_AFTER = 1 / 3
"""Part of the items that filters read one by one until the fields of all are read at once."""
_ATTEMPTS = 8
"""Number of times to rank before reading all items, if others write all the time."""

Ranked = list[tuple[Row, float | None]]
"""Rows of `ItemSource.read` with scores, in the order of a search."""


class ItemSource(Protocol):
    """The rows of the items under one prefix, and when they change.

    Attributes:
        location: The path or URL of the bank, for reports.
    """

    location: str

    def read(self, items: Sequence[RankedItem]) -> tuple[dict[str, int], list[Row]]:
        """Return the last change, by path, and the rows of items, both of one moment.

        A row is the version and `ITEM_COLUMNS`. Expired items and versions that no longer exist are
        left out.
        """
        ...

    def refresh(self, index: ItemIndex) -> ItemIndex:
        """Load what changed since `index.seen`; return a new index if that is unknown."""
        ...

    def filter(self, accepts: Callable[[Row], bool]) -> tuple[dict[str, int], list[Row]]:
        """Return the last change, by path, and the accepted rows of all items; see `read`."""
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
        return convert_all(
            results[offset:last],
            lambda result: (to_item(result[0][1:]), result[1]),
            lambda result: report_damage(source.location, item_name(result[0][1:])),
        )
    rows = source.read_all()
    return select_page(
        rows, source.location, vector=vector, accepts=accepts, limit=limit, offset=offset
    )


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
                if self._should_load():
                    self._load_columns()
                results = self._read_best(last)
                if results is not None or not self._missing_fields():
                    return results
                self._load_columns()
        return None

    def filter_all(self, last: int) -> Ranked | None:
        """Apply the filter to all items, then rank those that it accepts; None if others write."""
        with suppress(_ChangedError):
            seen, _ = self._prepare()
            accepts = self._accepts
            last_change, rows = self._source.filter(lambda row: accepts is None or accepts(row[3]))
            self._check(last_change, seen)
            by_name = {(row[1], row[2]): row for row in rows}
            with self._cached.lock:
                if self._cached.index.seen != seen:
                    return None
                ranked = self._cached.index.rank_some(list(by_name), self._vector, last)
            return [(by_name[item.name], item.score) for item in ranked]
        return None

    def _missing_fields(self) -> list[str]:
        """Return the fields of the filter that have no column; none if it has no such fields."""
        if not isinstance(self._accepts, ItemFilter):
            return []
        return self._cached.index.columns.lack(list(self._accepts.conditions))

    def _must_read(self) -> bool:
        """Return whether the filter can only be applied to rows."""
        is_known = isinstance(self._accepts, ItemFilter) and not self._missing_fields()
        return self._accepts is not None and not is_known

    def _should_load(self) -> bool:
        """Return whether filters have read more rows than columns would have cost."""
        index = self._cached.index
        is_worth_it = index.rows_read > max(len(index) * _LOADED_AFTER, _MOST_ROWS)
        return is_worth_it and bool(self._missing_fields())

    def _load_columns(self) -> None:
        """Read the fields of the filter of all items, if the index has not changed meanwhile."""
        seen, _ = self._prepare()
        fields = self._missing_fields()
        names: list[Name] = []
        values: dict[str, list[Any]] = {field: [] for field in fields}

        def collect(row: Row) -> bool:
            try:
                value = json.loads(row[3])
            except ValueError:  # damaged
                value = None
            names.append((row[1], row[2]))
            for field, column in values.items():
                column.append(find_field(value, field))
            return False

        last_change, _ = self._source.filter(collect)
        self._check(last_change, seen)
        with self._cached.lock:
            if self._cached.index.seen != seen:
                raise _ChangedError
            self._cached.index.load_columns(names, values)
            self._resize()

    def _read_best(self, last: int) -> Ranked | None:
        """Read the best items in growing parts until the filter has accepted enough."""
        seen, size = self._prepare()
        results: Ranked = []
        most, done = max(_MOST_ROWS, size * _LARGEST_PART), 0
        count = max(last, _FIRST_ROWS) if self._must_read() else last
        while count <= most:
            with self._cached.lock:
                if self._cached.index.seen != seen:
                    raise _ChangedError
                ranked = self._rank(count)[done:]
            last_change, rows = self._source.read(ranked)
            self._check(last_change, seen)
            results += self._select(ranked, rows, last - len(results))
            if len(results) == last or len(ranked) < count - done:
                return results
            done, count = count, count * _GROWTH
        return None

    def _rank(self, count: int) -> list[RankedItem]:
        """Rank the items that the filter may accept; the lock must be held."""
        index, selected = self._cached.index, None
        if isinstance(self._accepts, ItemFilter):
            if self._missing_fields():
                index.rows_read += count
            else:
                selected = index.select(self._accepts.conditions)
        return index.rank(self._vector, count, selected)

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
                self._resize()
            raise _ChangedError

    def _resize(self) -> None:
        self._cache.resize(item_key(self._prefix), self._cached.index.nbytes)
