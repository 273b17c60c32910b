"""Items in PostgreSQL: what a search sends, what a write leaves behind, and the upgrade."""

from contextlib import closing
from datetime import timedelta

import numpy as np
import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")

import psycopg
from postgres_servers import emptied

from memorybank_core.stores.index import item_index
from memorybank_core.stores.postgres import PostgresStore, item_source
from memorybank_core.stores.postgres.connections import Session
from memorybank_core.testing.examples import EAST, NOON, NORTH, UP
from memorybank_core.testing.items import item, write_and_search

LATER = NOON + timedelta(hours=1)
FORGET = "DELETE FROM memorybank.item_removals WHERE root = %(root)s AND version < %(version)s - 2"


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
    "limits", [(), (("_MOST_ROOTS", 0),), (("_BATCH", 2), ("KEPT", 2))], ids=["usual", "()", "all"]
)
def test_searches_equal_those_without_an_index(url, monkeypatch, limits):
    for name, value in limits:
        monkeypatch.setattr(item_source, name, value)
    write_and_search(lambda: PostgresStore(url, embedder="by-hand", dimension=3), 4, 25)


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


def test_a_root_without_items_leaves_nothing(store, url):
    store.items.write([item("secret k", ttl=1.0), item("b k")], [EAST, EAST], [], NOON)
    store.items.write([], [], [(("b",), "k")], LATER)
    store.items.write([], [], [], LATER)  # removes expired items of any root
    with psycopg.connect(url) as db:
        for table in ("items", "item_roots", "item_removals"):
            assert db.execute(f"SELECT * FROM memorybank.{table}").fetchall() == []


def test_a_root_that_is_written_again_is_not_mistaken_for_the_old_one(store, url):
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
    assert np.array_equal(item_index._view_vectors(index._vectors)[0], [0, 0, 0])
    with closing(PostgresStore(url, embedder="by-hand", dimension=3)) as other:
        other.items.write([item("a m")], [UP], [(("a",), "l")], NOON)
    assert keys(store, ("a",)) == ["m"]
    assert ("/a/", "l") not in index._names


def test_only_the_last_removals_are_kept(store, url, monkeypatch):
    monkeypatch.setattr("memorybank_core.stores.postgres.items._FORGET_REMOVALS", FORGET)
    for number in range(6):
        store.items.write([item(f"a {number}")], [None], [(("a",), str(number - 1))], NOON)
    with psycopg.connect(url) as db:
        rows = db.execute("SELECT removed FROM memorybank.item_removals").fetchall()
    assert 0 < len(rows) <= 3
