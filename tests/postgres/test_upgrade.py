"""The upgrade of a bank of schema 1: nothing is lost, whatever happens in the meantime."""

import re
import tempfile

import numpy as np
import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")
pytest.importorskip("pgvector", reason="pgvector, which schema 1 needs, is not installed")

pytest.importorskip("typer", reason="typer is not installed")

import schema_1
from interruption import is_killed, run_in_small_steps
from postgres_servers import connect
from schema_1 import ADA, EMPTY, LARGE, ODD, Embedder
from typer.testing import CliRunner

from memorybank_core import MemoryBank, SchemaTooOldError, StoreError
from memorybank_core.cli.app import app
from memorybank_core.errors import StoreBusyError
from memorybank_core.ingest import embed_windows
from memorybank_core.json_format.items import BANK_KEY
from memorybank_core.stores.index.batch import to_batch
from memorybank_core.stores.postgres import (
    Layout,
    connections,
    count_to_upgrade,
    init,
    migration_1_to_2,
    packing_1_to_2,
    upgrade,
)
from memorybank_core.stores.postgres.characters import escape, unescape
from memorybank_core.stores.postgres.page_rows import PAGE_COLUMNS, read_pages
from memorybank_core.stores.postgres.pages import unpack

HAS_PGVECTOR = "SELECT true FROM pg_available_extensions WHERE name = 'vector'"
SCHEMA = "SELECT value FROM memorybank.meta WHERE name = 'schema'"
ALL_ROWS = "SET memorybank_session.scope = 'all'"


@pytest.fixture(params=["partitions", "whole", "row_security"])
def each_url(request, postgres):
    """The URL of a bank of schema 1, with each layout."""
    yield from create_bank(postgres, request.param)


@pytest.fixture
def url(postgres):
    """The URL of a bank of schema 1, with partitions and row-level security."""
    yield from create_bank(postgres, "row_security")


def create_bank(postgres, layout):
    with postgres.connect() as db:
        if not db.execute(HAS_PGVECTOR).fetchone():
            pytest.skip("the server has no pgvector, which schema 1 needs")
    url = postgres.new()
    schema_1.create(url, layout)
    yield url
    postgres.drop(url)


def open_bank(url):
    return MemoryBank.open(url, embedder=Embedder())


def upgrade_in_small_steps(url, monkeypatch, between):
    """Upgrade in many small transactions, with an interruption after each."""
    monkeypatch.setattr(packing_1_to_2, "_BATCH", 64)
    monkeypatch.setattr(packing_1_to_2, "_MAX_USERS", 2)
    monkeypatch.setattr(
        migration_1_to_2, "_UNNUMBERED", migration_1_to_2._UNNUMBERED.replace("4096", "1")
    )
    return run_in_small_steps(monkeypatch, lambda: upgrade(url), between)


NEW_FIELDS = {"recalled_by", BANK_KEY}
"""Fields of an export that are newer than schema 1; the last one holds the items."""


def without_new_fields(value):
    """Return an export as it was when schema 1 was current."""
    if isinstance(value, dict):
        known = value.keys() - NEW_FIELDS
        return {key: without_new_fields(value[key]) for key in value if key in known}
    return [without_new_fields(item) for item in value] if isinstance(value, list) else value


def assert_same(bank, expected):
    """Assert that a bank has what the bank of schema 1 had, and finds what a file with it finds."""
    found = schema_1.describe(bank)
    assert without_new_fields(found["export"]) == expected["export"]
    assert found["items"] == expected["items"]
    assert found["users"].keys() == expected["users"].keys()
    with tempfile.TemporaryDirectory() as folder, open_bank(f"{folder}/bank.db") as copy:
        for user, answers in expected["users"].items():
            copy.store.put(user, bank.store.scan(user, limit=9999))
            searches = found["users"][user].pop("found")
            in_file = schema_1.describe_user(copy, user)["found"]
            for results, same in zip(searches, in_file, strict=True):
                assert [id for id, _ in results] == [id for id, _ in same]
                scores = [score for _, score in same]
                assert [score for _, score in results] == pytest.approx(scores, abs=2e-4)
            assert found["users"][user] == {k: v for k, v in answers.items() if k != "found"}


def read_names(batch, codes, names):
    names = [*getattr(batch, names), None]
    return [names[code] for code in getattr(batch, codes)]


def assert_consistent(url):
    """Assert that pages and states have exactly the memories; return the ids of each user."""
    with open_bank(url) as bank, connect(url) as db:
        db.execute(ALL_ROWS)
        users = list(bank.users())
        for table in ("pages", "states"):
            owners = db.execute(f"SELECT DISTINCT user_id FROM memorybank.{table}").fetchall()
            assert {unescape(user) for (user,) in owners} <= set(users)
        ids = {}
        for user in users:
            stored = bank.store.scan(user, limit=9999)
            ids[user] = [item.memory.id for item in stored]
            memories = [item.memory for item in stored]
            texts = [memory.text for memory in memories]
            vectors = embed_windows(texts, Embedder()) if texts else []
            rows = db.execute(
                f"SELECT {PAGE_COLUMNS} FROM memorybank.pages WHERE user_id = %s "
                "ORDER BY first_seq",
                (escape(user),),
            ).fetchall()
            if not stored:
                assert not rows
                continue
            packed = unpack(read_pages(rows))
            expected = to_batch(memories, vectors, [item.key for item in stored])
            for name in (
                "key",
                "created",
                "day",
                "asks",
                "flags",
                "windows",
                "terms",
                "postings",
                "vectors",
            ):
                assert np.array_equal(getattr(packed, name), getattr(expected, name)), name
            for codes, names in (("session", "sessions"), ("speaker", "speakers")):
                assert read_names(packed, codes, names) == read_names(expected, codes, names)
    return ids


def test_everything_is_as_before(each_url):
    seen = []
    with pytest.raises(SchemaTooOldError, match="memorybank db upgrade"):
        open_bank(each_url)
    total = count_to_upgrade(each_url)
    assert upgrade(each_url, progress=seen.append) == (1, 3)
    assert sum(len(ids) for ids in assert_consistent(each_url).values()) == total == sum(seen)
    assert count_to_upgrade(each_url) == 0
    with open_bank(each_url) as bank:
        assert_same(bank, schema_1.load_data()["answers"])
        ids = [f"new {number}" for number in range(3)]
        turns = [schema_1.Turn(f"{id} tea", at=schema_1.MONDAY, id=id) for id in ids]
        bank.add(turns, user_id=ADA)
        assert {result.memory.id for result in bank.search("new tea", user_id=ADA)} >= set(ids)
    assert upgrade(each_url) == (3, 3)


def describe_tables(url):
    """Return columns, indexes and policies of the tables of a bank."""
    with connect(url) as db:
        return [
            sorted(db.execute(text).fetchall())
            for text in (
                "SELECT table_name, column_name, data_type, is_nullable, column_default, "
                "collation_name FROM information_schema.columns "
                "WHERE table_schema = 'memorybank'",
                "SELECT tablename, indexname, indexdef FROM pg_indexes "
                "WHERE schemaname = 'memorybank' AND tablename !~ '_[0-9]'",
                "SELECT tablename, policyname, qual FROM pg_policies "
                "WHERE schemaname = 'memorybank'",
                "SELECT relname, attname, attstorage FROM pg_class JOIN pg_attribute "
                "ON attrelid = pg_class.oid WHERE relnamespace = 'memorybank'::regnamespace "
                "AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped",
                "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class "
                "WHERE relnamespace = 'memorybank'::regnamespace AND relkind IN ('r', 'p')",
                "SELECT inhparent::regclass::text, inhrelid::regclass::text FROM pg_inherits "
                "WHERE inhparent::regclass::text ~ '^memorybank.[a-z]+$'",
                "SELECT name FROM memorybank.meta",
            )
        ]


def test_the_tables_are_those_of_a_new_bank(each_url, postgres):
    upgrade(each_url)
    with connect(each_url) as db:
        rows = dict(db.execute("SELECT name, value FROM memorybank.meta").fetchall())
    new = postgres.new()
    layout = Layout(
        "noisy", 16, int(rows["partitions"]), row_security=rows["walls"].lower() == "true"
    )
    init(new, layout)
    assert describe_tables(each_url) == describe_tables(new)
    postgres.drop(new)


def test_a_run_that_was_killed_can_be_continued(url, monkeypatch):
    left = []
    steps = upgrade_in_small_steps(url, monkeypatch, lambda _: left.append(count_to_upgrade(url)))
    assert steps > 5
    assert left == sorted(left, reverse=True)
    assert left[-1] < left[0]
    assert_consistent(url)
    with open_bank(url) as bank:
        assert_same(bank, schema_1.load_data()["answers"])


def test_the_command_shows_the_result(url):
    done = CliRunner().invoke(app, ["db", "upgrade", url])
    assert done.exit_code == 0, done.output
    assert "upgraded from 1 to 3" in done.output
    assert "up to date" in CliRunner().invoke(app, ["db", "upgrade", url]).output


@pytest.mark.filterwarnings("ignore:.*days of another time zone:memorybank_core.SettingsWarning")
def test_writes_in_the_meantime_are_kept(url, monkeypatch):
    """In each gap between transactions every user is written to, by the statements of schema 1."""
    expected = {}

    def write(limit):
        with connect(url, autocommit=True) as db:
            db.execute(ALL_ROWS)
            if db.execute(SCHEMA).fetchone() != ("1",):
                return  # from here on, processes with schema 1 cannot write
            expected["writes"] = limit
            new = [(f"new {limit} {n}", f"tea {limit} {n}") for n in range(2)]
            schema_1.write(db, LARGE, add=new, replace=[(f"t{limit + 9}", f"rain {limit}")])
            schema_1.write(db, LARGE, delete=[f"t{100 + limit}"], recall=[f"t{limit + 50}"])
            schema_1.write(db, escape(ODD), recall=[escape("t11 'é\x1a\0")])
            schema_1.write(db, f"another {limit}", add=new)
            schema_1.delete_user(db, f"another {limit - 1}")
            schema_1.delete_user(db, "user 1")
            schema_1.write(db, "user 1", add=new)
            if limit == 3:
                schema_1.delete_user(db, "user 2")
            db.execute(
                "INSERT INTO memorybank.items (root, path, key, value, created_at, updated_at) "
                "VALUES ('late', '/late/', %s, '{}', 0, 0)",
                (f"k{limit}",),
            )
            expected["last"] = [id for id, _ in new]
            expected[LARGE] = [*expected.get(LARGE, []), *expected["last"]]

    upgrade_in_small_steps(url, monkeypatch, between=write)
    last = expected["writes"] + 1
    assert last > 5
    ids = assert_consistent(url)
    assert ids["user 1"] == ids[f"another {last - 1}"] == expected["last"]
    assert "user 2" not in ids
    assert f"another {last - 2}" not in ids
    kept = [f"t{n}" for n in range(150) if not 100 < n < 100 + last]
    assert ids[LARGE] == [*kept, *expected[LARGE]]
    with open_bank(url) as bank:
        items = bank.store.items.search(("late",), schema_1.MONDAY, limit=99)
        assert {item.key for item, _ in items} == {f"k{limit}" for limit in range(1, last)}
        memories = {memory.id: memory for memory in bank.timeline(user_id=LARGE, archived=True)}
        for limit in range(1, last):
            assert memories[f"t{limit + 9}"].turn.query == f"rain {limit}"
            assert memories[f"t{limit + 50}"].strength == 2


def test_vectors_written_again_by_another_embedder_are_packed_again(url, monkeypatch):
    assert is_killed(monkeypatch, 6, lambda: upgrade(url))
    with connect(url) as db:
        db.execute(ALL_ROWS)
        db.execute("UPDATE memorybank.vectors SET vector = '[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]'")
        db.execute("UPDATE memorybank.meta SET value = 'other' WHERE name = 'embedder'")
    upgrade(url)
    other = Embedder()
    other.name = "other"
    with MemoryBank.open(url, embedder=other) as bank:
        for stored in bank.store.scan(LARGE, limit=999):
            assert stored.vectors[:, 0].tolist() == [1] * len(stored.vectors)


def test_the_grants_of_the_application_apply_to_the_new_tables(each_url):
    with connect(each_url) as db:
        db.execute("DROP ROLE IF EXISTS limited")
        db.execute("CREATE ROLE limited LOGIN")
        db.execute("GRANT USAGE ON SCHEMA memorybank TO limited")
        db.execute(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA memorybank TO limited"
        )
    limited = re.sub("//[^/]*@", "//limited@", each_url)
    with pytest.raises(StoreError, match="owner"):
        upgrade(limited)
    upgrade(each_url)
    with open_bank(limited) as bank:
        assert_same(bank, schema_1.load_data()["answers"])
        bank.add([schema_1.Turn("tea", at=schema_1.MONDAY)], user_id=EMPTY)
        bank.reinforce(bank.search("tea", user_id=EMPTY), user_id=EMPTY)
        bank.delete(user_id=EMPTY)
    with connect(each_url) as db:
        db.execute("DROP OWNED BY limited")
        db.execute("DROP ROLE limited")


def test_a_transaction_that_holds_the_tables_delays_the_last_step_only(url, monkeypatch):
    monkeypatch.setattr(migration_1_to_2, "LOCK_ATTEMPTS", 1)
    monkeypatch.setattr(
        migration_1_to_2,
        "SET_LOCK_TIMEOUT",
        connections.Statement("SET LOCAL lock_timeout = '50ms'"),
    )
    with connect(url) as db:
        db.execute("SELECT count(*) FROM memorybank.memories")
        with pytest.raises(StoreBusyError):
            upgrade(url)
    assert upgrade(url) == (1, 3)
