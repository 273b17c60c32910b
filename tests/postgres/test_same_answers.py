"""A bank in PostgreSQL and a bank in a file return the same results for the same data."""

import random
from datetime import datetime, timedelta, timezone

import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")

from no_ties import NoTiesEmbedder

from memorybank_core import MemoryBank, Turn

NOON = datetime(2023, 5, 4, 12, tzinfo=timezone.utc)
WORDS = "cello soup rain hat tea dog moon 猫 茶 stone river Ann Bo".split()
QUESTIONS = ("", "What did Ann say of", "yesterday", "on May 3rd", "上周三", "last week")


def random_text(rng, length):
    return " ".join(rng.choices(WORDS, k=length))


def random_turns(rng, ids):
    """Yield a few turns, most of them in the order of their time."""
    for _ in range(rng.randint(1, 5)):
        speaker = rng.choice([{}, {}, {"user_name": "Ann"}, {"user_name": "Bo"}])
        answer = rng.choice(["", random_text(rng, rng.choice([3, 9, 700]))])
        delay = rng.choice([0, 0, 0, 0, 4000])
        at = NOON + timedelta(minutes=40 * len(ids) - delay)
        ids.append(f"t{len(ids)}")
        session = rng.choice([None, "s", "t"])
        yield Turn(random_text(rng, rng.randint(1, 9)), answer, at, ids[-1], session, **speaker)


def write_randomly(rng, banks, ids):
    """Make the same random write to every bank."""
    action = rng.choice(["add", "add", "add", "replace", "recall", "archive", "pin", "delete"])
    chosen = rng.sample(ids, min(3, len(ids)))
    new = list(random_turns(rng, ids)) if action == "add" or len(ids) < 9 else []
    if action == "replace" and not new:
        new = [
            Turn(
                random_text(rng, 5),
                "new",
                NOON + timedelta(minutes=rng.randint(0, 9000)),
                chosen[0],
            )
        ]
    for bank in banks:
        if new:
            bank.add(new, user_id="ada", replace=True)
        elif action == "recall":
            bank.reinforce(chosen, user_id="ada", now=NOON + timedelta(days=9))
        elif action == "archive":
            bank.store.change_state("ada", chosen, "archive", NOON)
        elif action == "pin":
            bank.pin(chosen[:1], user_id="ada")
        else:
            bank.delete(user_id="ada", ids=chosen[:1])


def random_arguments(rng):
    """Return the arguments of a search."""
    now = NOON + timedelta(days=rng.randint(0, 9))
    limits = [{}, {}, {"archived": True}, {"kind": "turn"}, {"session": "s"}]
    limits += [{"since": NOON.date()}, {"until": NOON.date(), "session": "t"}]
    query = f"{rng.choice(QUESTIONS)} {random_text(rng, rng.randint(1, 4))}"
    return {"query": query, "user_id": "ada", "k": 20, "now": now, **rng.choice(limits)}


def assert_same(results, expected_results):
    """Assert that memories, their order and their scores are equal, except for rounding."""
    scores = [result.score for result in expected_results]
    assert [result.score for result in results] == pytest.approx(scores, abs=1e-4)
    parts = {result.memory.id: (result.memory, result.parts) for result in expected_results}
    last = results[-1].score if results else 0.0
    for result in results:
        if result.memory.id not in parts:  # several memories share the last place
            assert result.score == pytest.approx(last, abs=1e-4)
            continue
        memory, expected = parts[result.memory.id]
        assert result.memory == memory
        for name in ("similarity", "lexical", "date", "speaker", "context", "retention"):
            assert getattr(result.parts, name) == pytest.approx(getattr(expected, name), abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_random_banks(tmp_path, postgres, seed):
    rng, ids = random.Random(seed), []
    with (
        MemoryBank.open(tmp_path / "bank.db", embedder=NoTiesEmbedder()) as local,
        MemoryBank.open(postgres.new(), embedder=NoTiesEmbedder()) as remote,
    ):
        for _ in range(60):
            write_randomly(rng, (local, remote), ids)
            arguments = random_arguments(rng)
            assert_same(remote.search(**arguments), local.search(**arguments))
        assert remote.timeline(user_id="ada", archived=True) == local.timeline(
            user_id="ada", archived=True
        )
