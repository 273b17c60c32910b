"""What every `MemoryStore` must do, as a class of tests.

Derive a test class from `StoreContract` and say how a store is opened:

    class TestMyStore(StoreContract):
        def open_store(self) -> MemoryStore:
            return MyStore(..., embedder="by-hand", dimension=3)

Vectors have three numbers and are set by hand, so that every expected value is exact.
"""

# ruff: noqa: S101 - a contract is made of assertions

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import fields, replace
from datetime import timedelta
from functools import partial
from math import inf

import numpy as np

from memorybank_core.errors import ConflictError, StoreClosedError
from memorybank_core.protocols import Candidates, Filter, Matrix, MemoryStore
from memorybank_core.records import Digest, Memory, Portrait, Summary
from memorybank_core.search.dates import DayRange

from .examples import (
    ADA,
    ALL,
    BOB,
    EAST,
    LAW,
    NOON,
    NORTH,
    UP,
    assert_raises,
    day,
    event,
    found,
    ids,
    probe,
    said,
)
from .items import ItemContract


class StoreContract(ItemContract):
    """The tests. Each begins with an empty place and opens it with `open_store`.

    Attributes:
        erases: Whether a deletion wipes the bytes of what it deletes at once, and says so.
    """

    def open_store(self) -> MemoryStore:
        """A handle on the test's place, for embedder "by-hand" of dimension 3.

        A second call within one test gives a second handle on the same place.
        """
        raise NotImplementedError

    @contextmanager
    def stored(self, *memories: Memory, vector: Matrix = EAST) -> Iterator[MemoryStore]:
        """A store that holds `memories`, all pointing the same way."""
        with closing(self.open_store()) as store:
            for memory in memories:
                store.add(memory.user_id, [memory], [vector])
            yield store

    # Adding and reading back

    def test_a_memory_comes_back_as_it_went_in(self) -> None:
        whole = replace(
            said("a café 茶 🍵\0", answer="它很好", session="s"),
            strength=2.5,
            recalls=3,
            last_recalled_at=NOON + timedelta(days=1, microseconds=1),
            archived_at=NOON + timedelta(days=2),
            pinned=True,
        )
        with self.stored(whole, event("e summary")) as store:
            assert store.known(ADA, ["a", "e", "z"]) == {"a": whole, "e": event("e summary")}

    def test_everything_is_there_after_reopening(self) -> None:
        with self.stored(said("a"), event("e")) as store:
            store.set_profile(ADA, '{"name": "Ada"}')
        with closing(self.open_store()) as store:
            assert ids(store.memories(ADA, ALL)) == ["a", "e"]
            assert store.profile(ADA) == '{"name": "Ada"}'
            assert found(store, ADA, probe()).keys() == {"a", "e"}

    def test_adding_nothing_is_allowed(self) -> None:
        with self.stored() as store:
            store.add(ADA, [], [])
            assert store.memories(ADA, ALL) == []

    def test_a_taken_id_is_refused_with_the_whole_call(self) -> None:
        with self.stored(said("a old")) as store:
            both = [said("b"), said("a new")]
            assert_raises(ConflictError, lambda: store.add(ADA, both, [EAST, EAST]))
            assert store.memories(ADA, ALL) == [said("a old")]

    def test_replace_puts_a_new_text_and_vector_in_place_of_the_old(self) -> None:
        with self.stored(said("a old")) as store:
            found(store, ADA, probe())
            store.add(ADA, [said("a fresh"), said("b")], [NORTH, EAST], replace=True)
            assert store.memories(ADA, ALL) == [said("a fresh"), said("b")]
            rows = found(store, ADA, probe("fresh old"))
            assert rows["a"]["similarity"] == 0.0
            assert rows["a"]["lexical"] > 0.0
            assert not found(store, ADA, probe("old", pool=1)).keys() - {"b"}

    def test_memories_come_in_the_order_of_their_time(self) -> None:
        with self.stored(said("late", hours=2), said("early"), said("middle", hours=1)) as store:
            assert ids(store.memories(ADA, ALL)) == ["early", "middle", "late"]

    def test_the_last_memories_still_come_oldest_first(self) -> None:
        late, early = said("late", hours=2, session="s"), said("early", session="s")
        with self.stored(late, early, event("middle", hours=1), said("gone", hours=3)) as store:
            store.change_state(ADA, ["gone"], "archive", NOON)
            assert ids(store.memories(ADA, Filter(), last=2)) == ["middle", "late"]
            assert ids(store.memories(ADA, Filter(), last=9)) == ["early", "middle", "late"]
            assert ids(store.memories(ADA, Filter(kind="turn"), last=2)) == ["early", "late"]
            assert ids(store.memories(ADA, Filter(session="s"), last=1)) == ["late"]

    def test_filters(self) -> None:
        old, new = said("old", session="s"), said("new", hours=48)
        with self.stored(old, new, event("sum", hours=24), said("gone")) as store:
            store.change_state(ADA, ["gone"], "archive", NOON)
            for wanted, expected in (
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
                assert set(ids(store.memories(ADA, wanted))) == expected, wanted
                assert found(store, ADA, probe(filter=wanted)).keys() == expected, wanted

    def test_span(self) -> None:
        with self.stored(said("b", hours=48), said("a"), said("c", user=BOB, hours=96)) as store:
            assert store.span(ADA) == (day(4), day(6))
            assert store.span("nobody") is None

    # Searching

    def test_an_empty_store_finds_nothing(self) -> None:
        with self.stored() as store:
            columns = store.candidates(ADA, probe("anything", reach=6))
            assert {len(getattr(columns, field.name)) for field in fields(Candidates)} == {0}
            assert store.fetch(ADA, []) == {}

    def test_columns_have_the_promised_types(self) -> None:
        dtypes = dict.fromkeys(("key", "named", "session", "place"), "int64")
        dtypes |= dict.fromkeys(("pooled", "spoken"), "bool")
        with self.stored(said("a"), said("b")) as store:
            columns = store.candidates(ADA, probe("a"))
            for field in fields(Candidates):
                column = getattr(columns, field.name)
                assert column.shape == (2,), field.name
                assert column.dtype == dtypes.get(field.name, "float64"), field.name

    def test_similarity_is_the_cosine_of_the_best_window(self) -> None:
        slanted = np.array([[0.6, 0.8, 0.0]], np.float32)
        with self.stored() as store:
            windows = [np.concatenate((UP, slanted)), NORTH, -EAST]
            store.add(ADA, [said("a"), said("b"), said("c")], windows)
            cosines = {id: row["similarity"] for id, row in found(store, ADA, probe()).items()}
            assert cosines == {"a": float(np.float32(0.6)), "b": 0.0, "c": -1.0}

    def test_lexical_is_zero_without_a_common_term_and_grows_with_rarity(self) -> None:
        with self.stored(said("a tea cello"), said("b tea"), said("c milk")) as store:
            scores = {id: row["lexical"] for id, row in found(store, ADA, probe("cello")).items()}
            assert scores["a"] > 0.0
            assert scores["b"] == scores["c"] == 0.0
            common = found(store, ADA, probe("tea"))
            assert 0.0 < common["a"]["lexical"] < scores["a"]

    def test_either_signal_brings_its_best_candidates(self) -> None:
        with self.stored(said("near"), said("word cello"), said("far")) as store:
            store.add(ADA, [said("nearest")], [NORTH])
            rows = found(store, ADA, probe("cello", NORTH, pool=1))
            assert rows.keys() == {"nearest", "word"}
            assert all(row["pooled"] for row in rows.values())

    def test_neighbours_in_the_conversation_come_along(self) -> None:
        talk = [said(id, hours=hour, session="s") for hour, id in enumerate("abcde")]
        with self.stored(*talk, said("other", hours=2, session="t"), vector=UP) as store:
            store.add(ADA, [said("hit", hours=2, session="s")], [EAST])
            rows = found(store, ADA, probe(pool=1, reach=1))
            assert {id: row["pooled"] for id, row in rows.items()} == {
                "c": False,
                "hit": True,
                "d": False,
            }
            assert len({row["session"] for row in rows.values()}) == 1
            places = [rows[id]["place"] for id in ("c", "hit", "d")]
            assert [place - places[0] for place in places] == [0, 1, 2]

    def test_an_exchange_takes_two_places_and_a_summary_has_no_conversation(self) -> None:
        both = said("b", hours=1, answer="yes")
        with self.stored(said("a"), both, said("c", hours=2), event("e")) as store:
            rows = found(store, ADA, probe())
            assert rows["c"]["place"] - rows["a"]["place"] == 3
            assert rows["e"]["session"] < 0 <= rows["a"]["session"]

    def test_a_named_day_brings_its_memories_and_marks_them(self) -> None:
        with self.stored(said("then", hours=-48), vector=UP) as store:
            store.add(ADA, [said("now")], [EAST])
            assert found(store, ADA, probe(pool=1)).keys() == {"now"}
            rows = found(store, ADA, probe(pool=1, days=[DayRange(day(2), day(2))]))
            assert {id: row["named"] for id, row in rows.items()} == {"then": 1, "now": 0}

    def test_times_and_strength_are_those_of_the_memory(self) -> None:
        with self.stored(said("a"), said("b")) as store:
            found(store, ADA, probe())
            store.strengthen(ADA, ["a"], NOON + timedelta(seconds=30), None, LAW)
            rows = found(store, ADA, probe())
            noon = NOON.timestamp()
            times = {id: (row["created"], row["refreshed"]) for id, row in rows.items()}
            assert times == {"a": (noon, noon + 30), "b": (noon, noon)}
            assert {id: row["strength"] for id, row in rows.items()} == {"a": 2.0, "b": 1.0}

    def test_what_is_gone_is_not_fetched(self) -> None:
        with self.stored(said("a")) as store:
            keys = store.candidates(ADA, probe()).key.tolist()
            store.delete(ADA, ids=["a"])
            assert store.fetch(ADA, keys) == {}

    def test_a_handle_sees_what_another_wrote(self) -> None:
        with ExitStack() as stack:
            one = stack.enter_context(closing(self.open_store()))
            two = stack.enter_context(closing(self.open_store()))
            one.add(ADA, [said("a")], [EAST])
            assert found(two, ADA, probe()).keys() == {"a"}
            one.add(ADA, [said("b")], [NORTH])
            assert found(two, ADA, probe())["b"]["similarity"] == 0.0
            one.strengthen(ADA, ["a"], NOON, None, LAW)
            assert found(two, ADA, probe())["a"]["strength"] == 2.0
            one.change_state(ADA, ["a"], "archive", NOON)
            assert found(two, ADA, probe()).keys() == {"b"}
            one.add(ADA, [said("b changed")], [EAST], replace=True)
            assert found(two, ADA, probe())["b"]["similarity"] == 1.0
            one.delete(ADA)
            assert found(two, ADA, probe()) == {}
            one.add(ADA, [said("c")], [EAST])
            assert found(two, ADA, probe()).keys() == {"c"}

    # Strength and forgetting

    def test_a_recall_strengthens_once_for_a_turn(self) -> None:
        later = NOON + timedelta(hours=1)
        with self.stored(said("a"), said("b")) as store:
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
        with self.stored(said("a")) as store:
            store.strengthen(ADA, ["a"], NOON + timedelta(days=1), None, LAW)
            store.strengthen(ADA, ["a"], NOON, None, LAW)
            (memory,) = store.memories(ADA, ALL)
            assert memory.refreshed_at == NOON + timedelta(days=1)

    def test_recalls_at_once_all_count(self) -> None:
        with self.stored(said("a")) as store, ThreadPoolExecutor(4) as threads:
            recall = lambda turn: store.strengthen(ADA, ["a"], NOON, f"t{turn}", LAW)  # noqa: E731
            assert sum(threads.map(recall, range(40))) == 40
            (memory,) = store.memories(ADA, ALL)
            assert (memory.strength, memory.recalls) == (41.0, 40)
            assert len(store.recalls(ADA, "a")) == 40

    def test_archive_and_restore(self) -> None:
        later = NOON + timedelta(days=9)
        with self.stored(said("a"), said("b")) as store:
            assert store.change_state(ADA, ["a", "unknown"], "archive", NOON) == 1
            assert store.change_state(ADA, ["a"], "archive", later) == 0
            assert store.change_state(ADA, [], "archive", later) == 0
            assert store.known(ADA, ["a"])["a"].archived_at == NOON
            assert ids(store.memories(ADA, Filter())) == ["b"]
            assert store.change_state(ADA, ["a", "b"], "restore", later) == 1
            a, b = store.memories(ADA, Filter())
            assert (a.archived_at, a.refreshed_at, b.refreshed_at) == (None, later, NOON)

    def test_what_is_pinned_neither_fades_nor_is_archived(self) -> None:
        later = NOON + timedelta(days=9)
        with self.stored(said("a"), said("b"), said("c")) as store:
            store.change_state(ADA, ["a"], "archive", NOON)
            assert store.change_state(ADA, ["a", "b", "unknown"], "pin", NOON) == 2
            assert store.change_state(ADA, ["a"], "pin", NOON) == 0
            assert store.change_state(BOB, ["a"], "pin", NOON) == 0
            assert store.change_state(ADA, ["a", "b", "c"], "archive", NOON) == 1
            a, b = store.memories(ADA, Filter())
            assert (a.pinned, a.archived_at, a.strength, b.pinned) == (True, None, 1.0, True)
            rows = found(store, ADA, probe("a"))
            assert {id: row["refreshed"] for id, row in rows.items()} == {"a": inf, "b": inf}
            assert store.change_state(ADA, ["a", "c"], "unpin", later) == 1
            assert store.change_state(ADA, ["a"], "unpin", later) == 0
            assert store.known(ADA, ["a"])["a"].refreshed_at == later
            assert found(store, ADA, probe("a"))["a"]["refreshed"] == later.timestamp()

    def test_a_replaced_text_stays_pinned(self) -> None:
        with self.stored(said("a")) as store:
            store.change_state(ADA, ["a"], "pin", NOON)
            store.add(ADA, [said("a new words")], [EAST], replace=True)
            assert store.known(ADA, ["a"])["a"].pinned

    # Deleting

    def test_deleting_ids(self) -> None:
        with self.stored(said("a"), said("b"), said("c", hours=24)) as store:
            store.strengthen(ADA, ["a", "c"], NOON, None, LAW)
            receipt = store.delete(ADA, ids=["a", "unknown"])
            counts = (receipt.memories, receipt.vectors, receipt.recalls, receipt.digests)
            assert counts == (1, 1, 1, 0)
            assert (receipt.user_id, receipt.remaining, receipt.erased) == (ADA, 2, self.erases)
            assert ids(store.memories(ADA, ALL)) == ["b", "c"]
            assert found(store, ADA, probe("a")).keys() == {"b", "c"}
            assert store.recalls(ADA, "a") == []

    def test_deleting_nothing(self) -> None:
        with self.stored(said("a")) as store:
            assert store.delete(ADA, ids=[]).memories == 0
            assert store.delete(ADA, day=day(9)).memories == 0
            assert store.delete("nobody").memories == 0
            assert ids(store.memories(ADA, ALL)) == ["a"]

    def test_with_a_turn_goes_what_was_made_from_it(self) -> None:
        memories = said("a"), said("b"), event("e"), said("c", hours=24), event("f", hours=24)
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

    def test_with_an_event_go_the_summaries_but_no_turn_and_no_portrait(self) -> None:
        with self.stored(said("a"), event("e"), event("f", hours=24)) as store:
            portrait = Portrait(ADA, "kind", day(4), None, NOON)
            other = Summary(ADA, "of 5", day(5), None, NOON)
            gone = [Summary(ADA, "of", of, None, NOON) for of in (None, day(4))]
            store.set_digests(ADA, [portrait, other, *gone])
            assert store.delete(ADA, ids=["e"]).digests == 2
            assert ids(store.memories(ADA, ALL)) == ["a", "f"]
            assert store.digests(ADA) == [portrait, other]

    def test_deleting_a_day(self) -> None:
        with self.stored(said("a"), event("e"), said("c", hours=24)) as store:
            store.set_digests(ADA, [Portrait(ADA, "kind", of, None, NOON) for of in (None, day(4))])
            receipt = store.delete(ADA, day=day(4))
            assert (receipt.memories, receipt.digests, receipt.remaining) == (2, 2, 1)
            assert ids(store.memories(ADA, ALL)) == ["c"]
            assert store.digests(ADA) == []

    def test_deleting_a_day_takes_its_digest_even_where_no_memory_is_left(self) -> None:
        with self.stored(said("a")) as store:
            store.set_digests(ADA, [Portrait(ADA, "kind", of, None, NOON) for of in (None, day(9))])
            assert store.delete(ADA, day=day(9)).digests == 2
            assert store.digests(ADA) == []

    def test_deleting_a_user(self) -> None:
        with self.stored(said("a"), said("b", user=BOB)) as store:
            store.set_digests(ADA, [Summary(ADA, "all", None, None, NOON)])
            store.set_profile(ADA, '{"name": "Ada"}')
            receipt = store.delete(ADA)
            assert (receipt.memories, receipt.digests, receipt.remaining) == (1, 1, 0)
            assert list(store.users()) == [BOB]
            assert (store.digests(ADA), store.profile(ADA), store.span(ADA)) == ([], "{}", None)
            store.add(ADA, [said("new")], [EAST])
            assert ids(store.memories(ADA, ALL)) == ["new"]

    # Users, digests, profile, counts

    def test_users_do_not_see_each_other(self) -> None:
        with self.stored(said("a", user="u1"), said("a", user="u10", hours=24)) as store:
            keys = store.candidates("u1", probe()).key.tolist()
            assert [memory.user_id for memory in store.fetch("u1", keys).values()] == ["u1"]
            store.strengthen("u1", ["a"], NOON, "t", LAW)
            store.change_state("u1", ["a"], "archive", NOON)
            store.delete("u1", ids=["a"])
            assert store.memories("u10", ALL) == [said("a", user="u10", hours=24)]
            assert store.recalls("u10", "a") == []

    def test_users_are_sorted_and_only_writing_makes_one(self) -> None:
        with self.stored(said("a", user="b"), said("a", user="A"), said("a", user="茶")) as store:
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

    def test_digests_come_back_as_they_went_in(self) -> None:
        overall = Summary(ADA, "all 茶", None, None, NOON)
        of_day = Portrait(ADA, "shy", day(4), "m", NOON + timedelta(microseconds=1), "hash")
        with self.stored() as store:
            store.set_digests(ADA, [of_day, overall])
            assert store.digests(ADA) == [of_day, overall]
            assert store.digests(ADA, days=False) == [overall]

    def test_a_digest_is_stored_with_its_event_or_not_at_all(self) -> None:
        summary, a = Summary(ADA, "e new", day(4), "m", NOON), said("a")
        with self.stored(a, event("e old"), vector=EAST) as store:
            found(store, ADA, probe())
            lists = {"events": [event("e new")], "vectors": [NORTH]}
            for source in (said("a changed"), said("b"), Portrait(ADA, "x", day(4), None, NOON)):
                made_from: list[Memory | Digest] = [a, source]
                write = partial(store.set_digests, ADA, [summary], made_from=made_from, **lists)
                assert_raises(ConflictError, write)
                assert store.digests(ADA) == []
                assert store.known(ADA, ["e"])["e"].text == "e old"
            store.strengthen(ADA, ["e"], NOON, None, LAW)
            store.set_digests(ADA, [summary], made_from=[a], **lists)
            assert store.digests(ADA) == [summary]
            assert (e := store.known(ADA, ["e"])["e"]).text == "e new"
            assert (e.strength, found(store, ADA, probe())["e"]["similarity"]) == (2.0, 0.0)
            overall = Summary(ADA, "all", None, "m", NOON)
            store.set_digests(ADA, [overall], made_from=[summary])
            assert store.digests(ADA) == [overall, summary]

    def test_what_a_digest_is_made_from_may_be_archived_or_stronger_by_now(self) -> None:
        with self.stored(said("a")) as store:
            (a,) = store.memories(ADA, ALL)
            store.strengthen(ADA, ["a"], NOON, None, LAW)
            store.change_state(ADA, ["a"], "archive", NOON)
            store.set_digests(ADA, [Portrait(ADA, "shy", day(4), "m", NOON)], made_from=[a])
            assert len(store.digests(ADA)) == 1

    def test_vectors_come_back_as_they_went_in(self) -> None:
        with self.stored(said("a"), vector=UP) as store:
            store.add(ADA, [said("b")], [np.concatenate([EAST, NORTH])])
            vectors = store.vectors(ADA, ["a", "b", "unknown"])
            assert {id: matrix.tolist() for id, matrix in vectors.items()} == {
                "a": UP.tolist(),
                "b": [*EAST.tolist(), *NORTH.tolist()],
            }
            assert store.vectors(BOB, ["a"]) == {}

    def test_all_of_a_memory_comes_in_the_order_of_writing_and_goes_into_another_store(
        self,
    ) -> None:
        later = NOON + timedelta(hours=1)
        with self.stored(said("late", hours=9), said("b"), event("e")) as store:
            store.add(ADA, [said("early", hours=-9)], [np.concatenate([UP, NORTH])])
            store.strengthen(ADA, ["b"], later, "t", LAW)
            store.strengthen(ADA, ["b"], NOON, None, LAW)
            store.change_state(ADA, ["early"], "pin", NOON)
            found = store.scan(ADA)
            assert [one.memory.id for one in found] == ["late", "b", "e", "early"]
            known = store.known(ADA, ["late", "b", "e", "early"])
            assert {one.memory.id: one.memory for one in found} == known
            assert found[1].recalls == ((NOON, None), (later, "t"))
            assert [one.vectors.tolist() for one in found[2:]] == [
                EAST.tolist(),
                [*UP.tolist(), *NORTH.tolist()],
            ]
            first = store.scan(ADA, limit=2)
            assert [one.memory.id for one in first] == ["late", "b"]
            rest = store.scan(ADA, after=first[-1].key, limit=9)
            assert [one.memory.id for one in rest] == ["e", "early"]
            assert store.scan(BOB) == []
            mine = [replace(one, memory=replace(one.memory, user_id=BOB)) for one in found]
            for some in (mine[:2], mine):  # the second call finds two of them there
                store.put(BOB, some)
            assert [(one.memory, one.recalls) for one in store.scan(BOB)] == [
                (one.memory, one.recalls) for one in mine
            ]
            assert store.strengthen(BOB, ["b"], NOON, "t", LAW) == 0
            store.put(BOB, [replace(mine[1], memory=said("b new", user=BOB), recalls=())])
            assert store.known(BOB, ["b"])["b"] == said("b new", user=BOB)
            assert store.recalls(BOB, "b") == []

    def test_profile(self) -> None:
        with self.stored() as store:
            assert store.profile(ADA) == "{}"
            store.set_profile(ADA, '{"name": "小明"}')
            assert (store.profile(ADA), store.profile(BOB)) == ('{"name": "小明"}', "{}")

    def test_stats(self) -> None:
        with self.stored(said("a"), said("b", hours=48), said("c", user=BOB)) as store:
            store.strengthen(ADA, ["a"], NOON, None, LAW)
            store.change_state(ADA, ["b"], "archive", NOON)
            every, mine, none = store.stats(), store.stats(ADA), store.stats("nobody")
            assert (every.users, every.memories, every.archived, every.recalls) == (2, 3, 1, 1)
            assert (mine.users, mine.memories, mine.first_day, mine.last_day) == (
                1,
                2,
                day(4),
                day(6),
            )
            assert (none.users, none.memories, none.recalls, none.first_day) == (0, 0, 0, None)
            assert every.file_bytes > 0

    def test_a_closed_store_says_so(self) -> None:
        store = self.open_store()
        store.close()
        store.close()
        assert_raises(StoreClosedError, lambda: store.memories(ADA, ALL))
        assert_raises(StoreClosedError, lambda: store.add(ADA, [said("a")], [EAST]))
