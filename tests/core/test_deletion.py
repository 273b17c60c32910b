"""Deletion on request: not a byte is left in the file, its log, or its index of the log."""

import random
import sqlite3
import zlib
from contextlib import closing
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from memorybank_core import MemoryBank, Portrait, Turn
from memorybank_core.text import windows

NOON = datetime(2023, 5, 4, 12, tzinfo=timezone.utc)


class OneOfAKind:
    """Gives every text a vector of its own, which can be looked for in the bytes of the file."""

    name, dimension = "one-of-a-kind", 64

    def embed_query(self, text):
        vector = np.random.default_rng(zlib.crc32(text.encode())).normal(size=64)
        return np.float32(vector / np.linalg.norm(vector))

    def embed_documents(self, texts):
        return np.array([self.embed_query(text) for text in texts])


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "bank.db", embedder=OneOfAKind(), busy_timeout=0.3) as bank:
        yield bank


def bytes_of(bank):
    """Everything that the bank has on disk."""
    return b"".join(file.read_bytes() for file in sorted(bank.store.path.parent.iterdir()))


def secret_turn(secret, **changes):
    """A turn with `secret` in every field that is text."""
    return Turn(
        query=f"{secret}-query " + "x" * 9000,
        response=f"{secret}-response",
        at=changes.pop("at", NOON),
        id=f"{secret}-id",
        session=f"{secret}-session",
        user_name=f"{secret}-me",
        companion_name=f"{secret}-you",
        **changes,
    )


def fill(bank, user_id, secret):
    bank.add([Turn("Nothing to hide.", at=NOON + timedelta(days=1), id="other")], user_id=user_id)
    bank.add([secret_turn(secret)], user_id=user_id)
    bank.reinforce([f"{secret}-id"], user_id=user_id, turn=f"{secret}-turn")
    digests = [
        Portrait(user_id, f"{secret}-portrait", day, None, NOON) for day in (None, NOON.date())
    ]
    bank.store.set_digests(user_id, digests)


@pytest.mark.parametrize("of", [{"ids": ["canary-id"]}, {"day": NOON.date()}, {}])
def test_nothing_that_was_deleted_is_left(bank, of):
    fill(bank, "ada", "canary")
    fill(bank, "bob", "budgie")
    assert b"canary" in bytes_of(bank)
    assert bank.delete(user_id="ada", **of).erased
    assert b"canary" not in bytes_of(bank)
    for part in "query response id session me you turn portrait".split():
        assert f"budgie-{part}".encode() in bytes_of(bank)
    assert not any("canary" in r.memory.text for r in bank.search("canary query", user_id="ada"))


def test_with_a_user_go_the_name_and_the_profile(bank):
    bank.add([Turn("hello")], user_id="canary@example.com")
    bank.set_profile({"name": "canary"}, user_id="canary@example.com")
    bank.delete(user_id="canary@example.com")
    assert b"canary" not in bytes_of(bank)


def test_a_text_that_was_replaced_is_gone_after_the_next_deletion(bank):
    bank.add([Turn("canary", id="a"), Turn("other", id="b")], user_id="ada")
    bank.add([Turn("plain", id="a")], user_id="ada", replace=True)
    bank.delete(user_id="ada", ids=["b"])
    assert b"canary" not in bytes_of(bank)


def test_an_old_reader_delays_the_erasure_and_the_receipt_says_so(bank):
    bank.add([secret_turn("canary")], user_id="ada")
    with closing(sqlite3.connect(bank.store.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM memories").fetchone()
        receipt = bank.delete(user_id="ada")
        assert (receipt.memories, receipt.erased) == (1, False)
        assert bank.timeline(user_id="ada") == []
    assert bank.delete(user_id="ada").erased
    assert b"canary" not in bytes_of(bank)


@pytest.mark.parametrize("seed", range(8))
def test_many_deletions_among_many_users(bank, seed):
    """Rows of all sizes come and go, so that pages are split, merged and reused."""
    rng = random.Random(seed)
    alive, deleted = {}, []
    for step in range(50):
        user = f"user{rng.randrange(8)}"
        turns = [
            random_turn(rng, f"canary{step:03}{part:03}z") for part in range(rng.randint(1, 9))
        ]
        bank.add(turns, user_id=user)
        alive.setdefault(user, []).extend(turns)
        if rng.random() < 0.5:
            user = rng.choice(sorted(alive))
            doomed = delete_some(bank, rng, user, alive[user])
            alive[user] = [turn for turn in alive[user] if turn not in doomed]
            deleted += doomed
            left = bytes_of(bank)
            assert [turn.id for turn in deleted if turn.id.encode() in left] == []
            assert [turn.id for turn in deleted if vector_of(turn) in left] == []
            assert all(vector_of(turn) in left for turns in alive.values() for turn in turns)
    for user, turns in alive.items():
        ids = {memory.id for memory in bank.timeline(user_id=user)}
        assert ids == {turn.id for turn in turns}


def random_turn(rng, canary):
    size = rng.choice([0, 20, 200, 800, 3000, 9000, 20_000])
    at = NOON + timedelta(hours=rng.randrange(240))
    return Turn(f"{canary} " + "x" * rng.randint(0, size), "y" * rng.randint(0, 200), at, id=canary)


def delete_some(bank, rng, user, turns):
    """Deletes some of the user's turns, a day of them, or all; returns which."""
    how = rng.random()
    if not turns or how < 0.15:
        bank.delete(user_id=user)
        return turns
    if how < 0.4:
        day = bank.day_of(rng.choice(turns).at)
        bank.delete(user_id=user, day=day)
        return [turn for turn in turns if bank.day_of(turn.at) == day]
    doomed = rng.sample(turns, min(len(turns), rng.randint(1, 5)))
    bank.delete(user_id=user, ids=[turn.id for turn in doomed])
    return doomed


def vector_of(turn):
    """The bytes of the vector of the turn's first window."""
    return OneOfAKind().embed_query(windows(turn.text)[0]).tobytes()
