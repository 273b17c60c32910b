"""The tables of a file: their numbered migrations, and the checks before a file is opened.

Every table's key begins with the user, or for `items` with the namespace. Rows are clustered by it
(WITHOUT ROWID), so that what one call reads is stored together, however many users share the file.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from memorybank_core.errors import (
    NotABankError,
    SchemaTooNewError,
    SchemaTooOldError,
    StoreWriteError,
)
from memorybank_core.stores.index.item_index import KEPT

APPLICATION_ID = 0x4D42414E  # "MBAN"
PAGE_SIZE = 8192  # a row with a vector of 384 floats fits without an overflow page

MIGRATIONS = (
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE users (
        user_key INTEGER PRIMARY KEY AUTOINCREMENT,
        user_id TEXT NOT NULL UNIQUE,
        version INTEGER NOT NULL,
        rewritten INTEGER NOT NULL,
        next_seq INTEGER NOT NULL,
        profile TEXT NOT NULL DEFAULT '{}'
    );
    CREATE TABLE memories (
        user_key INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        id TEXT NOT NULL,
        kind TEXT NOT NULL,
        session TEXT,
        day TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        query TEXT NOT NULL,
        response TEXT NOT NULL,
        user_name TEXT,
        companion_name TEXT,
        strength REAL NOT NULL,
        recalls INTEGER NOT NULL,
        last_recalled_at INTEGER,
        archived_at INTEGER,
        version INTEGER NOT NULL,
        terms BLOB NOT NULL,
        PRIMARY KEY (user_key, seq)
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX memories_by_id ON memories (user_key, id);
    CREATE INDEX memories_by_version ON memories (user_key, version);
    CREATE INDEX memories_by_day ON memories (user_key, day);
    CREATE TABLE vectors (
        user_key INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        vector BLOB NOT NULL,
        PRIMARY KEY (user_key, seq)
    ) WITHOUT ROWID;
    CREATE TABLE recalls (
        user_key INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        number INTEGER NOT NULL,
        at INTEGER NOT NULL,
        turn TEXT,
        PRIMARY KEY (user_key, seq, number)
    ) WITHOUT ROWID;
    CREATE TABLE digests (
        user_key INTEGER NOT NULL,
        kind TEXT NOT NULL,
        day TEXT NOT NULL,
        text TEXT NOT NULL,
        made_by TEXT,
        made_at INTEGER NOT NULL,
        PRIMARY KEY (user_key, kind, day)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE digests ADD COLUMN source TEXT;
    ALTER TABLE memories ADD COLUMN written INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX memories_by_time ON memories (user_key, created_at);
    CREATE INDEX memories_by_session ON memories (user_key, coalesce(session, day), created_at);
    CREATE TABLE items (
        path TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        ttl REAL,
        expires_at INTEGER,
        fields TEXT,
        vectors BLOB,
        PRIMARY KEY (path, key)
    ) WITHOUT ROWID;
    CREATE INDEX items_by_expiry ON items (expires_at) WHERE expires_at IS NOT NULL;
    CREATE INDEX items_unembedded ON items (path) WHERE fields IS NOT NULL AND vectors IS NULL;
    """,
    "ALTER TABLE memories ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0",
    f"""
    ALTER TABLE items ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
    UPDATE items SET version = -(random() & 9223372036854775807);
    CREATE INDEX items_by_version ON items (version);
    CREATE TABLE item_changes (version INTEGER PRIMARY KEY, removed INTEGER);
    CREATE TRIGGER item_inserted AFTER INSERT ON items BEGIN
        INSERT INTO item_changes (removed) VALUES (NULL);
        UPDATE items SET version = last_insert_rowid() WHERE path = new.path AND key = new.key;
        DELETE FROM item_changes WHERE version <= last_insert_rowid() - {KEPT};
    END;
    CREATE TRIGGER item_updated AFTER UPDATE OF path, key, value, updated_at, fields, vectors
    ON items BEGIN
        INSERT INTO item_changes (removed) VALUES (old.version);
        UPDATE items SET version = last_insert_rowid() WHERE path = new.path AND key = new.key;
        DELETE FROM item_changes WHERE version <= last_insert_rowid() - {KEPT};
    END;
    CREATE TRIGGER item_deleted AFTER DELETE ON items BEGIN
        INSERT INTO item_changes (removed) VALUES (old.version);
        DELETE FROM item_changes WHERE version <= last_insert_rowid() - {KEPT};
    END
    """,  # Existing items get random versions, which takes half the time of numbering them, and
    # negative ones, unlike changes. Triggers, because an older package may have the file open.
    """
    ALTER TABLE memories ADD COLUMN asks INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE memories ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE memories ADD COLUMN terms_version INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE memories ADD COLUMN metadata TEXT;
    CREATE TABLE replacements (
        user_key INTEGER NOT NULL,
        older INTEGER NOT NULL,
        newer INTEGER NOT NULL,
        made_by TEXT NOT NULL,
        made_at INTEGER NOT NULL,
        PRIMARY KEY (user_key, older, newer)
    ) WITHOUT ROWID;
    CREATE INDEX replacements_by_newer ON replacements (user_key, newer);
    """,  # `derivation` fills in the columns, also of what an older package writes meanwhile.
)
"""The statements that upgrade schema version i to i + 1; entries are only ever appended."""


def create_private(path: Path) -> None:
    """Create an empty file that only its owner may read; SQLite gives its WAL the same mode.

    An existing file is not even opened: closing it would drop the locks that other connections
    of this process hold on it (sqlite.org/howtocorrupt.html, section 2.2).

    Raises:
        StoreWriteError: If the folder does not exist or is not writable.
    """
    try:
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except (OSError, ValueError) as error:
        raise StoreWriteError(
            f"cannot open {path}: {error}. Choose a folder that exists and is writable."
        ) from error


def check_file(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse another application's file and a truncated one, before anything is changed.

    Raises:
        NotABankError: If the file is another application's, or damaged.
        SchemaTooNewError: If a newer version of the package wrote it.
    """
    if path.stat().st_size == 1:  # SQLite treats such a file as empty
        raise NotABankError(f"{path} is not a memory bank: it has 1 byte. It was not changed.")
    connection.execute("BEGIN")
    try:
        _version(connection, path)
        pages = int(connection.execute("PRAGMA page_count").fetchone()[0])
        expected = pages * int(connection.execute("PRAGMA page_size").fetchone()[0])
    finally:
        connection.rollback()
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size:
        return  # the WAL may hold pages that the file lacks
    size = path.stat().st_size
    if size < expected:
        raise NotABankError(
            f"{path} is damaged: it has {size} of {expected} bytes. "
            "Restore it from a backup; it was not changed."
        )


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Upgrade the file to the newest schema, in one transaction.

    Raises:
        NotABankError: If it is another application's database.
        SchemaTooNewError: If a newer version of the package wrote it.
    """
    connection.execute("BEGIN")  # another process may create the tables between two reads
    try:
        version = _version(connection, path)
    finally:
        connection.rollback()
    if version == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number in range(_version(connection, path), len(MIGRATIONS)):
            for statement in split_statements(MIGRATIONS[number]):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def split_statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; the body of a trigger is part of its statement."""
    statement = ""
    for part in script.split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema version of the file; 0 if it is empty."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if owner != APPLICATION_ID and tables:
        raise NotABankError(f"{path} is another application's SQLite database. It was not changed.")
    _require_known(version, path)
    return version


def require_newest(connection: sqlite3.Connection, path: Path) -> None:
    """Check that a file that cannot be upgraded has the newest schema.

    Raises:
        NotABankError: If it is empty.
        SchemaTooOldError: If an older version of the package wrote it.
    """
    version = _version(connection, path)
    if version == 0:
        raise NotABankError(f"{path} is empty, and can only be read")
    if version < len(MIGRATIONS):
        raise SchemaTooOldError(
            f"{path} has schema {version}, and this version of memorybank needs {len(MIGRATIONS)}. "
            "Opening the file upgrades it, but it can only be read here: open it where it can be "
            "written, or copy it to another folder and open the copy."
        )


def require_known_version(connection: sqlite3.Connection, path: Path) -> None:
    """Raise SchemaTooNewError if a newer version of the package has upgraded the open file."""
    _require_known(int(connection.execute("PRAGMA user_version").fetchone()[0]), path)


def _require_known(version: int, path: Path) -> None:
    if version > len(MIGRATIONS):
        raise SchemaTooNewError(
            f"{path} has schema {version}; this version of memorybank knows up to "
            f"{len(MIGRATIONS)}. Run: pip install --upgrade memorybank-llm"
        )
