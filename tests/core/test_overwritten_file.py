"""Another program that writes over the file of an open bank is noticed: nothing is mixed."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from memorybank_core import (
    HashingEmbedder,
    MemoryBank,
    StoreWriteError,
    Turn,
)
from memorybank_core.backup import back_up, restore
from memorybank_core.stores.sqlite import file_guard
from memorybank_core.stores.sqlite.connections import Connections

ADA = "ada@example.com"
OVERWRITTEN = "overwritten by another program"


def open_bank(path, **options):
    return MemoryBank.open(path, embedder=HashingEmbedder(), **options)


def add(bank, *texts):
    return bank.add([Turn(text, id=text) for text in texts], user_id=ADA)


def ids(bank):
    return {memory.id for memory in bank.timeline(user_id=ADA)}


def checkpoint(path):
    with closing(sqlite3.connect(path)) as db:
        assert not db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[0]


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A closed bank with one memory."""
    monkeypatch.setattr(file_guard, "_PATIENCE", 0.05)
    path = tmp_path / "bank.db"
    with open_bank(path) as bank:
        add(bank, "tea")
    return path


def another_bank(path, source):
    with open_bank(source) as bank:
        add(bank, "chess")


def another_database(path, source):
    with closing(sqlite3.connect(source)) as db:
        db.execute("CREATE TABLE t (a)")


def a_text(path, source):
    source.write_text("This is no database. " * 1000)


def an_older_backup(path, source):
    shutil.copy(path, source)


def a_copy_that_was_changed(path, source):
    shutil.copy(path, source)
    with open_bank(source) as bank:
        add(bank, "chess")


SOURCES = [another_bank, another_database, a_text, an_older_backup, a_copy_that_was_changed]

CALLS = {
    "add": lambda bank: add(bank, "coffee"),
    "delete": lambda bank: bank.delete(user_id=ADA),
    "search": lambda bank: bank.search("tea", user_id=ADA),
    "timeline": lambda bank: bank.timeline(user_id=ADA),
    "compact": lambda bank: bank.compact(),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("is_in_log", [False, True])
def test_neither_read_nor_written_after_it_was_overwritten(path, tmp_path, source, is_in_log):
    other = tmp_path / "other.db"
    source(path, other)
    bank = open_bank(path)
    add(bank, "milk", "water")
    if not is_in_log:
        checkpoint(path)
    shutil.copyfile(other, path)
    if is_in_log and source is an_older_backup:  # the same as the file that it replaced
        add(bank, "coffee")
        assert ids(bank) == {"tea", "milk", "water", "coffee"}
        bank.close()
        return
    before = path.read_bytes()
    for call in CALLS.values():
        with pytest.raises(StoreWriteError, match=OVERWRITTEN):
            call(bank)
    bank.close()
    assert path.read_bytes() == before


@pytest.mark.parametrize("call", CALLS)
def test_every_call_notices_it_first(path, tmp_path, call):
    another_bank(path, tmp_path / "other.db")
    bank = open_bank(path)
    add(bank, "milk")
    shutil.copyfile(tmp_path / "other.db", path)
    with pytest.raises(StoreWriteError, match=OVERWRITTEN):
        CALLS[call](bank)
    bank.close()


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_file_that_was_cut_off(path, share):
    bank = open_bank(path)
    add(bank, *(f"fact {number}" for number in range(50)))
    checkpoint(path)
    bank.timeline(user_id=ADA)
    os.truncate(path, int(path.stat().st_size * share) // 8192 * 8192)
    with pytest.raises(StoreWriteError, match=OVERWRITTEN):
        add(bank, "coffee")
    bank.close()


def test_overwritten_while_a_write_is_running(path, tmp_path):
    another_bank(path, tmp_path / "other.db")
    connections = Connections(path, 5.0)

    def write():
        with connections.write() as db:
            db.execute("INSERT INTO meta VALUES ('new', '1')")
            shutil.copyfile(tmp_path / "other.db", path)

    with pytest.raises(StoreWriteError, match=OVERWRITTEN):
        write()
    connections.close()
    assert path.read_bytes() == (tmp_path / "other.db").read_bytes()


def test_a_log_that_was_left_is_not_applied_to_another_file(path, tmp_path):
    """As after a crash: the log has memories of the file that was there before."""
    another_bank(path, tmp_path / "other.db")
    with open_bank(path) as bank:
        add(bank, "milk")
        for name in ("bank.db", "bank.db-wal"):
            shutil.copyfile(tmp_path / name, tmp_path / f"crashed-{name}")
    for name in ("bank.db", "bank.db-wal"):
        shutil.move(tmp_path / f"crashed-{name}", tmp_path / name)
    with open_bank(path) as bank:
        assert ids(bank) == {"tea", "milk"}
        for name in ("bank.db", "bank.db-wal"):
            shutil.copyfile(tmp_path / name, tmp_path / f"crashed-{name}")
    shutil.move(tmp_path / "crashed-bank.db-wal", tmp_path / "bank.db-wal")
    shutil.copyfile(tmp_path / "other.db", path)
    for _ in range(2):
        with pytest.raises(StoreWriteError, match=OVERWRITTEN):
            open_bank(path)
        with pytest.raises(StoreWriteError, match=OVERWRITTEN):
            MemoryBank.open(path)
        with pytest.raises(StoreWriteError, match=OVERWRITTEN):
            back_up(path, tmp_path / "backup.db")
        with pytest.raises(StoreWriteError, match=OVERWRITTEN):
            restore(tmp_path / "other.db", path)
    assert path.read_bytes() == (tmp_path / "other.db").read_bytes()
    (tmp_path / "bank.db-wal").unlink()
    with open_bank(path) as bank:
        assert ids(bank) == {"chess"}


def test_a_second_process_notices_it_too(path, tmp_path):
    another_bank(path, tmp_path / "other.db")
    script = (
        "import sys; from memorybank_core import *\n"
        f"bank = MemoryBank.open({str(path)!r}, embedder=HashingEmbedder())\n"
        f"bank.add([Turn('milk', id='milk')], user_id={ADA!r})\n"
        "print(flush=True); input()\n"
        f"try: bank.add([Turn('water', id='water')], user_id={ADA!r})\n"
        "except StoreWriteError as error: print(error, flush=True)\n"
        "input()\n"
    )
    with (
        subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        bank = open_bank(path)
        assert process.stdout.readline() == "\n"
        assert ids(bank) == {"tea", "milk"}
        shutil.copyfile(tmp_path / "other.db", path)
        process.stdin.write("\n")
        process.stdin.flush()
        assert OVERWRITTEN in process.stdout.readline()
        with pytest.raises(StoreWriteError, match=OVERWRITTEN):
            add(bank, "coffee")
        bank.close()
        process.communicate("\n")  # ends without closing the bank
    assert path.read_bytes() == (tmp_path / "other.db").read_bytes()


def test_a_bank_without_a_lineage_gets_one(path, tmp_path):
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM meta WHERE name = 'lineage'")
        db.commit()
    shutil.copyfile(path, tmp_path / "old.db")
    bank = open_bank(path)
    shutil.copyfile(tmp_path / "old.db", path)
    with pytest.raises(StoreWriteError, match=OVERWRITTEN):
        add(bank, "coffee")
    bank.close()
    with open_bank(path, readonly=True) as reader:
        assert ids(reader) == {"tea"}


def test_a_file_that_is_only_read_is_not_taken_for_another(path, tmp_path):
    another_bank(path, tmp_path / "other.db")
    shutil.copyfile(path, tmp_path / "older.db")
    with open_bank(path) as bank:
        add(bank, "milk")
    for source in ("other.db", "older.db"):
        reader = open_bank(path, readonly=True)
        assert {result.memory.id for result in reader.search("milk", user_id=ADA)} >= {"milk"}
        shutil.copyfile(path, tmp_path / "newest.db")
        shutil.copyfile(tmp_path / source, path)
        with pytest.raises(StoreWriteError, match=OVERWRITTEN):
            reader.search("milk", user_id=ADA)
        reader.close()
        shutil.copyfile(tmp_path / "newest.db", path)


def test_backup_and_restore_go_on(path, tmp_path):
    with open_bank(path) as bank:
        add(bank, "milk")
        back_up(path, tmp_path / "backup.db")
        add(bank, "water")
        assert ids(bank) == {"tea", "milk", "water"}
    restore(tmp_path / "backup.db", path)
    with open_bank(path) as bank:
        add(bank, "coffee")
        assert ids(bank) == {"tea", "milk", "coffee"}


def test_checkpoints_and_compaction_by_others_are_no_fault(path):
    with open_bank(path) as bank, open_bank(path) as other:
        for number in range(12):
            add((bank, other)[number % 2], f"fact {number}")
            if number % 3 == 0:
                checkpoint(path)
            if number % 5 == 0:
                other.compact()
            if number % 4 == 0:
                bank.delete(user_id=ADA, ids=[f"fact {number}"])
            assert ids(other) == ids(bank)
