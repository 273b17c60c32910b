"""Metadata of turns: validated, kept exactly, replaced on request, and what `where` selects by."""

import copy
import json
import pickle
from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memorybank_core import (
    FormatError,
    HashingEmbedder,
    InvalidInputError,
    Memory,
    MemoryBank,
    Turn,
)
from memorybank_core.integration import result_metadata
from memorybank_core.json_format import export_json, import_json
from memorybank_core.metadata import MAX_BYTES, from_text, to_text
from memorybank_core.moving import move
from memorybank_core.tools import MemoryTools

USER = "ada@example.com"
NOON = datetime(2024, 3, 4, 12, tzinfo=timezone.utc)
EVERYTHING = {
    "agent": "coder",
    "编号": "第七号 🍵\0",
    "falsy": ["", 0, 0.0, False, None, [], {}],
    "deep": {"a": [{"b": 2**53 + 1}, -1.5e300]},
}
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", min_size=1), inner),
    max_leaves=6,
)
objects = st.dictionaries(st.text("abc", min_size=1, max_size=3), values, max_size=4)


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "bank.db", embedder=HashingEmbedder()) as bank:
        yield bank


def make_turns(count=6):
    """Return turns about tea: every third is of the agent "friend", the others of "coder"."""
    return [
        Turn(
            f"I drink tea number {n}.",
            at=NOON + timedelta(hours=n),
            metadata={"agent": "friend" if n % 3 == 0 else "coder", "n": n},
        )
        for n in range(count)
    ]


def numbers(memories):
    """Return the key "n" of memories or results, sorted; None for a memory without it."""
    found = (getattr(item, "memory", item) for item in memories)
    return sorted((memory.metadata.get("n") for memory in found), key=str)


def search(bank, where, **options):
    return numbers(bank.search("tea", user_id=USER, k=20, where=where, **options))


@given(objects)
def test_metadata_survive_json_and_text(metadata):
    turn = Turn("tea", metadata=metadata)
    assert turn.metadata == metadata
    assert Turn.from_dict(json.loads(json.dumps(turn.to_dict()))) == turn
    assert from_text(to_text(turn.metadata)) == metadata
    assert to_text(dict(reversed(metadata.items()))) == to_text(metadata)


def test_metadata_are_a_read_only_copy():
    tags = ["a"]
    turn = Turn("tea", metadata={"tags": tags, "deep": {"a": 1}})
    tags.append("b")
    assert turn.metadata == {"tags": ["a"], "deep": {"a": 1}}
    for change in (
        lambda: turn.metadata.update(a=1),
        lambda: turn.metadata["tags"].append("c"),
        lambda: turn.metadata["deep"].pop("a"),
        lambda: turn.metadata["deep"].__setitem__("a", 2),
    ):
        with pytest.raises(TypeError, match="read-only"):
            change()
    assert pickle.loads(pickle.dumps(turn)) == copy.deepcopy(turn) == turn
    assert Turn(**asdict(turn)) == turn
    assert hash(turn) == hash(Turn("tea", metadata={"deep": {"a": 1.0}, "tags": ("a",)}))


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ([1], "metadata must be a dictionary, not list"),
        ({1: 2}, "keys of Turn.metadata must be non-empty strings, not 1"),
        ({"a": {"": 2}}, r"keys of Turn.metadata\['a'\] must be non-empty strings"),
        ({"a": [1, NOON]}, r"Turn.metadata\['a'\]\[1\] must be a JSON value.*not datetime"),
        ({"a": float("nan")}, "JSON value.*not nan"),
        ({"a": 2**63}, "number of 64 bits.*not int"),
        ({"a": "茶" * 6000}, "has 18,008 bytes as JSON; at most 16,384 fit"),
    ],
)
def test_invalid_metadata_are_refused(metadata, message):
    with pytest.raises(InvalidInputError, match=message):
        Turn("tea", metadata=metadata)


def test_metadata_of_the_maximum_size_are_stored(bank):
    most = {"a": "x" * (MAX_BYTES - len('{"a":""}'))}
    bank.add([Turn("tea", metadata=most)], user_id=USER)
    assert bank.timeline(user_id=USER)[0].metadata == most
    circle = {}
    circle["a"] = circle
    with pytest.raises(InvalidInputError, match="nested too deeply"):
        Turn("tea", metadata=circle)


def test_lone_surrogates_are_replaced_as_in_texts(bank):
    bank.add([Turn("tea", metadata={"a": "\ud800"})], user_id=USER)
    assert bank.timeline(user_id=USER)[0].metadata == {"a": "\ufffd"}
    assert bank.search("tea", user_id=USER, where={"a": "\ud800"})


def test_a_bank_keeps_metadata_exactly(bank):
    bank.add([Turn("I drink tea.", metadata=EVERYTHING), Turn("Tea again.")], user_id=USER)
    first, second = bank.timeline(user_id=USER)
    assert first.metadata == first.turn.metadata == EVERYTHING
    assert json.dumps(first.metadata, sort_keys=True) == json.dumps(EVERYTHING, sort_keys=True)
    assert second.metadata == {}
    assert Memory.from_dict(json.loads(json.dumps(first.to_dict()))) == first
    [result] = bank.search("tea", user_id=USER, where={"agent": "coder"})
    assert result.memory == first
    assert result_metadata(result)["metadata"] == EVERYTHING


def test_the_id_of_a_turn_does_not_depend_on_its_metadata(bank):
    plain = Turn("I drink tea.", at=NOON)
    assert bank.add([plain], user_id=USER).ids == (
        bank.add([replace(plain, metadata={"a": 1})], user_id="bo").ids
    )


class TestReplacing:
    def test_the_same_turn_with_other_metadata_replaces_them(self, bank):
        turns = make_turns()
        bank.add(turns, user_id=USER)
        before = bank.timeline(user_id=USER)
        assert search(bank, {"n": 4}) == [4]
        changed = [replace(turns[4], metadata={"n": 40}, at=NOON + timedelta(hours=4))]
        receipt = bank.add([*changed, turns[5]], user_id=USER)
        assert (receipt.updated, receipt.unchanged) == (1, 1)
        assert (receipt.added, receipt.replaced) == (0, 0)
        assert search(bank, {"n": 4}) == []
        assert search(bank, {"n": 40}) == [40]
        assert search(bank, {"n": 5}) == [5]
        after = bank.timeline(user_id=USER)
        assert [memory.text for memory in after] == [memory.text for memory in before]
        assert after[4] == replace(before[4], turn=replace(before[4].turn, metadata={"n": 40}))

    def test_a_turn_without_metadata_keeps_them_unless_it_replaces(self, bank):
        [turn] = make_turns(1)
        bank.add([turn], user_id=USER)
        plain = [replace(turn, metadata={})]
        assert bank.add(plain, user_id=USER).unchanged == 1
        assert search(bank, {"n": 0}) == [0]
        assert bank.add(plain, user_id=USER, replace=True).updated == 1
        assert search(bank, {"n": 0}) == []

    def test_replacing_the_text_replaces_the_metadata(self, bank):
        bank.add([Turn("Tea.", id="a", metadata={"n": 1})], user_id=USER)
        receipt = bank.add([Turn("Green tea.", id="a")], user_id=USER, replace=True)
        assert (receipt.replaced, receipt.updated) == (1, 0)
        assert search(bank, {"n": 1}) == []

    def test_strength_digests_and_other_users_are_left_alone(self, bank):
        [turn] = make_turns(1)
        for user in (USER, "bo"):
            bank.add([turn], user_id=user)
        bank.reinforce(bank.search("tea", user_id=USER), user_id=USER)
        bank.summarize(user_id=USER)
        bank.add([replace(turn, metadata={"n": 9})], user_id=USER)
        assert bank.verify(user_id=USER) == []
        assert bank.timeline(user_id=USER, kind="turn")[0].strength == 2.0
        assert numbers(bank.timeline(user_id="bo")) == [0]


class TestWhere:
    @pytest.fixture
    def filled(self, bank):
        bank.add(make_turns(), user_id=USER)
        bank.add([Turn("I drink plain tea.", at=NOON)], user_id=USER)
        bank.summarize(user_id=USER)  # an event summary about tea
        return bank

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            ({"agent": "coder"}, [1, 2, 4, 5]),
            ({"agent": {"$in": ["friend", "nobody"]}}, [0, 3]),
            ({"agent": "coder", "n": {"$gt": 1, "$lte": 4}}, [2, 4]),
            ({"agent": {"$ne": "coder"}}, [0, 3, None]),
            ({"agent": None}, []),
            ({"missing": {"$ne": 1}}, [0, 1, 2, 3, 4, 5, None]),
            ({"missing": {"$lt": 1}}, []),
            ({"n": True}, []),
            ({"n": 1.0}, [1]),
            ({"n": "1"}, []),
            ({"n": {"$gte": "4"}}, [4, 5]),
            ({"n": {"$in": []}}, []),
        ],
    )
    def test_search_and_timeline_select_by_it(self, filled, where, expected):
        assert search(filled, where) == expected
        assert numbers(filled.timeline(user_id=USER, where=where)) == expected

    def test_without_it_everything_is_searched(self, filled):
        for where in (None, {}):
            assert len(filled.search("tea", user_id=USER, k=20, where=where)) == 8

    def test_it_combines_with_other_filters(self, filled):
        assert search(filled, {"agent": "coder"}, session="nowhere") == []
        assert search(filled, {"agent": "coder"}, kind="event") == []
        filled.archive(filled.timeline(user_id=USER, where={"n": 1}), user_id=USER)
        assert search(filled, {"agent": "coder"}) == [2, 4, 5]
        assert search(filled, {"agent": "coder"}, archived=True) == [1, 2, 4, 5]
        latest = filled.timeline(user_id=USER, where={"agent": "coder"}, last=2)
        assert [memory.metadata["n"] for memory in latest] == [4, 5]

    def test_neighbours_and_the_context_stay_within_it(self, filled):
        context = filled.context("tea number 4", user_id=USER, where={"n": {"$in": [4, 1]}})
        assert "number 4" in context.text
        assert "number 5" not in context.text
        everything = filled.context("tea", user_id=USER)
        scoped = filled.context("tea", user_id=USER, where={"agent": "nobody"})
        assert everything.text
        assert scoped.text == ""

    @pytest.mark.parametrize(
        ("where", "message"),
        [
            ([], "where must be a dictionary"),
            ("agent=coder", "where must be a dictionary"),
            ({"$or": []}, r"where begins with keys, not with the operator '\$or'"),
            ({"n": {"$near": 1}}, r"where\['n'\].*\$in, not '\$near'"),
            ({"n": {"$in": "abc"}}, r"where\['n'\].*\$in needs a list"),
            ({"n": {"$gt": None}}, r"where\['n'\].*\$gt needs a number or a string"),
            ({"a": {"b": {"$lt": []}}}, r"where\['a'\]\['b'\].*\$lt needs"),
            ({"n": NOON}, "JSON value"),
        ],
    )
    def test_invalid_conditions_are_refused(self, filled, where, message):
        for call in (filled.timeline, lambda **options: filled.search("tea", **options)):
            with pytest.raises(InvalidInputError, match=message):
                call(user_id=USER, where=where)
        with pytest.raises(InvalidInputError, match=message):
            filled.context(None, user_id=USER, where=where)

    def test_deleted_values_are_forgotten(self, filled):
        filled.delete(user_id=USER, ids=[m.id for m in filled.timeline(user_id=USER)[:3]])
        filled.add([Turn("Tea with milk.", metadata={"n": 99})], user_id=USER)
        assert search(filled, {"n": {"$gte": 0}}) == [2, 3, 4, 5, 99]


def test_an_export_has_the_metadata(bank, tmp_path):
    bank.add([Turn("I drink tea.", metadata=EVERYTHING), *make_turns()], user_id=USER)
    bank.summarize(user_id=USER)
    data = json.loads(json.dumps(export_json(bank)))
    with MemoryBank.open(tmp_path / "copy.db", embedder=HashingEmbedder()) as other:
        import_json(other, data)
        assert other.timeline(user_id=USER) == bank.timeline(user_id=USER)
        assert export_json(other) == data
        assert search(other, {"编号": "第七号 🍵\0"}) == [None]
    part = export_json(bank, where={"n": {"$lt": 2}})[USER]
    assert [entry["metadata"]["n"] for turns in part["history"].values() for entry in turns] == [
        0,
        1,
    ]
    assert (part["summary"], part["overall_history"], part["digests"]) == ({}, "", [])


def test_an_import_names_invalid_metadata(bank):
    entry = {"query": "tea", "metadata": {"a": {"": 1}}}
    with pytest.raises(FormatError, match=r"turn 0, metadata.*expected an object of JSON values"):
        import_json(bank, {USER: {"history": {"2024-03-04": [entry]}}})


def test_a_move_copies_the_metadata(bank, tmp_path):
    bank.add([Turn("I drink tea.", metadata=EVERYTHING)], user_id=USER)
    target = tmp_path / "moved.db"
    first = move(bank.store.path, target)
    bank.add(
        [replace(bank.timeline(user_id=USER)[0].turn, metadata={"b": 1, "a": 2})], user_id=USER
    )
    second = move(bank.store.path, target)
    assert (first.moved, second.moved) == (1, 1)
    assert first.checksum != second.checksum
    with MemoryBank.open(target, embedder=HashingEmbedder()) as other:
        assert other.timeline(user_id=USER) == bank.timeline(user_id=USER)


def test_tools_store_and_stay_within_their_scope(bank):
    bank.add(make_turns(), user_id=USER)
    scope = {"agent": "friend"}
    tools = MemoryTools(bank, k=9, min_relevance=0.0, metadata={**scope, "n": 7}, where=scope)
    tools.remember("I also like green tea.", user_id=USER)
    recalled = tools.recall("tea", user_id=USER)
    memories = bank.get(recalled.ids, user_id=USER)
    assert numbers(memories.values()) == [3, 7]  # the number 3 replaced 0
    [other] = bank.timeline(user_id=USER, where={"n": 1})
    assert tools.forget(other.id, user_id=USER).ids == ()
    assert numbers(bank.timeline(user_id=USER, where={"n": 1})) == [1]
    assert tools.forget(recalled.ids[0], user_id=USER).ids == recalled.ids[:1]
