"""Items in the file of a bank: erasure, change of the embedder, separation from memories."""

import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from memorybank_core import (
    EmbedderMismatchError,
    HashingEmbedder,
    InvalidInputError,
    MemoryBank,
    StoreClosedError,
    Turn,
)
from memorybank_core.protocols import Item
from memorybank_core.stores import LocalStore
from memorybank_core.stores.reembed import reembed
from memorybank_core.stores.sqlite import items, schema

NOON = datetime(2023, 5, 4, 12, tzinfo=timezone.utc)
VECTOR = np.random.default_rng(1).normal(size=(1, 64)).astype(np.float32)


@pytest.fixture
def store(tmp_path):
    with closing(
        LocalStore(tmp_path / "bank.db", embedder="a", dimension=64, busy_timeout=0.3)
    ) as store:
        yield store


def item(key, *, value="{}", at=NOON, fields=("$",), **changes):
    return Item(("notes",), key, value, at, at, fields=fields, **changes)


def secret(word):
    return Item((f"{word}-label",), f"{word}-key", f'"{word}-value {"x" * 20_000}"', NOON, NOON)


def bytes_of(store):
    files = sorted(store.path.parent.iterdir())
    return subprocess.run(["cat", *files], capture_output=True, check=True).stdout


def test_deleted_items_leave_no_bytes(store):
    store.items.write([secret("canary"), secret("budgie")], [VECTOR, -VECTOR], [], NOON)
    assert b"canary" in bytes_of(store)
    assert VECTOR.tobytes() in bytes_of(store)
    assert store.items.write([], [], [(("canary-label",), "canary-key")], NOON)
    assert b"canary" not in bytes_of(store)
    assert VECTOR.tobytes() not in bytes_of(store)
    assert b"budgie-value" in bytes_of(store)


def test_after_many_writes_and_deletions_only_existing_items_remain(store):
    alive = set()
    rng = np.random.default_rng(7)
    for step in range(12):
        keys = [f"canary{step:02}{part:02}z" for part in range(rng.integers(1, 30))]
        alive.update(keys)
        written = [item(key, value=f'"{"x" * rng.integers(9000)}"') for key in keys]
        gone = rng.choice(sorted(alive), len(alive) // 2, replace=False).tolist()
        store.items.write(
            written, [VECTOR] * len(written), [(("notes",), key) for key in gone], NOON
        )
        alive -= set(gone)
        left = bytes_of(store)
        assert all(
            (f"canary{n:02}{m:02}z" in alive) == (f"canary{n:02}{m:02}z".encode() in left)
            for n in range(step + 1)
            for m in range(30)
        )


def test_only_deleting_reads_the_whole_file(store, monkeypatch):
    erased = []
    monkeypatch.setattr(store.items, "_erase", lambda: erased.append(1) or True)
    store.items.write([item("a", ttl=1.0), item("b")], [None, None], [], NOON)
    store.items.write([item("b", value="[]")], [None], [], NOON + timedelta(days=1))
    assert erased == []
    store.items.write([item("c")], [None], [(("notes",), "b"), (("notes",), "c")], NOON)
    assert erased == [1]


def test_an_old_reader_delays_the_erasure_which_the_result_reports(store):
    store.items.write([secret("canary")], [None], [], NOON)
    with closing(sqlite3.connect(store.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM items").fetchone()
        gone = [(("canary-label",), "canary-key")]
        assert store.items.write([], [], gone, NOON) is False
        assert store.items.search((), NOON) == []
    assert store.items.write([], [], gone, NOON) is True
    assert b"canary" not in bytes_of(store)


def test_a_change_of_the_embedder_drops_all_vectors(store):
    store.items.write([item("a"), item("b", fields=())], [VECTOR, None], [], NOON)
    assert reembed(store.path, HashingEmbedder(32)) == 0
    for call in (
        lambda: store.items.search((), NOON, vector=VECTOR[0]),
        lambda: store.items.write([item("c"), item("d")], [None, VECTOR], [], NOON),
        lambda: store.items.set_vectors([item("a")], [VECTOR]),
    ):
        with pytest.raises(EmbedderMismatchError):
            call()
    with closing(LocalStore(store.path, embedder="hashing-32", dimension=32)) as reopened:
        assert reopened.items.unembedded((), NOON) == [item("a")]
        query = np.ones(32, np.float32)
        assert [score for _, score in reopened.items.search((), NOON, vector=query)] == [None, None]


def test_items_are_neither_memories_nor_users(tmp_path):
    with MemoryBank.open(tmp_path / "bank.db", embedder="hashing") as bank:
        bank.add([Turn("I like tea.", at=NOON)], user_id="notes")
        bank.store.items.write([item("a", value='"tea"')], [None], [], NOON)
        assert list(bank.users()) == ["notes"]
        assert len(bank.search("tea", user_id="notes")) == 1
        bank.delete(user_id="notes")
        assert bank.store.items.get(("notes",), "a", NOON) == item("a", value='"tea"')


def test_concurrent_writes_are_all_stored(store):
    with ThreadPoolExecutor(4) as threads:
        write = lambda n: store.items.write([item(f"{n}")], [VECTOR], [], NOON)  # noqa: E731
        assert all(threads.map(write, range(40)))
    assert len(store.items.search((), NOON, limit=99)) == 40


def test_one_invalid_item_rejects_the_whole_call(store):
    with pytest.raises(InvalidInputError, match="surrogate"):
        store.items.write([item("a"), item("\ud800")], [None, None], [], NOON)
    assert store.items.search((), NOON) == []


def test_a_closed_store_raises(store):
    store.close()
    with pytest.raises(StoreClosedError):
        store.items.get(("a",), "k", NOON)


def test_listing_does_not_read_every_item(store):
    missing = f"SELECT key FROM items WHERE {items._UNEMBEDDED}"
    with store._connections.read() as db:
        for statement in (items._NAMESPACES, missing):
            parameters = ("/a/", "/a0", "/a0", 0)[-statement.count("?") :]
            plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            assert any("items" in step for step in plan)
            assert not any(step.startswith("SCAN items") for step in plan)
        assert any("items_unembedded" in step for step in plan)


def test_a_file_without_item_tables_is_migrated(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        path = tmp_path / "old.db"
        with closing(sqlite3.connect(path)) as db:
            schema.migrate(db, path)
    with closing(LocalStore(path, embedder="a", dimension=64)) as store:
        assert store.items.namespaces((), NOON) == []
