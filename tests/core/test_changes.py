"""Changes that a language model reads: recorded once, used by search, and taken back."""

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest

from memorybank_core import (
    Change,
    ConfigurationError,
    LLMError,
    Memory,
    MemoryBank,
    SearchResult,
    SupersededBy,
    Turn,
)
from memorybank_core.digests.changes import parse_answer
from memorybank_core.moving import move
from memorybank_core.testing.fakes import FakeLLM

USER = "ada"
FIRST = datetime(2025, 3, 3, 9, tzinfo=timezone.utc)
DAY = timedelta(days=1)
NOW = FIRST + 20 * DAY
STORIES = {
    "en": (
        "The spare key is under the blue flowerpot.",
        "The spare key hangs in the cellar since the flood.",
        "Where is the spare key?",
        "replaces",
    ),
    "zh": ("备用钥匙放在花盆下面。", "发大水以后备用钥匙挂在地下室。", "备用钥匙在哪里？", "取代"),
}


def by_words(newer, older, verb="replaces"):
    """Return a model that says that the statement with one word replaces that with another."""

    def answer(messages):
        numbers = {
            word: re.search(rf"^(\d+)\. .*{word}", messages[-1]["content"], re.MULTILINE)
            for word in (newer, older)
        }
        if not all(numbers.values()):
            return "none"
        return f"{numbers[newer][1]} {verb} {numbers[older][1]}"

    return FakeLLM(answer, name="reader")


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        yield bank


def tell(bank, language="en", user=USER):
    older, newer, question, verb = STORIES[language]
    filler = "My sister grows ferns." if language == "en" else "我姐姐种蕨类植物。"
    bank.add(
        [
            Turn(older, "", FIRST, id="old"),
            Turn(filler, "", FIRST + DAY, id="other"),
            Turn(newer, "", FIRST + 9 * DAY, id="new"),
            Turn(question, "", FIRST + 9 * DAY + timedelta(hours=1), id="asked"),
        ],
        user_id=user,
    )
    return question, verb


@pytest.mark.parametrize("language", ["en", "zh"])
def test_search_ranks_a_statement_below_the_one_that_was_recorded(bank, language):
    question, verb = tell(bank, language)
    before = bank.search(question, user_id=USER, now=NOW, k=4)
    assert all(result.superseded_by is None for result in before)
    words = ("cellar", "blue") if language == "en" else ("地下室", "花盆")
    llm = by_words(*words, verb)
    report = bank.find_changes(user_id=USER, llm=llm, language=language, now=NOW)
    assert report.recorded == (Change("new", "old", "reader", NOW),)
    assert (report.read, report.failed) == (3, ())
    assert bank.changes(user_id=USER) == [Change("new", "old", "reader", NOW)]
    results = bank.search(question, user_id=USER, now=NOW, k=4)
    ids = [result.memory.id for result in results]
    assert ids.index("old") == ids.index("new") + 1
    old = results[ids.index("old")]
    assert old.superseded_by == SupersededBy("new", (FIRST + 9 * DAY).date())
    assert old.memory.replaced_by == ("new",)
    assert SearchResult.from_dict(json.loads(json.dumps(old.to_dict()))) == old
    assert Memory.from_dict(old.memory.to_dict()).replaced_by == ("new",)
    history = bank.search(question, user_id=USER, now=NOW, k=4, history=True)
    assert all(result.superseded_by is None for result in history)
    assert len(bank.timeline(user_id=USER)) == 4


def test_a_turn_is_read_once_and_another_text_is_read_again(bank):
    tell(bank)
    llm = by_words("cellar", "blue")
    bank.find_changes(user_id=USER, llm=llm, now=NOW)
    calls = len(llm.asked)
    report = bank.find_changes(llm=llm, now=NOW)
    assert (report.read, report.calls, len(llm.asked)) == (0, 0, calls)
    new = Turn("The spare key is with the neighbour.", "", FIRST + 9 * DAY, id="new")
    bank.add([new], user_id=USER, replace=True)
    assert bank.changes(user_id=USER) == []
    report = bank.find_changes(llm=by_words("neighbour", "blue"), now=NOW)
    assert (report.read, len(report.recorded)) == (1, 1)


def test_a_change_that_was_taken_back_is_not_recorded_again(bank):
    question, _ = tell(bank)
    llm = by_words("cellar", "blue")
    bank.find_changes(user_id=USER, llm=llm, now=NOW)
    assert not bank.forget_change("new", "old", user_id=USER)
    assert bank.forget_change("old", "new", user_id=USER)
    bank.find_changes(user_id=USER, llm=llm, now=NOW)
    assert bank.changes(user_id=USER) == []
    results = bank.search(question, user_id=USER, now=NOW, k=4)
    assert all(result.superseded_by is None for result in results)


@pytest.mark.parametrize(
    "answer", ["", "I think 3 replaces 1.", "99 replaces 1", "1 replaces 3", "3 replaces 3"]
)
def test_an_answer_of_another_form_records_nothing_and_is_tried_again(bank, answer):
    tell(bank)
    report = bank.find_changes(user_id=USER, llm=FakeLLM(lambda _: answer), now=NOW)
    assert report.recorded == ()
    assert {failure.user_id for failure in report.failed} == {USER}
    assert bank.changes(user_id=USER) == []
    report = bank.find_changes(user_id=USER, llm=by_words("cellar", "blue"), now=NOW)
    assert [change.older for change in report.recorded] == ["old"]
    assert report.failed == ()


def test_a_failed_call_keeps_what_was_recorded_before(bank):
    tell(bank)
    bank.find_changes(user_id=USER, llm=by_words("cellar", "blue"), now=NOW)
    bank.add([Turn("The spare key is lost.", "", FIRST + 12 * DAY, id="lost")], user_id=USER)

    def fail(_):
        raise OSError("no network")

    report = bank.find_changes(user_id=USER, llm=FakeLLM(fail), now=NOW)
    [failure] = report.failed
    assert (failure.day, failure.turns) == ((FIRST + 12 * DAY).date(), 1)
    assert "no network" in failure.error
    assert [change.older for change in bank.changes(user_id=USER)] == ["old"]
    assert len(bank.timeline(user_id=USER)) == 5


def test_only_statements_of_one_user_and_one_speaker_are_compared(bank):
    tell(bank)
    tell(bank, user="bob")
    llm = FakeLLM(lambda _: "none")
    older = Turn("The spare key is in the shed.", "", FIRST, user_name="Tom", id="tom")
    bank.add([older], user_id=USER)
    bank.find_changes(user_id=USER, llm=llm, now=NOW)
    assert llm.asked
    assert all("Tom" not in messages[-1]["content"] for messages in llm.asked)
    assert bank.store.changes("bob") == []


def test_records_are_moved_and_deleted_with_the_memory(bank, tmp_path):
    tell(bank)
    bank.find_changes(user_id=USER, llm=by_words("cellar", "blue"), now=NOW)
    move(tmp_path / "friend.db", tmp_path / "copy.db")
    with MemoryBank.open(tmp_path / "copy.db", embedder="hashing") as copy:
        assert copy.store.changes(USER) == bank.store.changes(USER)
        copy.delete(user_id=USER, ids=["old"])
        assert copy.changes(user_id=USER) == []


def test_without_a_model_the_error_says_what_to_do(bank):
    with pytest.raises(ConfigurationError, match="llm="):
        bank.find_changes(user_id=USER)


def test_no_answer_is_an_error_without_statements():
    assert parse_answer("none", {}, []) == parse_answer(" 无。\n", {}, []) == []
    with pytest.raises(LLMError, match="expected lines"):
        parse_answer("1 replaces 2", {}, [])


def test_two_statements_of_a_day_and_a_chain(bank):
    places = ("attic", "garage", "office")
    turns = [
        Turn(f"The winter tyres are in the {place}.", "", FIRST + timedelta(hours=n), id=place)
        for n, place in enumerate(places)
    ]
    bank.add(turns, user_id=USER)
    changes = [Change(newer, older, "m", NOW) for older, newer in pairwise(places)]
    bank.store.record_changes(USER, [*changes, replace(changes[0], newer="attic", older="office")])
    results = bank.search("Where are the winter tyres?", user_id=USER, now=NOW)
    assert results[0].memory.id == "office"
    assert all(result.superseded_by for result in results[1:])


def test_the_command_lists_the_records(bank, tmp_path):
    testing = pytest.importorskip("typer.testing", reason="typer is not installed")
    from memorybank_core.cli.app import app

    runner = testing.CliRunner()
    tell(bank)
    bank.find_changes(user_id=USER, llm=by_words("cellar", "blue"), now=NOW)
    command = ["changes", str(tmp_path / "friend.db"), "--user", USER]
    environment = {"MEMORYBANK_LLM": "", "COLUMNS": "200"}
    text = runner.invoke(app, command, env=environment).stdout
    assert re.search("2025-03-03: The spare key is under.*2025-03-12: The spare key hangs", text)
    [change] = json.loads(runner.invoke(app, [*command, "--json"]).stdout)["changes"]
    assert (change["older"], change["newer"]) == ("old", "new")
