"""Banks in PostgreSQL: URLs, tables, commands, change of the embedder, and moves."""

import json
import re
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime, timedelta, timezone

import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")
pytest.importorskip("typer", reason="typer is not installed")

from postgres_servers import connect, in_schema
from typer.testing import CliRunner

import memorybank_core.stores
from memorybank_core import (
    Change,
    ConfigurationError,
    EmbedderError,
    EmbedderMismatchError,
    HashingEmbedder,
    MemoryBank,
    NotABankError,
    SchemaTooNewError,
    StoreError,
    Turn,
)
from memorybank_core.cli.app import app
from memorybank_core.json_format import export_json
from memorybank_core.locations import without_password
from memorybank_core.moving import move
from memorybank_core.stores.postgres import Layout, PostgresStore, init, schema, upgrade
from memorybank_core.stores.postgres.address import parse_address
from memorybank_core.stores.reembed import reembed
from memorybank_core.testing.examples import ADA, ALL, EAST, NOON, ids, turn
from memorybank_core.testing.items import item

MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)


def run(*arguments, code=0):
    """Run a command and return its output, or its errors if it fails."""
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == code, done.output + done.stderr
    return done.output if code == 0 else done.stderr


def fill(location, users=("ada", "bob"), count=40):
    """Store data of every kind in a bank; return its location."""
    with MemoryBank.open(location, embedder="hashing") as bank:
        for user in users:
            turns = [
                Turn(f"{user} fact {n} 茶\0", "yes " * n, MONDAY + timedelta(hours=n), f"t{n}")
                for n in range(count)
            ]
            bank.add(turns, user_id=user)
            results = bank.search("fact 7", user_id=user, now=MONDAY, k=3)
            bank.reinforce(results, user_id=user, now=MONDAY + timedelta(days=2), turn="turn")
            bank.pin(["t3"], user_id=user)
            bank.forget(user_id=user, now=MONDAY + timedelta(days=90))
            bank.set_profile({"name": user}, user_id=user)
            bank.summarize(user_id=user)
            changes = [Change("t39", older, "m", NOON) for older in (None, "t37", "t38")]
            bank.store.record_changes(user, changes)
            bank.store.items.write(
                [item(f"{user} k", value='"v"'), item(f"{user} x/~ k", ttl=1e9)],
                [None, None],
                [],
                NOON,
            )
    return location


def export_bank(location):
    with MemoryBank.open(location) as bank:
        return export_json(bank)


# The URL


def test_a_password_is_shown_nowhere(postgres):
    url = postgres.new().replace("postgres@", "postgres:s3cret@")
    with closing(PostgresStore(url, embedder="by-hand", dimension=3)) as store:
        assert "s3cret" not in store.path
        assert "s3cret" not in repr(parse_address(url))
        with pytest.raises(EmbedderMismatchError) as caught:
            PostgresStore(url, embedder="another", dimension=3)
        assert "s3cret" not in str(caught.value)
    assert "s3cret" not in run("stats", url.replace("bank", "none"), code=1)
    away = "postgresql://me:s3cret@127.0.0.1:1/x?sslpassword=s3cret&connect_timeout=2"
    assert without_password(away) == "postgresql://me@127.0.0.1:1/x?connect_timeout=2"
    assert "s3cret" not in run("stats", away, code=1)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://h/d?schema=a b",
        "postgresql://h/d?schema=",
        "postgresql://h/d?pooler=perhaps",
        "postgresql://u:s3cret@h/d?nonsense=1",
    ],
)
def test_an_invalid_url_is_refused_without_its_password(url):
    with pytest.raises(ConfigurationError) as caught:
        MemoryBank.open(url, embedder="hashing")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_banks_in_two_schemas_of_one_database_are_separate(postgres):
    url = postgres.new()
    for name, words in (("first", "stored in first"), ("Second", "stored in second")):
        with MemoryBank.open(in_schema(url, name), embedder="hashing") as bank:
            bank.add([Turn(words, at=MONDAY)], user_id="ada")
            assert [memory.text for memory in bank.timeline(user_id="ada")] == [words]
            assert bank.search("stored", user_id="ada")[0].memory.text == words
            assert bank.compact()


def test_the_url_says_whether_there_is_a_pooler():
    address = parse_address("postgresql://me:s3cret@h/d?pooler=true&schema=s")
    assert address.pooler
    assert address.safe_url == "postgresql://me@h/d?pooler=true&schema=s"
    assert "pooler" not in address.conninfo
    assert parse_address("postgresql://h/d", pooler=True).pooler
    assert not parse_address("postgresql://h/d?pooler=false", pooler=True).pooler


# Tables


def test_init_creates_the_tables_with_its_options_and_only_once(postgres):
    url = postgres.new()
    output = run("db", "init", url, "--embedder", "hashing", "--partitions", 3, "--json")
    assert json.loads(output)["partitions"] == 3
    with connect(url) as db:
        parts = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'memorybank.memories'::regclass"
        assert db.execute(parts).fetchone() == (3,)
    assert "already" in run("db", "init", url, "--embedder", "hashing")
    with MemoryBank.open(url) as bank:
        assert bank.embedder.name == "hashing"


def test_a_role_that_may_only_create_in_the_schema_creates_the_tables(postgres):
    url = postgres.new()
    with connect(url) as db:
        db.execute("DROP ROLE IF EXISTS owner")
        db.execute("CREATE ROLE owner LOGIN")
        db.execute("CREATE SCHEMA memorybank AUTHORIZATION owner")
    owner = re.sub("//[^/]*@", "//owner@", url)
    assert init(owner, Layout("by-hand", 3))
    assert not init(owner, Layout("by-hand", 3))
    with closing(PostgresStore(owner, embedder="by-hand", dimension=3)) as store:
        store.add(ADA, [turn("a")], [EAST])
        assert store.compact()
        assert ids(store.memories(ADA, ALL)) == ["a"]


def test_what_the_server_lacks_is_said(postgres, monkeypatch):
    url = postgres.new()
    output = run("db", "init", url, "--embedder", "hashing", "--citus", code=1)
    assert "CREATE EXTENSION citus" in output
    monkeypatch.setattr(schema, "_OLDEST_SERVER", 990_000)
    assert "needs PostgreSQL 14 or newer" in run("stats", url, code=1)


def test_a_process_whose_tables_were_upgraded_says_so(postgres):
    url = postgres.new()
    with closing(PostgresStore(url, embedder="by-hand", dimension=3)) as store:
        store.add(ADA, [turn("a")], [EAST])
        with connect(url) as db:
            db.execute("ALTER TABLE memorybank.users DROP COLUMN next_seq")
        with pytest.raises(SchemaTooNewError, match="upgraded the tables"):
            store.add(ADA, [turn("b")], [EAST])


def test_a_bank_may_have_no_partitions(postgres):
    url = postgres.new()
    init(url, Layout("by-hand", 3, partitions=0))
    with closing(PostgresStore(url, embedder="by-hand", dimension=3)) as store:
        store.add(ADA, [turn("a")], [EAST])
        assert ids(store.memories(ADA, ALL)) == ["a"]


def test_processes_that_open_an_empty_database_at_once_create_one_bank(postgres):
    url = postgres.new()
    program = (
        "import sys; from memorybank_core.stores.postgres import PostgresStore as P; "
        "P(sys.argv[1], embedder='by-hand', dimension=3).close()"
    )
    openers = [subprocess.Popen([sys.executable, "-c", program, url]) for _ in range(4)]
    assert [opener.wait(60) for opener in openers] == [0] * 4


def test_tables_of_another_application_are_not_changed(postgres):
    url = postgres.new()
    with connect(url) as db:
        db.execute("CREATE SCHEMA memorybank CREATE TABLE theirs (id int)")
    for call in (lambda: MemoryBank.open(url, embedder="hashing"), lambda: upgrade(url)):
        with pytest.raises(NotABankError, match="another application"):
            call()


def test_upgrade_needs_a_bank_that_is_not_newer(postgres):
    url = postgres.new()
    with pytest.raises(ConfigurationError, match="db init"):
        upgrade(url)
    fill(url, users=["ada"], count=3)
    assert upgrade(url) == (3, 3)
    assert "up to date" in run("db", "upgrade", url)
    with connect(url) as db:
        db.execute("UPDATE memorybank.meta SET value = '4' WHERE name = 'schema'")
    for call in (lambda: MemoryBank.open(url), lambda: upgrade(url)):
        with pytest.raises(SchemaTooNewError, match="pip install --upgrade"):
            call()


def test_importing_the_store_does_not_load_sqlite():
    program = (
        "import sys, memorybank_core.stores.postgres; "
        "print([name for name in sys.modules if name.startswith(('sqlite3', "
        "'memorybank_core.stores.sqlite'))])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_driver_raises_with_the_command_to_install_it(monkeypatch):
    for name in [*sys.modules]:
        if name.startswith("memorybank_core.stores.postgres"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(memorybank_core.stores, "postgres")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r'pip install "memorybank-llm\[postgres\]"'):
        MemoryBank.open("postgresql://h/d", embedder="hashing")


# The command line


def test_commands_take_a_url(postgres, tmp_path):
    url = postgres.new()
    run("add", url, "My cat is called Miso.", "Lovely!", "--user", "ada", "--embedder", "hashing")
    assert "Miso" in run("search", url, "cat", "--user", "ada")
    assert "Miso" in run("timeline", url, "--user", "ada")
    assert "digested 1 day" in run("summarize", url)
    assert json.loads(run("stats", url, "--json"))["memories"] == 2
    assert "ada" in run("users", url)
    assert "compacted" in run("compact", url)
    run("export", url, tmp_path / "out.json")
    output = run("delete", url, "--user", "ada", "--all", "--yes")
    assert "erased" in output
    assert "no bank at" in run("stats", in_schema(url, "none"), code=1)
    assert "has no user" in run("timeline", url, "--user", "eve", code=1)


# Another embedder


def test_every_memory_is_embedded_again(postgres):
    url, done = fill(postgres.new()), []
    with MemoryBank.open(url) as old:
        before = export_json(old)
        assert reembed(url, HashingEmbedder(64), progress=done.append) == sum(done) > 80
        with pytest.raises(EmbedderMismatchError, match="memorybank reembed"):
            old.search("fact", user_id="ada")
        with pytest.raises(EmbedderMismatchError):
            old.add([Turn("new", at=MONDAY)], user_id="ada")
    for _ in range(2):  # the tables have their old names again
        with MemoryBank.open(url, embedder=HashingEmbedder(64)) as bank:
            assert export_json(bank) == before
            results = bank.search("ada fact 7 茶", user_id="ada", archived=True, k=1)
            assert results[0].memory.id == "t7"
        assert reembed(url, HashingEmbedder(64)) == sum(done)


def test_an_interrupted_change_of_the_embedder_can_be_continued(postgres):
    class Failing(HashingEmbedder):
        calls = 0

        def embed_documents(self, texts):
            self.calls += 1
            if self.calls == 2:
                raise RuntimeError("the model failed")
            return super().embed_documents(texts)

    url = fill(postgres.new())
    with pytest.raises(EmbedderError, match="the model failed"):
        reembed(url, Failing(64))
    with MemoryBank.open(url) as bank:
        total = bank.stats().memories
        bank.add([Turn("written meanwhile", "", MONDAY, id="t9")], user_id="ada", replace=True)
        bank.delete(user_id="ada", ids=["t5"])
        count = bank.stats().memories
    assert total - 66 < reembed(url, HashingEmbedder(64)) < total
    with MemoryBank.open(url, embedder=HashingEmbedder(64)) as bank:
        assert bank.stats().memories == count
        results = bank.search("written meanwhile", user_id="ada", archived=True, k=1)
        assert results[0].cosine == pytest.approx(1.0, abs=1e-5)


# Moving


def test_a_bank_moves_to_postgresql_and_back(postgres, tmp_path):
    source, url, back = fill(tmp_path / "a.db"), postgres.new(), tmp_path / "b.db"
    output = run("move", source, url)
    assert "is equal to" in output
    assert "s3cret" not in output
    receipt = json.loads(run("move", url, back, "--json"))
    assert receipt["moved"] == receipt["memories"] > 80
    assert receipt["items"] == 4
    assert export_bank(source) == export_bank(url) == export_bank(back)
    with MemoryBank.open(source) as local, MemoryBank.open(url) as remote:
        for user in ("ada", "bob"):
            assert len(local.store.changes(user)) == 3
            assert local.store.changes(user) == remote.store.changes(user)
            assert local.store.scan(user)[0].recalls == remote.store.scan(user)[0].recalls
            arguments = {
                "user_id": user,
                "now": MONDAY + timedelta(days=3),
                "archived": True,
                "k": 9,
            }
            first, second = (bank.search("fact 7", **arguments) for bank in (local, remote))
            assert [result.memory for result in first] == [result.memory for result in second]
    assert move(source, back).moved == 0


def test_a_killed_move_can_be_continued(postgres, tmp_path):
    source, url = (
        fill(tmp_path / "a.db", users=[f"u{n}" for n in range(6)], count=150),
        postgres.new(),
    )
    command = [sys.executable, "-m", "memorybank_core.cli", "move"]
    for origin, target in ((source, url), (url, tmp_path / "b.db")):
        mover = subprocess.Popen([*command, str(origin), str(target)], stdout=subprocess.DEVNULL)
        count = 0
        while not 0 < count < 900:
            time.sleep(0.01)
            assert mover.poll() is None, "the move ended before it could be killed"
            try:
                with MemoryBank.open(target, embedder="hashing") as bank:
                    count = bank.stats().memories
            except StoreError:
                continue
        mover.kill()
        mover.wait()
        receipt = move(origin, target)
        assert 0 < receipt.moved < receipt.memories
        assert export_bank(origin) == export_bank(target)


def test_a_move_to_a_bank_with_other_data_is_refused(postgres, tmp_path):
    source, url = fill(tmp_path / "a.db", count=3), postgres.new()
    with MemoryBank.open(url, embedder="hashing") as bank:
        bank.add([Turn("stored before", at=MONDAY)], user_id="ada")
    with pytest.raises(StoreError, match="held other data before"):
        move(source, url)
    with pytest.raises(ConfigurationError, match="no bank at"):
        move(tmp_path / "none.db", url)
    other = postgres.new()
    MemoryBank.open(other, embedder=HashingEmbedder(64)).close()
    with pytest.raises(EmbedderMismatchError):
        move(source, other)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding_is_refused(postgres, encoding):
    url = postgres.new(f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    with pytest.raises(ConfigurationError, match=f"encoding {encoding}.*ENCODING 'UTF8'"):
        MemoryBank.open(url, embedder=HashingEmbedder())
    postgres.drop(url)


def test_the_encoding_of_the_client_does_not_matter(database, monkeypatch):
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with MemoryBank.open(database, embedder=HashingEmbedder()) as bank:
        bank.add([Turn("我喜欢茶", id="tea")], user_id=ADA)
        assert bank.search("茶", user_id=ADA)[0].memory.id == "tea"
