"""`memorybank import` of other programs' exports."""

import gzip
import json
import zipfile

import pytest

pytest.importorskip("typer", reason="typer is not installed")

from typer.testing import CliRunner

from memorybank_core import MemoryBank
from memorybank_core.cli.app import app
from memorybank_core.demo.story import DATA

PLAIN = {"COLUMNS": "100", "NO_COLOR": "1", "FORCE_COLOR": None, "MEMORYBANK_EMBEDDER": None}


def run(*args, code=0):
    result = CliRunner().invoke(app, [str(arg) for arg in args], env=PLAIN)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def log(tmp_path):
    entries = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "My sister plays the cello.", "time": "2024-05-04T18:30Z"},
        {"role": "assistant", "content": "How lovely!"},
        {"role": "user", "content": "Good night.", "time": "2024-05-06T18:30Z"},
    ]
    path = tmp_path / "chat.jsonl"
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries) + "broken\n")
    return path


def test_a_dry_run_says_what_would_come_and_creates_no_bank(log, tmp_path):
    output = run("import", tmp_path / "new.db", log, "--user", "ada", "--dry-run").stdout
    assert output == (
        "would import from jsonl, 1 user: 2 turns, 2024-05-04 to 2024-05-06\n"
        "left out: 1 system messages, 1 unreadable entries\n"
        f"cannot read {log}, entry 5: it is not valid JSON: Expecting value\n"
    )
    assert sorted(tmp_path.iterdir()) == [log]


def test_import_and_again(log, tmp_path):
    path = tmp_path / "new.db"
    output = run("import", path, log, "-u", "ada", "--embedder", "hashing").stdout
    assert output.startswith("imported from jsonl, 1 user: 2 turns, 2024-05-04 to 2024-05-06\n")
    assert "\n2 memories faded long ago: the next forget would archive them" in output
    again = run("import", path, log, "-u", "ada", "--from", "jsonl").stdout
    assert again.startswith("imported from jsonl, 1 user: 0 turns, 2 already known, 2024")
    report = json.loads(run("import", path, log, "-u", "ada", "--dry-run", "--json").stdout)
    assert (report["added"], report["unchanged"], report["users"]) == (0, 2, ["ada"])


def test_options_reach_the_turns(tmp_path):
    path, log = tmp_path / "new.db", tmp_path / "a.jsonl"
    log.write_text('{"role": "user", "content": "Hi"}')
    options = (
        "--at",
        "2024-05-04",
        "--metadata",
        "agent=coder",
        "--fresh",
        "--embedder",
        "hashing",
    )
    output = run("import", path, log, "-u", "ada", *options).stdout
    assert output.endswith("1 turn without a time got that of the file, or --at\n")
    with MemoryBank.open(path) as bank:
        (memory,) = bank.timeline(user_id="ada")
    assert (str(memory.created_at), memory.metadata) == (
        "2024-05-04 12:00:00+00:00",
        {"agent": "coder"},
    )
    assert memory.last_recalled_at is not None


def test_a_dry_run_of_the_original_s_json(tmp_path):
    path, file = tmp_path / "new.db", DATA / "dialogues_zh.json"
    assert run("import", path, file, "--dry-run").stdout == "would import 1 user: 84 turns\n"
    assert not path.exists()
    run("import", path, file, "--embedder", "hashing", "--from", "memorybank")
    output = run("import", path, file, "--dry-run").stdout
    assert output == "would import 1 user: 0 turns, 84 already known\n"


@pytest.mark.parametrize("packing", ["zip", "gz"])
def test_a_packed_export_of_a_bank(tmp_path, packing):
    file, data = tmp_path / f"export.{packing}", (DATA / "dialogues_zh.json").read_bytes()
    if packing == "gz":
        file.write_bytes(gzip.compress(data))
    else:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("export/friend.json", data)
    output = run("import", tmp_path / "new.db", file, "--dry-run").stdout
    assert output == "would import 1 user: 84 turns\n"


def test_options_that_an_export_of_a_bank_does_not_take(tmp_path):
    for option in (("--select", "x"), ("--metadata", "a=b"), ("--at", "2024-05-04")):
        args = ("import", tmp_path / "new.db", DATA / "dialogues_zh.json", *option)
        error = run(*args, "--embedder", "hashing", code=2).stderr
        assert "choose users with --user" in " ".join(error.replace("│", " ").split())
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ((), 1, "whose memories"),
        (("-u", "ada", "--from", "langgraph"), 1, "leave out --from"),
        (("-u", "ada", "-u", "bob"), 2, "pass --user once"),
        (("-u", "ada", "--from", "whatsapp"), 1, "mem0, memorybank"),
        (("-u", "ada", "--at", "2024-05-04T10:00"), 2, "has no offset"),
    ],
)
def test_errors_are_clear_and_create_no_bank(log, tmp_path, args, code, message):
    result = run("import", tmp_path / "new.db", log, *args, "--embedder", "hashing", code=code)
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert not (tmp_path / "new.db").exists()


def test_export_to_lines_and_markdown(log, tmp_path):
    path, file = tmp_path / "new.db", tmp_path / "out.jsonl"
    run("import", path, log, "-u", "ada", "--embedder", "hashing")
    output = run("export", path, file, "--to", "jsonl").stdout
    assert output == f"exported 1 user, 2 turns to {file}\n"
    assert run("export", path, file, "--to", "jsonl", "--user", "ada").exit_code == 0
    assert len(file.read_text().splitlines()) == 3
    assert "2 already known" in run("import", path, file).stdout
    printed = run("export", path, "-", "--to", "markdown", "--language", "zh").stdout
    assert printed.startswith("<!-- memorybank -->\n\n# ada 的记忆\n\n## 2024年5月4日 星期六\n")
    run("export", path, file, "--to", "markdown", code=2)  # a file that this command did not write
    page = tmp_path / "out.md"
    for _ in range(2):
        report = json.loads(run("export", path, page, "--to", "markdown", "--json").stdout)
        assert report == {"file": str(page), "users": 1, "turns": 2}
    assert "> My sister plays the cello." in page.read_text()
