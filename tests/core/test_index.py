"""The index of a user, brought up to date step by step, is that of a bank just opened."""

import random

import pytest

from memorybank_core import HashingEmbedder, MemoryBank, Turn
from memorybank_core.stores import bm25

WORDS = "cello soup rain hat tea dog moon 猫 茶 stone".split()


def said(rng, length):
    return " ".join(rng.choices(WORDS, k=length))


def step(rng, bank, ids):
    """One random write."""
    deed = rng.choice(["add", "add", "answer", "answer", "old", "recall", "archive", "delete"])
    if deed == "add" or len(ids) < 5:
        ids.append(f"t{len(ids)}")
        bank.add([Turn(said(rng, rng.randint(1, 9)), id=ids[-1])], user_id="ada")
    elif deed in ("answer", "old"):
        id = ids[-1] if deed == "answer" else rng.choice(ids)
        text = said(rng, rng.choice([3, 30, 900]))
        bank.add([Turn("again", text, id=id)], user_id="ada", replace=True)
    elif deed == "recall":
        bank.reinforce(rng.sample(ids, 3), user_id="ada")
    elif deed == "archive":
        now = bank.timeline(user_id="ada")[-1].created_at
        bank.archive(rng.sample(ids, 1), user_id="ada", now=now)
    elif rng.random() < 0.3:
        bank.delete(user_id="ada", ids=[ids[-1]])


@pytest.mark.parametrize("seed", range(6))
def test_an_index_brought_up_to_date_is_as_a_new_one(tmp_path, monkeypatch, seed):
    monkeypatch.setattr(bm25, "_TAIL", 60)  # so that postings are sorted in between
    rng, ids = random.Random(seed), []
    path = tmp_path / "bank.db"
    with MemoryBank.open(path, embedder=HashingEmbedder()) as bank:
        for number in range(60):
            step(rng, bank, ids)
            query = said(rng, 3)
            asked = {"user_id": "ada", "k": 20, "now": bank.timeline(user_id="ada")[-1].created_at}
            found = bank.search(query, **asked)
            if number % 4 == 0:
                with MemoryBank.open(path, embedder=HashingEmbedder()) as fresh:
                    assert found == fresh.search(query, **asked)
