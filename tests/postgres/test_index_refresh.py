"""The index that a process keeps of a user follows what any process writes."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")

from interruption import is_killed
from postgres_servers import connect

from memorybank_core.stores.postgres import PostgresStore, index_refresh
from memorybank_core.stores.postgres.connections import Session
from memorybank_core.testing.examples import ADA, BOB, EAST, LAW, NOON, NORTH, probe, turn


def open_store(url, **options):
    return PostgresStore(url, embedder="by-hand", dimension=3, **options)


@pytest.fixture
def stores(postgres):
    """Two stores of one database, as in two processes."""
    url = postgres.new()
    with closing(open_store(url)) as first, closing(open_store(url)) as second:
        yield first, second


def candidates(store):
    """Return all columns of a search that finds every memory, by key."""
    found = store.candidates(ADA, probe("tea cello", pool=9999, least=9999))
    order = np.argsort(found.key)
    columns = ("key", "similarity", "length", "created", "refreshed", "strength", "place")
    return {name: getattr(found, name)[order].tolist() for name in columns}


def assert_current(store, url):
    """Assert that a store's index equals one that is built from scratch."""
    with closing(open_store(url)) as fresh:
        assert candidates(store) == candidates(fresh)


def record(monkeypatch):
    """Return a list to which the texts of all statements sent are appended, a list a round trip."""
    sent, send = [], Session._send

    def record_and_send(session, *statements):
        sent.append([statement.text.split()[0] for statement in statements])
        return send(session, *statements)

    monkeypatch.setattr(Session, "_send", record_and_send)
    return sent


def count_pages(url):
    """Return the number of pages of all users."""
    with connect(url) as db:
        return db.execute("SELECT count(*) FROM memorybank.pages").fetchone()[0]


def write_randomly(rng, store, number):
    """Make a random write."""
    ids = [str(rng.randrange(number + 1)) for _ in range(3)]
    action = rng.choice(["add"] * 6 + ["many", "replace", "recall", "archive", "pin", "delete"])
    if action == "add":
        store.add(ADA, [turn(f"{number} tea", hours=number)], [EAST])
    elif action == "many":
        names = [f"{number}-{part} cello tea" for part in range(rng.randint(2, 150))]
        store.add(ADA, [turn(name, hours=number) for name in names], [NORTH] * len(names))
    elif action == "replace":
        known = list(store.known(ADA, ids))
        store.add(ADA, [turn(f"{id} milk") for id in known], [NORTH] * len(known), replace=True)
    elif action == "recall":
        store.strengthen(ADA, ids, NOON, None, LAW)
    elif action == "delete":
        store.delete(ADA, ids=ids)
    else:
        store.change_state(ADA, ids, action, NOON)


@pytest.mark.parametrize("seed", range(3))
def test_it_equals_one_built_from_scratch_after_random_writes(stores, seed, monkeypatch):
    monkeypatch.setattr(index_refresh, "_PAGES_AT_ONCE", 3)
    monkeypatch.setattr(index_refresh, "_LOAD", index_refresh._LOAD.replace("LIMIT 128", "LIMIT 3"))
    rng = random.Random(seed)
    for number in range(80):
        write_randomly(rng, rng.choice(stores), number)
        if rng.random() < 0.4:
            store = rng.choice(stores)
            assert_current(store, store.path)


def test_a_warm_search_sends_one_statement_and_the_first_one_too(stores, monkeypatch):
    reader, writer = stores
    writer.add(ADA, [turn("1 tea")], [EAST])
    sent = record(monkeypatch)
    for _ in range(2):
        found = reader.candidates(ADA, probe("tea"))
        reader.fetch(ADA, found.key.tolist())
        assert sent == [["WITH"], ["SELECT"]]
        sent.clear()
    writer.add(ADA, [turn("2 tea")], [EAST])
    writer.strengthen(ADA, ["1"], NOON, None, LAW)
    sent.clear()
    assert len(reader.candidates(ADA, probe("tea")).key) == 2
    assert sent == [["WITH"]]


def test_an_add_of_a_known_user_is_one_statement_that_commits_itself(stores, monkeypatch):
    store, _ = stores
    store.add(ADA, [turn("1 tea")], [EAST])
    sent = record(monkeypatch)
    store.add(ADA, [turn("2 tea")], [EAST])
    assert sent == [["WITH"]]


def test_pages_left_by_killed_processes_are_merged_later(stores, monkeypatch):
    store, reader = stores
    store.add(ADA, [turn("0 tea")], [EAST])
    for number in range(1, 20):  # no merge follows an add
        new = [turn(f"{number} tea", hours=number)]
        is_killed(monkeypatch, 1, lambda new=new: store.add(ADA, new, [EAST]))
    candidates(reader)
    assert count_pages(store.path) == 20
    for number in range(20, 24):
        store.add(ADA, [turn(f"{number} tea", hours=number)], [EAST])
    assert count_pages(store.path) == 1
    assert candidates(reader) == candidates(store)
    assert len(candidates(reader)["key"]) == 24


def test_small_pages_are_merged(stores):
    store, reader = stores
    for number in range(150):
        store.add(ADA, [turn(f"{number} tea", hours=number)], [EAST])
        if number % 7 == 0:
            reader.candidates(ADA, probe("tea"))
    with connect(store.path) as db:
        select = "SELECT last_seq - first_seq + 1 FROM memorybank.pages ORDER BY first_seq"
        assert [size for (size,) in db.execute(select)] == [64, 64, 8, 8, *[1] * 6]
    assert_current(reader, store.path)


def test_a_first_memory_that_was_deleted_does_not_stay_when_its_page_is_merged(stores):
    writer, reader = stores
    for number in range(7):
        writer.add(ADA, [turn(f"{number} tea"), turn(f"{number}b tea")], [EAST, EAST])
        reader.candidates(ADA, probe("tea"))
    writer.delete(ADA, ids=["2"])
    for number in range(7, 9):
        writer.add(ADA, [turn(f"{number} tea"), turn(f"{number}b tea")], [EAST, EAST])
    assert_current(reader, writer.path)


def test_a_user_who_was_created_again_is_not_mistaken_for_the_old_one(stores):
    writer, reader = stores
    for text in ("old tea", "new cello"):
        writer.add(ADA, [turn(f"1 {text}")], [EAST])
        writer.add(ADA, [turn(f"2 {text}")], [EAST])
        assert_current(reader, writer.path)
        if text.startswith("old"):
            writer.delete(ADA)
    writer.delete(ADA)
    assert not len(reader.candidates(ADA, probe("tea")).key)


def test_the_cache_stays_within_its_budget(stores):
    writer, _ = stores
    users = [f"user-{number}" for number in range(12)]
    for user in users:
        turns = [turn(f"{n} tea", user=user) for n in range(40)]
        writer.add(user, turns, [EAST] * 40)
    with closing(open_store(writer.path)) as store:
        store.candidates(users[0], probe("tea"))
        budget = 3 * store.cache_nbytes
    with closing(open_store(writer.path, cache_bytes=budget)) as store:
        for user in users:
            store.candidates(user, probe("tea"))
            assert 0 < store.cache_nbytes <= budget


def test_deleted_vectors_and_words_leave_the_pages(stores):
    store, _ = stores
    secret = np.float32([[0.1234, 0.5678, 0.8139]])
    store.add(ADA, [turn("1 tea"), turn("2 zanzibar", session="hidden")], [EAST, secret])
    traces = {"vectors": secret.tobytes(), "columns": b"hidden"}

    def count(sql, *values):
        with connect(store.path) as db:
            return db.execute(sql, values).fetchone()[0]

    for expected in (1, 0):
        for column, trace in traces.items():
            having = f"SELECT count(*) FROM memorybank.pages WHERE position(%s IN {column}) > 0"
            assert count(having, trace) == expected
        store.delete(ADA, ids=["2"])
        assert store.compact()
    dead = "SELECT sum(n_dead_tup) FROM pg_stat_all_tables WHERE relname ~ '^pages|^pg_toast_'"
    assert count(dead) == 0


def test_a_user_who_appears_during_a_recall_is_not_changed_without_a_new_version(stores):
    store, _ = stores
    store.add(BOB, [turn("1 tea", user=BOB)], [EAST])
    calls = (
        lambda: store.strengthen(ADA, ["1"], NOON, None, LAW),
        lambda: store.change_state(ADA, ["1"], "archive", NOON),
    )
    with connect(store.path, autocommit=True) as db, ThreadPoolExecutor(2) as threads:
        db.execute("BEGIN")
        db.execute("LOCK TABLE memorybank.memories IN ACCESS EXCLUSIVE MODE")
        runs = [threads.submit(call) for call in calls]
        waiting = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
        while db.execute(waiting).fetchone() != (len(runs),):
            time.sleep(0.01)
        for table in ("users", "memories"):  # Ada gets what Bob has
            db.execute(f"CREATE TEMPORARY TABLE copy AS SELECT * FROM memorybank.{table}")
            db.execute("UPDATE copy SET user_id = %s", (ADA,))
            db.execute(f"INSERT INTO memorybank.{table} SELECT * FROM copy")
            db.execute("DROP TABLE copy")
        db.execute("COMMIT")
        assert [run.result() for run in runs] == [0, 0]
    assert store.known(ADA, ["1"])["1"] == turn("1 tea")
