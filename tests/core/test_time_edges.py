"""Turns dated in the future, questions asked in the past, and the edges of the calendar."""

from contextlib import suppress
from datetime import datetime, timedelta, timezone

import pytest

from memorybank_core import HashingEmbedder, InvalidInputError, MemoryBank, Turn

ADA = "ada@example.com"
NOW = datetime.now(timezone.utc)
DAY = timedelta(days=1)
LATEST = datetime.max.replace(tzinfo=timezone.utc)
EARLIEST = datetime.min.replace(tzinfo=timezone.utc)


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "bank.db", embedder=HashingEmbedder()) as bank:
        turns = [
            Turn("I like tea.", at=NOW - 30 * DAY, id="tea"),
            Turn("The train was late.", at=NOW - 10 * DAY, id="train"),
            Turn("Go to the dentist.", at=NOW + 40 * DAY, id="dentist"),
        ]
        bank.add(turns, user_id=ADA)
        yield bank


def ids(results):
    return [result.memory.id for result in results]


@pytest.mark.parametrize(
    "question", ["What was it, the last time we talked?", "上次我们聊了什么？"]
)
def test_the_last_time_is_not_in_the_future(bank, question):
    [named] = [result for result in bank.search(question, user_id=ADA) if result.parts.date > 0]
    assert named.memory.id == "train"


def test_a_reminder_dated_in_the_future_is_found(bank):
    assert ids(bank.search("dentist", user_id=ADA, k=1)) == ["dentist"]


def test_a_question_asked_in_the_past_does_not_know_what_came_later(bank):
    asked = NOW - 20 * DAY
    assert ids(bank.search("tea, train, dentist", user_id=ADA, now=asked)) == ["tea"]
    until = (NOW + 50 * DAY).date()
    assert ids(bank.search("tea, train", user_id=ADA, now=asked, until=until)) == ["tea"]
    assert "train" not in bank.context("train", user_id=ADA, now=asked, min_relevance=0).text


@pytest.mark.parametrize("now", [LATEST, EARLIEST, LATEST.replace(hour=1)])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue", "UTC"])
def test_the_edges_of_the_calendar_give_a_result_or_our_error(tmp_path, now, zone):
    with MemoryBank.open(tmp_path / "b.db", embedder=HashingEmbedder(), timezone=zone) as bank:
        for call in (
            lambda: bank.add([Turn("I like tea.", at=now)], user_id=ADA),
            lambda: bank.begin_turn("tea last year?", user_id=ADA, now=now).complete("Yes."),
            lambda: bank.search("tea yesterday, last month, next century", user_id=ADA, now=now),
            lambda: bank.context("去年和明年的茶", user_id=ADA, now=now),
            lambda: bank.summarize(user_id=ADA, now=now),
            lambda: bank.forget(user_id=ADA, now=now),
            lambda: bank.forecast(now, user_id=ADA),
            lambda: bank.expire(now, user_id=ADA, dry_run=True),
            lambda: bank.day_of(now),
        ):
            with suppress(InvalidInputError):
                call()
