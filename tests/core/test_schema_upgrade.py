"""Files of an earlier schema: their terms and traits are derived again when they are opened."""

import logging
import sqlite3
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from memorybank_core import HashingEmbedder, MemoryBank, Turn
from memorybank_core.search.tokenize import tokenize
from memorybank_core.search.traits import find_traits
from memorybank_core.stores.index.bm25 import postings
from memorybank_core.stores.sqlite import derivation, rows, schema
from memorybank_core.testing.examples import probe

SCHEMA_4 = Path(__file__).parents[1] / "data" / "sqlite_schema_4.sql"
NOW = datetime(2024, 6, 1, tzinfo=timezone.utc)
DERIVED = "SELECT user_key, seq, terms, asks, flags, terms_version FROM memories"


@pytest.fixture
def old(tmp_path):
    """A file of schema 4, as the last version that wrote it left it."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(SCHEMA_4.read_text())
    return path


def open_bank(path):
    return MemoryBank.open(path, embedder=HashingEmbedder(16))


def read(path, select):
    with closing(sqlite3.connect(path)) as db:
        return db.execute(select).fetchall()


def texts(path):
    select = "SELECT user_key, seq, query || iif(response = '', '', char(10) || response)"
    return {row[:2]: row[2] for row in read(path, f"{select} FROM memories")}


def assert_derived(path, version=rows.TERMS_VERSION):
    stored = {row[:2]: list(row[2:]) for row in read(path, DERIVED)}
    assert stored == {
        key: [postings(tokenize(text)), *find_traits(text), version]
        for key, text in texts(path).items()
    }


def test_an_old_file_gets_the_terms_and_traits_of_a_new_one(old):
    before = texts(old)
    with closing(sqlite3.connect(old)) as db:
        db.execute("UPDATE memories SET terms = x''")
        db.commit()
    with open_bank(old) as bank:
        assert texts(old) == before
        [best] = bank.search("Monday Orla", user_id="ada", k=1, now=NOW)
        assert "Orla" in best.memory.text
        assert best.parts.lexical > 0
        [tea] = bank.search("green tea", user_id="ada", k=1, now=NOW)
        assert (tea.memory.strength, tea.memory.recalls) == (2.0, 1)
    assert read(old, "PRAGMA user_version") == [(len(schema.MIGRATIONS),)]
    assert_derived(old)


@pytest.mark.parametrize("batch_number", [1, 2, 3])
def test_an_interrupted_upgrade_continues(old, monkeypatch, batch_number):
    monkeypatch.setattr(derivation, "_BATCH", 3)
    left, update = [batch_number], derivation._update

    def fail(db, batch):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        update(db, batch)

    with monkeypatch.context() as patch:
        patch.setattr(derivation, "_update", fail)
        with pytest.raises(KeyboardInterrupt):
            open_bank(old)
    assert len(texts(old)) == 8
    open_bank(old).close()
    assert_derived(old)


def test_open_indexes_are_built_again_with_the_new_terms(old, monkeypatch):
    with open_bank(old) as bank, open_bank(old) as other:
        other.search("green tea", user_id="ada", now=NOW)
        monkeypatch.setattr(rows, "tokenize", lambda text: ["orca", *tokenize(text)])
        raise_version(monkeypatch)
        bank.close()
        open_bank(old).close()
        candidates = other.store.candidates("ada", probe("orca", np.eye(1, 16, dtype="f4")))
        assert candidates.counts.tolist() == [[1.0]] * 4


def test_what_an_older_version_writes_with_the_file_open_is_derived_at_the_next_opening(old):
    with open_bank(old):
        pass
    with closing(sqlite3.connect(old)) as db:
        db.execute("UPDATE memories SET terms = x'', asks = 0, flags = 0, terms_version = 0")
        db.commit()
    open_bank(old).close()
    assert_derived(old)


def test_a_newer_version_of_terms_is_left_alone(old, monkeypatch):
    with monkeypatch.context() as patch:
        raise_version(patch)
        open_bank(old).close()
        assert_derived(old, version=rows.TERMS_VERSION)
    with open_bank(old) as bank:
        bank.add([Turn("The older version wrote this.", "")], user_id="ada", now=NOW)
    versions = read(old, "SELECT DISTINCT terms_version FROM memories ORDER BY 1")
    assert versions == [(rows.TERMS_VERSION,), (rows.TERMS_VERSION + 1,)]
    with monkeypatch.context() as patch:
        raise_version(patch)
        open_bank(old).close()
        assert_derived(old, version=rows.TERMS_VERSION)


def test_a_long_upgrade_is_reported(old, monkeypatch, caplog):
    monkeypatch.setattr(derivation, "_REPORTED", 8)
    with caplog.at_level(logging.WARNING, "memorybank"):
        open_bank(old).close()
        assert "8 memories" in caplog.text
        caplog.clear()
        open_bank(old).close()
        assert not caplog.text


def test_an_upgraded_file_keeps_no_copy_of_what_is_deleted(old):
    with open_bank(old) as bank:
        assert bank.delete(user_id="ada").erased
        assert bank.delete(user_id="bo").erased
    content = old.read_bytes()
    assert postings(tokenize("We met on Monday with Orla."))[:12] not in content
    assert b"Orla" not in content


def raise_version(patch):
    """Let the package have a newer version of terms."""
    version = rows.TERMS_VERSION + 1
    names = (
        "_INDEX",
        "_OUTDATED",
        "_CREATE",
        "_FROM",
        "_SELECT",
        "_SELECT_KEYS",
        "_REBUILD_INDEXES",
    )
    old, new = derivation._INDEX, f"memories_outdated_{version}"
    for name in names:
        text = getattr(derivation, name).replace(old, new)
        text = text.replace(f"terms_version < {version - 1}", f"terms_version < {version}")
        patch.setattr(derivation, name, text)
    patch.setattr(derivation, "TERMS_VERSION", version)
    patch.setattr(rows, "TERMS_VERSION", version)
