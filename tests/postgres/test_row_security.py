"""Row-level security: a connection with the scope of one user sees no rows of another."""

import re
from contextlib import closing

import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")

import psycopg
from postgres_servers import connect, emptied
from test_postgres_contract import TestPostgresStore as ContractTests

from memorybank_core import InvalidInputError
from memorybank_core.records import Change, Portrait
from memorybank_core.stores.postgres import Layout, PostgresStore, init
from memorybank_core.testing.examples import ADA, ALL, BOB, EAST, LAW, NOON, event, ids, turn
from memorybank_core.testing.items import item

TABLES = ("users", "memories", "states", "pages", "recalls", "digests", "replacements")


@pytest.fixture(scope="module")
def database(postgres):
    url = create_with_role(postgres)
    yield url
    postgres.drop(url)


def create_with_role(postgres, **layout):
    """Create a bank with row-level security, and a role that is not a superuser."""
    url = postgres.new()
    init(url, Layout("by-hand", 3, partitions=2, row_security=True, **layout))
    with connect(url) as db:
        if not db.execute("SELECT FROM pg_roles WHERE rolname = 'app'").fetchall():
            db.execute("CREATE ROLE app LOGIN")
        db.execute("GRANT USAGE ON SCHEMA memorybank TO app")
        db.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA memorybank TO app")
    return url


def as_app(url):
    return re.sub("//[^/]*@", "//app@", url)


class TestWithRowSecurity(ContractTests):
    def open_store(self):
        return PostgresStore(as_app(self.url), embedder="by-hand", dimension=3)


@pytest.fixture
def app(database):
    """Fill the bank for two users and connect to it as the role."""
    with closing(PostgresStore(as_app(database), embedder="by-hand", dimension=3)) as store:
        for user in (ADA, BOB):
            store.add(user, [turn("a", user=user), event("e", user=user)], [EAST, EAST])
            store.strengthen(user, ["a"], NOON, None, LAW)
            store.set_digests(user, [Portrait(user, "kind", None, None, NOON)])
            store.record_changes(user, [Change("a", None, "m", NOON)])
            store.items.write([item(f"{user} k")], [None], [], NOON)
    with connect(as_app(database), autocommit=True) as db:
        yield db
    emptied(database)


def read_users(db, table):
    return {user for (user,) in db.execute(f"SELECT user_id FROM memorybank.{table}")}


def test_without_a_scope_no_row_is_visible(app):
    for table in (*TABLES, "items"):
        assert app.execute(f"SELECT count(*) FROM memorybank.{table}").fetchone() == (0,)


def test_with_the_scope_of_one_user_no_row_of_another_is_visible_or_changed(app, database):
    app.execute("SELECT set_config('memorybank_session.user_id', %s, false)", (ADA,))
    for table in TABLES:
        assert read_users(app, table) == {ADA}
        of_bob = f"FROM memorybank.{table} WHERE user_id = %s"
        assert app.execute(f"SELECT count(*) {of_bob}", (BOB,)).fetchone() == (0,)
        assert app.execute(f"DELETE {of_bob}", (BOB,)).rowcount == 0
        for number in range(2):  # nor in a partition, by its name
            assert read_users(app, f"{table}_{number}") == set()
    assert app.execute("SELECT count(*) FROM memorybank.items").fetchone() == (0,)
    change = "UPDATE memorybank.memories SET query = 'x' WHERE user_id = %s"
    assert app.execute(change, (BOB,)).rowcount == 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        app.execute("INSERT INTO memorybank.users (user_id) VALUES ('carol')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        app.execute("UPDATE memorybank.users SET user_id = 'carol'")
    with closing(PostgresStore(database, embedder="by-hand", dimension=3)) as store:
        assert ids(store.memories(BOB, ALL)) == ["a", "e"]


def test_with_the_scope_of_a_namespace_the_items_under_it_are_visible(app):
    app.execute("SELECT set_config('memorybank_session.path', '/bob/', false)")
    assert app.execute("SELECT path FROM memorybank.items").fetchall() == [("/bob/",)]


def test_the_scope_ends_with_the_call(database, app):
    with closing(PostgresStore(as_app(database), embedder="by-hand", dimension=3)) as store:
        assert ids(store.memories(ADA, ALL)) == ["a", "e"]
        assert store.stats().users == 2
        with store._connections._pool.connection() as db:
            assert read_users(db, "memories") == set()


@pytest.mark.parametrize("user", ["o'neil", "a\\'; --", "茶 🍵", "nul\0", "x@memorybank.org", "%s"])
def test_a_user_id_of_any_characters_is_a_scope(database, user):
    with closing(PostgresStore(as_app(database), embedder="by-hand", dimension=3)) as store:
        store.add(user, [turn("a", user=user)], [EAST])
        assert ids(store.memories(user, ALL)) == ["a"]
        assert list(store.users()) == [user]
    emptied(database)


def test_half_a_surrogate_pair_is_refused(database):
    with (
        closing(PostgresStore(as_app(database), embedder="by-hand", dimension=3)) as store,
        pytest.raises(InvalidInputError, match="surrogate"),
    ):
        store.memories("\ud83d", ALL)


def test_the_old_name_of_the_option_is_deprecated():
    with pytest.warns(DeprecationWarning, match="row_security"):
        layout = Layout("by-hand", 3, walls=True)
    assert layout.row_security
    with pytest.warns(DeprecationWarning, match="row_security"):
        assert layout.walls
    assert Layout("by-hand", 3) == Layout("by-hand", 3, row_security=False)
