"""The index of items: current after any write by anyone, bounded, and without deleted items."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from memorybank_core import HashingEmbedder, MemoryBank, Turn
from memorybank_core.item_filter import ItemFilter
from memorybank_core.protocols import Item
from memorybank_core.stores import LocalStore
from memorybank_core.stores.index import item_index, item_search, vectors
from memorybank_core.stores.sqlite import item_source, schema
from memorybank_core.testing.items import write_and_search

NOON = datetime(2023, 5, 4, 12, tzinfo=timezone.utc)
VECTORS = np.random.default_rng(1).normal(size=(400, 64)).astype(np.float32)
LIMITS = {
    "usual": (),
    "few changes kept": ((item_source, "KEPT", 2),),
    "space reused": ((item_index, "_FEWEST_REMOVED", 0), (item_index, "_MARGIN", 1)),
    "few rows": ((item_search, "_FIRST_ROWS", 1), (item_search, "_MOST_ROWS", 4)),
    "columns at once": (
        (item_search, "_FIRST_ROWS", 1),
        (item_search, "_MOST_ROWS", 6),
        (item_search, "_LOADED_AFTER", 0),
        (item_index, "_FEWEST_REMOVED", 4),
    ),
    "no attempts": ((item_search, "_ATTEMPTS", 1),),
}


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("seed", [2, 3])
def test_searches_equal_those_without_an_index(tmp_path, monkeypatch, limits, seed):
    for module, name, value in LIMITS[limits]:
        monkeypatch.setattr(module, name, value)
    path = tmp_path / "bank.db"
    write_and_search(lambda: LocalStore(path, embedder="by-hand", dimension=3), seed, 60)


@pytest.fixture
def store(tmp_path):
    with closing(open_store(tmp_path)) as store:
        yield store


def open_store(folder, **options):
    return LocalStore(folder / "bank.db", embedder="a", dimension=64, **options)


@pytest.fixture
def refreshes(monkeypatch):
    """Return a list that collects the number of items before each refresh."""
    sizes, refresh = [], item_source.LocalItemSource.refresh
    counted = lambda source, index: sizes.append(len(index)) or refresh(source, index)  # noqa: E731
    monkeypatch.setattr(item_source.LocalItemSource, "refresh", counted)
    return sizes


def write(store, prefix, count, *, value="{}", start=0):
    names = [f"{number:04}" for number in range(start, start + count)]
    new = [Item((prefix, "x"), name, value, NOON, NOON, fields=("$",)) for name in names]
    store.items.write(new, [vector[None] for vector in VECTORS[start : start + count]], [], NOON)


def best(store, prefix, number, **options):
    return store.items.search(prefix, NOON, vector=VECTORS[number], limit=1, **options)[0][0].key


def test_only_what_changed_is_loaded(store, refreshes, monkeypatch):
    write(store, "a", 300)
    write(store, "b", 20)
    assert [best(store, ("a",), number) for number in (7, 8, 9)] == ["0007", "0008", "0009"]
    assert refreshes == [0]
    monkeypatch.setattr(item_source, "_BATCH", 0)  # no index can be built again
    write(store, "a", 1, start=300)
    write(store, "b", 1, start=301)
    assert best(store, ("a",), 300) == "0300"
    assert store.items.search(("a",), NOON, limit=400)[0][1] is None
    assert refreshes == [0, 300]


def test_a_filter_reads_the_best_items_first(store):
    write(store, "a", 300, value='"no"')
    write(store, "a", 100, start=300, value='"yes"')
    read = []
    accepts = lambda value: read.append(value) or value == '"yes"'  # noqa: E731
    assert best(store, (), 350, accepts=accepts) == "0350"
    assert len(read) == 1
    read.clear()
    found = store.items.search((), NOON, vector=VECTORS[0], accepts=accepts, limit=100)
    assert len(found) == 100
    assert len(read) <= 200 + 400


def test_many_vectors_are_ranked_as_without_an_index(monkeypatch):
    monkeypatch.setattr(vectors, "EXACT_UP_TO", 40)
    monkeypatch.setattr(item_index, "_FEWEST_REMOVED", 0)
    index, expected = item_index.ItemIndex(64, embedded=True), {}
    for number in range(0, 400, 2):  # two vectors each; every tenth item equals the one before
        matrix = VECTORS[number - 2 : number] if number % 20 == 18 else VECTORS[number : number + 2]
        expected[f"{number:03}"] = number // 40, matrix
        index.apply([(number, "/a/", f"{number:03}", number // 40, matrix.tobytes())])
    for removed in (range(0), range(0, 60, 6), range(100, 400, 4)):
        keys = [key for key in (f"{number:03}" for number in removed) if expected.pop(key, None)]
        index.erase([("/a/", key) for key in keys])
        scores = {key: (matrix @ VECTORS[7]).max() for key, (_, matrix) in expected.items()}
        order = sorted(scores, key=lambda key: (-scores[key], -expected[key][0], key))
        for count in (1, 10, 400):
            ranked = index.rank(VECTORS[7], count)
            assert [item.name[1] for item in ranked] == order[:count]
            assert np.allclose(
                [item.score for item in ranked], [scores[k] for k in order[:count]], atol=1e-4
            )
        some = [("/a/", key) for key in order[3:30:3]]
        assert [item.name for item in index.rank_some(some[::-1], VECTORS[7], 5)] == some[:5]


def test_a_filter_that_accepts_little_reads_every_item_once(store, monkeypatch):
    monkeypatch.setattr(item_search, "_MOST_ROWS", 100)
    write(store, "a", 300, value='"no"')
    write(store, "a", 2, start=300, value='"yes"')
    read = []
    accepts = lambda value: read.append(value) or value == '"yes"'  # noqa: E731
    found = store.items.search((), NOON, vector=VECTORS[301], accepts=accepts, limit=10)
    assert [item.key for item, _ in found] == ["0301", "0300"]
    assert len(read) <= 302 + 64


def test_an_item_deleted_while_a_filter_reads_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(item_search, "_MOST_ROWS", 0)
    store = open_store(tmp_path, busy_timeout=0.1)  # the erasure waits for this reader in vain
    write(store, "a", 70)
    best(store, (), 7)
    deleted = []

    def accepts(value):
        if not deleted:
            deleted.append((("a", "x"), "0007"))
            store.items.write([], [], deleted, NOON)
        return True

    found = store.items.search((), NOON, vector=VECTORS[7], accepts=accepts, limit=100)
    assert {item.key for item, _ in found} == {f"{n:04}" for n in range(70)} - {"0007"}
    store.close()


@pytest.fixture
def read_rows(monkeypatch):
    """Return a list that collects how many rows of values each read of the source has."""
    sizes, source = [], item_source.LocalItemSource
    read, filter = source.read, source.filter
    monkeypatch.setattr(source, "read", lambda self, n: sizes.append(len(n)) or read(self, n))
    monkeypatch.setattr(source, "filter", lambda self, f: sizes.append("all") or filter(self, f))
    return sizes


def test_the_fields_of_a_rare_filter_are_read_once(store, read_rows):
    for number in range(390):
        write(store, "a", 1, value=f'{{"n": {number}, "t": "{number % 2}"}}', start=number)
    found = lambda **where: [  # noqa: E731
        item.key
        for item, _ in store.items.search((), NOON, vector=VECTORS[9], accepts=ItemFilter(where))
    ]
    assert found(n=7) == ["0007"]
    assert read_rows[-2:] == ["all", 1]
    read_rows.clear()
    assert [found(n=9), found(n=-1), found(n={"$lt": 2})] == [["0009"], [], ["0001", "0000"]]
    assert read_rows == [1, 0, 2]
    write(store, "a", 1, value='{"n": 9000, "t": "x"}', start=9)
    store.items.write([], [], [(("a", "x"), "0007")], NOON)
    read_rows.clear()
    assert [found(n=7), found(n=9), found(n=9000)] == [[], [], ["0009"]]
    assert "all" not in read_rows


def test_the_fields_of_a_frequent_filter_are_read_once_it_has_read_many_rows(store, read_rows):
    for number in range(390):
        write(store, "a", 1, value=f'{{"t": {number % 2}}}', start=number)
    for _ in range(9):
        store.items.search((), NOON, vector=VECTORS[9], accepts=ItemFilter({"t": 1}))
    assert read_rows.count("all") == 1
    assert read_rows[-1] == 10


def test_deleted_values_leave_the_columns(store):
    for number in range(300):
        write(store, "a", 1, value=f'{{"n": "canary {number}"}}', start=number)
    rare = ItemFilter({"n": "canary 7"})
    assert len(store.items.search((), NOON, accepts=rare)) == 1
    for _ in range(9):
        store.items.search((), NOON, accepts=ItemFilter({"n": {"$gt": "canary"}}))
    index = store._cache.get_items("/").index
    assert index.columns
    assert "'canary 7'" in str(vars(index.columns._columns["n"]._distinct))
    before = index.nbytes
    store.items.write([], [], [(("a", "x"), "0007")], NOON)
    assert "'canary 7'" not in str(vars(index.columns._columns["n"]._distinct))
    assert index.nbytes < before
    assert store.items.search((), NOON, accepts=rare) == []


def test_only_the_last_fields_are_kept(store):
    write(store, "a", 300)
    for number in range(40):
        store.items.search((), NOON, accepts=ItemFilter({f"f{number}": 1}))
    kept = store._cache.get_items("/").index.columns
    assert len(kept._columns) <= 16
    assert not kept.lack(["f39"])


def test_a_closed_store_keeps_no_index(tmp_path):
    with closing(LocalStore(tmp_path / "bank.db", embedder="a", dimension=64)) as store:
        write(store, "a", 300)
        best(store, ("a",), 7)
        assert store._cache.nbytes > 300 * 64 * 4
    assert store._cache.nbytes == 0
    assert not store._cache._indexes


def test_any_writer_of_the_file_is_noticed(tmp_path, monkeypatch):
    path = tmp_path / "old.db"
    insert = "INSERT INTO items VALUES (?, ?, '1', 0, ?, NULL, NULL, NULL, ?)"
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:3])
        with closing(sqlite3.connect(path)) as db:
            schema.migrate(db, path)
            rows = [("/a/", f"k{n}", n, VECTORS[n].tobytes()) for n in range(5)]
            db.executemany(insert, rows)
            db.commit()
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as old,
        closing(LocalStore(path, embedder="a", dimension=64)) as store,
    ):
        find = lambda number: best(store, ("a",), number)  # noqa: E731
        assert [find(number) for number in range(5)] == ["k0", "k1", "k2", "k3", "k4"]
        names = "path, key, value, created_at, updated_at, ttl, fields, expires_at, vectors"
        insert = insert.replace("items", f"items ({names})")
        old.execute(insert, ("/a/", "new", 9, VECTORS[5].tobytes()))
        assert find(5) == "new"
        old.execute("UPDATE items SET vectors = ? WHERE key = 'k0'", (VECTORS[6].tobytes(),))
        assert find(6) == "k0"
        old.execute("DELETE FROM items WHERE key = 'k0'")
        assert find(6) != "k0"
        old.execute("UPDATE items SET expires_at = 1 WHERE key = 'k1'")
        assert find(1) != "k1"


def test_deleted_items_are_overwritten_in_memory_at_once(store):
    write(store, "a", 3)
    for prefix in ((), ("a",), ("a", "x")):
        best(store, prefix, 1)
    store.items.write([], [], [(("a", "x"), "0001")], NOON)
    for prefix in ("/", "/a/", "/a/x/"):
        index = store._cache.get_items(prefix).index
        assert len(index) == 2
        assert ("/a/x/", "0001") not in index._names
        vectors = index._vectors._floats.values
        assert not (vectors == VECTORS[1]).any()
        assert (vectors == VECTORS[2]).all(axis=1).any()


def test_indexes_of_items_and_of_users_share_one_budget(tmp_path):
    embedder = HashingEmbedder(64)
    with closing(
        LocalStore(tmp_path / "b.db", embedder=embedder.name, dimension=64, cache_bytes=400_000)
    ) as store:
        bank = MemoryBank(store, embedder)
        for number in range(8):
            write(store, f"root-{number}", 200)
            bank.add([Turn("tea", at=NOON)], user_id=f"user-{number}")
        largest = 0
        for number in range(8):
            assert best(store, (f"root-{number}",), 3) == "0003"
            assert bank.search("tea", user_id=f"user-{number}")
            largest = max(largest, store.cache_nbytes)
        assert 200_000 < largest <= 400_000
        assert [best(store, (f"root-{number}",), 5) for number in range(8)] == ["0005"] * 8


def test_a_search_ends_although_others_write_all_the_time(store, monkeypatch):
    write(store, "a", 20)
    read = item_source.LocalItemSource.read

    def write_and_read(source, ranked):
        write(store, "b", 1, start=len(attempts))
        attempts.append(len(ranked))
        return read(source, ranked)

    attempts = []
    monkeypatch.setattr(item_source.LocalItemSource, "read", write_and_read)
    assert best(store, ("a",), 7) == "0007"
    assert len(attempts) == item_search._ATTEMPTS


def test_time_to_live_is_restarted_without_a_refresh_of_the_index(store, refreshes):
    new = Item(("a",), "k", "{}", NOON, NOON, ttl=1.0)
    store.items.write([new], [None], [], NOON)
    later = NOON + timedelta(minutes=1)
    assert store.items.search((), later) == []
    store.items.refresh([new], later)
    assert store.items.search((), later) == [(new, None)]
    assert len(refreshes) == 1
