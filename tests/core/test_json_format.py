"""The original's memory JSON: a worked example, awkward input, exact round trips."""

import json
import stat
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import memorybank_core
from memorybank_core import (
    Change,
    ConflictError,
    FormatError,
    InvalidInputError,
    Memory,
    MemoryBank,
    Portrait,
    StoreWriteError,
    Summary,
    Turn,
)
from memorybank_core.json_format import (
    ImportReport,
    count_turns,
    dump,
    export_json,
    import_json,
    load,
)
from memorybank_core.testing import FakeLLM

DEMO = Path(memorybank_core.__file__).parent / "demo" / "data"
NOW = datetime(2024, 1, 1, tzinfo=timezone.utc)
DAY = "2023-04-27"

# Everything that the original writes, with missing, null and empty values.
ORIGINAL = {
    " Jason ": {
        "name": "Jason Wu",
        "summary": {
            DAY: {
                "content": "Jason swam. 他去游泳了。",
                "memory_strength": 2,
                "last_recall_date": "2023-04-30",
                "memory_id": "Jason_2023-04-27_summary",
            },
            "2023-04-28": "Jason rested.",
            "2023-04-29": "",
        },
        "personality": {DAY: "Brave.", "2023-04-28": {"content": "Calm."}, "2023-04-29": {}},
        "overall_history": {"content": "Jason swims."},
        "overall_personality": "Brave, calm.",
        "history": {
            DAY: [
                {"query": "I went swimming.", "response": "How nice!"},
                {
                    "query": "And then I slept.",
                    "response": None,
                    "memory_strength": 3,
                    "last_recall_date": "2023-05-01",
                    "memory_id": "Jason_2023-04-27_1",
                    "mood": "tired",
                },
                {"query": "", "response": ""},
                {"query": "Bye", "memory_strength": 1, "last_recall_date": DAY},
            ],
            "2023-04-28": None,
        },
        "meta_information": {"name": "Jason", "hobbies": "diving"},
    },
    "李雪": {"name": "", "summary": {}, "overall_history": "", "history": {DAY: []}},
    "Nobody": None,
}


def open_bank(folder: Path, name: str = "bank", **options) -> MemoryBank:
    return MemoryBank.open(folder / f"{name}.db", embedder="hashing", **options)


@pytest.fixture
def bank(tmp_path):
    with open_bank(tmp_path) as bank:
        yield bank


@contextmanager
def two_banks(zone: str = "UTC"):
    """Yield two empty banks in a temporary folder."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_bank(Path(folder), "source", timezone=zone) as source,
        open_bank(Path(folder), "target", timezone=zone) as target,
    ):
        yield source, target


def contents(bank: MemoryBank) -> dict:
    """Return everything that a round trip must preserve."""
    return {
        user_id: (
            bank.timeline(user_id=user_id, archived=True),
            [(type(digest), digest.day, digest.text) for digest in bank.store.digests(user_id)],
            bank.profile(user_id=user_id),
        )
        for user_id in bank.users()
    }


def one_user(**entry) -> dict:
    return {"Ann": entry}


def one_turn(**turn) -> dict:
    return one_user(history={DAY: [{"query": "hi", **turn}]})


# Import


def test_the_originals_fields_find_their_places(bank):
    report = import_json(bank, ORIGINAL, now=NOW)
    assert report == ImportReport(users=3, turns=3, unchanged=0, events=2, digests=4, empty=1)
    assert bank.users() == ["Jason", "Nobody", "李雪"]
    slept, swam = "Jason_2023-04-27_1", "Jason_2023-04-27_summary"
    rows = [
        (memory.id, memory.kind, f"{memory.created_at:%d %H:%M}", memory.strength)
        for memory in bank.timeline(user_id="Jason")
    ]
    assert rows == [
        ("2023-04-27#0", "turn", "27 09:00", 1.0),
        (slept, "turn", "27 09:01", 3.0),
        ("2023-04-27#3", "turn", "27 09:03", 1.0),
        (swam, "event", "27 23:59", 2.0),
        ("2023-04-28#event", "event", "28 23:59", 1.0),
    ]
    memories = {memory.id: memory for memory in bank.timeline(user_id="Jason")}
    assert memories[slept].last_recalled_at == datetime(2023, 5, 1, tzinfo=timezone.utc)
    assert memories["2023-04-27#3"].last_recalled_at is None
    assert memories[swam].session == DAY
    assert memories[swam].text == "Jason swam. 他去游泳了。"
    assert bank.profile(user_id="Jason") == {"name": "Jason Wu", "hobbies": "diving"}
    assert bank.profile(user_id="李雪") == {}
    digests = [replace(digest, source=None) for digest in bank.store.digests("Jason")]
    assert digests == [
        Portrait("Jason", "Brave, calm.", None, None, NOW),
        Portrait("Jason", "Brave.", date(2023, 4, 27), None, NOW),
        Portrait("Jason", "Calm.", date(2023, 4, 28), None, NOW),
        Summary("Jason", "Jason swims.", None, None, NOW),
        Summary("Jason", "Jason swam. 他去游泳了。", date(2023, 4, 27), None, NOW),
        Summary("Jason", "Jason rested.", date(2023, 4, 28), None, NOW),
    ]


def test_imported_memories_can_be_searched(bank):
    import_json(bank, ORIGINAL)
    assert bank.search("swimming", user_id="Jason", k=1)[0].memory.id == "2023-04-27#0"
    assert bank.search("游泳", user_id="Jason", k=1)[0].memory.kind == "event"


def test_days_are_those_of_the_banks_zone(tmp_path):
    with open_bank(tmp_path, timezone="Asia/Shanghai") as bank:
        import_json(bank, one_turn(memory_strength=2, last_recall_date="2023-04-29"))
        import_json(bank, one_user(summary={DAY: "Said hi."}))
        turn, event = bank.timeline(user_id="Ann")
    assert turn.created_at == datetime(2023, 4, 27, 1, tzinfo=timezone.utc)
    assert turn.last_recalled_at == datetime(2023, 4, 28, 16, tzinfo=timezone.utc)
    assert event.created_at == datetime(2023, 4, 27, 15, 59, tzinfo=timezone.utc)
    assert turn.day == event.day == date(2023, 4, 27)


@pytest.mark.parametrize(
    ("recalled", "strength", "expected"),
    [
        (DAY, 1, None),  # written by the original when it makes a memory
        (DAY, 2, "2023-04-27T09:00:00+00:00"),
        ("2023-04-01", 2, "2023-04-27T09:00:00+00:00"),  # never before its turn
        ("2023-04-28", 1, "2023-04-28T00:00:00+00:00"),
        ("2023-04-28 12:30:00", 2, "2023-04-28T12:30:00+00:00"),
        ("2023-04-28T12:30:00+02:00", 2, "2023-04-28T10:30:00+00:00"),
        ("2023-04-28T12:30:00Z", 2, "2023-04-28T12:30:00+00:00"),
        ("", 2, None),
        (None, 2, None),
    ],
)
def test_the_last_recall(bank, recalled, strength, expected):
    import_json(bank, one_turn(memory_strength=strength, last_recall_date=recalled))
    last_recall = bank.timeline(user_id="Ann")[0].last_recalled_at
    assert (last_recall and last_recall.isoformat()) == expected


def test_a_thousand_turns_stay_on_their_day_and_in_order(bank):
    texts = [str(index) for index in range(1000)]
    import_json(bank, one_user(history={DAY: [{"query": text} for text in texts]}))
    timeline = bank.timeline(user_id="Ann")
    assert [memory.text for memory in timeline] == texts
    assert {memory.day for memory in timeline} == {date(2023, 4, 27)}


def test_only_the_selected_users_are_read(bank):
    data = {"u1": {"history": {DAY: [{"query": "one"}]}}, " u10": {"history": "broken"}}
    assert import_json(bank, data, users=["u1"]).users == 1
    assert bank.users() == ["u1"]
    with pytest.raises(InvalidInputError, match="no such users: 'u2'"):
        import_json(bank, data, users=["u2"])
    with pytest.raises(InvalidInputError, match="not the string 'u1'"):
        import_json(bank, data, users="u1")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_demo_dialogues_are_imported_completely(bank, language):
    data = load(DEMO / f"dialogues_{language}.json")
    assert import_json(bank, data).turns == count_turns(data) > 0
    ((user_id, entry),) = data.items()
    queries = [turn["query"] for turns in entry["history"].values() for turn in turns]
    assert [memory.turn.query for memory in bank.timeline(user_id=user_id)] == queries


# Faults


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "got [], expected an object with a key per user"),
        ({"Ann": [1]}, "user 'Ann': got [1], expected an object"),
        ({"  ": {}}, "user '': got '', expected a user id"),
        ({"a\0": {}}, "expected a user id"),
        ({5: {}}, "user 5: got 5, expected a user id"),
        ({"Ann": {}, " Ann": {}}, "user 'Ann': got ' Ann' as well, expected each user once"),
        (one_user(name=5), "user 'Ann', name: got 5, expected a string"),
        (one_user(meta_information="shy"), "meta_information: got 'shy', expected an object"),
        (
            one_user(meta_information={"age": float("nan")}),
            "expected values that JSON can represent",
        ),
        (one_user(history=[]), "user 'Ann', history: got [], expected an object"),
        (one_user(history={"27.4.23": []}), "history: got '27.4.23', expected a calendar day"),
        (one_user(history={"20230427": []}), "got '20230427', expected a calendar day"),
        (one_user(history={"2023-02-30": []}), "got '2023-02-30', expected a calendar day"),
        (one_user(history={DAY: [], f" {DAY}": []}), "expected each day once"),
        (one_user(history={DAY: "hi"}), f"history, {DAY}: got 'hi', expected a list of turns"),
        (one_user(history={DAY: ["hi"]}), f"history, {DAY}, turn 0: got 'hi', expected an object"),
        (one_user(history={DAY: [None]}), "turn 0: got None, expected an object"),
        (one_turn(response=5), f"history, {DAY}, turn 0, response: got 5, expected a string"),
        (one_turn(memory_id=5), "turn 0, memory_id: got 5, expected a string"),
        (one_turn(memory_strength="1"), "memory_strength: got '1', expected a positive finite"),
        (one_turn(memory_strength=0), "memory_strength: got 0, expected a positive finite"),
        (one_turn(memory_strength=True), "memory_strength: got True, expected a positive"),
        (one_turn(memory_strength=float("nan")), "memory_strength: got nan, expected a positive"),
        (one_turn(memory_strength=float("inf")), "memory_strength: got inf, expected a positive"),
        (one_turn(memory_strength=10**400), "expected a positive finite"),
        (one_turn(last_recall_date="soon"), "last_recall_date: got 'soon', expected a day"),
        (one_turn(last_recall_date=20230427), "last_recall_date: got 20230427, expected a day"),
        (one_turn(recalls=-1), "recalls: got -1, expected a whole number"),
        (one_turn(recalls=2**63), "expected a whole number"),
        (one_turn(archived_at="never"), "archived_at: got 'never', expected a date and time"),
        (one_turn(pinned=1), "pinned: got 1, expected true or false"),
        (one_turn(time="2023-04-27T09:00:00"), "expected a date and time in ISO 8601 with its"),
        (one_turn(time="2023-04-28T01:00:00+00:00"), f"expected a time on {DAY} in UTC"),
        (one_turn(time="0001-01-01T00:00:00+14:00"), "expected a date and time"),
        (one_user(summary=["x"]), "summary: got ['x'], expected an object"),
        (one_user(summary={DAY: 5}), f"summary, {DAY}: got 5, expected a string, or an object"),
        (one_user(summary={DAY: {"content": 5}}), f"summary, {DAY}, content: got 5, expected"),
        (one_user(changes=[5]), "changes, 0: got 5, expected an object with newer"),
        (one_user(changes=[{"made_at": 5}]), "changes, 0, made_at: got 5, expected a date and"),
        (one_user(personality={DAY: 5}), f"personality, {DAY}: got 5, expected a string, or"),
        (one_user(overall_history=5), "overall_history: got 5, expected a string, or"),
    ],
)
def test_a_fault_is_named_and_nothing_imported(bank, data, words):
    good = {"Good": {"history": {DAY: [{"query": "hello"}]}}}
    with pytest.raises(FormatError) as error:
        import_json(bank, {**good, **data} if isinstance(data, dict) else data)
    assert words in str(error.value)
    assert bank.users() == []


def test_a_duplicate_id_is_a_fault(bank):
    turns = [{"query": "one", "memory_id": "x"}, {"query": "two", "memory_id": "x"}]
    with pytest.raises(FormatError, match=r"turn 1, memory_id: got 'x', .* turn 0"):
        import_json(bank, one_user(history={DAY: turns}))
    assert import_json(bank, one_user(history={DAY: [turns[0], turns[0]]})).turns == 1


def test_a_day_that_the_zone_skipped_is_a_fault(tmp_path):
    fault = "got '2011-12-30', expected a calendar day"  # on which Samoa crossed the date line
    with (
        open_bank(tmp_path, timezone="Pacific/Apia") as bank,
        pytest.raises(FormatError, match=fault),
    ):
        import_json(bank, one_user(history={"2011-12-30": [{"query": "hi"}]}))


def test_faults_are_named_together_up_to_ten_and_shortened(bank):
    turns = [{"query": "hi", "recalls": "x" * 1000}] * 13
    with pytest.raises(FormatError) as error:
        import_json(bank, one_user(history={DAY: turns}))
    lines = str(error.value).splitlines()
    assert len(lines) == 12
    assert lines[-1] == "- and 3 more"
    assert max(map(len, lines)) < 200


def test_an_id_with_another_text_stops_the_import_before_it_begins(bank):
    bank.add([Turn("mine", id="2023-04-27#0", at=NOW)], user_id="Ann")
    before = contents(bank)
    with pytest.raises(ConflictError, match=r"'2023-04-27#0' of user 'Ann', 'mine'"):
        import_json(bank, {"Abe": one_turn()["Ann"], **one_turn()})
    assert contents(bank) == before


@pytest.mark.parametrize("batch", [0, True, 2.0])
def test_a_batch_must_be_a_number(bank, batch):
    with pytest.raises(InvalidInputError, match="batch must be a whole number"):
        import_json(bank, {}, batch=batch)


# Repeated import


def test_a_second_import_changes_nothing(bank):
    import_json(bank, ORIGINAL, now=NOW)
    bank.reinforce(["2023-04-27#0"], user_id="Jason", now=NOW)
    before, digests = contents(bank), bank.store.digests("Jason")
    again = import_json(bank, ORIGINAL, now=NOW + timedelta(days=1))
    assert again == ImportReport(users=3, turns=0, unchanged=3, events=0, digests=0, empty=1)
    assert contents(bank) == before
    assert bank.store.digests("Jason") == digests


def test_a_digest_with_a_new_text_takes_the_old_ones_place(bank):
    import_json(bank, one_user(overall_history="Old."), now=NOW)
    later = NOW + timedelta(days=1)
    assert import_json(bank, one_user(overall_history="New."), now=later).digests == 1
    assert bank.store.digests("Ann") == [Summary("Ann", "New.", None, None, later)]


def test_a_profile_is_added_to(bank):
    bank.set_profile({"name": "A.", "likes": "tea"}, user_id="Ann")
    import_json(bank, one_user(name="Ann", meta_information=None))
    assert bank.profile(user_id="Ann") == {"name": "Ann", "likes": "tea"}


def test_an_interrupted_import_can_be_called_again(tmp_path, bank):
    data = load(DEMO / "dialogues_en.json")
    stored = []

    def stop_after_two(turns):
        stored.append(turns)
        if len(stored) == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        import_json(bank, data, progress=stop_after_two, batch=7)
    assert stored == [7, 7]
    assert bank.stats().memories == 14
    counted = []
    report = import_json(bank, data, progress=counted.append, batch=7)
    assert (report.unchanged, counted[0]) == (14, 14)
    assert sum(counted) == report.turns + report.unchanged == count_turns(data)
    with open_bank(tmp_path, "whole") as whole:
        import_json(whole, data)
        assert contents(whole) == contents(bank)


def test_imported_digests_hold_until_their_turns_change(bank):
    import_json(bank, ORIGINAL, now=NOW)
    assert bank.verify(user_id="Jason") == []
    bank.llm = FakeLLM(lambda _: "New.")
    assert bank.summarize(user_id="Jason").calls == 0
    later = datetime(2023, 4, 27, 20, tzinfo=timezone.utc)
    bank.add([Turn("Then I ran.", at=later)], user_id="Jason")
    assert bank.summarize(user_id="Jason").calls == 4
    events = bank.timeline(user_id="Jason", kind="event")
    assert [(event.id, event.text) for event in events] == [
        ("Jason_2023-04-27_summary", "New."),
        ("2023-04-28#event", "Jason rested."),
    ]
    assert events[0].strength == 2.0


def test_an_imported_summary_takes_the_place_of_the_banks(bank):
    import_json(bank, ORIGINAL, now=NOW)
    bank.rebuild(user_id="Jason", llm=FakeLLM(lambda _: "New."))
    import_json(bank, ORIGINAL, now=NOW)
    assert bank.summary(user_id="Jason", day=date(2023, 4, 28)).text == "Jason rested."
    assert bank.timeline(user_id="Jason", kind="event")[1].text == "Jason rested."
    assert bank.verify(user_id="Jason") == []


def test_a_round_trip_preserves_the_author_of_a_digest(bank, tmp_path):
    import_json(bank, {"Ann": ORIGINAL[" Jason "]}, now=NOW)
    bank.rebuild(llm=FakeLLM(lambda _: "New.", name="fake-1"), now=NOW)
    with open_bank(tmp_path, "other") as other:
        import_json(other, json.loads(json.dumps(export_json(bank))))
        assert other.digests(user_id="Ann") == bank.digests(user_id="Ann")
        assert "fake-1" in {digest.made_by for digest in other.digests(user_id="Ann")}
        assert other.verify() == []


# Round trip


def test_the_export_has_the_originals_keys(bank):
    import_json(bank, ORIGINAL, now=NOW)
    exported = export_json(bank)
    assert list(exported["Jason"]) == [
        "name",
        "summary",
        "personality",
        "overall_history",
        "overall_personality",
        "history",
        "meta_information",
        "digests",
    ]
    assert exported["Jason"]["history"][DAY][1] == {
        "query": "And then I slept.",
        "response": "",
        "memory_strength": 3,
        "last_recall_date": "2023-05-01T00:00:00+00:00",
        "memory_id": "Jason_2023-04-27_1",
        "time": "2023-04-27T09:01:00+00:00",
    }
    assert exported["Jason"]["summary"]["2023-04-28"]["content"] == "Jason rested."
    assert exported["Jason"]["personality"] == {DAY: "Brave.", "2023-04-28": "Calm."}
    assert exported["Nobody"]["history"] == {}
    assert list(export_json(bank, users=["Nobody"])) == ["Nobody"]
    with pytest.raises(InvalidInputError, match="no such users"):
        export_json(bank, users=["Jas"])


def test_a_round_trip_preserves_a_used_bank():
    turns = [
        Turn("Late thoughts", "Sleep!", datetime(2023, 4, 27, 15, 30, 1, 5, timezone.utc)),
        Turn(
            "", "Morning", datetime(2023, 4, 27, 16, 30, tzinfo=timezone.utc), session="s", id="a"
        ),
        Turn("你好", "", NOW, user_name="小明", companion_name="Bot", id="b"),
    ]
    day = date(2023, 4, 28)
    events = [
        Memory(name, " a@b.c", "event", f"Event {name}", NOW, day, session)
        for name, session in (("e1", "2023-04-28"), ("e2", "elsewhere"))
    ]
    with two_banks("Asia/Shanghai") as (source, target):
        source.add(turns, user_id=" a@b.c")
        source.add_memories(events, user_id=" a@b.c")
        source.add(turns[:1], user_id="a@b.c")
        source.reinforce(["a", "b"], user_id=" a@b.c", now=NOW)
        source.forget(user_id=" a@b.c", now=NOW + timedelta(days=12))
        source.set_profile({"name": 5, "tags": ["x", None]}, user_id=" a@b.c")
        changes = [Change("b", None, "m", NOW), Change("b", "a", "m", NOW)]
        source.store.record_changes(" a@b.c", changes)
        exported = export_json(source)
        assert len({memory.archived_at for memory in contents(source)[" a@b.c"][0]}) == 2
        assert set(exported[" a@b.c"]["history"]) == {DAY, "2023-04-28", "2024-01-01"}
        import_json(target, json.loads(json.dumps(exported)))
        assert contents(target) == contents(source)
        assert target.recalls("b", user_id=" a@b.c") == [NOW]
        assert target.store.changes(" a@b.c") == changes
        assert export_json(target) == exported


def test_a_bank_once_opened_in_another_zone_can_be_imported(tmp_path):
    late = datetime(2023, 4, 27, 23, 30, tzinfo=timezone.utc)
    with open_bank(tmp_path) as bank:
        bank.add([Turn("hi", at=late)], user_id="Ann")
    with open_bank(tmp_path) as bank, two_banks("Asia/Shanghai") as two:
        bank.timezone = ZoneInfo("Asia/Shanghai")  # as if an older version had opened it there
        import_json(two[0], export_json(bank))
        assert two[0].timeline(user_id="Ann")[0].created_at == late


words = st.text(max_size=40) | st.sampled_from(
    ["", " ", "你好，世界。", 'She said "no"\n\\', "👩‍👩‍👧‍👦 🎻", "\0", "\ud83d", "long " * 2000]
)
dates = st.dates(date(1990, 1, 1), date(2060, 12, 31))
days = dates.map(str)
zones = st.none() | st.just(timezone.utc)
whens = st.none() | days | st.builds(datetime.combine, dates, st.times(), zones).map(str)
state = {
    "memory_strength": st.none() | st.integers(1, 9) | st.floats(0.01, 1e6),
    "last_recall_date": whens,
    "recalls": st.none() | st.integers(0, 99),
    "archived_at": whens,
    "pinned": st.none() | st.booleans(),
}
turns = st.fixed_dictionaries(
    {"query": words | st.none()},
    optional={"response": words, "session": words, "user_name": words, **state, "other": words},
)
events = words | st.fixed_dictionaries({"content": words | st.none()}, optional=state)
users = st.none() | st.fixed_dictionaries(
    {"history": st.dictionaries(days, st.lists(turns, max_size=4), max_size=3)},
    optional={
        "name": words,
        "summary": st.dictionaries(days, events, max_size=3),
        "personality": st.dictionaries(days, words, max_size=3),
        "overall_history": words | st.just({}),
        "overall_personality": words | st.fixed_dictionaries({"content": words}),
        "meta_information": st.dictionaries(words, words | st.none() | st.floats(0, 1), max_size=3),
    },
)
user_ids = st.sampled_from(["a@b.c", " u1", "u10 ", "李 雪", "u" * 5000, "../x", "%_'\"", "🎻"])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    data=st.dictionaries(user_ids, users, max_size=3),
    zone=st.sampled_from(["UTC", "Asia/Shanghai", "America/Sao_Paulo"]),
)
def test_every_round_trip_is_exact(data, zone):
    with two_banks(zone) as (source, target):
        counted = []
        report = import_json(source, data, now=NOW, progress=counted.append, batch=3)
        assert report.turns == sum(counted) == count_turns(data)
        assert report.turns + report.events == source.stats().memories
        exported = export_json(source)
        import_json(target, json.loads(json.dumps(exported)))
        assert contents(target) == contents(source)
        assert export_json(target) == exported
        import_json(source, data)
        assert export_json(source) == exported


# Files


def test_a_file_is_written_whole_private_and_readable(tmp_path):
    path = tmp_path / "memory.json"
    path.write_text("old")
    data = {"李雪": {"name": '🎻 "x"', "torn": "\ud83d"}}
    dump(data, path)
    assert "李雪" in path.read_text("utf-8")
    assert load(path) == {"李雪": {"name": '🎻 "x"', "torn": "\ufffd"}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["memory.json"]


def test_a_link_still_leads_to_the_file_written(tmp_path):
    (tmp_path / "link.json").symlink_to(tmp_path / "memory.json")
    dump({"Ann": {}}, tmp_path / "link.json")
    assert load(tmp_path / "memory.json") == {"Ann": {}}


def test_a_file_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(StoreWriteError, match="No such file or directory"):
        dump({}, tmp_path / "missing" / "memory.json")
    with pytest.raises(StoreWriteError, match="not a regular file"):
        dump({}, tmp_path)
    with pytest.raises(TypeError):
        dump({"Ann": object()}, tmp_path / "memory.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1, column 1"),
        (b'{"Ann": {\n  "name": }}', "line 2, column 11"),
        (b"[]", "got [], expected an object with a key per user"),
        (b"\xff\xfe{}", "cannot be read as JSON in UTF-8"),
        (b'{"Ann": {}, "Ann": {}}', "the key 'Ann' appears twice in one object"),
        (b'{"Ann": ' + b"[" * 200_000, "cannot be read as JSON in UTF-8"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, content, words):
    path = tmp_path / "memory.json"
    path.write_bytes(content)
    with pytest.raises(FormatError) as error:
        load(path)
    assert str(path) in str(error.value)
    assert words in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"cannot read .*missing\.json: No such file"):
        load(tmp_path / "missing.json")


def test_a_byte_order_mark_is_no_fault(tmp_path):
    (tmp_path / "memory.json").write_bytes(b'\xef\xbb\xbf{"Ann": {}}')
    assert load(tmp_path / "memory.json") == {"Ann": {}}
