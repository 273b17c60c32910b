"""A command never destroys a bank, and overwrites foreign files only if it is told to."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("typer", reason="typer is not installed")
pytest.importorskip("rich", reason="rich is not installed")

from terminals import answer_command
from typer.testing import CliRunner

from memorybank_core import MemoryBank, StoreWriteError, Turn
from memorybank_core.cli.app import app
from memorybank_core.errors import ConfigurationError
from memorybank_core.json_format import dump, is_export
from memorybank_core.moving import move

ENTRY = {"ann": {"name": "", "summary": {}, "history": {}, "digests": []}}


def run(*args):
    words = [str(arg) for arg in args]
    return CliRunner().invoke(app, words, env={"MEMORYBANK_EMBEDDER": "hashing"})


def refused(*args, code=1):
    result = run(*args)
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    return result.stderr


def make_bank(path):
    with MemoryBank.open(path, embedder="hashing") as bank:
        bank.add([Turn("I keep bees.", id="t1")], user_id="ann")
    return path


@pytest.fixture
def path(tmp_path):
    return make_bank(tmp_path / "friend.db")


def link(path, kind):
    """Return another name of a file."""
    other = path.with_name(f"{kind}.json")
    other.symlink_to(path) if kind == "soft" else os.link(path, other)
    return other


class TestBanks:
    @pytest.mark.parametrize("options", [(), ("--force",)])
    @pytest.mark.parametrize("kind", ["itself", "soft", "hard"])
    def test_an_export_over_its_own_bank_is_refused(self, path, kind, options):
        before = path.read_bytes()
        file = path if kind == "itself" else link(path, kind)
        assert "it is the bank itself" in refused("export", path, file, *options)
        assert path.read_bytes() == before

    @pytest.mark.parametrize("options", [(), ("--force",)])
    @pytest.mark.parametrize("kind", ["itself", "soft"])
    def test_an_export_over_another_bank_is_refused(self, path, tmp_path, kind, options):
        other = make_bank(tmp_path / "other.db")
        before = other.read_bytes()
        file = other if kind == "itself" else link(other, kind)
        assert "SQLite database" in refused("export", path, file, *options)
        assert other.read_bytes() == before

    def test_any_database_is_refused_even_a_damaged_one(self, path, tmp_path):
        other = tmp_path / "contacts.sqlite"
        with closing(sqlite3.connect(other)) as db:
            db.execute("CREATE TABLE contacts (name)")
        damaged = tmp_path / "damaged.db"
        damaged.write_bytes(b"SQLite format 3\0" + b"?" * 5000)
        short = tmp_path / "short.db"
        short.write_bytes(path.read_bytes()[:200])
        for file in (other, damaged, short):
            before = file.read_bytes()
            assert "SQLite database" in refused("export", path, file, "--force")
            assert file.read_bytes() == before

    @pytest.mark.parametrize("suffix", ["-wal", "-shm"])
    def test_the_logs_of_an_open_bank_are_refused(self, path, suffix):
        with MemoryBank.open(path) as bank:
            bank.add([Turn("I moved to Oslo.", id="t2")], user_id="ann")
            log = path.with_name(path.name + suffix)
            before = log.read_bytes()
            assert "cannot write" in refused("export", path, log, "--force")
            assert log.read_bytes() == before

    @pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
    def test_the_names_of_the_logs_of_a_closed_bank_are_refused(self, path, suffix):
        """The next opening would delete what was written there."""
        log = path.with_name(path.name + suffix)
        assert "the name of the log" in refused("export", path, log, "--force")
        assert "the name of the log" in refused("backup", path, log)
        assert not log.exists()

    def test_a_bank_that_is_still_in_its_log_is_refused(self, path, tmp_path):
        new = tmp_path / "new.db"
        new.touch()
        new.with_name("new.db-wal").write_bytes(b"x" * 100)
        assert "SQLite database" in refused("export", path, new, "--force")

    def test_the_locks_of_an_open_bank_survive_the_check(self, path, tmp_path):
        """POSIX drops all locks of a process on a file when it closes any descriptor of it."""
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreWriteError):
                dump(ENTRY, path)
            script = (
                "import sqlite3, sys\n"
                "db = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)\n"
                "db.execute('BEGIN IMMEDIATE')\n"
            )
            other = subprocess.run([sys.executable, "-c", script, path], capture_output=True)
            assert b"locked" in other.stderr

    def test_the_library_refuses_too(self, path):
        before = path.read_bytes()
        with pytest.raises(StoreWriteError, match="SQLite database"):
            dump(ENTRY, path)
        with pytest.raises(StoreWriteError, match="the bank itself"):
            dump(ENTRY, path, source=path)
        assert path.read_bytes() == before

    @pytest.mark.parametrize("kind", ["itself", "soft", "hard"])
    def test_a_move_to_itself_is_refused(self, path, kind):
        file = path if kind == "itself" else link(path, kind)
        with pytest.raises(ConfigurationError, match="is the bank itself"):
            move(path, file)
        assert "is the bank itself" in refused("move", path, file)

    def test_the_picture_of_the_demo_does_not_replace_a_bank(self, path):
        before = path.read_bytes()
        options = ("--embedder", "hashing", "--force", "--png")
        assert "SQLite database" in refused("demo", *options, path)
        assert path.read_bytes() == before

    def test_the_demo_keeps_its_bank_only_in_a_new_file(self, path):
        soft = link(path, "soft")
        assert "exists already" in refused("demo", "--keep", soft, code=2)
        path.unlink()
        assert "exists already" in refused("demo", "--keep", soft, code=2)


class TestForeignFiles:
    def test_a_foreign_file_is_kept_without_a_terminal(self, path, tmp_path):
        file = tmp_path / "notes.txt"
        for content in ("my notes", "[1]", '{"ann": {"history": {}}}', '{"a": 1}'):
            file.write_text(content)
            assert "pass --force to overwrite" in refused("export", path, file, code=2)
            assert file.read_text() == content
        assert run("export", path, file, "--force").exit_code == 0
        assert "I keep bees." in file.read_text()

    def test_an_earlier_export_and_an_empty_file_are_replaced(self, path, tmp_path):
        file = tmp_path / "out.json"
        file.touch()
        for _ in range(2):
            assert run("export", path, file).exit_code == 0
            assert is_export(file)
        dump({"": {"items": []}}, file)
        assert is_export(file)

    def test_a_picture_that_is_not_of_the_demo_is_kept(self, tmp_path):
        file = tmp_path / "cat.png"
        file.write_bytes(b"\x89PNG cat")
        assert "pass --force" in refused("demo", "--png", file, code=2)
        assert file.read_bytes() == b"\x89PNG cat"

    @pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
    def test_a_terminal_is_asked(self, path, tmp_path, answer, code):
        file = tmp_path / "notes.txt"
        file.write_text("my notes")
        exit_code, _, err = answer_command(["export", path, file], answer)
        assert exit_code == code
        assert "Overwrite it?" in err
        assert (file.read_text() == "my notes") == (answer == "n")

    def test_a_link_leads_to_the_file_that_is_replaced(self, path, tmp_path):
        (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
        for _ in range(2):
            assert run("export", path, tmp_path / "link.json").exit_code == 0
        assert json.loads((tmp_path / "real.json").read_text())
        assert (tmp_path / "link.json").is_symlink()

    @pytest.mark.parametrize("file", ["/dev/null", "/dev/full"])
    def test_a_device_is_refused(self, path, file):
        assert "not a regular file" in refused("export", path, file, "--force")

    def test_a_full_disk_leaves_the_earlier_export(self, path, tmp_path):
        file = tmp_path / "out.json"
        run("export", path, file)
        before = file.read_bytes()
        with MemoryBank.open(path) as bank:
            bank.add([Turn("word " * 20_000)], user_id="ann")
        script = (
            "import resource, sys\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
            "from memorybank_core.cli import main\n"
            "main(sys.argv[1:])\n"
        )
        words = [sys.executable, "-c", script, "export", path, file]
        result = subprocess.run(words, capture_output=True, text=True)
        assert result.returncode == 1
        assert result.stderr.startswith(f"error: cannot write {file}: File too large")
        assert result.stderr.count("\n") == 1
        assert file.read_bytes() == before
        assert sorted(p.name for p in tmp_path.iterdir()) == ["friend.db", "out.json"]


def test_a_copy_of_a_bank_under_any_name_is_a_database(path, tmp_path):
    copy = Path(shutil.copy(path, tmp_path / "memories.json"))
    assert "SQLite database" in refused("export", path, copy, "--force")
