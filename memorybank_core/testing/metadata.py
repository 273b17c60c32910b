"""The contract of the metadata of a `MemoryStore`, as a class of tests."""

# ruff: noqa: S101 - tests: assertions, and names that say what is tested

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

from memorybank_core.conditions import require_where
from memorybank_core.metadata import require_metadata
from memorybank_core.protocols import Filter, MemoryStore
from memorybank_core.records import Memory, Turn

from .examples import ADA, ALL, BOB, EAST, NOON, NORTH, candidates_by_id, event, ids, probe, turn

ODD = {"b": [1, 1.0, True, None, "\0 茶 🍵"], "a": {"x": {}}, "n": -(2**62), "f": 1e300}
"""Metadata that do not survive a careless conversion."""


def with_metadata(memory: Memory, **metadata: Any) -> Memory:
    """Return a turn with metadata."""
    exchange = memory.turn
    assert isinstance(exchange, Turn)
    return replace(memory, turn=replace(exchange, metadata=metadata))


def select(store: MemoryStore, where: Mapping[str, Any], user: str = ADA) -> list[str]:
    """Return the ids of the memories that a search selects; a listing must select the same."""
    filter = Filter(where=require_where(where), archived=True)
    selected = sorted(candidates_by_id(store, user, probe("tea", filter=filter, reach=3)))
    assert sorted(ids(store.memories(user, filter))) == selected
    return selected


class MetadataContract:
    """Tests of a store's metadata. Each begins with an empty location."""

    def open_store(self) -> MemoryStore:
        """Open the store at the test's location; see `StoreContract`."""
        raise NotImplementedError

    def test_metadata_round_trip(self) -> None:
        odd, plain = with_metadata(turn("a tea"), **ODD), turn("b tea", hours=1)
        with closing(self.open_store()) as store:
            store.add(ADA, [odd, plain], [EAST, EAST])
        with closing(self.open_store()) as store:
            assert store.memories(ADA, ALL) == [odd, plain]
            [stored] = store.known(ADA, ["a"]).values()
            assert str(dict(sorted(stored.metadata.items()))) == str(dict(sorted(ODD.items())))
            assert select(store, {"n": -(2**62)}) == ["a"]

    def test_metadata_are_copied(self) -> None:
        odd = with_metadata(turn("a tea"), **ODD)
        with closing(self.open_store()) as store:
            store.add(ADA, [odd], [EAST])
            store.put(BOB, store.scan(ADA))
            assert store.memories(BOB, ALL)[0].metadata == ODD
            assert select(store, {"f": 1e300}, BOB) == ["a"]

    def test_where_selects_turns(self) -> None:
        with closing(self.open_store()) as store:
            coder = [with_metadata(turn(f"c{n} tea", hours=n), agent="coder", n=n) for n in (1, 2)]
            friend = with_metadata(turn("f tea", hours=3), agent="friend", n="2", on=None)
            memories = [*coder, friend, turn("plain tea", hours=4), event("e tea")]
            store.add(ADA, memories, [EAST] * len(memories))
            store.add(BOB, coder, [EAST, EAST])
            for where, expected in (
                ({"agent": "coder"}, ["c1", "c2"]),
                ({"agent": {"$ne": "coder"}}, ["f", "plain"]),
                ({"agent": {"$in": ["friend", None]}}, ["f"]),
                ({"n": {"$gte": 2}}, ["c2", "f"]),
                ({"n": 2.0}, ["c2"]),
                ({"n": True}, []),
                ({"on": None}, ["f"]),
                ({"agent": "coder", "n": {"$lt": 2}}, ["c1"]),
                ({"missing": "x"}, []),
            ):
                assert select(store, where) == expected
            last = Filter(where=require_where({"agent": "coder"}))
            assert ids(store.memories(ADA, last, last=1)) == ["c2"]

    def test_metadata_are_replaced_alone(self) -> None:
        old, other = with_metadata(turn("a tea"), n=1), with_metadata(turn("b tea", hours=1), n=2)
        with closing(self.open_store()) as store:
            store.add(ADA, [old, other, event("e tea")], [EAST, NORTH, EAST])
            store.change_state(ADA, ["a"], "pin", NOON + timedelta(days=1))
            before = store.scan(ADA)
            assert select(store, {"n": 1}) == ["a"]
            new = require_metadata({"n": 3})
            assert store.set_metadata(ADA, {"a": new, "e": new, "missing": new}) == 1
            assert store.set_metadata(BOB, {"a": new}) == 0
            assert (select(store, {"n": 1}), select(store, {"n": 3})) == ([], ["a"])
            assert select(store, {"n": 2}) == ["b"]
            after = store.scan(ADA)
            assert [row.memory for row in after[1:]] == [row.memory for row in before[1:]]
            assert after[0].memory == with_metadata(before[0].memory, n=3)
            assert [row.vectors.tolist() for row in after] == [
                row.vectors.tolist() for row in before
            ]
            assert store.set_metadata(ADA, {"a": require_metadata({})}) == 1
            assert select(store, {"n": {"$ne": 2}}) == ["a"]
        with closing(self.open_store()) as store:
            assert select(store, {"n": {"$ne": 2}}) == ["a"]

    def test_replacing_a_text_replaces_the_metadata(self) -> None:
        with closing(self.open_store()) as store:
            store.add(ADA, [with_metadata(turn("a tea"), n=1)], [EAST])
            assert select(store, {"n": 1}) == ["a"]
            store.add(ADA, [with_metadata(turn("a green tea"), n=2)], [EAST], replace=True)
            assert (select(store, {"n": 1}), select(store, {"n": 2})) == ([], ["a"])
            store.delete(ADA, ids=["a"])
            assert select(store, {"n": {"$ne": 1}}) == []
