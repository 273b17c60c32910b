"""Items in PostgreSQL: what a search sends, what a write leaves behind, and the upgrade."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import numpy as np
import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")

import psycopg
from postgres_servers import emptied

from memorybank_core.errors import StoreBusyError
from memorybank_core.stores.postgres import PostgresStore, item_source
from memorybank_core.stores.postgres.connections import Session
from memorybank_core.stores.postgres.item_source import PostgresItemSource
from memorybank_core.stores.postgres.row_security import items_scope
from memorybank_core.stores.postgres.statements import Statement
from memorybank_core.testing.examples import EAST, NOON, NORTH, UP
from memorybank_core.testing.items import item, write_and_search

LATER = NOON + timedelta(hours=1)
DELETE = "DELETE FROM memorybank.item_removals WHERE path = %(path)s AND version < %(version)s - 2"


@pytest.fixture(scope="module")
def database(postgres):
    return postgres.new()


@pytest.fixture
def url(database):
    PostgresStore(database, embedder="by-hand", dimension=3).close()
    emptied(database)
    return database


@pytest.fixture
def store(url):
    with closing(PostgresStore(url, embedder="by-hand", dimension=3)) as store:
        yield store


@pytest.fixture
def batches(monkeypatch):
    """Return a list that collects the number of statements of each round trip."""
    sizes, send = [], Session._send
    counted = lambda session, *texts: sizes.append(len(texts)) or send(session, *texts)  # noqa: E731
    monkeypatch.setattr(Session, "_send", counted)
    return sizes


def keys(store, prefix, vector=None):
    vector = None if vector is None else vector[0]
    return [result.key for result, _ in store.items.search(prefix, NOON, vector=vector)]


@pytest.mark.parametrize(
    "limits", [{}, {"_BATCH": 2, "KEPT": 2}, {"_BATCH": 2, "KEPT": -1}], ids=["usual", "few", "all"]
)
def test_searches_equal_those_without_an_index(url, monkeypatch, limits):
    for name, value in limits.items():
        monkeypatch.setattr(item_source, name, value)
    write_and_search(lambda: PostgresStore(url, embedder="by-hand", dimension=3), 4, 25)


def test_writers_of_two_namespaces_under_one_root_do_not_wait_for_each_other(store, url):
    store.items.write([item("a bo k", ttl=1.0)], [None], [], NOON)
    add = Statement(
        "INSERT INTO memorybank.item_paths VALUES ('a', '/a/bo/', 1) ON CONFLICT (root, path) "
        "DO UPDATE SET version = item_paths.version + 1"
    )
    impatient = f"{url}{'&' if '?' in url else '?'}options=-clock_timeout%3D100"
    with closing(PostgresStore(impatient, embedder="by-hand", dimension=3)) as other:

        def write_while_another_does(session):
            session.execute(add)
            other.items.write([item("a ada k")], [EAST], [(("a", "cy"), "k")], LATER)
            with pytest.raises(StoreBusyError):
                other.items.write([item("a bo l")], [EAST], [], LATER)

        store._connections.run(write_while_another_does, items_scope([("a",)]), writes=True)
        assert keys(other, ("a",), EAST) == ["k", "k"]
        other.items.write([item("a ada l")], [EAST], [], LATER)  # removes what has expired
        assert [found.key for found, _ in store.items.search((), LATER)] == ["k", "l"]
    with psycopg.connect(url) as db:
        paths = db.execute("SELECT path FROM memorybank.item_paths").fetchall()
    assert paths == [("/a/ada/",)]


def test_a_broad_index_loads_only_what_changed(store, batches, monkeypatch):
    for user in "abc":
        store.items.write([item(f"x {user} k"), item(f"x {user} l")], [EAST, EAST], [], NOON)
    assert len(keys(store, ("x",), EAST)) == 6
    monkeypatch.setattr(PostgresItemSource, "_load", None)  # no index can be built again
    gone = [(("x", "b"), key) for key in "kl"]
    store.items.write([item("x a m")], [EAST], gone, NOON)
    store.items.write([item("x d k")], [EAST], [], NOON)
    assert keys(store, ("x",), EAST) == ["k", "l", "m", "k", "l", "k"]
    store.items.write([item("x b m")], [EAST], [(("x", "c"), "k")], NOON)
    batches.clear()
    assert keys(store, ("x",), EAST) == ["k", "l", "m", "m", "l", "k"]
    assert len(batches) == 4  # read, last changes, what changed, read


def test_writers_of_the_same_namespaces_in_any_order_do_not_deadlock(url):
    with (
        closing(PostgresStore(url, embedder="by-hand", dimension=3)) as store,
        ThreadPoolExecutor(4) as pool,
    ):
        orders = [
            [f"a {label} {key}" for label in labels] for labels in ("xy", "yx") for key in "kl"
        ]
        new = [[item(name) for name in names] for names in orders] * 10
        list(pool.map(lambda items: store.items.write(items, [EAST, UP], [], NOON), new))
        assert len(keys(store, ("a",), EAST)) == 4


def test_a_search_is_one_round_trip_if_nothing_has_changed(store, batches):
    store.items.write([item("a k"), item("a l")], [EAST, NORTH], [], NOON)
    for prefix in (("a",), ()):
        assert keys(store, prefix, EAST) == ["k", "l"]
        batches.clear()
        assert keys(store, prefix, NORTH) == ["l", "k"]
        assert keys(store, prefix) == ["k", "l"]
        assert len(batches) == 2
    batches.clear()
    store.items.write([item("a m")], [UP], [], NOON)
    assert len(batches) == 3  # numbers, the item, COMMIT


def test_a_namespace_without_items_leaves_nothing(store, url):
    store.items.write([item("secret k", ttl=1.0), item("b k")], [EAST, EAST], [], NOON)
    store.items.write([], [], [(("b",), "k"), (("c",), "unknown")], LATER)
    store.items.set_vectors([item("d k")], [EAST])
    store.items.write([], [], [], LATER)  # removes expired items of any root
    with psycopg.connect(url) as db:
        for table in ("items", "item_paths", "item_removals"):
            assert db.execute(f"SELECT * FROM memorybank.{table}").fetchall() == []


def test_a_namespace_that_is_written_again_is_not_mistaken_for_the_old_one(store, url):
    with closing(PostgresStore(url, embedder="by-hand", dimension=3)) as other:
        for vector, key in ((EAST, "k"), (NORTH, "l"), (UP, "m")):
            other.items.write([item(f"a {key}")], [vector], [], NOON)
            for prefix in ((), ("a",)):
                assert keys(store, prefix, vector) == [key]
            other.items.write([], [], [(("a",), key)], NOON)
        assert keys(store, ("a",)) == keys(store, ()) == []


def test_deleted_items_are_overwritten_in_memory(store, url):
    store.items.write([item("a k"), item("a l")], [EAST, NORTH], [], NOON)
    assert keys(store, ("a",), EAST) == ["k", "l"]
    index = store._cache.get_items("/a/").index
    store.items.write([], [], [(("a",), "k")], NOON)
    assert index._names == [("", ""), ("/a/", "l")]
    assert np.array_equal(index._vectors._floats.values[0], [0, 0, 0])
    with closing(PostgresStore(url, embedder="by-hand", dimension=3)) as other:
        other.items.write([item("a m")], [UP], [(("a",), "l")], NOON)
    assert keys(store, ("a",)) == ["m"]
    assert ("/a/", "l") not in index._names


def test_only_the_last_removals_are_kept(store, url, monkeypatch):
    monkeypatch.setattr(
        "memorybank_core.stores.postgres.item_versions._DELETE_OLD_REMOVALS", DELETE
    )
    for number in range(6):
        store.items.write([item(f"a {number}")], [None], [(("a",), str(number - 1))], NOON)
    with psycopg.connect(url) as db:
        rows = db.execute("SELECT removed FROM memorybank.item_removals").fetchall()
    assert 0 < len(rows) <= 3
