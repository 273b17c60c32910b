"""Behind PgBouncer in transaction mode: the contract, row-level security, and faults."""

from contextlib import closing

import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")

from pgbouncer import running_pgbouncer
from postgres_servers import connect, emptied, name_of
from test_database import export_bank, fill, run
from test_faults import Load, assert_complete, open_store
from test_postgres_contract import TestPostgresStore as ContractTests
from test_row_security import TestWithRowSecurity as RowSecurityTests
from test_row_security import create_with_role

from memorybank_core import StoreError
from memorybank_core.testing.examples import ADA, EAST, turn


@pytest.fixture(scope="module")
def pooler(postgres):
    """Run PgBouncer before a server that has a socket in a folder."""
    folder = getattr(postgres, "folder", None)
    if folder is None:
        pytest.skip("the server has no socket in a folder")
    with running_pgbouncer(folder) as pooler:
        yield pooler


@pytest.fixture(scope="module")
def pooled(postgres, pooler):
    return pooler.url(postgres.new())


@pytest.fixture(scope="module")
def pooled_with_row_security(postgres, pooler):
    url = create_with_role(postgres)
    yield pooler.url(url)
    postgres.drop(url)


class TestBehindPgBouncer(ContractTests):
    @pytest.fixture(autouse=True)
    def _place(self, pooled):
        self.url = pooled
        yield
        emptied(self.url)


class TestRowSecurityBehindPgBouncer(RowSecurityTests):
    @pytest.fixture(autouse=True)
    def _place(self, pooled_with_row_security):
        self.url = pooled_with_row_security
        yield
        emptied(self.url)


def test_connections_lost_behind_the_pooler_lose_nothing(postgres, pooler):
    direct = postgres.new()
    with Load(pooler.url(direct)) as load, connect(direct, autocommit=True) as db:
        for _ in range(30):
            db.execute(
                "SELECT pg_sleep(0.03), pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = %s AND state <> 'idle' AND pid <> pg_backend_pid() LIMIT 2",
                (name_of(direct),),
            )
    assert_complete(load)


def test_every_command_works_behind_the_pooler(postgres, pooler, tmp_path):
    source, url = fill(tmp_path / "a.db", count=12), pooler.url(postgres.new())
    run("db", "init", url, "--embedder", "hashing")
    assert "is equal to" in run("move", source, url)
    assert export_bank(url) == export_bank(source)
    assert "fact 7" in run("search", url, "fact 7", "--user", "ada", "--archived")
    run("reembed", url, "--embedder", "hashing")
    assert "compacted" in run("compact", url)


def test_a_pooler_that_the_url_does_not_name_is_named_by_the_error(postgres, pooler):
    """The second client prepares a statement under a name that the first one used."""
    url = pooler.url(postgres.new())
    with closing(open_store(url)) as store:
        store.add(ADA, [turn("a")], [EAST])
    unnamed = url.replace("&pooler=true", "")
    with closing(open_store(unnamed)) as first, closing(open_store(unnamed)) as second:

        def read_often():
            for _ in range(10):
                for store in (first, second):
                    store.known(ADA, ["a"])

        if pooler.version < (1, 21):
            with pytest.raises(StoreError, match=r"pooler=true"):
                read_often()
        else:  # it keeps the prepared statements of each client
            read_often()
