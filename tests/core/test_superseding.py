"""What changed: the newest statement ranks first, and statements about other things stay apart."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from memorybank_core import MemoryBank, SearchResult, SupersededBy, Turn
from memorybank_core.search.statement_analysis import analyze_statement, replaces
from memorybank_core.search.superseding import asks_past
from memorybank_core.tools import MemoryTools

USER = "ada"
FIRST = datetime(2025, 3, 3, 9, tzinfo=timezone.utc)
DAY = timedelta(days=1)
PAIRS = Path(__file__).parent.parent / "data" / "changes"
CHANGES = {
    "en": (
        "I live in Utrecht.",
        "I no longer live in Utrecht, I live in Haarlem now.",
        "Where do I live?",
        "Where did I live before?",
    ),
    "zh": ("我住在成都。", "我不住在成都了，现在住在重庆。", "我住在哪里？", "我以前住在哪里？"),
}


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        bank.add([Turn("The ferns need water.", "", FIRST)], user_id=USER)
        yield bank


def pairs(name):
    lines = (PAIRS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line.split(" | ") for line in lines]


def is_replaced(older, newer):
    first, second = analyze_statement(older), analyze_statement(newer)
    return first is not None and second is not None and replaces(first, second)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_most_updates_and_hardly_any_other_statement_replace_an_older_one(language):
    updates = [is_replaced(*pair) for pair in pairs(f"updates_{language}")]
    guards = [is_replaced(*pair) for pair in pairs(f"guards_{language}")]
    assert min(len(updates), len(guards)) >= 40
    assert sum(updates) / len(updates) >= 0.84
    assert sum(guards) <= 1


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_newest_statement_is_first_and_the_older_says_what_replaced_it(bank, language):
    older, newer, question, past = CHANGES[language]
    bank.add([Turn(older, "", FIRST, id="old")], user_id=USER)
    bank.add([Turn(newer, "", FIRST + 9 * DAY, id="new")], user_id=USER)
    new, old = bank.search(question, user_id=USER, k=2, now=FIRST + 10 * DAY)
    assert [new.memory.id, old.memory.id] == ["new", "old"]
    assert new.superseded_by is None
    assert old.superseded_by == SupersededBy("new", (FIRST + 9 * DAY).date())
    assert new.score == pytest.approx(old.score)
    assert all(result.score == pytest.approx(result.parts.total) for result in (new, old))
    assert "2025-03-12" in old.why()
    assert "2025-03-12" in old.why("zh")
    assert SearchResult.from_dict(old.to_dict()) == old

    for results in (
        bank.search(question, user_id=USER, history=True),
        bank.search(past, user_id=USER),
    ):
        assert {result.memory.id for result in results} >= {"new", "old"}
        assert not any(result.superseded_by or result.parts.change for result in results)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_context_has_the_newer_statement_only(bank, language):
    older, newer, question, past = CHANGES[language]
    bank.add([Turn(older, "", FIRST)], user_id=USER)
    bank.add([Turn(newer, "", FIRST + DAY)], user_id=USER)
    block = bank.context(question, user_id=USER).text
    assert newer in block
    assert f"{older}\n" not in block
    assert older in bank.context(past, user_id=USER).text


@pytest.mark.parametrize(
    ("older", "newer", "question"),
    [
        (
            "My dentist appointment with Dr. Okafor is on 22 May at 14:30, bring the X-rays"
            " and insurance.",
            "My dentist appointment with Dr. Okafor was pushed back to 29 May.",
            "When is my dentist appointment?",
        ),
        (
            "我的牙医预约是5月22日下午两点半，在人民医院，要带医保卡。",
            "我的牙医预约推迟到5月29日了。",
            "我的牙医预约是什么时候？",
        ),
    ],
)
def test_an_older_statement_that_says_more_stays_in_the_context(bank, older, newer, question):
    bank.add([Turn(older, "", FIRST, id="old")], user_id=USER)
    bank.add([Turn(newer, "", FIRST + 9 * DAY, id="new")], user_id=USER)
    results = bank.search(question, user_id=USER, k=2, now=FIRST + 10 * DAY)
    assert [(r.memory.id, bool(r.superseded_by)) for r in results] == [
        ("new", False),
        ("old", True),
    ]
    block = bank.context(question, user_id=USER).text
    assert older in block
    assert newer in block
    assert "(true until 2025-03-12)" in block


def test_the_tool_recall_gives_the_newer_statement_only(bank):
    now = datetime.now(timezone.utc)
    bank.add([Turn("My locker code is 4711.", "", now - 9 * DAY)], user_id=USER)
    bank.add([Turn("My locker code is 9024.", "", now - DAY)], user_id=USER)
    reply = MemoryTools(bank).recall("What is my locker code?", user_id=USER).text
    assert "9024" in reply
    assert "4711" not in reply


def test_of_several_changes_the_last_one_counts(bank):
    turns = [
        Turn("My locker code is 4711.", "", FIRST, id="a"),
        Turn("My locker code is 5020.", "", FIRST + DAY, id="b"),
        Turn("What is my locker code?", "It is 5020.", FIRST + 2 * DAY, id="asked"),
        Turn("My locker code is 9024.", "", FIRST + 3 * DAY, id="c"),
    ]
    bank.add(turns, user_id=USER)
    results = bank.search("my locker code", user_id=USER)
    assert [r.memory.id for r in results if r.memory.id in "abc"] == ["c", "b", "a"]
    marks = {r.memory.id: r.superseded_by and r.superseded_by.id for r in results}
    assert (marks["a"], marks["b"], marks["c"], marks["asked"]) == ("c", "c", None, None)


def test_a_correction_soon_after_replaces_a_detail_of_a_long_turn(bank):
    story = "I spent the morning in the cellar with the gravel bike. " * 7
    bank.add(
        [Turn(f"{story}The seat clamp takes 8 newton metres.", "", FIRST, id="old")], user_id=USER
    )
    fix = "Wait, no, I misread it: the seat clamp takes 5 newton metres, not 8."
    bank.add([Turn(fix, "", FIRST + DAY / 24, id="new")], user_id=USER)
    results = bank.search("How much does the seat clamp take?", user_id=USER, k=2)
    assert [result.memory.id for result in results] == ["new", "old"]
    assert results[0].relevance == max(result.relevance for result in results)


def test_an_older_statement_is_current_again_when_the_newer_one_is_deleted(bank):
    bank.add([Turn("My locker code is 4711.", "", FIRST, id="old")], user_id=USER)
    bank.add([Turn("My locker code is 9024.", "", FIRST + DAY, id="new")], user_id=USER)
    bank.delete(user_id=USER, ids=["new"])
    (result, *_) = bank.search("my locker code", user_id=USER)
    assert (result.memory.id, result.superseded_by) == ("old", None)


def test_another_speaker_replaces_nothing(bank):
    for number, name in enumerate(("Ann", "Bo")):
        turn = Turn(
            f"My locker code is {number}{number}.", "", FIRST + number * DAY, user_name=name
        )
        bank.add([turn], user_id=USER)
    results = bank.search("my locker code", user_id=USER)
    assert not any(result.superseded_by for result in results)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("What was the old code?", True),
        ("Which phone did I have before?", True),
        ("我原来住哪儿？", True),
        ("之前的密码是多少？", True),
        ("What is the code?", False),
        ("现在的密码是多少？", False),
    ],
)
def test_questions_about_the_past_are_recognized(query, expected):
    assert asks_past(query) is expected
