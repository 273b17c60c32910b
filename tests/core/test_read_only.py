"""A bank that is only read, on request or because it cannot be written: nothing is changed."""

import logging
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import datetime, timedelta, timezone

import pytest

from memorybank_core import (
    ConfigurationError,
    HashingEmbedder,
    MemoryBank,
    NotABankError,
    SchemaTooOldError,
    StoreError,
    StoreWriteError,
    Turn,
)
from memorybank_core.json_format import export_json
from memorybank_core.moving import move
from memorybank_core.protocols import Item
from memorybank_core.stores.sqlite import stored_embedder
from memorybank_core.tools import MemoryTools

ADA = "ada@example.com"
NOON = datetime(2023, 5, 4, 12, tzinfo=timezone.utc)


def open_bank(path, **options):
    return MemoryBank.open(path, embedder=HashingEmbedder(), **options)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("original") / "bank.db"
    with open_bank(path) as bank:
        bank.add([Turn("I like tea.", "", NOON, "tea"), Turn("我喜欢茶。", "", NOON)], user_id=ADA)
        bank.summarize(user_id=ADA)
        item = Item(("u",), "k", "1", NOON, NOON, 60.0)
        bank.store.items.write([item], [None], [], NOON)
    return path


@pytest.fixture
def path(original, tmp_path):
    return shutil.copy(original, tmp_path / "bank.db")


def contents(folder):
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.iterdir()}


def assert_readable(bank):
    assert bank.readonly
    found = bank.search("tea", user_id=ADA)
    assert "tea" in {result.memory.id for result in found}
    assert "I like tea." in str(bank.context("tea", user_id=ADA))
    assert bank.stats().users == 1
    assert len(export_json(bank)[ADA]["history"]) == 1
    assert bank.digests(user_id=ADA)
    assert bank.reinforce(found, user_id=ADA) == 0
    assert bank.recalls("tea", user_id=ADA) == []
    item = bank.store.items.get(("u",), "k", NOON)
    bank.store.items.refresh([item], NOON)
    assert bank.check(now=NOON).findings


WRITES = {
    "add": lambda bank: bank.add([Turn("I like coffee.")], user_id=ADA),
    "summarize": lambda bank: bank.rebuild(user_id=ADA),
    "archive": lambda bank: bank.archive(["tea"], user_id=ADA),
    "forget": lambda bank: bank.forget(user_id=ADA),
    "delete": lambda bank: bank.delete(user_id=ADA),
    "delete one": lambda bank: bank.delete(user_id=ADA, ids=["tea"]),
    "profile": lambda bank: bank.set_profile({"name": "Ada"}, user_id=ADA),
    "begin_turn": lambda bank: bank.begin_turn("Hello", user_id=ADA),
    "compact": lambda bank: bank.compact(),
    "item": lambda bank: bank.store.items.write(
        [Item(("u",), "new", "1", NOON, NOON)], [None], [], NOON
    ),
    "settings": lambda bank: bank.store.settings.write({"a": "b"}),
}


def test_everything_can_be_read_and_nothing_is_changed(path):
    before = contents(path.parent)
    with open_bank(path, readonly=True) as bank:
        assert_readable(bank)
        for write in WRITES.values():
            with pytest.raises(StoreWriteError, match="reading only; nothing was changed"):
                write(bank)
        assert_readable(bank)
    assert contents(path.parent) == before


def test_the_tool_recall_answers_without_strengthening(path):
    with open_bank(path, readonly=True) as bank:
        reply = MemoryTools(bank).recall("tea", user_id=ADA)
        assert "I like tea." in str(reply)
    with open_bank(path) as bank:
        assert not bank.readonly
        assert bank.recalls("tea", user_id=ADA) == []


def test_a_reader_sees_what_others_write(path):
    with open_bank(path, readonly=True) as reader:
        assert len(reader.timeline(user_id=ADA)) == 3
        with open_bank(path) as writer:
            for number in range(3):
                writer.add([Turn(f"Fact {number}")], user_id=ADA)
                assert len(reader.timeline(user_id=ADA)) == 4 + number
        assert len(reader.timeline(user_id=ADA)) == 6
        with open_bank(path) as writer:
            writer.delete(user_id=ADA, ids=["tea"])
        assert "tea" not in {memory.id for memory in reader.timeline(user_id=ADA)}


def test_the_log_of_a_bank_in_use_is_read(path, tmp_path):
    with open_bank(path) as writer:
        writer.add([Turn("Fact")], user_id=ADA)
        copies = tmp_path / "copies"
        copies.mkdir()
        for file in list(tmp_path.glob("bank.db*")):
            shutil.copy(file, copies / file.name)
    with open_bank(copies / "bank.db", readonly=True) as bank:
        assert len(bank.timeline(user_id=ADA)) == 4
    assert len(list(copies.iterdir())) == 3


def test_a_missing_an_empty_and_an_old_file_are_refused(path, tmp_path):
    with pytest.raises(ConfigurationError, match="there is no bank"):
        open_bank(tmp_path / "missing.db", readonly=True)
    (tmp_path / "empty.db").touch()
    with pytest.raises(NotABankError, match="empty"):
        open_bank(tmp_path / "empty.db", readonly=True)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA user_version = 4")
    with pytest.raises(SchemaTooOldError, match="open it where it can be written, or copy it"):
        open_bank(path, readonly=True)
    assert not (tmp_path / "missing.db").exists()


@pytest.fixture
def read_only_disk(original, tmp_path):
    """A bank on a disk that is mounted read-only; next to it is one with a log."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        shutil.copy(original, disk / "bank.db")
        shutil.copy(original, disk / "used.db")
        with open_bank(disk / "used.db") as writer:
            writer.add([Turn("Fact")], user_id=ADA)
            for file in list(disk.glob("used.db*")):
                shutil.copy(file, disk / file.name.replace("used", "logged"))
            for suffix in ("", "-wal"):  # as a copy of what SQLite needs after a crash
                shutil.copy(disk / f"used.db{suffix}", disk / f"crashed.db{suffix}")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_read_only_disk(read_only_disk, tmp_path, caplog):
    with caplog.at_level(logging.WARNING), MemoryBank.open(read_only_disk / "bank.db") as bank:
        assert_readable(bank)
        with pytest.raises(StoreWriteError):
            bank.add([Turn("I like coffee.")], user_id=ADA)
    [record] = caplog.records
    assert "reading only" in record.getMessage()
    assert stored_embedder(str(read_only_disk / "bank.db")) == ("hashing", 256)
    with open_bank(read_only_disk / "logged.db") as bank:
        assert len(bank.timeline(user_id=ADA)) == 4
    assert move(read_only_disk / "bank.db", tmp_path / "moved.db").memories == 3
    with open_bank(tmp_path / "moved.db") as bank:
        bank.add([Turn("I like coffee.", "", NOON + timedelta(days=1))], user_id=ADA)
    with pytest.raises(StoreWriteError):
        open_bank(read_only_disk / "new.db")
    for readonly in (False, True):
        with pytest.raises(StoreError, match="Copy both files to another folder"):
            open_bank(read_only_disk / "crashed.db", readonly=readonly)
    for suffix in ("", "-wal"):
        shutil.copy(read_only_disk / f"crashed.db{suffix}", tmp_path)
    with open_bank(tmp_path / "crashed.db", readonly=True) as bank:
        assert len(bank.timeline(user_id=ADA)) == 4


def test_the_embedder_of_a_bank_that_is_only_read_is_read_without_writing(path, tmp_path):
    """A connection that may write would write the log that a crash left into the file."""
    with open_bank(path) as bank:
        bank.add([Turn("Fact")], user_id=ADA)
        copies = tmp_path / "copies"
        copies.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", copies)
    before = (copies / "bank.db").read_bytes(), (copies / "bank.db-wal").read_bytes()
    with MemoryBank.open(copies / "bank.db", readonly=True) as bank:
        assert len(bank.timeline(user_id=ADA)) == 4
    assert ((copies / "bank.db").read_bytes(), (copies / "bank.db-wal").read_bytes()) == before
