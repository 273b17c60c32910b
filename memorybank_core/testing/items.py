"""The contract of every `ItemStore`, as a class of tests."""

# ruff: noqa: S101 - tests: assertions, and names that say what is tested

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import numpy as np

from memorybank_core.protocols import Item, ItemStore, Matrix, MemoryStore, Namespace

from .examples import EAST, NOON, NORTH, UP

LATER = NOON + timedelta(minutes=1)


def item(path: str, **changes: Any) -> Item:
    """Return an item written at noon; "a b k" is the key k in the namespace (a, b)."""
    *namespace, key = path.split(" ")
    fields: dict[str, Any] = {"value": "{}", "created_at": NOON, "updated_at": NOON} | changes
    return Item(tuple(namespace), key, **fields)


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
