"""Search, add and context with any text: no exception, and no quadratic time.

The hostile texts have 100,000 characters. A quadratic regular expression needs minutes for one of
them, and all tests of this file together a few seconds.
"""

from datetime import date, datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memorybank_core import MemoryBank, Turn
from memorybank_core.context import without_recalled
from memorybank_core.search.dates import find_days
from memorybank_core.search.long_queries import select_windows
from memorybank_core.search.query_profile import analyze_query
from memorybank_core.search.repeats import lower_unanswered, merge_repeats
from memorybank_core.search.small_talk import is_small_talk
from memorybank_core.search.statement_analysis import analyze_statement
from memorybank_core.search.superseding import asks_past
from memorybank_core.search.tokenize import tokenize
from memorybank_core.search.traits import find_traits
from memorybank_core.text import split_sentences, split_windows

LENGTH = 100_000
TODAY = date(2025, 6, 1)
NOW = datetime(2025, 6, 1, 12, tzinfo=timezone.utc)
UNITS = (
    *" \n?.,'@#-_<1a",
    *"？。，一月年吗\u0301アกä\ud800",
    *("1.", "a.", "a'", "a@", "v1.", "a ?", "5月", "not ", "http://", "<memorybank_context>"),
)
AFFIXES = (("?", "@"), ("我", ""))
FUNCTIONS = {
    "tokenize": tokenize,
    "find_traits": find_traits,
    "split_windows": split_windows,
    "split_sentences": split_sentences,
    "select_windows": select_windows,
    "without_recalled": without_recalled,
    "is_small_talk": is_small_talk,
    "asks_past": asks_past,
}
TEXTS = st.text(
    st.one_of(st.characters(), st.sampled_from("?？.。'\"<>()“” \n0123456789年月日周我吗")),
    max_size=60,
)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_hostile_text_takes_linear_time(name):
    for unit in UNITS:
        for before, after in AFFIXES:
            FUNCTIONS[name](before + (unit * LENGTH)[:LENGTH] + after)


@pytest.mark.parametrize(
    "text", ["?" + " a" * 50_000, "三" * LENGTH, "." * LENGTH + "@", "\ud800?"]
)
def test_a_bank_keeps_and_finds_a_hostile_text(tmp_path, text):
    with MemoryBank.open(tmp_path / "b.db", embedder="hashing") as bank:
        bank.add([Turn(text, text, at=NOW, id="a"), Turn("I like tea.", at=NOW)], user_id="u")
        assert {r.memory.id for r in bank.search(text, user_id="u", k=2)} >= {"a"}
        assert bank.context(text, user_id="u", max_tokens=300, min_relevance=0).tokens <= 300


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS)
def test_pure_functions_accept_any_text(text, other):
    for function in FUNCTIONS.values():
        function(text)
    analyze_query(text, TODAY)
    analyze_statement(text)
    find_days(text, today=TODAY)
    assert 0 <= find_traits(text).asks <= 255
    assert "".join(split_windows(text, overlap=0)) == text
    assert lower_unanswered([], other) == merge_repeats([]) == []


@pytest.mark.parametrize(
    "turns",
    [
        [],
        ["I like tea."],
        ["?"],
        ["I like tea.", "My sister plays the cello.", "What is for dinner?"],
        ["我喜欢喝茶。", "我妹妹会拉大提琴。", "晚饭吃什么？"],
        ["Мой кот любит рыбу.", "أحب الشاي", "나는 차를 좋아해요.", "👍"],
    ],
)
def test_a_search_of_a_small_bank_accepts_any_query(tmp_path, turns):
    with MemoryBank.open(tmp_path / "b.db", embedder="hashing") as bank:
        bank.add([Turn(text, at=NOW) for text in turns], user_id="u")

        @settings(max_examples=40, deadline=None)
        @given(TEXTS.filter(str.strip), st.sampled_from((1, 5, 1_000)), st.booleans())
        def check(query, k, history):
            results = bank.search(query, user_id="u", k=k, now=NOW, history=history)
            assert len({result.memory.id for result in results}) == len(results) <= len(turns)
            assert all(0 <= result.relevance <= 1 for result in results)
            assert all(abs(result.parts.total - result.score) < 1e-9 for result in results)
            assert all(result.why() and result.why("zh") for result in results)
            assert bank.context(query, user_id="u", now=NOW, max_tokens=50).tokens <= 50

        check()


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXTS.filter(str.strip), min_size=1, max_size=6), TEXTS.filter(str.strip))
def test_any_turn_can_be_stored_and_found(tmp_path_factory, texts, query):
    with MemoryBank.open(tmp_path_factory.mktemp("any") / "b.db", embedder="hashing") as bank:
        turns = [Turn(text, query, at=NOW, id=str(i)) for i, text in enumerate(texts)]
        added = bank.add(turns, user_id="u")
        found = bank.search(query, user_id="u", k=1_000, now=NOW, history=True)
        assert len(found) == added.added
        assert set(bank.get([str(i) for i in range(len(texts))], user_id="u")) >= {
            result.memory.id for result in found
        }
