"""The contract of the changes that a `MemoryStore` records, as a class of tests."""

# ruff: noqa: S101 - tests: assertions, and names that say what is tested

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from memorybank_core.errors import ConflictError
from memorybank_core.protocols import MemoryStore
from memorybank_core.records import Change

from .examples import ADA, BOB, EAST, NOON, assert_raises, candidates_by_id, event, probe, turn

IDS = ("a", "b", "c\0 茶")
"""Ids of three turns; the last has a character that PostgreSQL cannot store as it is."""


def change(newer: str, older: str | None) -> Change:
    """Return a change that a model "m" recorded at noon."""
    return Change(newer, older, "m", NOON)


A, B, C = IDS
CHANGES = [change(B, None), change(B, A), change(C, None), change(C, A), change(C, B)]


class ChangesContract:
    """Tests of a store's changes. Each begins with an empty location."""

    def open_store(self) -> MemoryStore:
        """Open the store at the test's location; see `StoreContract`."""
        raise NotImplementedError

    @contextmanager
    def with_changes(self) -> Iterator[MemoryStore]:
        """Open a store with three turns of two users, and the changes of one of them."""
        with closing(self.open_store()) as store:
            for user in (ADA, BOB):
                memories = [
                    replace(turn(f"{n} tea", user=user, hours=n), id=id) for n, id in enumerate(IDS)
                ]
                store.add(user, memories, [EAST] * 3)
            store.record_changes(ADA, CHANGES)
            yield store

    def find_newer(self, store: MemoryStore, user: str = ADA) -> dict[str, tuple[str, ...]]:
        """Return `replaced_by` of every memory that a search fetches, by id."""
        keys = [row["key"] for row in candidates_by_id(store, user, probe()).values()]
        return {item.id: item.replaced_by for item in store.fetch(user, keys).values()}

    def test_changes_round_trip(self) -> None:
        with self.with_changes() as store:
            assert store.changes(ADA) == CHANGES
        with closing(self.open_store()) as store:
            assert store.changes(ADA) == CHANGES
            assert self.find_newer(store) == {A: (B, C), B: (C,), C: ()}
            assert store.changes(BOB) == store.changes("cleo") == []
            assert self.find_newer(store, BOB) == {A: (), B: (), C: ()}

    def test_a_change_is_recorded_once(self) -> None:
        with self.with_changes() as store:
            again = replace(CHANGES[1], made_by="n")
            store.record_changes(ADA, [change(B, A), again])
            store.record_changes(ADA, [change("missing", A), change(B, "missing")])
            store.record_changes("cleo", [change(B, A)])
            assert store.changes(ADA) == [CHANGES[0], again, *CHANGES[2:]]

    def test_a_change_is_taken_back(self) -> None:
        with self.with_changes() as store:
            assert not store.forget_change(BOB, A, B)
            assert not store.forget_change(ADA, B, A)
            assert not store.forget_change(ADA, A, "missing")
            assert store.forget_change(ADA, A, B)
            assert not store.forget_change(ADA, A, B)
            assert store.changes(ADA) == [CHANGES[0], *CHANGES[2:]]
            assert self.find_newer(store) == {A: (C,), B: (C,), C: ()}

    def test_deleting_either_memory_deletes_the_change(self) -> None:
        for deleted, left in ((B, [change(C, None), change(C, A)]), (C, CHANGES[:2])):
            with self.with_changes() as store:
                store.delete(ADA, ids=[deleted])
                assert store.changes(ADA) == left
                store.delete(ADA)
                store.delete(BOB)
                assert store.changes(ADA) == []

    def test_another_text_deletes_the_changes_of_a_memory(self) -> None:
        with self.with_changes() as store:
            store.add(ADA, [replace(turn("b coffee"), id=B)], [EAST], replace=True)
            assert store.changes(ADA) == [change(C, None), change(C, A)]

    def test_changes_of_a_memory_that_changed_meanwhile_are_refused(self) -> None:
        with self.with_changes() as store:
            read = list(store.known(BOB, IDS).values())
            store.record_changes(BOB, [change(B, A)], made_from=read)
            store.add(BOB, [replace(turn("b coffee", user=BOB), id=B)], [EAST], replace=True)
            new = [change(C, A)]
            assert_raises(ConflictError, lambda: store.record_changes(BOB, new, made_from=read))
            assert store.changes(BOB) == []

    def test_an_event_summary_has_no_changes(self) -> None:
        with self.with_changes() as store:
            store.add(ADA, [event("e tea")], [EAST])
            assert self.find_newer(store)["e"] == ()
            assert store.changes(ADA) == CHANGES
