"""Search items with an index: rank, read the rows that are ranked first, and check the index.

The rows are read together with the number of the last change. If the index has not seen it, the
index is refreshed, and the items are ranked again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
    cached, last = cache.get_items(prefix), offset + limit
    count = last if accepts is None else max(last, _FIRST_ROWS)
    for _ in range(_ATTEMPTS):
        with cached.lock:
            if vector is not None and not cached.index.embedded:
                cached.index = ItemIndex(cache.dimension, embedded=True)
            seen, size = cached.index.seen, len(cached.index)
            if count > max(_MOST_ROWS, size * _LARGEST_PART):
                break
            ranked = cached.index.rank(vector, count)
        last_change, read = source.read(ranked)
        if last_change != seen:
            with cached.lock:
                cached.index = source.refresh(cached.index)
                cache.resize(item_key(prefix), cached.index.nbytes)
            continue
        rows = {(row[1], row[0]): row for row in read if accepts is None or accepts(row[3])}
        in_order = ((rows.get((item.name[0], item.version)), item.score) for item in ranked)
        results = [(row, score) for row, score in in_order if row is not None]
        if len(results) >= last or count >= size:
            return [(to_item(row[1:]), score) for row, score in results[offset:last]]
        count *= _GROWTH
    rows_of_all = source.read_all()
    return select_page(rows_of_all, vector=vector, accepts=accepts, limit=limit, offset=offset)
