"""Doctor on a file: damage a bank in each way, and see the finding and the repair."""

import json
import os
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from findings import problems

from memorybank_core import HashingEmbedder, MemoryBank, Turn
from memorybank_core.doctor.users import fold_user_id
from memorybank_core.records import Change

NOW = datetime(2025, 5, 9, 12, tzinfo=timezone.utc)
SAID = [
    "My sister Nora plays the cello.",
    "The cat is called Miso.",
    "I moved to Lisbon in spring.",
    "我妹妹在学大提琴。",
    "I have a dentist appointment on Friday.",
    "我住在上海。",
]


@pytest.fixture
def path(folder):
    path = folder / "bank.db"
    with MemoryBank.open(path, embedder="hashing") as bank:
        for user in ("lin", "林"):
            bank.add(
                [Turn(text, "Yes.", NOW, id=f"t{n}") for n, text in enumerate(SAID)], user_id=user
            )
            bank.summarize(user_id=user, now=NOW)
    return path


def dump(path):
    """Return what is stored, without the users' versions and the lineage."""
    with closing(sqlite3.connect(path)) as db:
        lines = list(db.iterdump())
    return [line for line in lines if "users" not in line and "'lineage'" not in line]


def damage(path, *statements):
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(*statement) if isinstance(statement, tuple) else db.execute(statement)


def check(path, **options):
    with MemoryBank.open(path, embedder="hashing") as bank:
        return bank.check(now=NOW, **options)


def test_a_sound_bank_has_one_ok_of_each_check(path):
    report = check(path)
    assert report.ok
    assert problems(report) == []
    assert [finding.check for finding in report.findings] == [
        "integrity", "schema", "leftovers", "disk", "permissions", "write",
        "embedder", "users", "rows", "dates", "index", "search", "digests",
    ]  # fmt: skip
    assert report.to_dict()["ok"] is True
    assert report.to_dict()["findings"][0]["check"] == "integrity"


ROW = "WHERE user_key = 1 AND id = 't2'"
NAN = np.full(256, np.nan, np.float32).tobytes()
UNREADABLE = {
    f"UPDATE memories SET query = CAST(x'ff41' AS TEXT) {ROW}": "text that is not UTF-8",
    f"UPDATE memories SET kind = 'dream' {ROW}": "an unknown kind",
    f"UPDATE memories SET day = '2025-13-45' {ROW}": "a day that is not in the calendar",
    f"UPDATE memories SET created_at = 9e18 {ROW}": "a time that is not in the calendar",
    f"UPDATE memories SET metadata = '{{x' {ROW}": "metadata that are not a JSON object",
    f"UPDATE memories SET strength = -1 {ROW}": "a strength that is not a positive number",
}


@pytest.mark.parametrize(("statement", "fault"), UNREADABLE.items())
def test_damaged_rows_are_listed_and_not_deleted(path, statement, fault):
    damage(path, statement)
    report = check(path, repair=True)
    [finding] = problems(report, "rows")
    assert fault in finding.message
    assert (finding.user_id, finding.ids) == ("lin", ("t2",))
    assert not finding.repairable
    assert not report.ok
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM memories WHERE kind <> 'event'").fetchone() == (12,)


OF_VECTOR = "WHERE user_key = 1 AND seq = 3"
REBUILT = {
    f"DELETE FROM vectors {OF_VECTOR}": "no vector",
    f"UPDATE vectors SET vector = x'0000' {OF_VECTOR}": "a vector of the wrong length",
    f"UPDATE vectors SET vector = x'{NAN.hex()}' {OF_VECTOR}": "values that are not finite",
    f"UPDATE vectors SET vector = zeroblob(1024) {OF_VECTOR}": "not of unit length",
    f"UPDATE memories SET terms = x'' {ROW}": "terms that are not those of the text",
}


@pytest.mark.parametrize(("statement", "fault"), REBUILT.items())
def test_what_is_made_from_the_text_is_repaired(path, statement, fault):
    before = dump(path)
    damage(path, statement)
    [finding] = problems(check(path), "rows")
    assert fault in finding.message
    assert finding.ids == ("t2",)
    assert finding.repairable
    report = check(path, repair=True)
    assert problems(report) == []
    assert report.repaired
    assert dump(path) == before


def test_a_repair_keeps_changes_and_recalls(path):
    with MemoryBank.open(path, embedder="hashing") as bank:
        bank.reinforce(["t2"], user_id="lin", now=NOW)
        bank.store.record_changes("lin", [Change("t2", "t1", "model", NOW)])
    damage(path, f"DELETE FROM vectors {OF_VECTOR}")
    assert check(path, repair=True).ok
    with MemoryBank.open(path, embedder="hashing") as bank:
        assert bank.recalls("t2", user_id="lin") == [NOW]
        assert [change.newer for change in bank.changes(user_id="lin")] == ["t2"]


def test_rows_without_a_memory_are_removed_by_a_repair(path):
    damage(
        path,
        "INSERT INTO recalls VALUES (1, 99, 1, 0, NULL)",
        "INSERT INTO vectors VALUES (1, 98, x'00')",
        "INSERT INTO replacements VALUES (1, 1, 97, 'm', 0)",
    )
    [finding] = problems(check(path))
    assert finding.check == "leftovers"
    assert "1 of vectors, 1 of recalls, 1 of replacements" in finding.message
    report = check(path, repair=True)
    assert problems(report) == []
    assert len(report.repaired) == 3


def test_an_index_that_missed_a_write_is_built_again(path):
    with MemoryBank.open(path, embedder="hashing") as bank:
        bank.search("cello", user_id="lin", now=NOW)
        damage(path, "DELETE FROM memories WHERE user_key = 1 AND id IN ('t1', 't2', 't3')")
        [finding] = problems(bank.check(now=NOW), "index")
        assert finding.user_id == "lin"
        assert problems(bank.check(now=NOW, repair=True), "index", "search") == []


def test_a_missing_index_of_the_file_is_created_by_a_repair(path):
    damage(path, "DROP INDEX memories_by_time")
    [finding] = problems(check(path), "schema")
    assert "memories_by_time" in finding.message
    assert "the index memories_by_time" in check(path, repair=True).repaired
    assert problems(check(path)) == []


def test_a_damaged_page_is_found(path):
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size - 8192)
        file.write(os.urandom(8192))
    with MemoryBank.open(path, embedder="hashing") as bank:
        [finding] = problems(bank.check(now=NOW), "integrity")
    assert finding.severity == "error"


def test_stale_digests_future_dates_and_near_equal_users(path):
    with MemoryBank.open(path, embedder="hashing") as bank:
        for user in ("Lin", " lin", "ｌｉｎ"):
            bank.add([Turn("Hello.", at=NOW + timedelta(days=2), id="f")], user_id=user)
        report = bank.check(now=NOW)
    assert report.ok
    assert {finding.user_id for finding in problems(report, "digests")} == {"Lin", " lin", "ｌｉｎ"}
    assert all(finding.ids == ("f",) for finding in problems(report, "dates"))
    assert len(problems(report, "dates")) == 3
    [finding] = problems(report, "users")
    assert "' lin', 'Lin', 'lin', 'ｌｉｎ'" in finding.message


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ada", "ada"), ("ada ", "ada"), ("a b", "a  b"), ("é", "e\u0301"), ("Straße", "STRASSE")],
)
def test_near_equal_ids_fold_to_one(one, other):
    assert fold_user_id(one) == fold_user_id(other)


def test_a_file_that_others_may_read_is_listed(path):
    if os.name != "posix":
        pytest.skip("permissions are those of POSIX")
    path.chmod(0o644)
    [finding] = problems(check(path))
    assert (finding.check, finding.severity) == ("permissions", "warning")
    assert f"chmod 600 {path}" in finding.advice


def test_a_model_that_returns_other_vectors_is_an_error(path):
    class Other(HashingEmbedder):
        def embed_query(self, text):
            return np.roll(super().embed_query(text), 1)

    with MemoryBank.open(path, embedder="hashing") as bank:
        bank._embedder = Other()
        [finding] = problems(bank.check(now=NOW))
    assert (finding.check, finding.severity) == ("embedder", "error")


def test_a_bank_opened_for_reading_only_is_checked(path):
    with MemoryBank.open(path, embedder="hashing", readonly=True) as bank:
        report = bank.check(now=NOW)
    [finding] = problems(report)
    assert report.ok
    assert (finding.check, finding.severity) == ("write", "warning")


def test_a_locked_file_is_a_warning(path):
    with (
        MemoryBank.open(path, embedder="hashing", busy_timeout=0.1) as bank,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        [finding] = problems(bank.check(now=NOW))
    assert (finding.check, finding.severity) == ("write", "warning")


@pytest.fixture
def invoke():
    pytest.importorskip("typer", reason="typer is not installed")
    from typer.testing import CliRunner

    from memorybank_core.cli.app import app

    return lambda *arguments: CliRunner().invoke(app, ["doctor", *map(str, arguments)])


def test_the_exit_status_of_the_command_says_whether_there_are_errors(path, invoke):
    assert invoke(path).exit_code == 0
    damage(path, f"DELETE FROM vectors {OF_VECTOR}")
    broken = invoke(path)
    assert broken.exit_code == 1
    assert "with no vector: t2" in broken.output
    assert json.loads(invoke(path, "--json").output)["ok"] is False
    assert invoke(path, "--repair").exit_code == 0


def test_the_command_reports_a_file_that_cannot_be_opened(path, invoke):
    path.write_bytes(path.read_bytes()[:3000])
    done = invoke(path)
    assert done.exit_code == 1
    assert "ERROR    open" in done.output
    assert invoke().exit_code == 2
