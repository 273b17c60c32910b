"""A bank in PostgreSQL and one in a file that were told the same find the same."""

import random
import zlib
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")

from memorybank_core import HashingEmbedder, MemoryBank, Turn

NOON = datetime(2023, 5, 4, 12, tzinfo=timezone.utc)
WORDS = "cello soup rain hat tea dog moon 猫 茶 stone river Ann Bo".split()
QUESTIONS = ("", "What did Ann say of", "yesterday", "on May 3rd", "上周三", "last week")


class Distinct(HashingEmbedder):
    """No two texts are equally near to a third: which of equals comes first is left to a store."""

    name = "distinct"

    def embed_documents(self, texts):
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text):
        noise = np.random.default_rng(zlib.crc32(text.encode())).normal(0, 0.05, self.dimension)
        vector = super().embed_query(text) + noise
        return (vector / np.linalg.norm(vector)).astype(np.float32)


def said(rng, length):
    return " ".join(rng.choices(WORDS, k=length))


def turns(rng, ids):
    """A few turns: of some session or none, with or without names, mostly in their order."""
    for _ in range(rng.randint(1, 5)):
        names = rng.choice([{}, {}, {"user_name": "Ann"}, {"user_name": "Bo"}])
        answer = rng.choice(["", said(rng, rng.choice([3, 9, 700]))])
        back = rng.choice([0, 0, 0, 0, 4000])
        at = NOON + timedelta(minutes=40 * len(ids) - back)
        ids.append(f"t{len(ids)}")
        session = rng.choice([None, "s", "t"])
        yield Turn(said(rng, rng.randint(1, 9)), answer, at, ids[-1], session, **names)


def step(rng, banks, ids):
    """One random write, to every bank."""
    deed = rng.choice(["add", "add", "add", "replace", "recall", "archive", "pin", "delete"])
    chosen = rng.sample(ids, min(3, len(ids)))
    told = list(turns(rng, ids)) if deed == "add" or len(ids) < 9 else []
    if deed == "replace" and not told:
        told = [
            Turn(said(rng, 5), "new", NOON + timedelta(minutes=rng.randint(0, 9000)), chosen[0])
        ]
    for bank in banks:
        if told:
            bank.add(told, user_id="ada", replace=True)
        elif deed == "recall":
            bank.reinforce(chosen, user_id="ada", now=NOON + timedelta(days=9))
        elif deed == "archive":
            bank.store.change_state("ada", chosen, "archive", NOON)
        elif deed == "pin":
            bank.pin(chosen[:1], user_id="ada")
        else:
            bank.delete(user_id="ada", ids=chosen[:1])


def asked(rng):
    """The arguments of a search."""
    now = NOON + timedelta(days=rng.randint(0, 9))
    limits = [{}, {}, {"archived": True}, {"kind": "turn"}, {"session": "s"}]
    limits += [{"since": NOON.date()}, {"until": NOON.date(), "session": "t"}]
    query = f"{rng.choice(QUESTIONS)} {said(rng, rng.randint(1, 4))}"
    return {"query": query, "user_id": "ada", "k": 20, "now": now, **rng.choice(limits)}


def assert_same(one, other):
    """The same memories in the same order, with the same scores, but for the last digits."""
    assert [result.score for result in one] == pytest.approx([r.score for r in other], abs=1e-4)
    parts = {result.memory.id: (result.memory, result.parts) for result in other}
    last = one[-1].score if one else 0.0
    for result in one:
        if result.memory.id not in parts:  # one of several that share the last place
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
        MemoryBank.open(tmp_path / "bank.db", embedder=Distinct()) as local,
        MemoryBank.open(postgres.new(), embedder=Distinct()) as remote,
    ):
        for _ in range(60):
            step(rng, (local, remote), ids)
            arguments = asked(rng)
            assert_same(remote.search(**arguments), local.search(**arguments))
        assert remote.timeline(user_id="ada", archived=True) == local.timeline(
            user_id="ada", archived=True
        )


@pytest.mark.parametrize("seed", range(2))
def test_from_the_index_of_large_users_nearly_the_same_comes(tmp_path, postgres, seed):
    """It may miss a window; hardly ever does what is found change by that."""
    rng, ids, found, missed = random.Random(seed), [], 0, 0
    with (
        MemoryBank.open(tmp_path / "bank.db", embedder=Distinct()) as local,
        MemoryBank.open(postgres.new(), embedder=Distinct(), exact_up_to=0) as remote,
    ):
        for _ in range(60):
            step(rng, (local, remote), ids)
            arguments = asked(rng) | {"k": 5}
            near, exact = (
                {result.memory.id for result in bank.search(**arguments)}
                for bank in (remote, local)
            )
            assert len(near) == len(exact)
            found, missed = found + len(exact), missed + len(exact - near)
    assert missed < found / 50
