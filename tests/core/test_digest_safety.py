"""Digests during deletions, concurrent writes and crashes: deleted text never comes back."""

import json
import subprocess
from datetime import date, datetime, timedelta, timezone

import pytest
from processes import run

from memorybank_core import (
    HashingEmbedder,
    MemoryBank,
    Portrait,
    Stale,
    Summary,
    Turn,
)
from memorybank_core.json_format import export_json
from memorybank_core.testing import FakeLLM

ADA = "ada"
SECRET = "The canary sings in Narvik."


def on(day, hour=12):
    return datetime(2023, 5, day, hour, tzinfo=timezone.utc)


def echo(messages):
    return "Told: " + messages[-1]["content"]


def bytes_of(bank):
    files = sorted(bank.store.path.parent.iterdir())
    return subprocess.run(["cat", *files], capture_output=True, check=True).stdout


def everything(bank):
    """Return everything about Ada: from every call of the bank, and the bytes on disk."""
    parts = [
        json.dumps(export_json(bank), ensure_ascii=False),
        *(digest.text for digest in bank.digests(user_id=ADA)),
        *(memory.text for memory in bank.timeline(user_id=ADA, archived=True)),
        *(result.memory.text for result in bank.search("canary Narvik", user_id=ADA, k=50)),
        bank.context("canary Narvik", user_id=ADA, k=50, max_tokens=10_000).text,
        bytes_of(bank).decode(errors="replace"),
    ]
    return "\n".join(parts)


@pytest.fixture(params=["model", "extractive"])
def bank(request, tmp_path):
    llm = FakeLLM(echo) if request.param == "model" else None
    with MemoryBank.open(tmp_path / "bank.db", embedder=HashingEmbedder(), llm=llm) as bank:
        turns = [Turn(SECRET, "Does it?", on(4), id="secret"), Turn("I like tea.", at=on(4, 13))]
        bank.add([*turns, Turn("I bought a hat.", at=on(5))], user_id=ADA)
        bank.summarize()
        yield bank


def test_a_deleted_fact_is_found_nowhere(bank):
    assert everything(bank).count("canary sings") > 6
    bank.delete(user_id=ADA, ids=["secret"])
    assert "canary" not in everything(bank).replace('canary Narvik"', "")
    assert bank.summary(user_id=ADA) is bank.portrait(user_id=ADA) is None
    assert bank.summary(user_id=ADA, day=date(2023, 5, 5))
    assert {(stale.day, stale.reason) for stale in bank.verify()} == {
        (date(2023, 5, 4), "missing"), (None, "missing"),
    }  # fmt: skip
    report = bank.summarize()
    assert (report.digested, report.skipped, bank.verify()) == (1, 1, [])
    assert "tea" in bank.summary(user_id=ADA, day=date(2023, 5, 4)).text
    assert bank.summary(user_id=ADA)
    assert bank.portrait(user_id=ADA)
    assert "canary" not in everything(bank)


def test_a_deleted_day_is_not_digested_again(bank):
    bank.delete(user_id=ADA, day=date(2023, 5, 4))
    assert "canary" not in everything(bank)
    assert {stale.day for stale in bank.verify()} == {None}
    bank.summarize()
    assert {digest.day for digest in bank.digests(user_id=ADA)} == {None, date(2023, 5, 5)}
    assert "canary" not in everything(bank)


def test_deleting_an_event_deletes_its_summary_until_it_is_remade(bank):
    bank.delete(user_id=ADA, ids=["2023-05-04#event"])
    assert bank.summary(user_id=ADA, day=date(2023, 5, 4)) is bank.summary(user_id=ADA) is None
    assert bank.portrait(user_id=ADA, day=date(2023, 5, 4))
    assert {stale.kind for stale in bank.verify()} == {"summary"}
    bank.summarize()
    assert bank.verify() == []
    assert len(bank.timeline(user_id=ADA, kind="event")) == 2


def test_a_text_that_was_replaced_is_stale(bank):
    bank.add([Turn("The canary is silent.", at=on(4), id="secret")], user_id=ADA, replace=True)
    assert (ADA, "summary", date(2023, 5, 4), "changed") in {
        (stale.user_id, stale.kind, stale.day, stale.reason) for stale in bank.verify()
    }
    bank.summarize()
    assert "sings" not in str(bank.digests(user_id=ADA))


# Concurrent writes


class Meddler:
    """Changes the bank during the first call whose prompt contains a word."""

    name = "meddler"

    def __init__(self, bank, change, word="canary"):
        self.bank, self.change, self.word = bank, change, word

    def complete(self, messages, *, max_tokens=None, stop=None):
        if self.word in messages[-1]["content"] and self.change:
            change, self.change = self.change, None
            change(self.bank)
        return echo(messages)


def delete_secret(bank):
    bank.delete(user_id=ADA, ids=["secret"])


def replace_secret(bank):
    bank.add([Turn("Nothing.", at=on(4), id="secret")], user_id=ADA, replace=True)


@pytest.fixture
def fresh(tmp_path):
    with MemoryBank.open(tmp_path / "bank.db", embedder=HashingEmbedder()) as bank:
        turns = [Turn(SECRET, "Does it?", on(4), id="secret"), Turn("I like tea.", at=on(4, 13))]
        bank.add([*turns, Turn("I bought a hat.", at=on(5))], user_id=ADA)
        yield bank


@pytest.mark.parametrize("change", [delete_secret, replace_secret])
@pytest.mark.parametrize("word", ["canary", "2023-05-04: Told:"])
def test_a_turn_deleted_during_its_digest_does_not_come_back(fresh, change, word):
    fresh.llm = Meddler(fresh, change, word)
    report = fresh.summarize(concurrency=1)
    assert report.failed == ()
    fresh.summarize()
    assert fresh.verify() == []
    assert "canary" not in str(fresh.digests(user_id=ADA))
    fresh.delete(user_id=ADA, ids=["unknown"])  # erases what was in the file in between
    assert "canary" not in everything(fresh)


def test_a_turn_added_during_its_digest_is_digested_next_time(fresh):
    def add_turn(bank):
        bank.add([Turn("I sleep.", at=on(4, 23))], user_id=ADA)

    fresh.llm = Meddler(fresh, add_turn)
    assert fresh.summarize(concurrency=1).failed == ()
    assert fresh.summary(user_id=ADA, day=date(2023, 5, 4))
    assert fresh.verify()[0].reason == "changed"
    assert fresh.summarize().digested == 1
    assert "I sleep." in fresh.summary(user_id=ADA).text
    assert fresh.verify() == []


def test_a_whole_user_deleted_meanwhile_stays_deleted(fresh):
    fresh.llm = Meddler(fresh, lambda bank: bank.delete(user_id=ADA))
    assert fresh.summarize(concurrency=1).failed == ()
    assert fresh.users() == []
    assert fresh.digests(user_id=ADA) == []


def test_a_day_that_keeps_changing_is_reported(fresh):
    class Changing(Meddler):
        def complete(self, messages, *, max_tokens=None, stop=None):
            word = f"{len(self.bank.timeline(user_id=ADA))} {id(messages)}"
            turn = Turn(f"canary {word}", at=on(4), id="secret")
            self.bank.add([turn], user_id=ADA, replace=True)
            return echo(messages)

    fresh.llm = Changing(fresh, None)
    report = fresh.summarize(concurrency=1)
    assert {failure.day for failure in report.failed} == {date(2023, 5, 4)}
    assert "changed repeatedly" in report.failed[0].error


def test_two_concurrent_runs_end_with_complete_digests(fresh, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    fresh.llm = FakeLLM(echo)
    other = MemoryBank.open(tmp_path / "bank.db", embedder=HashingEmbedder(), llm=fresh.llm)
    with other, ThreadPoolExecutor(4) as threads:
        for report in threads.map(lambda bank: bank.summarize(), [fresh, other] * 4):
            assert report.failed == ()
        assert fresh.verify() == []
        assert len(fresh.timeline(user_id=ADA, kind="event")) == 2


# Crashes


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_killed_run_repeats_at_most_the_calls_in_flight(tmp_path, concurrency):
    path = tmp_path / "bank.db"
    with MemoryBank.open(path, embedder=HashingEmbedder()) as bank:
        for user in ("ada", "bob"):
            days = [Turn(f"{user} {n}", at=on(1) + timedelta(days=n)) for n in range(7)]
            bank.add(days, user_id=user)
        turns = {user: bank.timeline(user_id=user) for user in bank.users()}
    lines = run("digest_until_done", path, concurrency)
    kills, calls = lines.count("killed"), [line for line in lines if line.isdigit()]
    assert kills > 3
    assert lines[-1] == "done"
    assert len(set(calls)) == 2 * (7 * 2 + 2)
    assert len(calls) <= len(set(calls)) + kills * concurrency
    with MemoryBank.open(path, embedder=HashingEmbedder()) as bank:
        assert bank.verify() == []
        assert {user: bank.timeline(user_id=user, kind="turn") for user in bank.users()} == turns
        kinds = [type(digest) for digest in bank.digests(user_id="ada")]
        assert kinds == [Portrait] * 8 + [Summary] * 8


# With a model, without one


def test_a_model_replaces_what_was_extracted(fresh):
    fresh.summarize()
    assert all(digest.is_extractive for digest in fresh.digests(user_id=ADA))
    assert fresh.verify() == []
    fresh.llm = FakeLLM(echo)
    assert {stale.reason for stale in fresh.verify()} == {"extractive"}
    assert fresh.summarize().calls == 6
    assert {digest.made_by for digest in fresh.digests(user_id=ADA)} == {"fake"}


def test_only_a_model_replaces_a_models_digest(fresh):
    fresh.llm = FakeLLM(echo)
    fresh.summarize()
    fresh.llm = None
    fresh.add([Turn("I sleep.", at=on(5, 23)), Turn("I wake.", at=on(6))], user_id=ADA)
    report = fresh.summarize()
    assert (report.digested, report.skipped, report.waiting, report.calls) == (1, 2, 4, 0)
    assert fresh.summary(user_id=ADA, day=date(2023, 5, 6)).is_extractive
    assert fresh.summary(user_id=ADA).made_by == "fake"
    assert Stale(ADA, "summary", None, "changed") in fresh.verify()
    report = fresh.rebuild()
    assert all(digest.is_extractive for digest in fresh.digests(user_id=ADA))
    assert (report.waiting, fresh.verify()) == (0, [])
