"""A damaged row of a database costs one memory: everything else of the user is found and moved."""

import logging
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")

from postgres_servers import connect

from memorybank_core import HashingEmbedder, MemoryBank, Turn
from memorybank_core.json_format import export_json
from memorybank_core.moving import move
from memorybank_core.stores.postgres.pages import Page, pack, unpack
from memorybank_core.stores.reembed import reembed

NOON = datetime(2023, 5, 4, 12, tzinfo=timezone.utc)
LATER = NOON + timedelta(days=9)
TEXTS = {
    "tea": "I drink green tea.",
    "soup": "I cook tomato soup.",
    "猫": "我的猫叫小白。",
    "cello": "Nora plays the cello.",
}
OTHERS = TEXTS.keys() - {"soup"}


def update(table, values):
    """Return a function that damages a row of the soup of a user."""

    def damage(db, user):
        where = f"(user_id, seq) = ('{user}', {find_seq(db, user)})"
        assert db.execute(f"UPDATE memorybank.{table} SET {values} WHERE {where}").rowcount == 1

    return damage


def find_seq(db, user):
    select = "SELECT seq FROM memorybank.memories WHERE user_id = %s AND id = 'soup'"
    return db.execute(select, (user,)).fetchone()[0]


def change_page(change):
    """Return a function that changes the page with the vector of the soup of a user."""

    def damage(db, user):
        select = "SELECT first_seq, last_seq, columns, vectors FROM memorybank.pages"
        [row] = db.execute(f"{select} WHERE user_id = %s", (user,))
        columns, vectors = change(Page(*row), find_seq(db, user))
        update = "UPDATE memorybank.pages SET columns = %s, vectors = %s WHERE user_id = %s"
        db.execute(update, (columns, vectors, user))

    return damage


def drop_vector(page, seq):
    batch = unpack([page])
    new = pack(batch.select(batch.key != seq), page.first_seq, page.last_seq)
    return new.columns, new.vectors


def set_to_nan(page, seq):
    batch = unpack([page])
    vectors = batch.vectors.copy()
    vectors[batch.key == seq] = np.nan
    return page.columns, vectors.tobytes()


ROW_DAMAGES = {
    "unknown kind": update("memories", "kind = 'tirn'"),
    "bad day": update("memories", "day = '2023-02-31'"),
    "no day": update("memories", "day = ''"),
    "bad time": update("memories", "created_at = 1::bigint << 62"),
    "broken metadata": update("memories", "metadata = '{'"),
    "no text": update("memories", "query = '', response = ''"),
    "NaN as strength": update("states", "strength = 'NaN'"),
}
VECTOR_DAMAGES = {"no vector": change_page(drop_vector), "NaN": change_page(set_to_nan)}
PAGE_DAMAGES = {
    "cut vectors": change_page(lambda page, seq: (page.columns, page.vectors[:-7])),
    "cut columns": change_page(lambda page, seq: (page.columns[:-7], page.vectors)),
    "no columns": change_page(lambda page, seq: (b"", b"")),
}
DAMAGES = ROW_DAMAGES | VECTOR_DAMAGES | PAGE_DAMAGES
each_damage = pytest.mark.parametrize("name", DAMAGES)


@pytest.fixture(scope="module")
def url(postgres):
    """A bank with two users for each damage: `name` and `name` 2."""
    url = postgres.new()
    turns = [
        Turn(text, "", NOON + timedelta(days=day), id, "s", metadata={"n": day})
        for day, (id, text) in enumerate(TEXTS.items())
    ]
    with open_bank(url) as bank, connect(url) as db:
        for name, damage in DAMAGES.items():
            for user in (name, f"{name} 2"):
                bank.add(turns, user_id=user)
                bank.reinforce(list(TEXTS), user_id=user, now=LATER)
                damage(db, user)
    return url


@pytest.fixture(scope="module")
def bank(url):
    with open_bank(url) as bank:
        yield bank


def open_bank(url, dimension=256):
    return MemoryBank.open(url, embedder=HashingEmbedder(dimension))


def found_ids(bank, user, **options):
    query = "tea and cello, soup, 我的猫"
    results = bank.search(query, user_id=user, k=20, now=LATER, min_relevance=0.0, **options)
    return {result.memory.id for result in results if result.memory.turn}


def turn_ids(bank, user):
    return {memory.id for memory in bank.timeline(user_id=user, archived=True) if memory.turn}


def intact_ids(name):
    """Return the ids whose texts are intact."""
    return OTHERS if name in ROW_DAMAGES else TEXTS.keys()


@each_damage
def test_everything_else_of_the_user_works(bank, name, caplog):
    days = [NOON.date(), (NOON + timedelta(days=3)).date()]
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert turn_ids(bank, name) == intact_ids(name)
            found = set() if name in PAGE_DAMAGES else OTHERS
            assert found_ids(bank, name) == found
            assert found_ids(bank, name, where={"n": {"$gte": 0}}) == found
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == len(set(messages)) >= (name != "no vector")
    assert not any("tomato" in message for message in messages)
    assert [bank.stats(user_id=name).last_day, bank.store.span(name)[0]] == days[::-1]
    assert len(bank.timeline(user_id=name, last=2)) == 2
    bank.context("green tea", user_id=name, now=LATER)
    bank.reinforce(list(TEXTS), user_id=name, now=LATER)
    bank.summarize(user_id=name)
    exported = export_json(bank, users=[name])[name]["history"]
    assert {entry["memory_id"] for day in exported.values() for entry in day} == intact_ids(name)
    bank.forget(user_id=name, now=LATER + timedelta(days=900))


@each_damage
def test_it_can_be_replaced_and_deleted(bank, name):
    user = f"{name} 2"
    if name in ROW_DAMAGES:
        turn = Turn(TEXTS["soup"], "", NOON + timedelta(days=1), "soup", "s")
        bank.add([turn], user_id=user)
        assert turn_ids(bank, user) == found_ids(bank, user) == TEXTS.keys()
    assert bank.delete(user_id=user, ids=["soup"]).memories == 1
    assert turn_ids(bank, user) == OTHERS
    bank.add([Turn("It rains.", "", LATER, "rain")], user_id=user)
    assert "rain" in found_ids(bank, user)


def test_it_can_be_moved_and_embedded_again(url, postgres, tmp_path):
    other = postgres.new()
    move(url, tmp_path / "moved.db")
    move(url, other)
    reembed(url, HashingEmbedder(96))
    for location, dimension in ((tmp_path / "moved.db", 256), (other, 256), (url, 96)):
        with open_bank(location, dimension) as bank:
            for name in DAMAGES:
                assert turn_ids(bank, name) == intact_ids(name)
                found = intact_ids(name) if location == url else OTHERS
                if location == url or name not in PAGE_DAMAGES:
                    assert found_ids(bank, name, archived=True) == found, name
