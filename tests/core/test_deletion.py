"""Deletion: no byte is left in the file, in its log, or in the index of the log."""

import os
import random
import sqlite3
import subprocess
import zlib
from contextlib import closing
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from processes import execute, find_canaries, open_bank, run, serving

from memorybank_core import EmbedderError, HashingEmbedder, MemoryBank, Portrait, Turn
from memorybank_core.search import repeats, statement_analysis, tokenize
from memorybank_core.stores.reembed import reembed
from memorybank_core.stores.sqlite import erasure, pages
from memorybank_core.text import split_windows

NOON = datetime(2023, 5, 4, 12, tzinfo=timezone.utc)


class UniqueVectorEmbedder:
    """Gives every text a different vector, which can be searched for in the bytes of the file."""

    name, dimension = "unique-vector", 64

    def embed_query(self, text):
        vector = np.random.default_rng(zlib.crc32(text.encode())).normal(size=64)
        return np.float32(vector / np.linalg.norm(vector))

    def embed_documents(self, texts):
        return np.array([self.embed_query(text) for text in texts])


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(
        tmp_path / "bank.db", embedder=UniqueVectorEmbedder(), busy_timeout=0.3
    ) as bank:
        yield bank


def bytes_of(bank):
    """Return the content of the bank's files; another process reads them, which keeps our locks."""
    files = sorted(bank.store.path.parent.iterdir())
    return subprocess.run(["cat", *files], capture_output=True, check=True).stdout


def secret_turn(secret, **changes):
    """Return a turn with `secret` in every text field."""
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


@pytest.mark.parametrize("selection", [{"ids": ["canary-id"]}, {"day": NOON.date()}, {}])
def test_no_byte_of_deleted_memories_is_left(bank, selection):
    fill(bank, "ada", "canary")
    fill(bank, "bob", "budgie")
    assert b"canary" in bytes_of(bank)
    assert bank.delete(user_id="ada", **selection).erased
    assert b"canary" not in bytes_of(bank)
    for part in "query response id session me you turn portrait".split():
        assert f"budgie-{part}".encode() in bytes_of(bank)
    assert not any(
        "canary" in result.memory.text for result in bank.search("canary query", user_id="ada")
    )


def test_deleting_a_user_erases_the_name_and_the_profile(bank):
    bank.add([Turn("hello")], user_id="canary@example.com")
    bank.set_profile({"name": "canary"}, user_id="canary@example.com")
    bank.delete(user_id="canary@example.com")
    assert b"canary" not in bytes_of(bank)


def test_a_replaced_text_is_erased_by_the_next_deletion(bank):
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
    """Rows of all sizes are added and deleted, so that pages are split, merged and reused."""
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
            to_delete = delete_some(bank, rng, user, alive[user])
            alive[user] = [turn for turn in alive[user] if turn not in to_delete]
            deleted += to_delete
            left = bytes_of(bank)
            assert [turn.id for turn in deleted if turn.id.encode() in left] == []
            assert [turn.id for turn in deleted if vector_of(turn) in left] == []
            assert all(vector_of(turn) in left for turns in alive.values() for turn in turns)
    for user, turns in alive.items():
        ids = {memory.id for memory in bank.timeline(user_id=user)}
        assert ids == {turn.id for turn in turns}


@pytest.mark.parametrize("seed", range(3))
def test_no_other_handle_or_process_restores_deleted_bytes(tmp_path, seed):
    """Each of them caches pages with the old content of their gaps, and may write them later."""
    rng, path = random.Random(seed), tmp_path / "bank.db"
    alive = set()
    with open_bank(path) as first, open_bank(path) as second, serving(path) as child:
        handles = [
            child,
            *(lambda verb, ids, bank=bank: execute(bank, verb, ids) for bank in (first, second)),
        ]
        for step in range(20):
            ids = {f"canary{step:03}{rng.randrange(10**6)}z" for _ in range(rng.randint(1, 15))}
            rng.choice(handles)("add", sorted(ids))
            alive |= ids
            to_delete = rng.sample(sorted(alive), rng.randint(0, min(len(alive), 12)))
            for handle in rng.sample(handles, 2):
                part, to_delete = to_delete[::2], to_delete[1::2]
                handle("delete", part)
                alive -= set(part)
                assert find_canaries(tmp_path) == alive
        for number, handle in enumerate(handles):
            ids = {f"canary{number}9{rng.randrange(10**8)}z" for _ in range(100)}
            handle("add", sorted(ids))
            alive |= ids
            assert find_canaries(tmp_path) == alive


def test_pages_that_were_read_during_an_erasure_are_not_written_back(tmp_path, monkeypatch):
    ids = [f"canary{number}1z" for number in random.Random(1).sample(range(100, 999), 400)]
    turns = [Turn(id, "", NOON, f"{id}{'-' * 200}") for id in ids]
    find_gaps = erasure._find_gaps
    with open_bank(tmp_path / "bank.db") as first, open_bank(tmp_path / "bank.db") as second:

        def read_all(descriptor):
            with second.store._connections.exclusive() as db:
                db.execute(
                    "SELECT max(id || '') FROM memories INDEXED BY memories_by_id"
                ).fetchall()
            return find_gaps(descriptor)

        for turn in turns:
            first.add([turn], user_id="ada")
        monkeypatch.setattr(erasure, "_find_gaps", read_all)
        first.delete(user_id="ada", ids=[turn.id for turn in turns[::2]])
        assert find_canaries(tmp_path) == set(ids[1::2])
        second.add(
            [Turn(turn.query, "", NOON, f"{turn.id}+") for turn in turns[1::20]], user_id="ada"
        )
        assert find_canaries(tmp_path) == set(ids[1::2])


def test_a_process_killed_during_an_erasure_leaves_an_intact_file(tmp_path):
    assert run("kill_erasers", tmp_path / "bank.db", 30) == ["ok True []"] * 30


def test_a_file_of_another_layout_is_rewritten(tmp_path):
    fill_and_close(tmp_path / "bank.db")
    with closing(sqlite3.connect(tmp_path / "bank.db")) as db:
        db.executescript("PRAGMA journal_mode=DELETE; PRAGMA auto_vacuum=FULL; VACUUM")
    with MemoryBank.open(tmp_path / "bank.db", embedder=UniqueVectorEmbedder()) as bank:
        assert bank.delete(user_id="ada", ids=["canary-id"]).erased
        assert b"canary" not in bytes_of(bank)


@pytest.mark.parametrize("missing", ["descriptors", "pwrite"])
def test_a_file_that_cannot_be_erased_in_place_is_rewritten(bank, monkeypatch, missing):
    if missing == "pwrite":
        monkeypatch.delattr(os, "pwrite")
    else:
        monkeypatch.setattr(erasure, "_MAX_DESCRIPTORS", 0)
    fill(bank, "ada", "canary")
    assert bank.delete(user_id="ada", ids=["canary-id"]).erased
    assert b"canary" not in bytes_of(bank)
    assert "erasures" not in meta_of(bank)


def test_a_link_to_a_file_is_followed_to_its_log(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "folder" / "bank.db")
    fill_and_close(tmp_path / "folder" / "bank.db")
    with MemoryBank.open(tmp_path / "link.db", embedder=UniqueVectorEmbedder()) as bank:
        assert bank.delete(user_id="ada", ids=["canary-id"]).erased
        assert "erasures" in meta_of(bank)
    assert b"canary" not in (tmp_path / "folder" / "bank.db").read_bytes()


def test_a_descriptor_is_kept_while_the_file_has_a_name(tmp_path):
    for number in range(3):
        path = tmp_path / f"{number}.db"
        fill_and_close(path)
        with MemoryBank.open(path, embedder=UniqueVectorEmbedder()) as bank:
            bank.delete(user_id="ada")
        descriptor = erasure._descriptors[path.stat().st_dev, path.stat().st_ino].number
        assert os.fstat(descriptor).st_size == path.stat().st_size
        path.unlink()
    kept = erasure._descriptors.values()
    assert sum(not os.fstat(descriptor.number).st_nlink for descriptor in kept) == 1


def test_deleting_a_memory_erases_its_vectors_of_an_unfinished_reembed(bank):
    class FailingEmbedder(HashingEmbedder):
        batch_size = 64

        def embed_documents(self, texts):
            vectors = super().embed_documents(texts)
            return np.full_like(vectors, np.nan) if "the last" in texts else vectors

    turns = [Turn(f"canary {n} " + "tea " * n, id=f"{n}") for n in range(64)]
    bank.add([*turns, Turn("the last")], user_id="ada")
    with pytest.raises(EmbedderError):
        reembed(bank.store.path, FailingEmbedder(64))
    vectors = [HashingEmbedder(64).embed_query(turns[n].text).tobytes() for n in (1, 2)]
    assert all(vector in bytes_of(bank) for vector in vectors)
    bank.delete(user_id="ada", ids=["1"])
    bank.add([Turn("plain", id="2")], user_id="ada", replace=True)
    assert bank.delete(user_id="nobody").erased
    assert not any(vector in bytes_of(bank) for vector in vectors)
    reembed(bank.store.path, HashingEmbedder(64))
    with MemoryBank.open(bank.store.path, embedder=HashingEmbedder(64)) as reopened:
        assert reopened.search("plain", user_id="ada", k=1)[0].cosine == pytest.approx(1, abs=1e-5)


def test_a_gap_is_between_the_pointers_and_the_cells():
    leaf = bytes([10, 0, 0, 0, 2, 1, 200, 0, 1, 240, 1, 200, 7]).ljust(512, b"c")
    inner = bytes([2, 0, 0, 0, 1, 1, 240, 0, 0, 0, 0, 9, 1, 240]).ljust(496, b"\0") + b"c" * 16
    overflow = bytes(4).ljust(512, b"o")
    assert pages.find_gaps(overflow + leaf + inner + leaf, 512, first=False) == [
        (524, 968),
        (1548, 1992),
    ]
    assert pages.find_gaps(b"h" * 100 + leaf[:412], 512, first=True) == [(112, 456)]


def fill_and_close(path):
    with MemoryBank.open(path, embedder=UniqueVectorEmbedder()) as bank:
        fill(bank, "ada", "canary")


def meta_of(bank):
    with bank.store._connections.read() as db:
        return dict(db.execute("SELECT name, value FROM meta"))


def random_turn(rng, canary):
    size = rng.choice([0, 20, 200, 800, 3000, 9000, 20_000])
    at = NOON + timedelta(hours=rng.randrange(240))
    return Turn(f"{canary} " + "x" * rng.randint(0, size), "y" * rng.randint(0, 200), at, id=canary)


def delete_some(bank, rng, user, turns):
    """Delete some of the user's turns, those of a day, or all; return the deleted turns."""
    choice = rng.random()
    if not turns or choice < 0.15:
        bank.delete(user_id=user)
        return turns
    if choice < 0.4:
        day = bank.day_of(rng.choice(turns).at)
        bank.delete(user_id=user, day=day)
        return [turn for turn in turns if bank.day_of(turn.at) == day]
    to_delete = rng.sample(turns, min(len(turns), rng.randint(1, 5)))
    bank.delete(user_id=user, ids=[turn.id for turn in to_delete])
    return to_delete


def vector_of(turn):
    """Return the bytes of the vector of the turn's first window."""
    return UniqueVectorEmbedder().embed_query(split_windows(turn.text)[0]).tobytes()


def test_a_deletion_empties_the_caches_of_texts(tmp_path):
    def kept_texts():
        return [cache.__name__ for cache in caches if cache.cache_info().currsize]

    caches = [tokenize.stem, statement_analysis.analyze_statement, repeats._find_unanswered]
    with open_bank(tmp_path / "bank.db") as bank:
        bank.add([Turn("The code is Rhubarb77.", "I don't know.", id="code")], user_id="ada")
        assert bank.search("Which code is it?", user_id="ada")
        assert "stem" in kept_texts()
        assert bank.store._memory_cache._users
        bank.delete(user_id="ada")
        assert not bank.store._memory_cache._users
    assert kept_texts() == []
