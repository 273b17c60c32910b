"""An export followed by an import gives back everything, to the microsecond."""

import json
from contextlib import closing
from datetime import date, timedelta

import pytest
from full_bank import NOW, USERS, fill, open_bank, snapshot

from memorybank_core import FormatError, Memory, Summary, Turn
from memorybank_core.evaluation.formats.memorybank import parse_memorybank
from memorybank_core.json_format import count_turns, export_json, import_json
from memorybank_core.moving import move
from memorybank_core.protocols import Item


@pytest.fixture
def source(tmp_path):
    with open_bank(tmp_path / "source.db") as bank:
        fill(bank)
        yield bank


def test_everything_comes_back_in_an_empty_bank_once_or_twice(source, tmp_path):
    exported = json.loads(json.dumps(export_json(source)))
    with open_bank(tmp_path / "target.db") as target:
        report = import_json(target, exported)
        assert (report.turns, report.items, report.users) == (6, 2, 2)
        assert snapshot(target) == snapshot(source)
        again = import_json(target, exported)
        assert (again.turns, again.items, again.digests, again.events) == (0, 0, 0, 0)
        assert snapshot(target) == snapshot(source)
        assert export_json(target) == export_json(source) == exported


def test_everything_goes_through_any_store(source, place, tmp_path):
    exported = json.loads(json.dumps(export_json(source)))
    with open_bank(place) as other, open_bank(tmp_path / "target.db") as target:
        for _ in range(2):
            import_json(other, exported)
            assert snapshot(other) == snapshot(source)
        assert export_json(other) == exported
        import_json(target, export_json(other))
        assert snapshot(target) == snapshot(source)


def test_everything_comes_back_beside_what_another_bank_holds(source, tmp_path):
    exported = json.loads(json.dumps(export_json(source)))
    with open_bank(tmp_path / "target.db") as target:
        target.add([Turn("Hello.", at=NOW, id="mine")], user_id="ann")
        target.add([Turn("Hello.", at=NOW, id="mine")], user_id="bob")
        own = Item(("users", "bob"), "k", '{"mine": true}', NOW, NOW)
        target.store.items.write([own], [None], [], NOW)
        for _ in range(2):
            import_json(target, exported)
            users, items = snapshot(target)
            expected, expected_items = snapshot(source)
            assert [row for row in users["ann"][0] if row[0].id != "mine"] == expected["ann"][0]
            assert users["ann"][1:] == expected["ann"][1:]
            assert users[" 小明"] == expected[" 小明"]
            assert [item for item in items if item != own] == expected_items
            assert own in items
            assert target.get(["mine"], user_id="bob")


def test_a_newer_item_and_a_newer_recall_are_kept(source, tmp_path):
    exported = json.loads(json.dumps(export_json(source)))
    newer = Item(("users", "ann.x"), "k", '{"text": "new"}', NOW, NOW + timedelta(days=1))
    source.store.items.write([newer], [None], [], NOW)
    source.store.strengthen("ann", ["t3"], NOW + timedelta(days=3), "turn-9", source.law)
    before = snapshot(source)
    import_json(source, exported)
    assert snapshot(source) == before


def test_a_bank_of_which_everything_was_deleted_comes_back(source):
    exported, before = json.loads(json.dumps(export_json(source))), snapshot(source)
    for user_id in USERS:
        source.delete(user_id=user_id)
    keys = [(item.namespace, item.key) for item in before[1]]
    source.store.items.write([], [], keys, NOW)
    import_json(source, exported)
    assert snapshot(source) == before


def test_a_digest_with_the_same_text_gets_its_author_back(source):
    exported, before = json.loads(json.dumps(export_json(source))), snapshot(source)
    other = [Summary("ann", "Bees.", date(2024, 3, 9), "someone", NOW + timedelta(days=9))]
    source.store.set_digests("ann", other)
    import_json(source, exported)
    assert snapshot(source) == before


def test_a_summary_that_is_not_the_event_of_its_day_comes_back(tmp_path):
    day = date(2024, 3, 9)
    with open_bank(tmp_path / "a.db") as source, open_bank(tmp_path / "b.db") as target:
        source.add_memories([Memory("e", "ann", "event", "Event.", NOW, day, "s")], user_id="ann")
        digests = [
            Summary("ann", "Summary.", day, "m", NOW),
            Summary("ann", "Alone.", day + timedelta(days=1), "m", NOW),
        ]
        source.store.set_digests("ann", digests)
        import_json(target, json.loads(json.dumps(export_json(source))))
        assert snapshot(target) == snapshot(source)


def test_vectors_are_the_only_difference_of_a_moved_bank(source, tmp_path):
    with open_bank(tmp_path / "target.db") as target:
        import_json(target, export_json(source))
    receipt = move(tmp_path / "source.db", tmp_path / "moved.db")
    assert receipt.items == 2
    with closing(open_bank(tmp_path / "moved.db")) as moved:
        assert snapshot(moved) == snapshot(source)


def test_items_belong_to_no_user(source, tmp_path):
    assert list(export_json(source)) == [*source.users(), ""]
    assert list(export_json(source, users=["ann"])) == ["ann"]
    assert list(export_json(source, where={"a": 1})) == source.users()
    exported = export_json(source)
    assert count_turns(exported) == 6
    with open_bank(tmp_path / "target.db") as target:
        assert import_json(target, exported, users=["ann"]).items == 0
        assert target.users() == ["ann"]


def test_the_original_reads_an_export(source):
    """The original's loader: it iterates over all entries and skips those without a history."""
    memories = json.loads(json.dumps(export_json(source)))
    seen = []
    for user_name, user_memory in memories.items():
        if "history" not in user_memory:
            continue
        for content in user_memory["history"].values():
            seen += [(user_name, turn["query"], turn["response"]) for turn in content]
        assert {"summary", "personality", "overall_history", "overall_personality"} < {*user_memory}
    assert len(seen) == 6
    assert [c.user_id for c in parse_memorybank(memories, {})] == ["小明", "ann"]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (7, "items, item 0: got 7, expected an object with namespace, key and value"),
        ({"key": "k"}, "expected namespace, key, value, created_at and updated_at"),
        ({"namespace": ["a", 1]}, "item 0, namespace: got ['a', 1], expected a list of strings"),
        ({"namespace": ["a"], "key": 5}, "item 0, key: got 5, expected a string"),
        ({"ttl": -1}, "item 0, ttl: got -1, expected a positive finite number"),
    ],
)
def test_a_malformed_item_is_named_and_nothing_imported(tmp_path, item, words):
    with open_bank(tmp_path / "bank.db") as bank:
        with pytest.raises(FormatError) as error:
            import_json(bank, {"ann": {}, "": {"items": [item]}})
        assert words in str(error.value)
        assert bank.users() == []


def test_recalls_and_their_turns_must_be_as_many(tmp_path):
    turn = {"query": "hi", "recalled_at": [NOW.isoformat()], "recalled_by": ["a", "b"]}
    data = {"ann": {"history": {"2024-03-09": [turn]}}}
    with open_bank(tmp_path / "bank.db") as bank, pytest.raises(FormatError, match="recalled_by"):
        import_json(bank, data)
