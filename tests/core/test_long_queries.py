"""Long queries: what is searched with, how often it embeds, and that its own words are found."""

from datetime import datetime, timezone

import pytest
from embedding_log import EmbeddingLog

from memorybank_core import MemoryBank, Turn
from memorybank_core.search.long_queries import MAX_WINDOWS, select_windows
from memorybank_core.text import WINDOW, estimate_tokens

USER = "alice@example.com"
MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
LINES = [f"2024-03-04 12:00:{n % 60:02} INFO worker {n} has taken a job" for n in range(1500)]
LOG = "\n".join([*LINES[:700], "ERROR the turbine overheated behind the sluice gate", *LINES[700:]])
ARTICLE = "会议讨论了修路和种树的问题，大家发表了意见。" * 200


@pytest.mark.parametrize("query", ["", "Where is it?", "她在哪里？", "word " * 200])
def test_a_short_query_is_searched_with_as_it_is(query):
    assert select_windows(query) == [query]


@pytest.mark.parametrize("question", ["Who repaired the radio?", "收音机是谁修好的？"])
@pytest.mark.parametrize("text", [LOG, ARTICLE])
def test_a_question_before_or_after_a_pasted_text_is_searched_with_alone(question, text):
    assert select_windows(f"{question}\n\n{text}") == [question]
    assert select_windows(f"{text}\n{question}\n") == [question]


def test_without_a_question_the_ends_and_the_most_telling_window_remain():
    windows = select_windows(f"Look at this, please, it stopped.\n{LOG}")
    assert windows[0] == "Look at this, please, it stopped."
    assert "turbine" in windows[1]
    assert windows[2] == LINES[-1]


@pytest.mark.parametrize("text", [LOG, ARTICLE, "x" * 100_000, "\n" * 100_000, "a b " * 10**6])
def test_a_long_query_is_reduced_to_few_windows(text):
    windows = select_windows(text)
    assert 1 <= len(windows) <= MAX_WINDOWS
    assert all(estimate_tokens(window) <= WINDOW * 1.25 for window in windows)


def test_a_long_query_costs_at_most_three_embeddings_and_finds_what_it_asks_for(tmp_path):
    log = EmbeddingLog()
    with MemoryBank.open(tmp_path / "log.db", embedder=log) as bank:
        turns = [Turn(f"Job {n} was taken.", at=MONDAY) for n in range(30)]
        bank.add([*turns, Turn("Nora repaired the radio.", at=MONDAY, id="radio")], user_id=USER)
        for query in (LOG, f"Who repaired the radio?\n{LOG}"):
            entries = log.of(lambda query=query: bank.context(query, user_id=USER, now=MONDAY))
            assert 1 <= len(entries) <= MAX_WINDOWS
            assert log.of(lambda query=query: bank.search(query, user_id=USER)) == []
        found = bank.search(f"{LOG}\nWho repaired the radio?", user_id=USER, k=1)
        assert found[0].memory.id == "radio"
