"""The upgrade of a bank of schema 2: pages of both layouts are read, and nothing is lost."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")

from interruption import is_killed, run_in_small_steps
from no_ties import NoTiesEmbedder
from postgres_servers import connect
from schema_2 import to_layout_1, to_schema_2

from memorybank_core import MemoryBank, SchemaTooOldError, Turn
from memorybank_core.search.terms import TERMS_VERSION
from memorybank_core.search.traits import find_traits
from memorybank_core.stores.postgres import (
    Layout,
    count_to_upgrade,
    derivation,
    init,
    pages,
    upgrade,
)
from memorybank_core.testing.examples import probe

MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
USERS = {"ada": 150, "o'dd 茶": 3, "bo": 20}
VECTOR = np.eye(1, 16, dtype=np.float32)


@pytest.fixture(params=["row_security", "whole"])
def url(request, postgres):
    """The URL of a bank of schema 2."""
    url = postgres.new()
    layout = {"row_security": True} if request.param == "row_security" else {"partitions": 0}
    init(url, Layout("no-ties", 16, **layout))
    with open_bank(url) as bank:
        for user, count in USERS.items():
            bank.add([turn(number) for number in range(count)], user_id=user)
    to_schema_2(url)
    yield url
    postgres.drop(url)


def turn(number, query="I like tea number {}. 你要茶吗？"):
    at = MONDAY + timedelta(hours=number)
    return Turn(query.format(number), "At 5 pm?", at, id=f"t{number}", session="s")


def open_bank(url):
    embedder = NoTiesEmbedder(16)
    embedder.name = "no-ties"
    return MemoryBank.open(url, embedder=embedder)


def read_traits(bank, user):
    """Return the traits that the index has, by memory id, and the frequency of a term."""
    found = bank.store.candidates(user, probe("tea", VECTOR, pool=999, least=999))
    memories = bank.store.fetch(user, found.key.tolist())
    ids = [memories[key].id for key in found.key.tolist()]
    traits = zip(found.asks.tolist(), found.flags.tolist(), strict=True)
    return dict(zip(ids, traits, strict=True)), found.frequencies.tolist()


def assert_upgraded(bank, users=USERS):
    for user, count in users.items():
        memories = bank.timeline(user_id=user)
        assert len(memories) == count
        traits, frequencies = read_traits(bank, user)
        assert traits == {memory.id: find_traits(memory.text) for memory in memories}
        assert frequencies == [count]


def test_an_upgraded_bank_has_the_terms_and_traits_of_a_new_one(url):
    seen = []
    with pytest.raises(SchemaTooOldError, match="memorybank db upgrade"):
        open_bank(url)
    assert count_to_upgrade(url) == sum(USERS.values())
    assert upgrade(url, progress=seen.append) == (2, 3)
    assert sum(seen) == sum(USERS.values())
    assert count_to_upgrade(url) == 0
    with open_bank(url) as bank:
        assert_upgraded(bank)
    assert upgrade(url, progress=seen.append) == (3, 3)
    assert sum(seen) == sum(USERS.values())


def test_pages_of_layout_1_are_read_and_their_memories_changed_meanwhile(url):
    assert is_killed_after_the_schema(url)
    with open_bank(url) as bank:
        traits, frequencies = read_traits(bank, "ada")
        assert set(traits.values()) == {(0, 0)}
        assert len(traits) == 150
        assert frequencies == [0]
        bank.add([turn(150)], user_id="ada")
        bank.add([turn(7, "I drink {} cups.")], user_id="ada", replace=True)
        bank.delete(user_id="ada", ids=["t70"])
        for number in range(20, 40):  # small pages, which are merged with those of layout 1
            bank.add([turn(number)], user_id="bo")
        upgrade(url)
        traits, _ = read_traits(bank, "ada")
        assert "t70" not in traits
        texts = {memory.id: memory.text for memory in bank.timeline(user_id="ada")}
        assert traits == {id: find_traits(text) for id, text in texts.items()}
        assert "cups" in texts["t7"]
        assert_upgraded(bank, {"bo": 40})


def is_killed_after_the_schema(url):
    with pytest.MonkeyPatch.context() as patch:
        return is_killed(patch, 1, lambda: upgrade(url))


def test_a_run_that_was_killed_can_be_continued(url, monkeypatch):
    monkeypatch.setattr(derivation, "_PAGES", 1)
    left = []
    steps = run_in_small_steps(
        monkeypatch, lambda: upgrade(url), lambda _: left.append(count_to_upgrade(url))
    )
    assert steps > 5
    assert left == sorted(left, reverse=True)
    with open_bank(url) as bank:
        assert_upgraded(bank)


def test_a_bank_that_is_open_finds_the_new_terms(url):
    assert is_killed_after_the_schema(url)
    with open_bank(url) as bank:
        assert read_traits(bank, "bo")[1] == [0]
        upgrade(url)
        assert_upgraded(bank)


def test_a_newer_version_of_terms_derives_everything_again(url, monkeypatch):
    upgrade(url)
    with connect(url, autocommit=True) as db:
        db.execute("SET memorybank_session.scope = 'all'")
        to_layout_1(db)
    assert count_to_upgrade(url) == sum(USERS.values())
    upgrade(url)
    newer = pages.IS_OUTDATED.replace(f"< {TERMS_VERSION})", f"< {TERMS_VERSION + 1})")
    for name in ("_SELECT_OUTDATED", "_SELECT_PAGE"):
        text = getattr(derivation, name).replace(pages.IS_OUTDATED, newer)
        monkeypatch.setattr(derivation, name, text)
    monkeypatch.setattr(pages, "TERMS_VERSION", TERMS_VERSION + 1)
    monkeypatch.setattr(pages.pack, "__defaults__", (TERMS_VERSION + 1,))
    assert count_to_upgrade(url) == sum(USERS.values())
    assert upgrade(url) == (3, 3)
    assert count_to_upgrade(url) == 0
