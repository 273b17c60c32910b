"""A database that is only read: on request, by a role with SELECT alone, or by its settings."""

import logging
from datetime import datetime, timezone

import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")

from postgres_servers import connect, name_of

from memorybank_core import (
    ConfigurationError,
    HashingEmbedder,
    MemoryBank,
    StoreWriteError,
    Turn,
)
from memorybank_core.json_format import export_json
from memorybank_core.moving import move
from memorybank_core.protocols import Item

ADA = "ada@example.com"
NOON = datetime(2023, 5, 4, 12, tzinfo=timezone.utc)


def open_bank(url, **options):
    return MemoryBank.open(url, embedder=HashingEmbedder(), timeout=1.0, **options)


@pytest.fixture
def url(postgres):
    url = postgres.new()
    with open_bank(url) as bank:
        bank.add([Turn("I like tea.", "", NOON, "tea")], user_id=ADA)
        bank.store.items.write([Item(("u",), "k", "1", NOON, NOON, 60.0)], [None], [], NOON)
    return url


WRITES = {
    "add": lambda bank: bank.add([Turn("I like coffee.")], user_id=ADA),
    "summarize": lambda bank: bank.summarize(user_id=ADA),
    "delete": lambda bank: bank.delete(user_id=ADA),
    "profile": lambda bank: bank.set_profile({"name": "Ada"}, user_id=ADA),
    "compact": lambda bank: bank.compact(),
    "item": lambda bank: bank.store.items.write(
        [Item(("u",), "new", "1", NOON, NOON)], [None], [], NOON
    ),
}


def assert_only_read(bank):
    assert bank.readonly
    found = bank.search("tea", user_id=ADA)
    assert [result.memory.id for result in found] == ["tea"]
    assert bank.reinforce(found, user_id=ADA) == 0
    assert "I like tea." in str(bank.context("tea", user_id=ADA))
    assert bank.stats().memories == len(export_json(bank)[ADA]["history"]) == 1
    item = bank.store.items.get(("u",), "k", NOON)
    bank.store.items.refresh([item], NOON)
    for write in WRITES.values():
        with pytest.raises(StoreWriteError, match="reading only; nothing was changed"):
            write(bank)
    assert bank.recalls("tea", user_id=ADA) == []


def test_on_request(url, postgres):
    with open_bank(url, readonly=True) as bank:
        assert_only_read(bank)
    with pytest.raises(ConfigurationError, match="there is no bank"):
        open_bank(postgres.new(), readonly=True)


def forbid_by_setting(db, url):
    """A standby has the same setting, which cannot be changed there."""
    db.execute(f"ALTER DATABASE {name_of(url)} SET default_transaction_read_only = on")
    return url


def forbid_by_rights(db, url):
    if not db.execute("SELECT FROM pg_roles WHERE rolname = 'reader'").fetchall():
        db.execute("CREATE ROLE reader LOGIN")
    db.execute("GRANT USAGE ON SCHEMA memorybank TO reader")
    db.execute("GRANT SELECT ON ALL TABLES IN SCHEMA memorybank TO reader")
    return url.replace("postgres@", "reader@")


@pytest.mark.parametrize("forbid", [forbid_by_setting, forbid_by_rights])
def test_where_it_cannot_be_written(url, forbid, tmp_path, caplog):
    with connect(url, autocommit=True) as db:
        url = forbid(db, url)
    with caplog.at_level(logging.WARNING), open_bank(url) as bank:
        assert_only_read(bank)
    [record] = caplog.records
    assert "reading only" in record.getMessage()
    assert move(url, tmp_path / "moved.db").memories == 1


def test_a_server_that_allows_only_reading_later(url):
    with open_bank(url) as bank:
        with connect(url, autocommit=True) as db:
            forbid_by_setting(db, url)
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert bank.search("tea", user_id=ADA)
        with pytest.raises(StoreWriteError, match="allows reading only"):
            bank.add([Turn("I like coffee.")], user_id=ADA)
        with connect(url, autocommit=True) as db:
            db.execute("SET default_transaction_read_only = off")
            db.execute(f"ALTER DATABASE {name_of(url)} SET default_transaction_read_only = off")
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert bank.add([Turn("I like coffee.")], user_id=ADA).added == 1
