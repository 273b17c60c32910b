"""Digests by a real server with faults: complete and correct, or reported and retried."""

import re
from datetime import date, datetime, timedelta, timezone

import pytest

from memorybank_core import ConfigurationError, HashingEmbedder, MemoryBank, Turn

pytest.importorskip("openai", reason="openai is not installed")

from openai_server import OpenAIServer

from llms import OpenAIChat

FIRST = datetime(2023, 5, 1, 12, tzinfo=timezone.utc)
DAYS = 18
FAULTS = [
    "429", "500", "503", "reset", "half", "unfinished", "length", "empty", "blank", "refusal",
    "filtered", "html", "torn", "list", "no choices", "odd choices", "error in 200", "stall",
]  # fmt: skip
TRANSIENT = {"429", "500", "503", "reset", "half", "stall"}


def answer(messages):
    """Return the digest expected for these messages: every word of the dialogue, in order."""
    words = dict.fromkeys(re.findall(r"\bw\d+x\d+\b", messages[-1]["content"]))
    return f"A digest of {' '.join(words)}."


def fill(bank):
    for day in range(DAYS):
        for part in range(3):
            at = FIRST + timedelta(days=day, hours=part)
            bank.add([Turn(f"w{day}x{part}", "Fine.", at)], user_id="ada")


def assert_digests_match(bank, *, complete):
    """Check that each digest has exactly the words of its source."""
    whole = {day: " ".join(f"w{day}x{part}" for part in range(3)) for day in range(DAYS)}
    digests = bank.digests(user_id="ada")
    for digest in digests:
        if digest.day:
            day = (digest.day - FIRST.date()).days
            assert digest.text == f"A digest of {whole[day]}."
        else:
            of_days = [part for part in digests if type(part) is type(digest) and part.day]
            words = " ".join(" ".join(re.findall(r"w\d+x\d+", part.text)) for part in of_days)
            assert digest.text == f"A digest of {words}."
    if complete:
        assert len(digests) == 2 * DAYS + 2
        assert bank.verify() == []


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "bank.db", embedder=HashingEmbedder()) as bank:
        fill(bank)
        yield bank


@pytest.mark.parametrize("concurrency", [1, 6])
def test_scheduled_server_faults(bank, concurrency):
    before = bank.timeline(user_id="ada")
    schedule = [fault for fault in FAULTS for fault in (fault, "ok")]
    with (
        OpenAIServer(answer, schedule, retry_after=0.05, stall=3) as server,
        OpenAIChat("any", base_url=server.base_url, timeout=0.5, max_retries=1) as bank.llm,
    ):
        report = bank.summarize(concurrency=concurrency)
        assert report.failed
        assert bank.timeline(user_id="ada", kind="turn") == before
        assert_digests_match(bank, complete=False)
        stale = {(stale.kind, stale.day) for stale in bank.verify() if stale.day}
        assert stale == {(failure.kind, failure.day) for failure in report.failed if failure.day}
        again = bank.summarize(concurrency=concurrency)
        assert again.failed == ()
        assert again.digested == len({failure.day for failure in report.failed if failure.day})
        assert bank.timeline(user_id="ada", kind="turn") == before
        assert_digests_match(bank, complete=True)
        assert bank.summarize().calls == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_costs_at_most_one_digest(bank, fault):
    with (
        OpenAIServer(answer, ["ok", fault], retry_after=0.05, stall=3) as server,
        OpenAIChat("any", base_url=server.base_url, timeout=0.5, max_retries=2) as bank.llm,
    ):
        report = bank.summarize(concurrency=1)
        assert len(report.failed) == (fault not in TRANSIENT)
        assert_digests_match(bank, complete=not report.failed)
        assert report.tokens is None or not report.failed
        assert bank.summarize().failed == ()
        assert_digests_match(bank, complete=True)


def test_unreachable_server_changes_nothing(bank):
    with OpenAIServer(answer) as server:
        address = server.base_url
        with OpenAIChat("any", base_url=address, timeout=0.5, max_retries=0) as bank.llm:
            bank.summarize()
            bank.add([Turn("w0x9", at=FIRST)], user_id="ada")
    before = bank.digests(user_id="ada")
    with OpenAIChat("any", base_url=address, timeout=0.5, max_retries=0) as bank.llm:
        report = bank.summarize()
        assert {failure.day for failure in report.failed} == {date(2023, 5, 1)}
        assert address in report.failed[0].error
        assert bank.digests(user_id="ada") == before


def test_wrong_key_stops_the_run_and_is_not_shown(bank):
    with (
        OpenAIServer(answer, ["401"] * 100) as server,
        OpenAIChat("any", base_url=server.base_url, api_key="sk-canary") as bank.llm,
    ):
        with pytest.raises(ConfigurationError) as caught:
            bank.summarize()
        assert "canary" not in str(caught.value)
        assert len(server.requests) < DAYS  # of two a day, and two overall
        assert bank.digests(user_id="ada") == []


def test_day_beyond_context_window_is_digested_in_parts(bank):
    with (
        OpenAIServer(answer, context=2600) as server,
        OpenAIChat("any", base_url=server.base_url) as bank.llm,
    ):
        turns = [Turn(f"w0x{part} " + "and so on " * 30, at=FIRST) for part in range(20)]
        bank.add(turns, user_id="bob")
        report = bank.summarize(user_id="bob")
        assert report.failed == ()
        words = " ".join(f"w0x{part}" for part in range(20))
        assert bank.summary(user_id="bob").text == f"A digest of {words}."
