"""A damaged row costs one memory: everything else of the user is found, exported and moved."""

import logging
import math
import shutil
import sqlite3
import struct
from contextlib import closing
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from memorybank_core import HashingEmbedder, MemoryBank, Turn
from memorybank_core.item_filter import ItemFilter
from memorybank_core.json_format import export_json
from memorybank_core.moving import move
from memorybank_core.protocols import Item
from memorybank_core.stores.reembed import reembed
from memorybank_core.stores.sqlite.store import LocalStore

ADA, BOB = "ada@example.com", "bob@example.com"
NOON = datetime(2023, 5, 4, 12, tzinfo=timezone.utc)
LATER = NOON + timedelta(days=9)
TEXTS = {
    "tea": "I drink green tea.",
    "soup": "I cook tomato soup.",
    "猫": "我的猫叫小白。",
    "cello": "Nora plays the cello.",
}
DAMAGED = "soup"
OF_ROW = f"WHERE id = '{DAMAGED}'"
OF_VECTOR = f"WHERE (user_key, seq) = (SELECT user_key, seq FROM memories {OF_ROW})"
DIMENSION = HashingEmbedder().dimension
NOT_UTF8 = "CAST(x'736f757080' AS TEXT)"

ROW_DAMAGES = {
    "query not UTF-8": f"UPDATE memories SET query = {NOT_UTF8} {OF_ROW}",
    "session not UTF-8": f"UPDATE memories SET session = {NOT_UTF8} {OF_ROW}",
    "day not UTF-8": f"UPDATE memories SET day = {NOT_UTF8} {OF_ROW}",
    "metadata not UTF-8": f"UPDATE memories SET metadata = {NOT_UTF8} {OF_ROW}",
    "a query of another type": f"UPDATE memories SET query = x'00' {OF_ROW}",
    "no text": f"UPDATE memories SET query = '', response = '' {OF_ROW}",
    "unknown kind": f"UPDATE memories SET kind = 'tirn' {OF_ROW}",
    "bad day": f"UPDATE memories SET day = '0000-02-31' {OF_ROW}",
    "no day": f"UPDATE memories SET day = '' {OF_ROW}",
    "bad time": f"UPDATE memories SET created_at = 1 << 62 {OF_ROW}",
    "a time that is no number": f"UPDATE memories SET created_at = 'noon' {OF_ROW}",
    "broken metadata": f"UPDATE memories SET metadata = '{{\"a\":' {OF_ROW}",
    "metadata that are no object": f"UPDATE memories SET metadata = '[1]' {OF_ROW}",
    "infinite strength": f"UPDATE memories SET strength = 9e999 {OF_ROW}",
    "a strength that is no number": f"UPDATE memories SET strength = 'much' {OF_ROW}",
}
VECTOR_DAMAGES = {
    "no vector": f"DELETE FROM vectors {OF_VECTOR}",
    "empty vector": f"UPDATE vectors SET vector = x'' {OF_VECTOR}",
    "short vector": f"UPDATE vectors SET vector = x'0000803f' {OF_VECTOR}",
    "NaN": f"UPDATE vectors SET vector = x'{struct.pack('<f', math.nan).hex() * DIMENSION}' "
    f"{OF_VECTOR}",
    "terms of a wrong length": f"UPDATE memories SET terms = x'01' {OF_ROW}",
}
DAMAGES = ROW_DAMAGES | VECTOR_DAMAGES


def open_bank(path):
    return MemoryBank.open(path, embedder=HashingEmbedder())


def damage(path, statement):
    with closing(sqlite3.connect(path)) as db, db:
        assert db.execute(statement).rowcount == 1


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    path = tmp_path_factory.mktemp("intact") / "bank.db"
    with open_bank(path) as bank:
        for day, (id, text) in enumerate(TEXTS.items()):
            turn = Turn(text, "", NOON + timedelta(days=day), id, "s", metadata={"n": day})
            bank.add([turn], user_id=ADA)
        bank.add([Turn("I fish.", id="fish")], user_id=BOB)
        bank.reinforce(list(TEXTS), user_id=ADA, now=LATER)
        bank.summarize(user_id=ADA)
        bank.set_profile({"name": "Ada"}, user_id=ADA)
    return path


@pytest.fixture
def path(intact, tmp_path):
    return shutil.copy(intact, tmp_path / "bank.db")


@pytest.fixture(params=DAMAGES)
def damaged(request, path):
    damage(path, DAMAGES[request.param])
    return path


def turn_ids(bank):
    return {memory.id for memory in bank.timeline(user_id=ADA, archived=True) if memory.turn}


def found_ids(bank, query, **options):
    results = bank.search(query, user_id=ADA, k=20, now=LATER, min_relevance=0.0, **options)
    return {result.memory.id for result in results if result.memory.turn}


def others():
    return TEXTS.keys() - {DAMAGED}


def test_searches_find_the_other_memories(damaged, caplog):
    with open_bank(damaged) as bank:
        for query in ("tea and cello", "我的猫", "On May 5th?"):
            assert found_ids(bank, query) >= others(), query
        assert found_ids(bank, "tea", where={"n": {"$gte": 0}}) == others()
        assert "green tea" in str(bank.context("green tea", user_id=ADA, now=LATER))
        bank.add([Turn("I like rain.", "", LATER, "rain")], user_id=ADA)
        assert found_ids(bank, "rain and tea") >= others() | {"rain"}
    reported = [record.getMessage() for record in caplog.records]
    assert len(reported) == len(set(reported))
    assert any("memorybank doctor" in message for message in reported)
    assert not any("soup\\x80" in message or "tomato" in message for message in reported)


@pytest.mark.parametrize("name", ROW_DAMAGES)
def test_what_lists_memories_leaves_it_out_and_logs_it_once(path, name, caplog):
    damage(path, ROW_DAMAGES[name])
    with open_bank(path) as bank:
        with caplog.at_level(logging.WARNING):
            assert turn_ids(bank) == others()
            assert turn_ids(bank) == others()
        assert len([r for r in caplog.records if r.name == "memorybank.core.stores.damage"]) == 1
        assert [m.id for m in bank.timeline(user_id=ADA, archived=True, last=9) if m.turn] == (
            ["tea", "猫", "cello"]
        )
        where = {"n": {"$lt": 3}}
        assert [m.id for m in bank.timeline(user_id=ADA, last=2, where=where)] == ["tea", "猫"]
        assert bank.stats(user_id=ADA).first_day is not None
        assert bank.store.span(ADA) == (NOON.date(), (NOON + timedelta(days=3)).date())


@pytest.mark.parametrize("name", VECTOR_DAMAGES)
def test_a_damaged_vector_hides_no_text(path, name):
    damage(path, VECTOR_DAMAGES[name])
    with open_bank(path) as bank:
        assert turn_ids(bank) == TEXTS.keys()
        history = export_json(bank)[ADA]["history"]
        assert sum(map(len, history.values())) == 4
        assert found_ids(bank, "On May 5th?") == others()


def test_memories_can_be_changed_exported_and_deleted(damaged):
    with open_bank(damaged) as bank:
        bank.reinforce(list(others()), user_id=ADA, now=LATER)
        bank.reinforce(list(TEXTS), user_id=ADA, now=LATER)
        bank.summarize(user_id=ADA)
        bank.forecast(LATER, user_id=ADA)
        exported = export_json(bank)
        assert {
            entry["memory_id"] for day in exported[ADA]["history"].values() for entry in day
        } >= (others())
        bank.forget(user_id=ADA, now=LATER + timedelta(days=900))
        assert bank.delete(user_id=ADA, ids=[DAMAGED]).memories >= 1
        assert turn_ids(bank) == others()
        assert found_ids(bank, "tea", archived=True) >= others()
        assert bank.delete(user_id=ADA).remaining == 0


def test_the_bank_can_be_moved(damaged, tmp_path):
    receipt = move(damaged, tmp_path / "moved.db")
    with open_bank(damaged) as old, open_bank(tmp_path / "moved.db") as new:
        assert turn_ids(new) == turn_ids(old)
        assert found_ids(new, "tea and cello") >= others()
        assert new.recalls("cello", user_id=ADA) == [LATER]
    assert receipt.users == 2


def test_the_bank_can_be_embedded_again(damaged):
    reembed(damaged, HashingEmbedder(96))
    with MemoryBank.open(damaged, embedder=HashingEmbedder(96)) as bank:
        assert found_ids(bank, "tea and cello") >= others()
        assert found_ids(bank, "On May 5th?") <= turn_ids(bank)


def test_terms_are_derived_again(damaged):
    with closing(sqlite3.connect(damaged)) as db, db:
        db.execute("UPDATE memories SET terms_version = 0")
    with open_bank(damaged) as bank:
        assert found_ids(bank, "tea and cello") >= others()
    with closing(sqlite3.connect(damaged)) as db:
        assert db.execute("SELECT count(*) FROM memories WHERE terms_version = 0").fetchone() == (
            0,
        )


@pytest.mark.parametrize("name", ROW_DAMAGES)
def test_adding_the_turn_again_replaces_the_damaged_row(path, name):
    damage(path, ROW_DAMAGES[name])
    with open_bank(path) as bank:
        found_ids(bank, "tea")
        turn = Turn(TEXTS[DAMAGED], "", NOON + timedelta(days=1), DAMAGED, "s")
        bank.add([turn], user_id=ADA)
        assert turn_ids(bank) == TEXTS.keys()
        assert found_ids(bank, "tomato soup") >= TEXTS.keys()


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE digests SET text = {NOT_UTF8} WHERE kind = 'summary' AND day = '2023-05-05'",
        "UPDATE digests SET day = '2023-13-13' WHERE kind = 'summary' AND day = '2023-05-05'",
        "UPDATE digests SET kind = 'sommary' WHERE kind = 'summary' AND day = '2023-05-05'",
        "UPDATE digests SET made_at = 1 << 62 WHERE kind = 'summary' AND day = '2023-05-05'",
    ],
)
def test_a_damaged_digest_is_made_again(path, statement):
    with open_bank(path) as bank:
        before = {(type(digest), digest.day) for digest in bank.digests(user_id=ADA)}
    damage(path, statement)
    with open_bank(path) as bank:
        assert len(bank.digests(user_id=ADA)) == len(before) - 1
        bank.rebuild(user_id=ADA)
        assert {(type(digest), digest.day) for digest in bank.digests(user_id=ADA)} == before


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        (
            f"UPDATE recalls SET at = 1 << 62 {OF_VECTOR}",
            lambda bank: bank.recalls(DAMAGED, user_id=ADA) == [],
        ),
        (
            f"UPDATE users SET profile = {NOT_UTF8} WHERE user_id = '{ADA}'",
            lambda bank: bank.profile(user_id=ADA) == {},
        ),
        (
            f"UPDATE users SET profile = '[' WHERE user_id = '{ADA}'",
            lambda bank: bank.profile(user_id=ADA) == {},
        ),
        (
            f"UPDATE users SET user_id = {NOT_UTF8} WHERE user_id = '{BOB}'",
            lambda bank: bank.users() == [ADA],
        ),
    ],
)
def test_other_damaged_rows_are_left_out(path, statement, check):
    damage(path, statement)
    with open_bank(path) as bank:
        assert check(bank)
        assert export_json(bank)[ADA]["history"]
        assert found_ids(bank, "tea") == TEXTS.keys()


def test_a_batch_of_only_damaged_memories_does_not_end_a_copy(path, tmp_path):
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE memories SET day = 'x' WHERE id IN ('tea', 'soup')")
    move(path, tmp_path / "moved.db", batch=2)
    with open_bank(tmp_path / "moved.db") as bank:
        assert turn_ids(bank) == {"猫", "cello"}


ITEM_DAMAGES = {
    "value not UTF-8": f"value = {NOT_UTF8}",
    "broken value": "value = '{'",
    "broken fields": "fields = '['",
    "bad time": "updated_at = 1 << 62",
    "a value of another type": "value = x'00'",
}
ITEM_VECTOR_DAMAGES = {"short vector": "vectors = x'00'", "NaN": "vectors = x'0000c07f0000c07f'"}


@pytest.mark.parametrize("name", ITEM_DAMAGES | ITEM_VECTOR_DAMAGES)
def test_a_damaged_item_hides_no_other(tmp_path, name):
    keys, vectors = ["a", "b", "c"], [np.eye(2, dtype=np.float32)[[n % 2]] for n in range(3)]
    items = [Item(("u", "x"), key, f'{{"n": {n}}}', NOON, NOON) for n, key in enumerate(keys)]
    left = ["a", "b", "c"] if name in ITEM_VECTOR_DAMAGES else ["a", "c"]
    with closing(LocalStore(tmp_path / "b.db", embedder="two", dimension=2)) as store:
        store.items.write(items, vectors, [], NOON)
        values = (ITEM_DAMAGES | ITEM_VECTOR_DAMAGES)[name]
        damage(tmp_path / "b.db", f"UPDATE items SET {values} WHERE key = 'b'")
        for vector in (None, np.array([1, 0], np.float32)):
            for accepts in (None, ItemFilter({"n": {"$gte": 0}}), lambda value: True):
                found = store.items.search((), LATER, vector=vector, accepts=accepts)
                assert sorted(item.key for item, _ in found) == left
        assert (store.items.get(("u", "x"), "b", NOON) is None) == ("b" not in left)
        assert len(store.items.namespaces((), NOON)) == 1
        store.items.write(items[1:2], vectors[1:2], [], NOON)
        assert len(store.items.search((), NOON, vector=vector)) == 3
        store.items.write([], [], [(("u", "x"), "b")], NOON)
        assert [item.key for item, _ in store.items.search((), NOON, vector=vector)] == ["a", "c"]
