"""The contract of every `MemoryStore`, as a class of tests.

Derive a test class from `StoreContract` and define how a store is opened:

    class TestMyStore(StoreContract):
        def open_store(self) -> MemoryStore:
            return MyStore(..., embedder="by-hand", dimension=3)

Vectors have three numbers and are set by hand, so that every expected value is exact.
"""

# ruff: noqa: S101 - tests: assertions, and names that say what is tested

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from math import inf

import numpy as np

from memorybank_core.errors import ConflictError, StoreClosedError
from memorybank_core.protocols import Filter, Matrix, MemoryStore
from memorybank_core.records import Digest, Memory, Portrait, Summary
from memorybank_core.search.dates import DayRange

from .changes import ChangesContract
from .examples import (
    ADA,
    ALL,
    BOB,
    EAST,
    LAW,
    NOON,
    NORTH,
    ROW_COLUMNS,
    UP,
    assert_raises,
    candidates_by_id,
    day,
    event,
    ids,
    probe,
    turn,
)
from .items import ItemContract
from .metadata import MetadataContract
from .settings import SettingsContract


class StoreContract(ItemContract, MetadataContract, ChangesContract, SettingsContract):
    """Tests of a store. Each begins with an empty location and opens it with `open_store`.

    Attributes:
        erases: Whether a deletion erases the bytes of deleted rows at once.
    """

    def open_store(self) -> MemoryStore:
        """Open the store at the test's location, for the embedder "by-hand" of dimension 3.

        A second call within one test opens the same location again.
        """
        raise NotImplementedError

    @contextmanager
    def stored(self, *memories: Memory, vector: Matrix = EAST) -> Iterator[MemoryStore]:
        """Open a store that holds `memories`, all with the same vector."""
        with closing(self.open_store()) as store:
            for memory in memories:
                store.add(memory.user_id, [memory], [vector])
            yield store

    # Adding and reading back

    def test_memories_round_trip(self) -> None:
        full = replace(
            turn("a café 茶 🍵\0", answer="它很好", session="s"),
            strength=2.5,
            recalls=3,
            last_recalled_at=NOON + timedelta(days=1, microseconds=1),
            archived_at=NOON + timedelta(days=2),
            pinned=True,
        )
        with self.stored(full, event("e summary")) as store:
            assert store.known(ADA, ["a", "e", "z"]) == {"a": full, "e": event("e summary")}

    def test_everything_is_stored_after_reopening(self) -> None:
        with self.stored(turn("a"), event("e")) as store:
            store.set_profile(ADA, '{"name": "Ada"}')
        with closing(self.open_store()) as store:
            assert ids(store.memories(ADA, ALL)) == ["a", "e"]
            assert store.profile(ADA) == '{"name": "Ada"}'
            assert candidates_by_id(store, ADA, probe()).keys() == {"a", "e"}

    def test_adding_nothing_is_allowed(self) -> None:
        with self.stored() as store:
            store.add(ADA, [], [])
            assert store.memories(ADA, ALL) == []

    def test_a_taken_id_rejects_the_whole_call(self) -> None:
        with self.stored(turn("a old")) as store:
            both = [turn("b"), turn("a new")]
            assert_raises(ConflictError, lambda: store.add(ADA, both, [EAST, EAST]))
            assert store.memories(ADA, ALL) == [turn("a old")]

    def test_replace_replaces_text_and_vectors(self) -> None:
        with self.stored(turn("a old")) as store:
            candidates_by_id(store, ADA, probe())
            store.add(ADA, [turn("a fresh"), turn("b")], [NORTH, EAST], replace=True)
            assert store.memories(ADA, ALL) == [turn("a fresh"), turn("b")]
            rows = candidates_by_id(store, ADA, probe("fresh old"))
            assert rows["a"]["similarity"] == 0.0
            assert rows["a"]["counts"] == [1.0, 0.0]
            assert not candidates_by_id(store, ADA, probe("old", pool=1)).keys() - {"b"}

    def test_expected_texts_must_be_stored(self) -> None:
        with self.stored(turn("a old\0")) as store:
            add = partial(store.add, ADA, [turn("a new")], [NORTH], replace=True)
            assert_raises(ConflictError, lambda: add(expected={"a": "a other"}))
            assert_raises(ConflictError, lambda: add(expected={"a": "a old\0", "b": "b"}))
            assert_raises(ConflictError, lambda: add(expected={"a": ""}))
            assert store.memories(ADA, ALL) == [turn("a old\0")]
            add(expected={"a": "a old\0", "b": ""})
            assert store.memories(ADA, ALL) == [turn("a new")]

    def test_memories_are_sorted_by_time(self) -> None:
        with self.stored(turn("late", hours=2), turn("early"), turn("middle", hours=1)) as store:
            assert ids(store.memories(ADA, ALL)) == ["early", "middle", "late"]

    def test_the_last_memories_are_sorted_oldest_first(self) -> None:
        late, early = turn("late", hours=2, session="s"), turn("early", session="s")
        with self.stored(late, early, event("middle", hours=1), turn("gone", hours=3)) as store:
            store.change_state(ADA, ["gone"], "archive", NOON)
            assert ids(store.memories(ADA, Filter(), last=2)) == ["middle", "late"]
            assert ids(store.memories(ADA, Filter(), last=9)) == ["early", "middle", "late"]
            assert ids(store.memories(ADA, Filter(kind="turn"), last=2)) == ["early", "late"]
            assert ids(store.memories(ADA, Filter(session="s"), last=1)) == ["late"]

    def test_filters(self) -> None:
        old, new = turn("old", session="s"), turn("new", hours=48)
        with self.stored(old, new, event("sum", hours=24), turn("gone")) as store:
            store.change_state(ADA, ["gone"], "archive", NOON)
            for filter, expected in (
                (Filter(), {"old", "new", "sum"}),
                (ALL, {"old", "new", "sum", "gone"}),
                (Filter(since=day(5)), {"new", "sum"}),
                (Filter(until=day(5)), {"old", "sum"}),
                (Filter(since=day(5), until=day(5)), {"sum"}),
                (Filter(kind="event"), {"sum"}),
                (Filter(kind="turn"), {"old", "new"}),
                (Filter(session="s"), {"old"}),
                (Filter(session="2023-05-06"), {"new"}),
                (Filter(session="2023-05-04", archived=True), {"gone"}),
                (Filter(session="s", since=day(5)), set()),
                (Filter(session="nowhere"), set()),
            ):
                assert set(ids(store.memories(ADA, filter))) == expected, filter
                assert candidates_by_id(store, ADA, probe(filter=filter)).keys() == expected, filter

    def test_span(self) -> None:
        with self.stored(turn("b", hours=48), turn("a"), turn("c", user=BOB, hours=96)) as store:
            assert store.span(ADA) == (day(4), day(6))
            assert store.span(ADA, day(5)) == (day(4), day(4))
            assert store.span(ADA, day(3)) is None
            assert store.span("unknown") is None

    # Searching

    def test_an_empty_store_finds_nothing(self) -> None:
        with self.stored() as store:
            columns = store.candidates(ADA, probe("anything", reach=6))
            assert {len(getattr(columns, name)) for name in ROW_COLUMNS} == {0}
            assert (len(columns.vectors), columns.frequencies.tolist()) == (0, [0])
            assert (columns.memories, columns.mean_length) == (0, 1.0)
            assert store.fetch(ADA, []) == {}

    def test_columns_have_the_documented_types(self) -> None:
        dtypes = dict.fromkeys(("key", "named", "session", "place"), "int64")
        dtypes |= dict.fromkeys(("pooled", "spoken"), "bool")
        dtypes |= {"counts": "float32", "asks": "uint8", "flags": "uint16"}
        with self.stored(turn("tea"), turn("rain")) as store:
            columns = store.candidates(ADA, probe("tea rain cello"))
            for name in ROW_COLUMNS:
                column = getattr(columns, name)
                assert column.shape == ((2, 3) if name == "counts" else (2,)), name
                assert column.dtype == dtypes.get(name, "float64"), name
            assert columns.vectors.shape == (2, 3)
            assert columns.vectors.dtype == "float32"
            assert columns.frequencies.tolist() == [1, 1, 0]

    def test_similarity_is_the_cosine_of_the_best_window(self) -> None:
        slanted = np.array([[0.6, 0.8, 0.0]], np.float32)
        with self.stored() as store:
            windows = [np.concatenate((UP, slanted)), NORTH, -EAST]
            store.add(ADA, [turn("a"), turn("b"), turn("c")], windows)
            cosines = {
                id: row["similarity"] for id, row in candidates_by_id(store, ADA, probe()).items()
            }
            assert cosines == {"a": float(np.float32(0.6)), "b": 0.0, "c": -1.0}

    def test_rare_words_of_the_query_count_more(self) -> None:
        with self.stored(turn("a tea"), turn("b tea"), turn("c milk"), vector=UP) as store:
            store.add(ADA, [turn("near"), turn("d")], [EAST, UP])
            rows = candidates_by_id(store, ADA, probe("tea milk silk", pool=1))
            assert {id: row["counts"] for id, row in rows.items()} == {
                "near": [0.0, 0.0, 0.0],
                "c": [0.0, 1.0, 0.0],
            }

    def test_each_signal_contributes_its_best_candidates(self) -> None:
        with self.stored(turn("near"), turn("word cello"), turn("far")) as store:
            store.add(ADA, [turn("nearest")], [NORTH])
            rows = candidates_by_id(store, ADA, probe("cello", NORTH, pool=1))
            assert rows.keys() == {"nearest", "word"}
            assert all(row["pooled"] for row in rows.values())

    def test_neighbours_in_the_conversation_are_candidates(self) -> None:
        talk = [turn(id, hours=hour, session="s") for hour, id in enumerate("abcde")]
        with self.stored(*talk, turn("other", hours=2, session="t"), vector=UP) as store:
            store.add(ADA, [turn("hit", hours=2, session="s")], [EAST])
            rows = candidates_by_id(store, ADA, probe(pool=1, reach=1))
            assert {id: row["pooled"] for id, row in rows.items()} == {
                "c": False,
                "hit": True,
                "d": False,
            }
            assert len({row["session"] for row in rows.values()}) == 1
            places = [rows[id]["place"] for id in ("c", "hit", "d")]
            assert [place - places[0] for place in places] == [0, 1, 2]

    def test_an_exchange_takes_two_places_and_a_summary_has_no_conversation(self) -> None:
        both = turn("b", hours=1, answer="yes")
        with self.stored(turn("a"), both, turn("c", hours=2), event("e")) as store:
            rows = candidates_by_id(store, ADA, probe())
            assert rows["c"]["place"] - rows["a"]["place"] == 3
            assert rows["e"]["session"] < 0 <= rows["a"]["session"]

    def test_memories_of_a_named_day_are_candidates_and_marked(self) -> None:
        with self.stored(turn("then", hours=-48), vector=UP) as store:
            store.add(ADA, [turn("now")], [EAST])
            assert candidates_by_id(store, ADA, probe(pool=1)).keys() == {"now"}
            rows = candidates_by_id(store, ADA, probe(pool=1, days=[DayRange(day(2), day(2))]))
            assert {id: row["named"] for id, row in rows.items()} == {"then": 1, "now": 0}

    def test_times_and_strength_are_those_of_the_memory(self) -> None:
        with self.stored(turn("a"), turn("b")) as store:
            candidates_by_id(store, ADA, probe())
            store.strengthen(ADA, ["a"], NOON + timedelta(seconds=30), None, LAW)
            rows = candidates_by_id(store, ADA, probe())
            noon = NOON.timestamp()
            times = {id: (row["created"], row["refreshed"]) for id, row in rows.items()}
            assert times == {"a": (noon, noon + 30), "b": (noon, noon)}
            assert {id: row["strength"] for id, row in rows.items()} == {"a": 2.0, "b": 1.0}

    def test_a_memory_from_before_1970_fades_from_its_own_time(self) -> None:
        years_ago = -600_000  # hours
        then = NOON + timedelta(hours=years_ago)
        with self.stored(turn("a", hours=years_ago), turn("b", hours=years_ago)) as store:
            store.change_state(ADA, ["a"], "archive", NOON)
            rows = candidates_by_id(store, ADA, probe(filter=ALL))
            assert {row["refreshed"] for row in rows.values()} == {then.timestamp()}
            store.strengthen(ADA, ["a"], then + timedelta(hours=1), None, LAW)
            [memory] = store.known(ADA, ["a"]).values()
            assert memory.refreshed_at == then + timedelta(hours=1)
            expected = LAW.strengthened(1.0, 1 / 24)
            assert abs(memory.strength - expected) < 1e-9

    def test_deleted_memories_are_not_fetched(self) -> None:
        with self.stored(turn("a")) as store:
            keys = store.candidates(ADA, probe()).key.tolist()
            store.delete(ADA, ids=["a"])
            assert store.fetch(ADA, keys) == {}

    def test_a_store_reads_what_another_wrote(self) -> None:
        with ExitStack() as stack:
            writer = stack.enter_context(closing(self.open_store()))
            reader = stack.enter_context(closing(self.open_store()))
            writer.add(ADA, [turn("a")], [EAST])
            assert candidates_by_id(reader, ADA, probe()).keys() == {"a"}
            writer.add(ADA, [turn("b")], [NORTH])
            assert candidates_by_id(reader, ADA, probe())["b"]["similarity"] == 0.0
            writer.strengthen(ADA, ["a"], NOON, None, LAW)
            assert candidates_by_id(reader, ADA, probe())["a"]["strength"] == 2.0
            writer.change_state(ADA, ["a"], "archive", NOON)
            assert candidates_by_id(reader, ADA, probe()).keys() == {"b"}
            writer.add(ADA, [turn("b changed")], [EAST], replace=True)
            assert candidates_by_id(reader, ADA, probe())["b"]["similarity"] == 1.0
            writer.delete(ADA)
            assert candidates_by_id(reader, ADA, probe()) == {}
            writer.add(ADA, [turn("c")], [EAST])
            assert candidates_by_id(reader, ADA, probe()).keys() == {"c"}

    # Strength and forgetting

    def test_a_recall_strengthens_once_per_turn(self) -> None:
        later = NOON + timedelta(hours=1)
        with self.stored(turn("a"), turn("b")) as store:
            assert store.strengthen(ADA, ["a", "a"], NOON, "t1", LAW) == 1
            assert store.strengthen(ADA, ["a", "b"], NOON, "t2", LAW) == 2
            assert store.strengthen(ADA, ["a", "b"], later, "t2", LAW) == 0
            assert store.strengthen(ADA, ["a", "b"], later, "t1", LAW) == 1
            assert store.strengthen(ADA, ["a"], later, None, LAW) == 1
            assert store.strengthen(ADA, ["a"], later, None, LAW) == 1
            assert store.strengthen(ADA, ["unknown"], later, None, LAW) == 0
            assert store.recalls(ADA, "a") == [NOON, NOON, later, later]
            assert store.recalls(ADA, "b") == [NOON, later]
            a, b = store.memories(ADA, ALL)
            assert (a.strength, a.recalls, a.last_recalled_at) == (5.0, 4, later)
            assert (b.strength, b.recalls, b.last_recalled_at) == (3.0, 2, later)

    def test_an_earlier_recall_does_not_age_a_memory(self) -> None:
        with self.stored(turn("a")) as store:
            store.strengthen(ADA, ["a"], NOON + timedelta(days=1), None, LAW)
            store.strengthen(ADA, ["a"], NOON, None, LAW)
            (memory,) = store.memories(ADA, ALL)
            assert memory.refreshed_at == NOON + timedelta(days=1)

    def test_concurrent_recalls_are_all_counted(self) -> None:
        with self.stored(turn("a")) as store, ThreadPoolExecutor(4) as threads:
            recall = lambda number: store.strengthen(ADA, ["a"], NOON, f"t{number}", LAW)  # noqa: E731
            assert sum(threads.map(recall, range(40))) == 40
            (memory,) = store.memories(ADA, ALL)
            assert (memory.strength, memory.recalls) == (41.0, 40)
            assert len(store.recalls(ADA, "a")) == 40

    def test_archive_and_restore(self) -> None:
        later = NOON + timedelta(days=9)
        with self.stored(turn("a"), turn("b")) as store:
            assert store.change_state(ADA, ["a", "unknown"], "archive", NOON) == 1
            assert store.change_state(ADA, ["a"], "archive", later) == 0
            assert store.change_state(ADA, [], "archive", later) == 0
            assert store.known(ADA, ["a"])["a"].archived_at == NOON
            assert ids(store.memories(ADA, Filter())) == ["b"]
            assert store.change_state(ADA, ["a", "b"], "restore", later) == 1
            a, b = store.memories(ADA, Filter())
            assert (a.archived_at, a.refreshed_at, b.refreshed_at) == (None, later, NOON)

    def test_pinned_memories_neither_fade_nor_are_archived(self) -> None:
        later = NOON + timedelta(days=9)
        with self.stored(turn("a"), turn("b"), turn("c")) as store:
            store.change_state(ADA, ["a"], "archive", NOON)
            assert store.change_state(ADA, ["a", "b", "unknown"], "pin", NOON) == 2
            assert store.change_state(ADA, ["a"], "pin", NOON) == 0
            assert store.change_state(BOB, ["a"], "pin", NOON) == 0
            assert store.change_state(ADA, ["a", "b", "c"], "archive", NOON) == 1
            a, b = store.memories(ADA, Filter())
            assert (a.pinned, a.archived_at, a.strength, b.pinned) == (True, None, 1.0, True)
            rows = candidates_by_id(store, ADA, probe("a"))
            assert {id: row["refreshed"] for id, row in rows.items()} == {"a": inf, "b": inf}
            assert store.change_state(ADA, ["a", "c"], "unpin", later) == 1
            assert store.change_state(ADA, ["a"], "unpin", later) == 0
            assert store.known(ADA, ["a"])["a"].refreshed_at == later
            assert candidates_by_id(store, ADA, probe("a"))["a"]["refreshed"] == later.timestamp()

    def test_a_replaced_text_stays_pinned(self) -> None:
        with self.stored(turn("a")) as store:
            store.change_state(ADA, ["a"], "pin", NOON)
            store.add(ADA, [turn("a new words")], [EAST], replace=True)
            assert store.known(ADA, ["a"])["a"].pinned

    # Deleting

    def test_deleting_ids(self) -> None:
        with self.stored(turn("b"), turn("c", hours=24)) as store:
            store.add(ADA, [turn("a")], [np.concatenate([EAST, NORTH])])
            store.strengthen(ADA, ["a", "c"], NOON, None, LAW)
            receipt = store.delete(ADA, ids=["a", "unknown"])
            counts = (receipt.memories, receipt.vectors, receipt.recalls, receipt.digests)
            assert counts == (1, 2, 1, 0)
            assert (receipt.user_id, receipt.remaining, receipt.erased) == (ADA, 2, self.erases)
            assert ids(store.memories(ADA, ALL)) == ["b", "c"]
            assert candidates_by_id(store, ADA, probe("a")).keys() == {"b", "c"}
            assert store.recalls(ADA, "a") == []

    def test_deleting_nothing(self) -> None:
        with self.stored(turn("a")) as store:
            assert store.delete(ADA, ids=[]).memories == 0
            assert store.delete(ADA, day=day(9)).memories == 0
            assert store.delete("unknown").memories == 0
            assert ids(store.memories(ADA, ALL)) == ["a"]

    def test_deleting_a_turn_deletes_what_was_derived_from_it(self) -> None:
        memories = turn("a"), turn("b"), event("e"), turn("c", hours=24), event("f", hours=24)
        digests: list[Digest] = [
            record(ADA, f"of {when}", when, None, NOON)
            for record in (Portrait, Summary)
            for when in (None, day(4), day(5))
            if when or record is Portrait
        ]
        with self.stored(*memories) as store:
            store.set_digests(ADA, digests)
            receipt = store.delete(ADA, ids=["a"])
            assert (receipt.memories, receipt.digests, receipt.remaining) == (2, 3, 3)
            assert ids(store.memories(ADA, ALL)) == ["b", "c", "f"]
            assert {digest.day for digest in store.digests(ADA)} == {day(5)}

    def test_deleting_an_event_deletes_summaries_but_no_turn_and_no_portrait(self) -> None:
        with self.stored(turn("a"), event("e"), event("f", hours=24)) as store:
            portrait = Portrait(ADA, "kind", day(4), None, NOON)
            other = Summary(ADA, "of 5", day(5), None, NOON)
            gone = [Summary(ADA, "of", when, None, NOON) for when in (None, day(4))]
            store.set_digests(ADA, [portrait, other, *gone])
            assert store.delete(ADA, ids=["e"]).digests == 2
            assert ids(store.memories(ADA, ALL)) == ["a", "f"]
            assert store.digests(ADA) == [portrait, other]

    def test_deleting_a_day(self) -> None:
        with self.stored(turn("a"), event("e"), turn("c", hours=24)) as store:
            store.set_digests(
                ADA, [Portrait(ADA, "kind", when, None, NOON) for when in (None, day(4))]
            )
            receipt = store.delete(ADA, day=day(4))
            assert (receipt.memories, receipt.digests, receipt.remaining) == (2, 2, 1)
            assert ids(store.memories(ADA, ALL)) == ["c"]
            assert store.digests(ADA) == []

    def test_deleting_a_day_without_memories_deletes_its_digests(self) -> None:
        with self.stored(turn("a")) as store:
            store.set_digests(
                ADA, [Portrait(ADA, "kind", when, None, NOON) for when in (None, day(9))]
            )
            assert store.delete(ADA, day=day(9)).digests == 2
            assert store.digests(ADA) == []

    def test_deleting_a_user(self) -> None:
        with self.stored(turn("b", user=BOB)) as store:
            store.add(ADA, [turn("a")], [np.concatenate([EAST, NORTH])])
            store.set_digests(ADA, [Summary(ADA, "all", None, None, NOON)])
            store.set_profile(ADA, '{"name": "Ada"}')
            receipt = store.delete(ADA)
            counts = (receipt.memories, receipt.vectors, receipt.digests, receipt.remaining)
            assert counts == (1, 2, 1, 0)
            assert list(store.users()) == [BOB]
            assert (store.digests(ADA), store.profile(ADA), store.span(ADA)) == ([], "{}", None)
            store.add(ADA, [turn("new")], [EAST])
            assert ids(store.memories(ADA, ALL)) == ["new"]

    # Users, digests, profile, counts

    def test_users_do_not_see_each_other(self) -> None:
        with self.stored(turn("a", user="u1"), turn("a", user="u10", hours=24)) as store:
            keys = store.candidates("u1", probe()).key.tolist()
            assert [memory.user_id for memory in store.fetch("u1", keys).values()] == ["u1"]
            store.strengthen("u1", ["a"], NOON, "t", LAW)
            store.change_state("u1", ["a"], "archive", NOON)
            store.delete("u1", ids=["a"])
            assert store.memories("u10", ALL) == [turn("a", user="u10", hours=24)]
            assert store.recalls("u10", "a") == []

    def test_users_are_sorted_and_only_writing_creates_one(self) -> None:
        with self.stored(turn("a", user="b"), turn("a", user="A"), turn("a", user="茶")) as store:
            store.strengthen("stranger", ["a"], NOON, None, LAW)
            store.change_state("stranger", ["a"], "archive", NOON)
            store.change_state("stranger", ["a"], "restore", NOON)
            store.delete("stranger", ids=["a"])
            store.candidates("stranger", probe())
            assert list(store.users()) == ["A", "b", "茶"]

    def test_digests_are_replaced_by_kind_and_day(self) -> None:
        first: list[Digest] = [Portrait(ADA, "shy", day(4), None, NOON)]
        first.append(Summary(ADA, "", None, "m", NOON))
        last = [Portrait(ADA, "bold", day(4), "m", NOON), Portrait(ADA, "all", None, "m", NOON)]
        with self.stored() as store:
            store.set_digests(ADA, first)
            store.set_digests(ADA, last)
            assert store.digests(ADA) == [last[1], last[0], first[1]]
            assert store.digests(BOB) == []

    def test_digests_round_trip(self) -> None:
        overall = Summary(ADA, "all 茶", None, None, NOON)
        of_day = Portrait(ADA, "shy", day(4), "m", NOON + timedelta(microseconds=1), "hash")
        with self.stored() as store:
            store.set_digests(ADA, [of_day, overall])
            assert store.digests(ADA) == [of_day, overall]
            assert store.digests(ADA, days=False) == [overall]

    def test_a_digest_is_stored_with_its_event_or_not_at_all(self) -> None:
        summary, a = Summary(ADA, "e new", day(4), "m", NOON), turn("a")
        with self.stored(a, event("e old"), vector=EAST) as store:
            candidates_by_id(store, ADA, probe())
            lists = {"events": [event("e new")], "vectors": [NORTH]}
            for source in (turn("a changed"), turn("b"), Portrait(ADA, "x", day(4), None, NOON)):
                made_from: list[Memory | Digest] = [a, source]
                write = partial(store.set_digests, ADA, [summary], made_from=made_from, **lists)
                assert_raises(ConflictError, write)
                assert store.digests(ADA) == []
                assert store.known(ADA, ["e"])["e"].text == "e old"
            store.strengthen(ADA, ["e"], NOON, None, LAW)
            store.set_digests(ADA, [summary], made_from=[a], **lists)
            assert store.digests(ADA) == [summary]
            assert (e := store.known(ADA, ["e"])["e"]).text == "e new"
            assert (e.strength, candidates_by_id(store, ADA, probe())["e"]["similarity"]) == (
                2.0,
                0.0,
            )
            overall = Summary(ADA, "all", None, "m", NOON)
            store.set_digests(ADA, [overall], made_from=[summary])
            assert store.digests(ADA) == [overall, summary]

    def test_no_summary_replaces_a_turn(self) -> None:
        summary, e = Summary(ADA, "e new", day(4), "m", NOON), turn("e my own words")
        with self.stored(turn("a"), e) as store:
            lists = {"events": [event("b new"), event("e new")], "vectors": [NORTH, NORTH]}
            assert_raises(ConflictError, partial(store.set_digests, ADA, [summary], **lists))
            assert store.digests(ADA) == []
            assert ids(store.memories(ADA, ALL)) == ["a", "e"]
            assert store.known(ADA, ["e"]) == {"e": e}

    def test_sources_of_a_digest_may_be_archived_or_strengthened_since(self) -> None:
        with self.stored(turn("a")) as store:
            (a,) = store.memories(ADA, ALL)
            store.strengthen(ADA, ["a"], NOON, None, LAW)
            store.change_state(ADA, ["a"], "archive", NOON)
            store.set_digests(ADA, [Portrait(ADA, "shy", day(4), "m", NOON)], made_from=[a])
            assert len(store.digests(ADA)) == 1

    def test_vectors_round_trip(self) -> None:
        with self.stored(turn("a"), vector=UP) as store:
            store.add(ADA, [turn("b")], [np.concatenate([EAST, NORTH])])
            vectors = store.vectors(ADA, ["a", "b", "unknown"])
            assert {id: matrix.tolist() for id, matrix in vectors.items()} == {
                "a": UP.tolist(),
                "b": [*EAST.tolist(), *NORTH.tolist()],
            }
            assert store.vectors(BOB, ["a"]) == {}

    def test_scan_and_put_copy_memories_in_the_order_of_writing(self) -> None:
        later = NOON + timedelta(hours=1)
        with self.stored(turn("late", hours=9), turn("b"), event("e")) as store:
            store.add(ADA, [turn("early", hours=-9)], [np.concatenate([UP, NORTH])])
            store.strengthen(ADA, ["b"], later, "t", LAW)
            store.strengthen(ADA, ["b"], NOON, None, LAW)
            store.strengthen(ADA, ["b"], later, None, LAW)
            store.change_state(ADA, ["early"], "pin", NOON)
            scanned = store.scan(ADA)
            assert [item.memory.id for item in scanned] == ["late", "b", "e", "early"]
            known = store.known(ADA, ["late", "b", "e", "early"])
            assert {item.memory.id: item.memory for item in scanned} == known
            assert scanned[1].recalls == ((NOON, None), (later, "t"), (later, None))
            assert [item.vectors.tolist() for item in scanned[2:]] == [
                EAST.tolist(),
                [*UP.tolist(), *NORTH.tolist()],
            ]
            first = store.scan(ADA, limit=2)
            assert [item.memory.id for item in first] == ["late", "b"]
            rest = store.scan(ADA, after=first[-1].key, limit=9)
            assert [item.memory.id for item in rest] == ["e", "early"]
            assert store.scan(BOB) == []
            mine = [replace(item, memory=replace(item.memory, user_id=BOB)) for item in scanned]
            for part in (mine[:2], mine):  # the second call replaces two memories
                store.put(BOB, part)
            assert [(item.memory, item.recalls) for item in store.scan(BOB)] == [
                (item.memory, item.recalls) for item in mine
            ]
            assert store.strengthen(BOB, ["b"], NOON, "t", LAW) == 0
            store.put(BOB, [replace(mine[1], memory=turn("b new", user=BOB), recalls=())])
            assert store.known(BOB, ["b"])["b"] == turn("b new", user=BOB)
            assert store.recalls(BOB, "b") == []

    def test_profile(self) -> None:
        with self.stored() as store:
            assert store.profile(ADA) == "{}"
            store.set_profile(ADA, '{"name": "小明"}')
            assert (store.profile(ADA), store.profile(BOB)) == ('{"name": "小明"}', "{}")

    def test_stats(self) -> None:
        with self.stored(turn("a"), turn("b", hours=48), turn("c", user=BOB)) as store:
            store.strengthen(ADA, ["a"], NOON, None, LAW)
            store.change_state(ADA, ["b"], "archive", NOON)
            overall, of_ada, of_unknown = store.stats(), store.stats(ADA), store.stats("unknown")
            assert (overall.users, overall.memories, overall.archived, overall.recalls) == (
                2,
                3,
                1,
                1,
            )
            assert (of_ada.users, of_ada.memories, of_ada.first_day, of_ada.last_day) == (
                1,
                2,
                day(4),
                day(6),
            )
            assert (
                of_unknown.users,
                of_unknown.memories,
                of_unknown.recalls,
                of_unknown.first_day,
            ) == (0, 0, 0, None)
            assert overall.file_bytes > 0

    def test_a_closed_store_raises_store_closed_error(self) -> None:
        store = self.open_store()
        store.close()
        store.close()
        assert_raises(StoreClosedError, lambda: store.memories(ADA, ALL))
        assert_raises(StoreClosedError, lambda: store.add(ADA, [turn("a")], [EAST]))
