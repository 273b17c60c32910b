"""Durability: acknowledged writes survive killed writers, concurrent processes and threads."""

import os
import shutil
import sqlite3
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from processes import BATCH, finds, open_bank, run, turn_of

from memorybank_core import HashingEmbedder, MemoryBank, Turn
from memorybank_core.stores.sqlite import schema


def assert_sound(path):
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path):
    path = tmp_path / "bank.db"
    calls = [line.split() for line in run("kill", path, 200)]
    acknowledged = {id for call in calls for id in call}
    assert len(acknowledged) > 20
    with open_bank(path) as bank:
        stored = {memory.id: memory.turn for memory in bank.timeline(user_id="ada")}
        assert acknowledged <= stored.keys()
        assert all(turn.query == turn_of(id).query for id, turn in stored.items())
        assert all(turn.response == turn_of(id).response for id, turn in stored.items())
        assert all(turn.at == turn_of(id).at for id, turn in stored.items())
        calls_stored = Counter(tuple(map(int, id.split("-")[:2])) for id in stored)
        assert all(size == (BATCH if call % 2 else 1) for (_, call), size in calls_stored.items())
        assert all(finds(bank, id) for id in sorted(acknowledged)[:: len(acknowledged) // 25])
    assert_sound(path)


def test_a_file_can_be_opened_after_its_creator_was_killed(tmp_path):
    acknowledged = run("create", tmp_path / "bank.db", 60)
    for round in range(60):
        path = tmp_path / f"bank.db-{round}"
        with open_bank(path) as bank:
            stored = {memory.id for memory in bank.timeline(user_id="ada")}
            mine = [line for line in acknowledged if line.startswith(f"{round}-")]
            assert {id for line in mine for id in line.split()} <= stored
            bank.add([Turn("Another turn.")], user_id="ada")
        assert_sound(path)


def test_two_processes_open_a_new_file_at_the_same_time(tmp_path):
    path = tmp_path / "bank.db"
    lines = run("meet", path, 20)
    assert sorted(lines) == sorted(f"{path}-{n} {who}" for n in range(20) for who in ("one", "two"))
    for round in range(20):
        with open_bank(f"{path}-{round}") as bank:
            assert {memory.id for memory in bank.timeline(user_id="ada")} == {"one", "two"}


def test_a_file_that_another_process_initializes_during_the_check_is_a_bank(tmp_path):
    path = tmp_path / "bank.db"
    path.touch()

    class OvertakenConnection(sqlite3.Connection):
        """Connection between whose reads another process creates the tables."""

        def execute(self, statement, *arguments):
            rows = super().execute(statement, *arguments)
            if statement == "PRAGMA application_id":
                open_bank(path).close()
            return rows

    with closing(
        sqlite3.connect(path, isolation_level=None, factory=OvertakenConnection)
    ) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        schema.migrate(connection, path)


def test_two_processes_write_and_search_one_user(tmp_path):
    path = tmp_path / "bank.db"
    assert run("pair", path, 150) == ["met", "met"]
    with open_bank(path) as bank:
        ids = [memory.id for memory in bank.timeline(user_id="ada")]
    assert sorted(ids) == sorted(f"{who}-{n}-0" for who in (1, 2) for n in range(150))
    assert_sound(path)


def test_a_second_handle_does_not_endanger_the_first(tmp_path):
    """Opening a bank twice must not drop the locks that protect its log from other processes."""
    path = tmp_path / "bank.db"
    with open_bank(path) as one:
        one.add([Turn("first")], user_id="ada")
        with open_bank(path) as two:
            run("visit", path, 0)
            one.add([Turn("second")], user_id="ada")
            two.add([Turn("third")], user_id="ada")
            assert [memory.text for memory in two.timeline(user_id="ada")] == [
                "first",
                "second",
                "third",
            ]
    with open_bank(path) as bank:
        assert bank.stats().memories == 4


@pytest.mark.parametrize("room", [100_000, 1_000_000])
def test_memories_can_be_deleted_where_files_can_grow_no_more(tmp_path, room):
    path = tmp_path / "bank.db"
    assert run("delete_on_full_disk", path, room) == ["True True True"]
    with open_bank(path) as bank:
        assert [memory.id for memory in bank.timeline(user_id="ada")] == ["after"]
    assert_sound(path)


@pytest.mark.parametrize("others", [0, 1])
def test_memories_can_be_deleted_on_a_full_disk(tmp_path, others):
    """`others` is whether other files fill the disk."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        lines = run("delete_on_full_disk", tmp_path / "bank.db", -1 - others)
        assert lines == ["True True True"]
        assert_sound(tmp_path / "bank.db")
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_threads_share_a_bank(tmp_path):
    threads, rounds = 8, 25
    with open_bank(tmp_path / "bank.db") as bank:
        bank.add([Turn("shared memory of tea", id="shared")], user_id="ada")

        def work(thread):
            for number in range(rounds):
                id = f"{thread}-{number}-0"
                bank.add([turn_of(id)], user_id="ada")
                assert finds(bank, id)
                assert bank.reinforce(["shared", id], user_id="ada", turn=id) == 2
                assert bank.reinforce(["shared"], user_id="ada", turn=id) == 0

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))
        memories = {memory.id: memory for memory in bank.timeline(user_id="ada")}
        assert len(memories) == threads * rounds + 1
        assert memories.pop("shared").strength == 1.0 + threads * rounds
        assert {memory.strength for memory in memories.values()} == {2.0}


def test_the_cache_is_updated_with_rows_that_another_handle_wrote(tmp_path):
    with open_bank(tmp_path / "bank.db") as one, open_bank(tmp_path / "bank.db") as two:
        one.add([Turn("first", id="a")], user_id="ada")
        assert two.search("first", user_id="ada")
        index = two.store._cache.get("ada").index
        one.add([Turn("second", id="b")], user_id="ada")
        one.reinforce(["a"], user_id="ada")
        assert len(two.search("second", user_id="ada")) == 2
        assert two.store._cache.get("ada").index is index
        one.delete(user_id="ada", ids=["a"])
        assert [result.memory.id for result in two.search("first", user_id="ada")] == ["b"]
        assert two.store._cache.get("ada").index is not index


def test_a_relative_path_stays_the_same_file_when_the_folder_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with open_bank("bank.db") as bank:
        monkeypatch.chdir(tmp_path / "elsewhere")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: bank.add([Turn(f"turn {n}")], user_id="ada"), range(8)))
        assert bank.stats().memories == 8
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_owner_can_read_the_files(tmp_path, umask):
    before = os.umask(umask)
    try:
        with MemoryBank.open(tmp_path / "bank.db", embedder=HashingEmbedder(16)) as bank:
            bank.add([Turn("a secret")], user_id="ada")
            bank.search("secret", user_id="ada")
            modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("bank.db", "bank.db-wal", "bank.db-shm"), 0o600)
