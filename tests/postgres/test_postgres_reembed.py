"""Change of the embedder: interrupted, written to in the meantime, by a role with few rights."""

import re
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")

import schema_1
from interruption import is_killed, run_in_small_steps
from postgres_servers import connect

from memorybank_core import EmbedderMismatchError, HashingEmbedder, MemoryBank, StoreError, Turn
from memorybank_core.ingest import embed_windows
from memorybank_core.stores.postgres import Layout, init, next_generation
from memorybank_core.stores.postgres.page_rows import PAGE_COLUMNS, read_pages
from memorybank_core.stores.postgres.pages import unpack
from memorybank_core.stores.reembed import reembed

MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
OLD, NEW = HashingEmbedder(32), schema_1.Embedder()
SIZES = {"ada": 150, "bob": 90, **{f"user {n}": 2 for n in range(5)}}
RIGHTS = "SELECT, INSERT, UPDATE, DELETE"


@pytest.fixture(params=["partitions", "whole", "row_security"])
def each_url(request, postgres):
    """The URL, for a role that may not create anything, of a bank with each layout."""
    yield from create_bank(postgres, request.param)


@pytest.fixture
def url(postgres):
    """The URL, for the same role, of a bank with partitions and row-level security."""
    yield from create_bank(postgres, "row_security")


def create_bank(postgres, name):
    url = postgres.new()
    options = {"partitions": 0 if name == "whole" else 2, "row_security": name == "row_security"}
    init(url, Layout(OLD.name, OLD.dimension, **options))
    with connect(url) as db:
        db.execute("DROP ROLE IF EXISTS writer")
        db.execute("CREATE ROLE writer LOGIN")
        db.execute("GRANT USAGE ON SCHEMA memorybank TO writer")
        db.execute(f"GRANT {RIGHTS} ON ALL TABLES IN SCHEMA memorybank TO writer")
    limited = re.sub("//[^/]*@", "//writer@", url)
    with MemoryBank.open(limited, embedder=OLD) as bank:
        for user, count in SIZES.items():
            bank.add([make_turn(f"t{n}", f"{user} fact {n}") for n in range(count)], user_id=user)
    yield limited
    postgres.drop(url)
    with postgres.connect() as db:
        db.execute("DROP ROLE writer")


def make_turn(id, text):
    return Turn(text, "yes 茶", MONDAY + timedelta(hours=len(text)), id)


def read_page_rows(url):
    """Return the pages of each user and generation, as batches."""
    with connect(url) as db:
        db.execute("SET memorybank_session.scope = 'all'")
        rows = db.execute(
            f"SELECT user_id, generation, {PAGE_COLUMNS} FROM memorybank.pages "
            "ORDER BY user_id, generation, first_seq"
        ).fetchall()
    groups = {}
    for user, generation, *page in rows:
        groups.setdefault((user, generation), []).append(tuple(page))
    return {key: unpack(read_pages(pages)) for key, pages in groups.items()}


def assert_embedded(url, expected):
    """Assert that a bank has these memory ids for each user, all with vectors of `NEW` alone."""
    pages = read_page_rows(url)
    assert {user for user, _ in pages} == set(expected)
    assert len({generation for _, generation in pages}) == 1
    with MemoryBank.open(url, embedder=NEW) as bank:
        for (user, _), batch in pages.items():
            stored = bank.store.scan(user, limit=999)
            assert [item.memory.id for item in stored] == expected[user]
            assert [item.key for item in stored] == batch.key.tolist()
            matrices = embed_windows([item.memory.text for item in stored], NEW)
            assert np.array_equal(np.concatenate(matrices), batch.vectors)
            last = stored[-1].memory
            assert bank.search(last.text, user_id=user, k=1)[0].memory.id == last.id


def test_the_keys_of_few_memories_are_read_at_once(url, monkeypatch):
    monkeypatch.setattr(next_generation, "_MAX_KEYS", 100)
    read, users = next_generation._read_keys_and_pages, []

    def read_and_record(*args, **options):
        result = read(*args, **options)
        users.append(result[0])
        return result

    monkeypatch.setattr(next_generation, "_read_keys_and_pages", read_and_record)
    assert reembed(url, NEW) == sum(SIZES.values())
    *others, last = SIZES
    assert users[:3] == [["ada"], ["bob", *others[2:], last], []]


def test_an_interrupted_run_keeps_what_was_written_in_the_meantime(each_url, monkeypatch):
    expected = {user: [f"t{n}" for n in range(count)] for user, count in SIZES.items()}

    def write(limit):
        with MemoryBank.open(each_url, embedder=OLD) as bank:
            new = [make_turn(f"new {limit} {n}", f"new {limit} {n}") for n in range(3)]
            bank.add(new, user_id="ada")
            bank.add([make_turn(f"t{limit}", f"other {limit}")], user_id="ada", replace=True)
            bank.delete(user_id="ada", ids=[f"t{30 + limit}"])
            bank.reinforce(["t0"], user_id="ada")
            bank.delete(user_id="user 1")
            bank.add(new, user_id="user 1")
            if limit == 4:
                bank.delete(user_id="user 2")
                del expected["user 2"]
        ids = [turn.id for turn in new]
        expected["ada"] = [id for id in expected["ada"] if id != f"t{30 + limit}"] + ids
        expected["user 1"] = ids

    assert run_in_small_steps(monkeypatch, lambda: reembed(each_url, NEW), write) > 9
    assert_embedded(each_url, expected)
    with connect(each_url) as db:
        names = {name for (name,) in db.execute("SELECT name FROM memorybank.meta")}
    assert "next_embedder" not in names


def test_nothing_of_a_deleted_memory_stays_in_an_unfinished_generation(url, monkeypatch):
    assert is_killed(monkeypatch, 9, lambda: reembed(url, NEW))
    generations = {generation for _, generation in read_page_rows(url)}
    assert len(generations) == 2
    with MemoryBank.open(url, embedder=OLD) as bank:
        keys = {item.memory.id: item.key for item in bank.store.scan("ada", limit=999)}
        bank.delete(user_id="ada", ids=["t1", "t40"])
        bank.add([make_turn("t3", "other words")], user_id="ada", replace=True)
    gone = {keys["t1"], keys["t40"]}
    old, new = (read_page_rows(url)["ada", generation] for generation in sorted(generations))
    assert not gone & {*old.key, *new.key}
    assert keys["t3"] in old.key
    assert keys["t3"] not in new.key
    for text in ("ada fact 1\nyes 茶", "ada fact 40\nyes 茶", "ada fact 3\nyes 茶"):
        [[vector]] = embed_windows([text], NEW)
        assert not (new.vectors == vector).all(axis=1).any()
    with MemoryBank.open(url, embedder=OLD) as bank:
        bank.delete(user_id="ada")
    assert not [user for user, _ in read_page_rows(url) if user == "ada"]


def test_a_finished_run_replaces_the_vectors_of_open_stores(url):
    with MemoryBank.open(url, embedder=OLD) as bank:
        assert bank.search("fact 7", user_id="ada")
        assert reembed(url, OLD) == 250
        assert bank.search("ada fact 7", user_id="ada", k=1)[0].memory.id == "t7"
        bank.add([make_turn("new", "new words")], user_id="ada")
        assert bank.search("new words", user_id="ada", k=1)[0].memory.id == "new"
        done = []
        assert reembed(url, NEW, progress=done.append) == sum(done) == 251
        with pytest.raises(EmbedderMismatchError, match="memorybank reembed"):
            bank.search("fact", user_id="ada")
        with pytest.raises(EmbedderMismatchError):
            bank.add([make_turn("newer", "newer words")], user_id="ada")


def test_another_run_with_another_embedder_takes_over(url, monkeypatch):
    assert is_killed(monkeypatch, 9, lambda: reembed(url, HashingEmbedder(16)))

    class Late(HashingEmbedder):
        def embed_documents(self, texts):
            reembed(url, NEW)
            return super().embed_documents(texts)

    with pytest.raises(StoreError, match="another call of reembed"):
        reembed(url, Late(64))
    ids = {user: [f"t{n}" for n in range(count)] for user, count in SIZES.items()}
    assert_embedded(url, ids)
