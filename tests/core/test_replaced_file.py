"""A write is acknowledged only into the file that has the bank's name, with a known schema."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from memorybank_core import (
    HashingEmbedder,
    MemoryBank,
    SchemaTooNewError,
    StoreWriteError,
    Turn,
)

ADA = "ada@example.com"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bank.db"


@pytest.fixture
def bank(path):
    with MemoryBank.open(path, embedder=HashingEmbedder()) as bank:
        bank.add([Turn("I like tea.", id="tea")], user_id=ADA)
        yield bank


def remove(path):
    path.unlink()


def move(path):
    path.rename(path.with_suffix(".moved"))


def replace(path):
    new = path.with_suffix(".new")
    MemoryBank.open(new, embedder=HashingEmbedder()).close()
    new.replace(path)


def restore_a_backup(path):
    backup = path.with_suffix(".backup")
    with closing(sqlite3.connect(path)) as db, closing(sqlite3.connect(backup)) as copy:
        db.backup(copy)
    shutil.move(backup, path)


WRITES = {
    "add": lambda bank: bank.add([Turn("I like coffee.")], user_id=ADA),
    "reinforce": lambda bank: bank.reinforce(["tea"], user_id=ADA),
    "archive": lambda bank: bank.archive(["tea"], user_id=ADA),
    "delete": lambda bank: bank.delete(user_id=ADA),
    "profile": lambda bank: bank.set_profile({"name": "Ada"}, user_id=ADA),
    "begin_turn": lambda bank: bank.begin_turn("Hello", user_id=ADA),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("change", [remove, move, replace, restore_a_backup])
def test_a_file_without_its_name_is_not_written(bank, path, change, write):
    change(path)
    with pytest.raises(StoreWriteError, match=r"deleted, replaced or moved.*nothing was stored"):
        WRITES[write](bank)
    assert [memory.id for memory in bank.timeline(user_id=ADA)] == ["tea"]
    assert bank.timeline(user_id=ADA)[0].recalls == 0


def test_the_file_that_replaced_it_is_untouched_and_can_be_opened(bank, path):
    replace(path)
    before = path.read_bytes()
    with pytest.raises(StoreWriteError):
        bank.add([Turn("I like coffee.")], user_id=ADA)
    assert path.read_bytes() == before
    bank.close()
    with MemoryBank.open(path) as reopened:
        reopened.add([Turn("I like coffee.")], user_id=ADA)
        assert reopened.timeline(user_id=ADA)[-1].text == "I like coffee."


def test_what_was_in_the_log_goes_with_a_file_that_was_moved(bank, path):
    path.rename(path.with_name("moved.db"))
    with MemoryBank.open(path.with_name("other.db"), embedder=HashingEmbedder()) as other:
        other.add([Turn("I play chess.", id="chess")], user_id=ADA)
    path.with_name("other.db").rename(path)
    with pytest.raises(StoreWriteError, match="its write-ahead log"):
        MemoryBank.open(path)
    bank.close()
    for name, id in (("moved.db", "tea"), ("bank.db", "chess")):
        with MemoryBank.open(path.with_name(name)) as reopened:
            assert [memory.id for memory in reopened.timeline(user_id=ADA)] == [id]


def test_a_file_without_its_name_is_not_read_with_the_log_of_the_next(bank, path):
    bank.compact()  # empties the log
    path.unlink()
    with MemoryBank.open(path, embedder=HashingEmbedder()) as other:
        other.add([Turn("I play chess.", id="chess")], user_id=ADA)
        with pytest.raises(StoreWriteError):
            bank.add([Turn("I like coffee.")], user_id=ADA)
        with pytest.raises(StoreWriteError):
            bank.timeline(user_id=ADA)
        bank.close()
        other.add([Turn("I play go.", id="go")], user_id=ADA)
        assert [memory.id for memory in other.timeline(user_id=ADA)] == ["chess", "go"]
    with MemoryBank.open(path) as reopened:
        assert [memory.id for memory in reopened.timeline(user_id=ADA)] == ["chess", "go"]


@pytest.mark.parametrize("write", WRITES)
def test_an_old_process_does_not_write_into_an_upgraded_file(bank, path, write):
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version=99")
    with pytest.raises(SchemaTooNewError, match="pip install --upgrade"):
        WRITES[write](bank)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*), sum(recalls) FROM memories").fetchone() == (1, 0)
