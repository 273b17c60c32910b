"""One line and no traceback: any encoding, a closed pipe, a full disk, Ctrl-C, nothing to do."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("typer", reason="typer is not installed")
pytest.importorskip("rich", reason="rich is not installed")

from typer.testing import CliRunner

from memorybank_core import MemoryBank, Turn
from memorybank_core.cli.app import app

ENCODINGS = ("gbk", "cp1252", "latin-1", "shift_jis", "ascii", "utf-8")
TEXT = "I play 🎻 in Ærø, naïvely. 我在奥斯陆。 さくら"
PROGRAM = (sys.executable, "-m", "memorybank_core.cli")


def start(*args, encoding=None, **options):
    env = {**os.environ, "MEMORYBANK_EMBEDDER": "hashing", "COLUMNS": "100", "NO_COLOR": "1"}
    if encoding:
        env["PYTHONIOENCODING"] = encoding
    words = [*PROGRAM, *map(str, args)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(words, env=env, **streams)


def run(*args, **options):
    with start(*args, **options) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out or b"", err or b""


def failure(*args, code=1):
    words = [str(arg) for arg in args]
    result = CliRunner().invoke(app, words, env={"MEMORYBANK_EMBEDDER": "hashing"})
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("terminal") / "friend.db"
    with MemoryBank.open(path, embedder="hashing") as bank:
        turns = [
            Turn(f"{TEXT} {'word ' * 50}{i}", "How lovely! 🎻", id=f"t{i}") for i in range(300)
        ]
        bank.add(turns, user_id="小明🎻")
    return path


class TestEncodings:
    @pytest.mark.parametrize("encoding", ENCODINGS)
    def test_text_is_printed(self, path, encoding):
        code, out, err = run("timeline", path, "-u", "小明🎻", encoding=encoding)
        assert (code, err) == (0, b"")
        text = out.decode(encoding)
        assert "I play" in text
        assert ("🎻" in text) == (encoding == "utf-8")
        assert ("陆" in text) == (encoding in ("gbk", "utf-8"))
        if encoding != "utf-8":
            assert "\\U0001f3bb" in text
            assert "\\u2500" not in text  # lines and bars have signs of ASCII instead

    @pytest.mark.parametrize("encoding", ENCODINGS)
    def test_json_stays_json(self, path, encoding):
        code, out, err = run("search", path, "🎻", "-u", "小明🎻", "--json", encoding=encoding)
        assert (code, err) == (0, b"")
        results = json.loads(out.decode(encoding))["results"]
        assert results[0]["memory"]["text"].count("🎻") == 2

    @pytest.mark.parametrize("encoding", ENCODINGS)
    def test_an_error_is_printed(self, path, encoding):
        code, out, err = run("timeline", path, "-u", "李🎻雪", encoding=encoding)
        assert (code, out) == (1, b"")
        assert err.startswith(b"error: ")
        assert err.count(b"\n") == 1

    def test_help_is_printed(self):
        code, out, err = run("--help", encoding="ascii")
        assert (code, err) == (0, b"")
        assert b"export" in out


class TestStreams:
    @pytest.mark.parametrize("json_option", [(), ("--json",)])
    def test_a_closed_pipe_ends_the_command_quietly(self, path, json_option):
        process = start("timeline", path, "-u", "小明🎻", *json_option)
        process.stdout.readline()
        process.stdout.close()
        with process.stderr:
            assert process.stderr.read() == b""
        assert process.wait(timeout=60) in (0, 1)

    def test_a_short_output_into_a_closed_pipe(self, path):
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb") as closed:
            code, _, err = run("stats", path, "--json", stdout=closed)
        assert (code, err) == (1, b"")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
    @pytest.mark.parametrize("command", [("stats",), ("stats", "--json"), ("timeline",)])
    def test_a_full_disk_is_one_line(self, path, command):
        user = ("-u", "小明🎻") if command[0] == "timeline" else ()
        with Path("/dev/full").open("wb") as full:
            code, _, err = run(command[0], path, *command[1:], *user, stdout=full)
        assert code == 1
        assert err == b"error: cannot read or write: No space left on device\n"

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
    def test_an_error_with_nowhere_to_print_it(self, path):
        with Path("/dev/full").open("wb") as full:
            code, _, _ = run("stats", f"{path}x", stderr=full)
        assert code == 1

    def test_an_unexpected_error_is_one_line(self, path, monkeypatch):
        monkeypatch.setattr(MemoryBank, "stats", lambda *_, **__: 1 // 0)
        message = failure("stats", path)
        assert "unexpected ZeroDivisionError" in message
        monkeypatch.setenv("MEMORYBANK_TRACEBACK", "1")
        result = CliRunner().invoke(app, ["stats", str(path)])
        assert isinstance(result.exception, ZeroDivisionError)


def test_ctrl_c_ends_with_130_and_one_line(tmp_path):
    """The import waits for a pipe into which nobody writes."""
    fifo = tmp_path / "memory.json"
    os.mkfifo(fifo)
    with start("import", tmp_path / "new.db", fifo) as process, fifo.open("wb"):
        time.sleep(0.3)  # both ends are open now: the command reads
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"error: stopped\n")
    assert not (tmp_path / "new.db").exists()


class TestNothingNew:
    """A failed command leaves no new, empty bank."""

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("", "-u", "u"), "empty"),
            (("Tea.", "-u", " "), "user_id"),
            (("Tea.", "-u", "u", "--metadata", '{"": 1}'), "key"),
            (("Tea.", "-u", "u", "--timezone", "Mars"), "Mars"),
            (("Tea.", "-u", "u", "--embedder", "nope"), "nope"),
        ],
    )
    def test_add(self, tmp_path, options, message):
        assert message in failure("add", tmp_path / "new.db", *options)
        assert list(tmp_path.iterdir()) == []

    def test_import(self, tmp_path):
        (tmp_path / "bad.json").write_text('{"u": {"history": {"x": []}}}')
        failure("import", tmp_path / "new.db", tmp_path / "bad.json")
        assert [file.name for file in tmp_path.iterdir()] == ["bad.json"]

    def test_a_bank_that_was_there_or_has_a_user_stays(self, tmp_path, monkeypatch):
        empty = tmp_path / "empty.db"
        MemoryBank.open(empty, embedder="hashing").close()
        failure("add", empty, "", "-u", "u")
        assert empty.exists()
        new = tmp_path / "new.db"

        def add_elsewhere(bank, *args, **options):
            bank.set_profile({}, user_id="other")
            raise ValueError

        monkeypatch.setattr(MemoryBank, "add", add_elsewhere)
        failure("add", new, "Tea.", "-u", "u")
        assert new.exists()

    def test_a_bank_that_another_process_has_open_stays(self, tmp_path, monkeypatch):
        new, others = tmp_path / "new.db", []

        def open_elsewhere(*args, **options):
            others.append(MemoryBank.open(new))
            raise ValueError

        monkeypatch.setattr(MemoryBank, "add", open_elsewhere)
        failure("add", new, "Tea.", "-u", "u")
        monkeypatch.undo()
        with others[0] as bank:
            bank.add([Turn("Tea.")], user_id="u")
        assert new.exists()


class TestNothingFound:
    @pytest.fixture
    def bank(self, tmp_path):
        path = tmp_path / "friend.db"
        with MemoryBank.open(path, embedder="hashing") as bank:
            bank.add([Turn("I keep bees.", id="t1"), Turn("Tea.", id="t2")], user_id="u")
        return path

    @pytest.mark.parametrize("json_option", [(), ("--json",)])
    def test_delete_of_an_unknown_id(self, bank, json_option):
        message = failure("delete", bank, "-u", "u", "--id", "no", "--yes", *json_option)
        assert "no memory of the user 'u' has the id no" in message

    def test_delete_of_some_unknown_ids_erases_the_others(self, bank):
        words = ["delete", str(bank), "-u", "u", "--id", "t1", "--id", "no", "--yes"]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 1
        assert "erased for u:\n  memories         1\n" in result.stdout
        assert "has the id no" in result.stderr
        with MemoryBank.open(bank) as opened:
            assert list(opened.get(["t1", "t2"], user_id="u")) == ["t2"]

    def test_delete_of_an_empty_day_or_an_unknown_user(self, bank):
        assert "no memory of 2001-01-01" in failure(
            "delete", bank, "-u", "u", "--day", "2001-01-01", "--yes"
        )
        for user in ("nobody", "U"):
            message = failure("delete", bank, "-u", user, "--all", "--yes")
            assert f"nothing is stored of the user {user!r}" in message

    def test_delete_of_a_profile_only(self, bank):
        with MemoryBank.open(bank) as opened:
            opened.set_profile({"name": "Ann"}, user_id="ann")
        result = CliRunner().invoke(app, ["delete", str(bank), "-u", "ann", "--all", "--yes"])
        assert result.exit_code == 0

    @pytest.mark.parametrize("command", ["restore", "pin", "unpin"])
    def test_other_commands_with_an_unknown_id_change_nothing(self, bank, command):
        with MemoryBank.open(bank) as opened:
            before = opened.timeline(user_id="u")
        assert "has the id no" in failure(command, bank, "t1", "no", "-u", "u")
        with MemoryBank.open(bank) as opened:
            assert opened.timeline(user_id="u") == before
