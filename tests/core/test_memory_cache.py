"""Memories that a search read before are read again as they are now, whoever changed them."""

from contextlib import closing
from datetime import datetime, timedelta, timezone

import pytest

from memorybank_core import Change, MemoryBank, Turn
from memorybank_core.stores.sqlite import memory_cache

USER, OTHER = "ada", "bo"
FIRST = datetime(2025, 3, 3, 9, tzinfo=timezone.utc)
LATER = FIRST + timedelta(days=1)


@pytest.fixture
def banks(tmp_path):
    """A bank that has read Ada's memories, and another on the same file, as in two processes."""
    path = tmp_path / "friend.db"
    with closing(MemoryBank.open(path, embedder="hashing")) as reader:
        turns = [Turn(f"I have {n} cups.", "Noted.", FIRST, id=f"t{n}") for n in range(1, 4)]
        reader.add([*turns, Turn("我有三个杯子。", "好的。", FIRST, id="zh")], user_id=USER)
        reader.add([Turn("I have 9 cups.", "", FIRST, id="t9")], user_id=OTHER)
        assert {*read(reader), *read(reader)} == {"t1", "t2", "t3", "zh"}
        with closing(MemoryBank.open(path, embedder="hashing")) as writer:
            yield reader, writer


def read(bank, user_id=USER):
    """Return the memories that a search finds, by id."""
    found = bank.search("cups 杯子", user_id=user_id, k=9, archived=True, history=True, now=LATER)
    return {result.memory.id: result.memory for result in found}


@pytest.mark.parametrize("own", [True, False], ids=["same process", "another process"])
def test_a_search_finds_memories_as_they_are_now(banks, own):
    reader, writer = banks[0], banks[not own]
    writer.reinforce(["t1"], user_id=USER, now=LATER)
    assert read(reader)["t1"].strength == 2.0
    writer.archive(["t2"], user_id=USER, now=LATER)
    writer.pin(["t3"], user_id=USER)
    memories = read(reader)
    assert (memories["t2"].archived_at, memories["t3"].pinned) == (LATER, True)
    writer.add([Turn("I have 7 cups.", "", FIRST, id="t3")], user_id=USER, replace=True)
    assert read(reader)["t3"].text == "I have 7 cups."
    writer.add([Turn("I have 7 cups.", "", FIRST, id="t3", metadata={"a": 1})], user_id=USER)
    memories = read(reader)
    assert (memories["t3"].metadata, memories["zh"].metadata) == ({"a": 1}, {})
    change = Change(newer="t3", older="t1", made_by="a model", made_at=LATER)
    writer.store.record_changes(USER, [change])
    assert read(reader)["t1"].replaced_by == ("t3",)


@pytest.mark.parametrize("own", [True, False], ids=["same process", "another process"])
def test_a_deleted_memory_is_not_read(banks, own):
    reader, writer = banks[0], banks[not own]
    keys = list(range(10))
    writer.delete(user_id=USER, ids=["t1"])
    assert read(reader).keys() == {"t2", "t3", "zh"}
    assert {memory.id for memory in reader.store.fetch(USER, keys).values()} == {"t2", "t3", "zh"}
    writer.delete(user_id=USER)
    assert reader.store.fetch(USER, keys) == {}
    writer.add([Turn("I have 5 cups.", "", FIRST, id="t1")], user_id=USER)
    assert read(reader)["t1"].text == "I have 5 cups."


def test_a_transaction_that_began_before_a_write_reads_its_own_state(banks):
    store, writer = banks[0].store, banks[1]
    with store._connections.read() as early:
        assert len(store._memory_cache.read(early, USER, range(10))) == 4
        writer.reinforce(["t1"], user_id=USER, now=LATER)
        assert read(banks[0])["t1"].strength == 2.0
        memories = store._memory_cache.read(early, USER, range(10))
        assert [memory.strength for memory in memories.values()] == [1.0] * 4
    assert read(banks[0])["t1"].strength == 2.0


def test_users_do_not_read_each_others_memories(banks):
    assert read(banks[0], OTHER).keys() == {"t9"}
    assert read(banks[0]).keys() == {"t1", "t2", "t3", "zh"}


def test_few_memories_are_cached_and_none_after_a_deletion(banks, monkeypatch):
    monkeypatch.setattr(memory_cache, "_MAX_SIZE", 3)
    store, cache = banks[0].store, memory_cache.MemoryCache()
    with store._connections.read() as db:
        for user, size in ((USER, 3), (USER, 3), (OTHER, 1)):
            assert len(cache.read(db, user, range(10))) == {USER: 4, OTHER: 1}[user]
            assert cache._size == sum(len(user.memories) for user in cache._users.values()) == size
        monkeypatch.setattr(memory_cache, "MAX_CACHED_LENGTH", 10)
        assert len(cache.read(db, USER, range(10))) == 4
        assert cache._size == 1
    banks[0].delete(user_id=OTHER)
    assert not store._memory_cache._users
