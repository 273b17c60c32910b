"""On Citus: the contract, row-level security, tasks, commands, and faults of the workers."""

import re
import time
from collections.abc import Mapping
from contextlib import closing

import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")

import schema_1
from postgres_citus import running_citus
from postgres_servers import connect, emptied
from test_database import export_bank, fill, run
from test_faults import Load, assert_complete, check_cuts_around_commit
from test_plans import CALLS, USERS, explain_each
from test_postgres_contract import TestPostgresStore as ContractTests
from test_row_security import TestWithRowSecurity as RowSecurityTests
from test_row_security import as_app, create_with_role

from memorybank_core import HashingEmbedder, MemoryBank
from memorybank_core.stores.postgres import Layout, PostgresStore, init, upgrade
from memorybank_core.stores.reembed import reembed
from memorybank_core.testing.examples import ADA, BOB, EAST, turn

pytestmark = pytest.mark.citus


@pytest.fixture(scope="module")
def citus():
    with running_citus() as citus:
        yield citus


def create(citus, embedder="by-hand", dimension=3):
    """Create a bank with distributed tables; return its URL."""
    url = citus.new()
    init(url, Layout(embedder, dimension, citus=True))
    return url


@pytest.fixture(scope="module")
def database(citus):
    return create(citus)


@pytest.fixture(scope="module")
def database_with_row_security(citus):
    return create_with_role(citus, citus=True)


class TestOnCitus(ContractTests):
    pass


class TestRowSecurityOnCitus(RowSecurityTests):
    @pytest.fixture(autouse=True)
    def _place(self, database_with_row_security):
        self.url = database_with_row_security
        yield
        emptied(self.url)


def test_the_workers_show_only_the_rows_of_the_scope(database_with_row_security):
    url = as_app(database_with_row_security)
    with closing(PostgresStore(url, embedder="by-hand", dimension=3)) as store:
        for user in (ADA, BOB):
            store.add(user, [turn("a", user=user)], [EAST])
    count = "SELECT count(*) FROM memorybank.memories"
    with connect(url) as db:
        assert db.execute(count).fetchone() == (0,)
        db.execute("SET LOCAL citus.propagate_set_commands = 'local'")
        db.execute(f"SET LOCAL memorybank_session.user_id = '{ADA}'")
        assert db.execute(count).fetchone() == (1,)
        assert db.execute(f"{count} WHERE user_id = %s", (BOB,)).fetchone() == (0,)
    emptied(database_with_row_security)


@pytest.fixture(scope="module")
def users(citus):
    """Return the URL of a bank with some users."""
    url = create(citus)
    with closing(PostgresStore(url, embedder="by-hand", dimension=3)) as store:
        for user in (*USERS[:9], "large"):
            turns = [turn(f"{n} tea cello", user=user, hours=n, session="s") for n in range(20)]
            store.add(user, turns, [EAST] * 20)
    return url


@pytest.mark.parametrize("name", CALLS)
def test_each_statement_about_one_user_is_one_task(users, monkeypatch, name):
    tasks = []

    def explain(db, statement):
        text, values = statement.text, statement.values
        if re.match(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)", text) and "pg_" not in text:
            first = values if isinstance(values, Mapping) else values[0]
            plan = db.execute(f"EXPLAIN {text}", dict(first)).fetchall()
            tasks.append((re.findall(r"Task Count: (\d+)", f"{plan}"), text, plan))

    explain_each(monkeypatch, explain)
    with closing(PostgresStore(users, embedder="by-hand", dimension=3)) as store:
        CALLS[name](store)
    assert tasks
    for counts, text, plan in tasks:
        assert counts == ["1"], f"{text}\n{plan}"


def test_a_bank_moves_to_citus_and_back_and_is_embedded_again(citus, tmp_path):
    source, back = fill(tmp_path / "a.db", count=12), tmp_path / "b.db"
    url = create(citus, "hashing", HashingEmbedder().dimension)
    assert "is equal to" in run("move", source, url)
    run("move", url, back)
    assert export_bank(source) == export_bank(url) == export_bank(back)
    assert reembed(url, HashingEmbedder(64)) > 24
    with MemoryBank.open(url, embedder=HashingEmbedder(64)) as bank:
        results = bank.search("ada fact 7 茶", user_id="ada", archived=True, k=1)
        assert results[0].memory.id == "t7"
        assert bank.stats().users == 2
        assert bank.compact() in (True, False)


def test_a_bank_of_schema_1_is_upgraded(citus):
    from test_upgrade import assert_consistent, assert_same  # needs pgvector's package

    url = citus.new()
    with connect(url) as db:
        extensions = "SELECT FROM pg_available_extensions WHERE name = 'vector'"
        if not db.execute(extensions).fetchall():
            pytest.skip("the server has no pgvector, which schema 1 needs")
    schema_1.create(url, "citus")
    assert upgrade(url) == (1, 3)
    assert_consistent(url)
    with MemoryBank.open(url, embedder=schema_1.Embedder()) as bank:
        assert_same(bank, schema_1.load_data()["answers"])


def test_connections_of_clients_cut_around_commit_lose_nothing(citus):
    check_cuts_around_commit(create(citus))


def test_workers_that_crash_under_load_lose_nothing(citus):
    if not citus.workers:
        pytest.skip("the workers run elsewhere")
    with Load(create(citus)) as load:
        for worker in citus.workers:
            time.sleep(0.6)
            worker.stop()
            time.sleep(0.3)
            worker.start()
    assert_complete(load)


@pytest.mark.parametrize("number", [0, 1])
def test_commits_that_a_worker_does_not_answer_are_looked_up(citus, number):
    """The proxies cut connections of the coordinator around COMMIT."""
    if not citus.proxies:
        pytest.skip("the workers run elsewhere")
    with Load(create(citus), user=f"ada{number}") as load, citus.proxies[0], citus.proxies[1]:
        time.sleep(2)
    assert_complete(load)
    assert sum(proxy.cuts.total() for proxy in citus.proxies) > 9
