"""The search index of a user: incremental updates give the same results as a new index."""

import random

import pytest

from memorybank_core import HashingEmbedder, MemoryBank, Turn
from memorybank_core.stores.index import bm25
from memorybank_core.stores.index.cache import IndexCache

WORDS = "cello soup rain hat tea dog moon 猫 茶 stone".split()


def random_text(rng, length):
    return " ".join(rng.choices(WORDS, k=length))


def write_randomly(rng, bank, ids):
    """Make one random change to the bank."""
    action = rng.choice(["add", "add", "answer", "answer", "old", "recall", "archive", "delete"])
    if action == "add" or len(ids) < 5:
        ids.append(f"t{len(ids)}")
        bank.add([Turn(random_text(rng, rng.randint(1, 9)), id=ids[-1])], user_id="ada")
    elif action in ("answer", "old"):
        id = ids[-1] if action == "answer" else rng.choice(ids)
        text = random_text(rng, rng.choice([3, 30, 900]))
        bank.add([Turn("again", text, id=id)], user_id="ada", replace=True)
    elif action == "recall":
        bank.reinforce(rng.sample(ids, 3), user_id="ada")
    elif action == "archive":
        now = bank.timeline(user_id="ada")[-1].created_at
        bank.archive(rng.sample(ids, 1), user_id="ada", now=now)
    elif rng.random() < 0.3:
        bank.delete(user_id="ada", ids=[ids[-1]])


@pytest.mark.parametrize("seed", range(6))
def test_an_updated_index_gives_the_results_of_a_new_one(tmp_path, monkeypatch, seed):
    monkeypatch.setattr(bm25, "_TAIL", 60)  # so that postings are sorted in between
    rng, ids = random.Random(seed), []
    path = tmp_path / "bank.db"
    with MemoryBank.open(path, embedder=HashingEmbedder()) as bank:
        for number in range(60):
            write_randomly(rng, bank, ids)
            query = random_text(rng, 3)
            arguments = {
                "user_id": "ada",
                "k": 20,
                "now": bank.timeline(user_id="ada")[-1].created_at,
            }
            results = bank.search(query, **arguments)
            if number % 4 == 0:
                with MemoryBank.open(path, embedder=HashingEmbedder()) as fresh:
                    assert results == fresh.search(query, **arguments)


def test_indexes_of_users_without_memories_count_toward_the_budget():
    cache = IndexCache(100_000, dimension=3)
    first = cache.get("user-0")
    for number in range(100):
        cache.get(f"user-{number}")
        assert 0 < cache.nbytes <= 100_000
    assert cache.get("user-0") is not first
    assert cache.get("user-99") is cache.get("user-99")
