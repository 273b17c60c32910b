"""The contract of every `ItemStore`, as a class of tests."""

# ruff: noqa: S101 - tests: assertions, and names that say what is tested

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from memorybank_core.item_filter import ItemFilter
from memorybank_core.protocols import Item, ItemStore, Matrix, MemoryStore, Namespace, Vector

from .examples import EAST, NOON, NORTH, UP

LATER = NOON + timedelta(minutes=1)
VECTORS: list[Matrix | None] = [None, EAST[:0], EAST, NORTH, UP, np.concatenate([UP, -EAST])]
VALUES = ['{"n": 1}', '{"n": 2, "deep": {"t": "x"}}', f'{{"n": [1], "deep": "{"x" * 300}"}}', "3"]
FILTERS: list[Callable[[str], bool] | None] = [
    None,
    None,
    VALUES[0].__ne__,
    ItemFilter({"n": 1}),
    ItemFilter({"n": {"$gt": 1}}),
    ItemFilter({"n": {"$ne": [1]}, "deep.t": None}),
    ItemFilter({"deep": "x" * 300}),
]
PREFIXES: list[Namespace] = [(), ("a",), ("a", "x"), ("a", "y"), ("b",), ("c", "z")]


def item(path: str, **changes: Any) -> Item:
    """Return an item written at noon; "a b k" is the key k in the namespace (a, b)."""
    *namespace, key = path.split(" ")
    fields: dict[str, Any] = {"value": "{}", "created_at": NOON, "updated_at": NOON} | changes
    return Item(tuple(namespace), key, **fields)


class EveryItem:
    """A search without an index, to compare a store with: it knows what was written."""

    def __init__(self) -> None:
        self._stored: dict[tuple[Namespace, str], tuple[Item, Matrix | None, datetime | None]] = {}

    def write(self, items: list[Item], vectors: list[Matrix | None], now: datetime) -> None:
        """Store items."""
        for new, matrix in zip(items, vectors, strict=True):
            name = new.namespace, new.key
            created = self._stored[name][0].created_at if name in self._stored else new.created_at
            kept = replace(new, created_at=created)
            self._stored[name] = kept, matrix, _expiry(new, new.updated_at)
        self.remove([name for name, (*_, end) in self._stored.items() if end and end <= now])

    def remove(self, names: Iterable[tuple[Namespace, str]]) -> None:
        """Remove items, if they exist."""
        for name in names:
            self._stored.pop(name, None)

    def refresh(self, items: list[Item], now: datetime) -> None:
        """Restart the time to live of items."""
        for read in items:
            stored, matrix, _ = self._stored[read.namespace, read.key]
            self._stored[read.namespace, read.key] = stored, matrix, _expiry(stored, now)

    def search(
        self, prefix: Namespace, now: datetime, vector: Vector | None, accepts: Any
    ) -> list[tuple[Item, float | None]]:
        """Return every result of a search."""
        results: list[tuple[Item, float | None]] = []
        for stored, matrix, end in self._stored.values():
            is_found = (end is None or end > now) and stored.namespace[: len(prefix)] == prefix
            if is_found and (accepts is None or accepts(stored.value)):
                score = None
                if vector is not None and matrix is not None and len(matrix):
                    score = float((matrix @ vector).max())
                results.append((stored, score))
        results.sort(key=lambda result: (result[0].namespace, result[0].key))
        results.sort(key=lambda result: result[0].updated_at, reverse=True)
        return sorted(results, key=lambda result: 2.0 if result[1] is None else -result[1])


def _expiry(stored: Item, now: datetime) -> datetime | None:
    return None if stored.ttl is None else now + timedelta(minutes=stored.ttl)


def write_and_search(open_store: Callable[[], MemoryStore], seed: int, steps: int) -> None:
    """Write random items with two stores of one location; compare their searches with all items."""
    rng, now, expected = random.Random(seed), NOON, EveryItem()  # noqa: S311
    with closing(open_store()) as first, closing(open_store()) as second:
        for _ in range(steps):
            now += timedelta(seconds=rng.choice([0, 1, 20]))
            items = rng.choice([first, second]).items
            new = [
                item(f"{' '.join(prefix)} {key}", value=rng.choice(VALUES), ttl=ttl, updated_at=now)
                for prefix in rng.sample(PREFIXES[1:], 2)
                for key in rng.sample("klmn", 2)
                for ttl in rng.choices([None, 0.5], [3, 1])
            ]
            vectors = rng.choices(VECTORS, k=len(new))
            gone = [(prefix, rng.choice("kl")) for prefix in rng.sample(PREFIXES[1:], 2)]
            action = rng.choice(["write", "write", "delete", "none"])
            if action == "write":
                items.write(new, vectors, [], now)
                expected.write(new, vectors, now)
            elif action == "delete":
                items.write([], [], gone, now)
                expected.write([], [], now)
                expected.remove(gone)
            for store in (first, second):
                prefix, accepts = rng.choice(PREFIXES), rng.choice(FILTERS)
                vector = rng.choice([None, EAST[0], np.array([0.6, 0.8, 0.0], np.float32)])
                every = expected.search(prefix, now, vector, accepts)
                limit, offset = rng.choice([(3, 0), (3, 2), (99, 0)])
                page = store.items.search(
                    prefix, now, vector=vector, accepts=accepts, limit=limit, offset=offset
                )
                assert page == every[offset : offset + limit]
                if rng.random() < 0.2:
                    read = [result for result, _ in page]
                    store.items.refresh(read, now)
                    expected.refresh(read, now)


class ItemContract:
    """Tests of a store's items; `StoreContract` inherits them and documents `erases`."""

    erases = True

    def open_store(self) -> MemoryStore:
        """Open the store at the test's location; see `StoreContract`."""
        raise NotImplementedError

    @contextmanager
    def holding(
        self, *items: Item, vectors: list[Matrix | None] | None = None
    ) -> Iterator[ItemStore]:
        """Open a store, write items to it and yield its `ItemStore`."""
        with closing(self.open_store()) as store:
            store.items.write(items, vectors or [None] * len(items), [], NOON)
            yield store.items

    def test_items_round_trip(self) -> None:
        full = item("茶 a.b@c k~/", value='{"tea": "绿茶"}', ttl=0.5, fields=("a", "b[*].c"))
        with self.holding(full) as items:
            assert items.get(("茶", "a.b@c"), "k~/", NOON) == full
            assert items.get(("茶",), "k~/", NOON) is None
        with closing(self.open_store()) as store:
            assert store.items.search((), NOON) == [(full, None)]

    def test_a_prefix_is_compared_label_by_label(self) -> None:
        namespaces: list[Namespace] = [("u1",), ("u1", ""), ("u1", "x"), ("u1/x",), ("u10",), ("",)]
        namespaces += [("", ""), ("u1~1x",), ("%",), ("_1",), ("u1", "x", "y"), ("*",), ("U1",)]
        with self.holding(*(Item(path, "k", "{}", NOON, NOON) for path in namespaces)) as items:
            for prefix in [(), ("u",), ("u1", "*"), *namespaces]:
                under = {path for path in namespaces if path[: len(prefix)] == prefix}
                namespaces_found = {
                    result.namespace for result, _ in items.search(prefix, NOON, limit=99)
                }
                assert namespaces_found == set(items.namespaces(prefix, NOON)) == under, prefix

    def test_a_replaced_item_keeps_the_time_of_its_creation(self) -> None:
        new = item("a k", value="[1]", created_at=LATER, updated_at=LATER, fields=("$",))
        with self.holding(item("a k", ttl=2.0)) as items:
            items.write([new], [None], [], LATER)
            expected = item("a k", value="[1]", updated_at=LATER, fields=("$",))
            assert items.get(("a",), "k", LATER) == expected

    def test_items_are_sorted_by_the_last_update(self) -> None:
        new = item("b k", updated_at=LATER)
        with self.holding(item("a 2"), item("a 1", value="[1]"), new) as items:
            assert [result.key for result, _ in items.search((), NOON)] == ["k", "1", "2"]
            assert [result.key for result, _ in items.search((), NOON, limit=1, offset=1)] == ["1"]
            accepts = lambda value: value != "[1]"  # noqa: E731
            results = items.search((), NOON, accepts=accepts, limit=1, offset=1)
            assert [result.key for result, _ in results] == ["2"]

    def test_items_are_sorted_by_nearness_and_those_without_vectors_follow(self) -> None:
        slanted = np.array([[0.6, 0.8, 0.0]], np.float32)
        keys = ("none", "far", "near", "empty", "two")
        written = [item(f"a {key}", value=f'"{key}"') for key in keys]
        vectors = [None, NORTH, EAST, EAST[:0], np.concatenate([UP, slanted])]
        with self.holding(*written, vectors=vectors) as items:
            results = items.search((), NOON, vector=EAST[0])
            scores = {result.key: score for result, score in results}
            near = {"near": 1.0, "two": float(np.float32(0.6)), "far": 0.0}
            assert list(scores.items()) == [*near.items(), ("empty", None), ("none", None)]
            accepts = lambda value: value != '"near"'  # noqa: E731
            results = items.search((), NOON, vector=EAST[0], accepts=accepts, limit=2, offset=1)
            assert [result.key for result, _ in results] == ["far", "empty"]

    def test_searches_equal_those_without_an_index(self) -> None:
        write_and_search(self.open_store, seed=1, steps=40)

    def test_expired_items_are_not_returned_and_a_refresh_restarts_the_time(self) -> None:
        with self.holding(item("a k", ttl=1.0), item("b k")) as items:
            almost, then = LATER - timedelta(microseconds=1), LATER + timedelta(seconds=30)
            (short, kept) = (items.get((label,), "k", almost) for label in "ab")
            assert short is not None
            assert kept is not None
            for now, namespaces in ((almost, [("a",), ("b",)]), (LATER, [("b",)])):
                assert items.namespaces((), now) == namespaces
                assert [result.namespace for result, _ in items.search((), now)] == namespaces
                assert (items.get(("a",), "k", now) is None) == (now == LATER)
            items.refresh([short, kept], NOON + timedelta(seconds=31))
            assert items.get(("a",), "k", then) == short
            items.write([], [], [], LATER + timedelta(minutes=1))
            assert items.get(("a",), "k", NOON) is None
            assert items.get(("b",), "k", NOON) == kept

    def test_a_sweep_deletes_what_has_expired_and_counts_it(self) -> None:
        items = [item("a k", ttl=1.0), item("a l", ttl=1.0), item("b k", ttl=2.0), item("c k")]
        with self.holding(*items) as store:
            assert [result.key for result, _ in store.search((), LATER)] == ["k", "k"]
            assert [store.sweep(LATER), store.sweep(LATER)] == [2, 0]
            assert store.get(("a",), "k", NOON) is None
            assert store.get(("b",), "k", NOON) == items[2]
            assert len(store.search((), NOON)) == 2

    def test_a_write_restarts_the_time_of_items_that_were_read(self) -> None:
        short, gone = item("a k", ttl=1.0), item("b k", ttl=1.0)
        with self.holding(short, gone, item("c k", ttl=1.0)) as items:
            read = [item("c k", ttl=1.0), short, gone]
            changed = item("c k", value="1", ttl=3.0, updated_at=LATER)
            at = NOON + timedelta(seconds=30)
            items.write([changed], [None], [(("b",), "k")], at, read)
            end = at + timedelta(minutes=1)
            assert items.get(("a",), "k", end - timedelta(microseconds=1)) == short
            assert items.get(("a",), "k", end) is None
            assert items.get(("b",), "k", NOON) is None
            after = items.get(("c",), "k", LATER + timedelta(minutes=2))
            assert after is not None
            assert (after.value, after.ttl) == ("1", 3.0)

    def test_writes_and_deletions_affect_only_their_keys(self) -> None:
        with self.holding(item("a k"), item("a l"), item("b k")) as items:
            gone = [(("a",), "k"), (("a",), "unknown"), (("c",), "k")]
            assert items.write([item("b l")], [None], gone, LATER) is self.erases
            left = {(result.namespace, result.key) for result, _ in items.search((), NOON)}
            assert left == {(("a",), "l"), (("b",), "k"), (("b",), "l")}

    def test_missing_vectors_are_set_unless_the_item_was_rewritten_meanwhile(self) -> None:
        old, other = item("a k", fields=("$",)), item("a l", fields=("$",))
        with self.holding(old, other, item("a m"), item("b k", fields=("$",))) as items:
            assert items.unembedded(("a",), NOON) == [old, other]
            items.write([item("a k", value="[]", fields=("$",))], [NORTH], [], NOON)
            items.set_vectors([old, other], [EAST, EAST])
            assert items.unembedded(("a",), NOON) == []
            results = items.search(("a",), NOON, vector=EAST[0])
            assert [score for _, score in results] == [1.0, 0.0, None]
