"""Retention periods: `expire` erases what is older than a limit."""

from datetime import datetime, timedelta, timezone

import pytest

from memorybank_core import HashingEmbedder, InvalidInputError, MemoryBank, Turn

ADA, BOB = "ada@example.com", "bob@example.com"
NOW = datetime(2026, 3, 10, 12, tzinfo=timezone.utc)
YEAR = timedelta(days=365)


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "bank.db", embedder=HashingEmbedder()) as bank:
        for user in (ADA, BOB):
            turns = [
                Turn("My secret is Zanzibar.", at=NOW - timedelta(days=500), id="secret"),
                Turn("I have a dog.", at=NOW - timedelta(days=500), id="dog"),
                Turn("I like tea.", at=NOW - timedelta(days=100), id="tea"),
            ]
            bank.add(turns, user_id=user)
            bank.pin(["dog"], user_id=user)
        bank.set_profile({"name": "Ada"}, user_id=ADA)
        bank.summarize()
        yield bank


def turn_ids(bank, user):
    return [memory.id for memory in bank.timeline(user_id=user, kind="turn", archived=True)]


def test_old_memories_are_erased_and_the_digests_made_again(bank):
    assert "Zanzibar" in bank.summary(user_id=ADA).text
    [report] = bank.expire(YEAR, user_id=ADA, now=NOW)
    assert {"secret", "dog"} < set(report.ids)
    assert report.receipt.memories == len(report.ids)
    assert turn_ids(bank, ADA) == ["tea"]
    assert turn_ids(bank, BOB) == ["secret", "dog", "tea"]
    digests = bank.digests(user_id=ADA)
    assert digests
    assert not any("Zanzibar" in digest.text for digest in digests)
    assert bank.profile(user_id=ADA) == {"name": "Ada"}
    assert bank.expire(YEAR, user_id=ADA, now=NOW) == []


def test_all_users_expire_together(bank):
    reports = bank.expire(NOW - YEAR, now=NOW)
    assert [report.user_id for report in reports] == [ADA, BOB]
    assert turn_ids(bank, ADA) == turn_ids(bank, BOB) == ["tea"]


def test_a_dry_run_erases_nothing(bank):
    reports = bank.expire(YEAR, now=NOW, dry_run=True)
    assert [report.receipt for report in reports] == [None, None]
    assert turn_ids(bank, ADA) == ["secret", "dog", "tea"]
    assert reports[0].to_dict()["receipt"] is None


def test_archived_memories_expire_by_the_time_of_their_archiving(bank):
    bank.archive(["tea"], user_id=ADA, now=NOW - timedelta(days=40))
    assert bank.expire(timedelta(days=60), user_id=ADA, archived=True, now=NOW) == []
    [report] = bank.expire(timedelta(days=30), user_id=ADA, archived=True, now=NOW)
    assert report.ids == ("tea",)


@pytest.mark.parametrize(
    "older_than", [365, timedelta(days=-1), NOW.replace(tzinfo=None), timedelta.max, "1y", None]
)
def test_a_limit_must_be_an_age_or_a_time(bank, older_than):
    with pytest.raises(InvalidInputError, match="older_than"):
        bank.expire(older_than, now=NOW)
    assert turn_ids(bank, ADA) == ["secret", "dog", "tea"]
