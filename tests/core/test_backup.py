"""Back up a bank while others write to it; restore only a bank that is not open."""

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from datetime import datetime, timezone

import pytest

from memorybank_core import (
    MemoryBank,
    NotABankError,
    SchemaTooNewError,
    StoreBusyError,
    StoreWriteError,
    Turn,
)
from memorybank_core.backup import back_up, restore
from memorybank_core.errors import ConfigurationError
from memorybank_core.protocols import Item

NOW = datetime(2024, 3, 9, 12, tzinfo=timezone.utc)
OPEN_AND_WAIT = (
    "import sys\n"
    "from memorybank_core import MemoryBank, Turn\n"
    "bank = MemoryBank.open(sys.argv[1])\n"
    "bank.add([Turn('from the other process', id='other')], user_id='ann')\n"
    "print('open', flush=True)\n"
    "sys.stdin.readline()\n"
    "bank.close()\n"
)


def open_bank(path):
    return MemoryBank.open(path, embedder="hashing")


def add(path, *ids):
    with open_bank(path) as bank:
        bank.add([Turn(f"Turn {id}.", at=NOW, id=id) for id in ids], user_id="ann")


def ids_in(path):
    with open_bank(path) as bank:
        return sorted(memory.id for memory in bank.timeline(user_id="ann"))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "bank.db"
    with open_bank(path) as bank:
        bank.add([Turn("I keep bees.", at=NOW, id="t1")], user_id="ann")
        bank.reinforce(["t1"], user_id="ann", now=NOW)
        bank.summarize(user_id="ann", now=NOW)
        bank.store.items.write([Item(("a",), "k", "{}", NOW, NOW)], [None], [], NOW)
    return path


class TestBackUp:
    def test_a_backup_is_a_whole_and_private_bank(self, path, tmp_path):
        receipt = back_up(path, tmp_path / "copy.db")
        counts = (receipt.users, receipt.memories, receipt.recalls, receipt.items)
        assert counts == (1, 2, 1, 1)
        assert receipt.digests == 4
        copy = tmp_path / "copy.db"
        assert (receipt.target, receipt.file_bytes) == (str(copy), copy.stat().st_size)
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        assert names(tmp_path) == ["bank.db", "copy.db"]
        with open_bank(path) as bank, open_bank(copy) as other:
            assert other.timeline(user_id="ann") == bank.timeline(user_id="ann")
            results = [each.search("bees", user_id="ann", now=NOW) for each in (bank, other)]
            assert results[0] == results[1] != []
            assert other.digests(user_id="ann") == bank.digests(user_id="ann")

    def test_what_is_only_in_the_log_is_backed_up(self, path, tmp_path):
        with open_bank(path) as bank:
            bank.add([Turn("I moved to Oslo.", at=NOW, id="t2")], user_id="ann")
            assert path.with_name("bank.db-wal").stat().st_size
            back_up(path, tmp_path / "copy.db")
            bank.add([Turn("I moved to Rome.", at=NOW, id="t3")], user_id="ann")
            back_up(path, tmp_path / "later.db")
        assert {"t2"} == {*ids_in(tmp_path / "copy.db")} & {"t2", "t3"}
        assert {"t2", "t3"} < {*ids_in(tmp_path / "later.db")}

    def test_a_backup_while_others_write_is_one_state(self, tmp_path):
        """Each call adds two turns at once, so that every state has an even number of them."""
        path, stop = tmp_path / "busy.db", threading.Event()
        add(path, "a", "b")

        def write():
            with open_bank(path) as bank:
                number = 0
                while not stop.is_set():
                    turns = [Turn(f"word {number} {i}", at=NOW) for i in range(2)]
                    bank.add(turns, user_id="ann")
                    number += 1

        writers = [threading.Thread(target=write) for _ in range(2)]
        for writer in writers:
            writer.start()
        receipts = [back_up(path, tmp_path / f"copy{i}.db") for i in range(5)]
        stop.set()
        for writer in writers:
            writer.join()
        counts = [receipt.memories for receipt in receipts]
        assert all(count % 2 == 0 for count in counts)
        assert counts == sorted(counts)
        assert len(ids_in(tmp_path / "copy4.db")) == counts[-1]

    def test_an_existing_file_is_replaced_only_with_force(self, path, tmp_path):
        copy = tmp_path / "copy.db"
        back_up(path, copy)
        add(path, "t2")
        with pytest.raises(ConfigurationError, match="exists already"):
            back_up(path, copy)
        assert "t2" not in ids_in(copy)
        back_up(path, copy, force=True)
        assert "t2" in ids_in(copy)

    @pytest.mark.parametrize("kind", ["itself", "soft", "hard"])
    def test_the_bank_itself_is_refused(self, path, tmp_path, kind):
        file = tmp_path / "link.db" if kind != "itself" else path
        if kind == "soft":
            file.symlink_to(path)
        if kind == "hard":
            file.hardlink_to(path)
        with pytest.raises(ConfigurationError, match="same file"):
            back_up(path, file, force=True)
        with pytest.raises(ConfigurationError, match="same file"):
            restore(path, file, force=True)

    def test_a_bank_that_is_open_or_of_another_application_is_not_replaced(self, path, tmp_path):
        other = tmp_path / "other.db"
        with open_bank(other) as bank:
            with pytest.raises(StoreBusyError, match="is open"):
                back_up(path, other, force=True)
            bank.add([Turn("Still here.", at=NOW)], user_id="ann")
        contacts = tmp_path / "contacts.db"
        with closing(sqlite3.connect(contacts)) as db:
            db.execute("CREATE TABLE contacts (name)")
        before = contacts.read_bytes()
        for replace in (back_up, restore):
            with pytest.raises(ConfigurationError, match="another application's"):
                replace(path, contacts, force=True)
        assert contacts.read_bytes() == before

    def test_a_damaged_bank_is_not_backed_up(self, path, tmp_path):
        copy = tmp_path / "copy.db"
        content = bytearray(path.read_bytes())
        for offset in range(3 * 8192, len(content), 8192):
            content[offset : offset + 8] = b"\xff" * 8
        path.write_bytes(content)
        with pytest.raises(NotABankError, match=r"damaged|malformed"):
            back_up(path, copy)
        assert names(tmp_path) == ["bank.db"]

    @pytest.mark.parametrize("content", [b"", b"notes " * 200])
    def test_a_file_that_is_not_a_bank_is_refused(self, tmp_path, content):
        (tmp_path / "notes.txt").write_bytes(content)
        for copy in (back_up, restore):
            with pytest.raises(NotABankError):
                copy(tmp_path / "notes.txt", tmp_path / "copy.db")
        assert names(tmp_path) == ["notes.txt"]

    def test_a_missing_bank_or_folder_is_named(self, path, tmp_path):
        with pytest.raises(ConfigurationError, match="there is no bank at"):
            back_up(tmp_path / "typo.db", tmp_path / "copy.db")
        with pytest.raises(ConfigurationError, match="there is no backup at"):
            restore(tmp_path / "typo.db", tmp_path / "copy.db")
        with pytest.raises(StoreWriteError, match="No such file or directory"):
            back_up(path, tmp_path / "missing" / "copy.db")
        with pytest.raises(StoreWriteError, match="not a regular file"):
            back_up(path, tmp_path, force=True)
        assert names(tmp_path) == ["bank.db"]

    def test_a_full_disk_leaves_no_part_of_a_copy(self, path, tmp_path):
        script = (
            "import resource, sys\n"
            "from memorybank_core.backup import back_up\n"
            "from memorybank_core.errors import StoreWriteError\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
            "try: back_up(sys.argv[1], sys.argv[2])\n"
            "except StoreWriteError as error: print('refused', error)\n"
        )
        words = [sys.executable, "-c", script, path, tmp_path / "copy.db"]
        result = subprocess.run(words, capture_output=True, text=True, check=True)
        assert result.stdout.startswith("refused")
        assert names(tmp_path) == ["bank.db"]

    def test_a_database_is_backed_up_by_its_own_tools(self, path):
        url = "postgresql://me:secret@host/bank"
        with pytest.raises(ConfigurationError, match=r"pg_dump.*memorybank move") as error:
            back_up(url, "copy.db")
        assert "secret" not in str(error.value)
        with pytest.raises(ConfigurationError, match=r"pg_restore.*memorybank move"):
            restore(path, url)


class TestRestore:
    @pytest.fixture
    def backup(self, path, tmp_path):
        back_up(path, tmp_path / "copy.db")
        add(path, "t2")
        return tmp_path / "copy.db"

    def test_the_replaced_bank_is_kept_under_another_name(self, path, backup, tmp_path):
        path.chmod(0o640)
        receipt = restore(backup, path)
        assert "t2" not in ids_in(path)
        assert (receipt.memories, receipt.target) == (2, str(path))
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        kept = receipt.replaced
        assert kept.startswith(str(tmp_path / "bank.replaced-"))
        assert kept.endswith(".db")
        assert "t2" in ids_in(kept)
        again = restore(backup, path)
        assert again.replaced != kept
        assert len(names(tmp_path)) == 4
        assert ids_in(backup) == ids_in(path)

    def test_with_force_it_is_deleted(self, path, backup, tmp_path):
        assert restore(backup, path, force=True).replaced is None
        assert "t2" not in ids_in(path)
        assert names(tmp_path) == ["bank.db", "copy.db"]

    def test_a_lost_bank_comes_back_without_the_log_of_the_old_one(self, path, backup, tmp_path):
        with open_bank(path) as bank:
            bank.add([Turn("In the log only.", at=NOW, id="t3")], user_id="ann")
            shutil.copy(path.with_name("bank.db-wal"), tmp_path / "saved")
        path.unlink()
        shutil.copy(tmp_path / "saved", path.with_name("bank.db-wal"))
        assert restore(backup, path).replaced is None
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert not {"t2", "t3"} & {*ids_in(path)}
        assert any(name.endswith(".db-wal") and "replaced" in name for name in names(tmp_path))

    def test_through_a_link_the_file_is_replaced(self, path, backup, tmp_path):
        link = tmp_path / "link.db"
        link.symlink_to(path)
        restore(backup, link)
        assert link.is_symlink()
        assert "t2" not in ids_in(path)

    @pytest.mark.parametrize("force", [False, True])
    def test_a_bank_that_this_process_has_open_is_not_replaced(self, path, backup, force):
        with open_bank(path) as bank:
            with pytest.raises(StoreBusyError, match="is open"):
                restore(backup, path, force=force)
            bank.add([Turn("Still here.", at=NOW, id="t3")], user_id="ann")
        assert {"t2", "t3"} < {*ids_in(path)}

    def test_a_bank_that_another_process_has_open_is_not_replaced(self, path, backup, tmp_path):
        words = [sys.executable, "-c", OPEN_AND_WAIT, path]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout.readline() == b"open\n"
            with pytest.raises(StoreBusyError, match="is open"):
                restore(backup, path)
            assert names(tmp_path) == ["bank.db", "bank.db-shm", "bank.db-wal", "copy.db"]
            other.communicate(b"\n")
        assert "other" in ids_in(path)
        restore(backup, path)
        assert "other" not in ids_in(path)

    def test_a_bank_whose_process_was_killed_is_replaced_and_kept_whole(self, path, backup):
        words = [sys.executable, "-c", OPEN_AND_WAIT, path]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            other.stdout.readline()
            os.kill(other.pid, signal.SIGKILL)
        assert path.with_name("bank.db-wal").exists()
        receipt = restore(backup, path)
        assert not {"t2", "other"} & {*ids_in(path)}
        assert {"t2", "other"} < {*ids_in(receipt.replaced)}

    def test_a_damaged_bank_is_replaced_with_force(self, path, backup):
        path.write_bytes(b"damaged " * 5000)
        with pytest.raises(NotABankError, match="too damaged"):
            restore(backup, path)
        assert path.read_bytes().startswith(b"damaged")
        restore(backup, path, force=True)
        assert "t1" in ids_in(path)

    def test_a_damaged_backup_does_not_replace_a_bank(self, path, backup):
        backup.write_bytes(backup.read_bytes()[:-9000])
        with pytest.raises(NotABankError):
            restore(backup, path)
        assert "t2" in ids_in(path)

    def test_a_backup_of_a_newer_version_does_not_replace_a_bank(self, path, backup):
        with closing(sqlite3.connect(backup)) as db:
            db.execute("PRAGMA user_version=99")
        with pytest.raises(SchemaTooNewError):
            restore(backup, path)
        assert "t2" in ids_in(path)


class TestCommands:
    @pytest.fixture(autouse=True)
    def run(self):
        pytest.importorskip("typer", reason="typer is not installed")
        pytest.importorskip("rich", reason="rich is not installed")
        from typer.testing import CliRunner

        from memorybank_core.cli.app import app

        def run(*args, code=0):
            result = CliRunner().invoke(app, [str(arg) for arg in args])
            assert result.exit_code == code, result.output
            if code:
                assert result.stderr.startswith("error: ")
                assert result.stderr.count("\n") == 1
                return result.stderr
            return result.stdout

        return run

    def test_backup_and_restore(self, run, path, tmp_path):
        copy = tmp_path / "copy.db"
        output = run("backup", path, copy)
        assert output.startswith(f"backed up 2 memories of 1 user to {copy} (")
        assert output.endswith("), verified\n")
        add(path, "t2")
        output = run("restore", copy, path)
        assert output.startswith(f"restored 2 memories of 1 user to {path}, verified\n")
        assert "the bank that was there is now " in output
        assert "t2" not in ids_in(path)
        assert '"replaced": null' in run("restore", copy, path, "--force", "--json")
        assert '"memories": 2' in run("backup", path, tmp_path / "b.db", "--json")

    def test_backup_of_an_existing_file_needs_force(self, run, path, tmp_path):
        copy = tmp_path / "copy.db"
        copy.write_text("mine")
        assert "--force" in run("backup", path, copy, code=2)
        assert copy.read_text() == "mine"
        run("backup", path, copy, "--force")
        assert "t1" in ids_in(copy)
        assert "same file" in run("backup", path, path, code=1)

    def test_restore_of_an_open_bank_is_one_line(self, run, path, tmp_path):
        run("backup", path, tmp_path / "copy.db")
        with open_bank(path):
            assert "is open" in run("restore", tmp_path / "copy.db", path, code=1)

    def test_ids_without_a_user_are_no_backup(self, run, path, tmp_path):
        for ids in (("t1",), ("t1", "t2")):
            assert "pass --user" in run("restore", path, *ids, code=2)
        assert names(tmp_path) == ["bank.db"]
        assert run("restore", path, "t1", "-u", "ann") == "0 memories restored\n"

    def test_databases_are_referred_to_their_tools(self, run, path):
        assert "pg_dump" in run("backup", "postgresql://me@host/bank", "x.db", code=1)
        assert "pg_restore" in run("restore", path, "postgresql://me@host/bank", code=1)
