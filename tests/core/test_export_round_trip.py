"""An export followed by an import gives back everything, to the microsecond."""

import json
from contextlib import closing
from datetime import date, datetime, timedelta, timezone

import pytest

from memorybank_core import Change, FormatError, Memory, MemoryBank, Summary, Turn
from memorybank_core.evaluation.formats.memorybank import parse_memorybank
from memorybank_core.json_format import count_turns, export_json, import_json
from memorybank_core.moving import move
from memorybank_core.protocols import Item
from memorybank_core.testing import FakeLLM

NOW = datetime(2024, 3, 9, 12, 0, 0, 123457, timezone.utc)
USERS = ("ann", " 小明")


def open_bank(path, **options):
    return MemoryBank.open(path, embedder="hashing", timezone="Asia/Shanghai", **options)


def fill(bank):
    """Store something of every kind."""
    for user_id in USERS:
        turns = [
            Turn(
                "I keep bees.", "How many?", NOW, "t1", "s", "Ann", "Bot", {"a": {"b": [1, None]}}
            ),
            Turn("我住在奥斯陆。", "真好！", NOW + timedelta(microseconds=1), "t2"),
            Turn("I moved to Rome. 🎻", "", NOW + timedelta(days=1), "t3"),
        ]
        bank.add(turns, user_id=user_id)
        bank.store.strengthen(user_id, ["t1", "t2"], NOW + timedelta(seconds=1), "turn-1", bank.law)
        bank.store.strengthen(user_id, ["t1"], NOW + timedelta(microseconds=7), None, bank.law)
        bank.store.strengthen(user_id, ["t1"], NOW + timedelta(days=1), "turn-2", bank.law)
        bank.archive(["t2"], user_id=user_id, now=NOW + timedelta(days=2, microseconds=3))
        bank.pin(["t3"], user_id=user_id)
        bank.set_profile({"name": "Ann", "hobbies": ["蜜蜂"]}, user_id=user_id)
        bank.rebuild(user_id=user_id, llm=FakeLLM(lambda _: "Bees.", name="m"), now=NOW)
        changes = [Change("t3", None, "m", NOW), Change("t3", "t2", "m", NOW)]
        bank.store.record_changes(user_id, changes)
    fields = ("text",)
    items = [
        Item(("users", "ann.x"), "k", '{"text": "蜜蜂", "n": 1.5}', NOW, NOW, None, fields),
        Item(("users",), "k/2", '{"a":1}', NOW, NOW + timedelta(microseconds=1), 9e6),
    ]
    bank.store.items.write(items, [None] * 2, [], datetime.now(timezone.utc))


def snapshot(bank):
    """Return everything in a bank, except for vectors."""
    present = datetime.now(timezone.utc)
    users = {}
    for user_id in bank.users():
        rows = [(row.memory, row.recalls) for row in bank.store.scan(user_id, limit=1000)]
        rows.sort(key=lambda row: row[0].id)
        digests, changes = bank.store.digests(user_id), bank.store.changes(user_id)
        users[user_id] = rows, digests, bank.store.profile(user_id), changes
    items = [item for item, _ in bank.store.items.search((), present, limit=100)]
    return users, items


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
