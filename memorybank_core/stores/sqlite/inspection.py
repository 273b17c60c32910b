"""Inspection of a file: read its rows as they are, and check the file as a whole."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np

from memorybank_core.check_reports import Finding
from memorybank_core.errors import StoreBusyError, StoreError
from memorybank_core.forked_processes import no_fork
from memorybank_core.protocols.inspection import RawMemory, RebuiltMemory
from memorybank_core.search.terms import TERMS_VERSION
from memorybank_core.stores.findings import WRITE_OK, report_busy, report_failure, report_orphans
from memorybank_core.stores.rows import MEMORY_COLUMNS, to_memory

from .connections import Connections
from .errors import translate_errors
from .read_only import to_uri
from .reading import OF_USER, find_user
from .rows import derive
from .schema import APPLICATION_ID, MIGRATIONS, split_statements

_ROWS = (
    f"SELECT seq, vector, terms, asks, flags, terms_version, {MEMORY_COLUMNS} "
    f"FROM memories LEFT JOIN vectors USING (user_key, seq) WHERE memories.{OF_USER} ORDER BY seq"
)
_UPDATE_TERMS = (
    "UPDATE memories SET terms = ?, asks = ?, flags = ?, terms_version = ? "
    "WHERE user_key = ? AND seq = ?"
)
_REINDEX = "UPDATE users SET version = version + 1, rewritten = version + 1 WHERE user_key = ?"
_OF_NO_MEMORY = (
    "NOT EXISTS (SELECT 1 FROM memories AS m WHERE (m.user_key, m.seq) = ({table}.user_key, "
    "{table}.{seq}))"
)
_ORPHANS = {
    "vectors": _OF_NO_MEMORY.format(table="vectors", seq="seq"),
    "recalls": _OF_NO_MEMORY.format(table="recalls", seq="seq"),
    "replacements": f"({_OF_NO_MEMORY.format(table='replacements', seq='newer')} OR (older > 0 "
    f"AND {_OF_NO_MEMORY.format(table='replacements', seq='older')}))",
}
"""The condition of the rows of each table that belong to no memory."""


class _UndoneError(Exception):
    """Raised to roll back a write that was only a test."""


class FileInspector:
    """Reads a file as it is; see `StoreInspector`."""

    def __init__(self, path: Path, connections: Connections) -> None:
        self._path, self._connections = path, connections

    def examine(self) -> list[Finding]:
        """Check the file as a whole, without the rows of each user."""
        findings = [
            *self._guarded("integrity", _check_integrity),
            *self._guarded("schema", _check_schema),
            *self._guarded("leftovers", _check_orphans),
        ]
        return [
            *findings,
            check_disk(self._path),
            *check_permissions(self._path),
            _check_write(self._connections),
        ]

    def repair(self) -> list[str]:
        """Delete rows that belong to no memory, and create missing indexes."""
        repaired = []
        with self._connections.write() as db:
            for table, condition in _ORPHANS.items():
                if count := db.execute(f"DELETE FROM {table} WHERE {condition}").rowcount:
                    repaired.append(f"{count:,} rows of the table {table} without a memory")
            for name, statement in _find_missing(db):
                if statement.lstrip().startswith(("CREATE INDEX", "CREATE UNIQUE INDEX")):
                    db.execute(statement)
                    repaired.append(f"the index {name}")
        return repaired

    def rows(self, user_id: str) -> Iterator[RawMemory]:
        """Yield all memories of a user, in the order of their sequence numbers."""
        with self._open() as db:
            for seq, vector, terms, asks, flags, version, *values in db.execute(_ROWS, (user_id,)):
                is_current = version == TERMS_VERSION
                derived = (_as_bytes(terms), asks, flags) if is_current else None
                yield RawMemory(seq, tuple(values), vector, derived)

    def rebuild(self, user_id: str, memories: Sequence[RebuiltMemory]) -> int:
        """Store vectors and terms of the changed memories again; return of how many."""
        changed = [memory for memory in memories if memory.is_changed]
        select = f"SELECT {MEMORY_COLUMNS} FROM memories WHERE user_key = ? AND seq = ?"
        count = 0
        with self._connections.write() as db:
            user_key = find_user(db, user_id)
            for item in changed:
                key = (user_key, item.key)
                row = db.execute(select, key).fetchone()
                if row is None or to_memory(user_id, row).text != item.memory.text:
                    continue
                vectors = np.ascontiguousarray(item.vectors, np.float32).tobytes()
                db.execute(_UPDATE_TERMS, (*derive(item.memory.text), *key))
                db.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", (*key, vectors))
                count += 1
            db.execute(_REINDEX, (user_key,))
        return count

    def reindex(self, user_ids: Iterable[str]) -> None:
        """Make every process build the search indexes of these users again."""
        with self._connections.write() as db:
            db.executemany(_REINDEX, ((find_user(db, user_id),) for user_id in user_ids))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for reading; texts that are not UTF-8 are returned as bytes."""
        uri = to_uri(self._path, readonly=True)
        with (
            no_fork,
            translate_errors(self._path),
            closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as db,
        ):
            db.text_factory = _decode
            yield db

    def _guarded(
        self, check: str, run: Callable[[sqlite3.Connection], Iterable[Finding]]
    ) -> list[Finding]:
        """Return the findings of a check, or that the file cannot be read."""
        try:
            with self._open() as db:
                return list(run(db))
        except StoreError as error:
            advice = "Restore the file from a backup. A copy of it may help to save the rest."
            return [report_failure(check, error, advice, "file_fails")]


def _decode(text: bytes) -> str | bytes:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text


def _as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""


def _check_integrity(db: sqlite3.Connection) -> Iterator[Finding]:
    """Check the pages and indexes of the file with SQLite's own check."""
    faults = [str(fault) for (fault,) in db.execute("PRAGMA integrity_check(20)")]
    if faults == ["ok"]:
        yield Finding("integrity", "ok", "SQLite finds no damage", code="integrity_ok")
        return
    text = "; ".join([line for fault in faults for line in fault.splitlines()][:3])
    yield Finding(
        "integrity",
        "error",
        f"SQLite finds the file damaged: {text}",
        "Copy the file away, then restore it from a backup. An export may save what is readable.",
        code="integrity_damaged",
        values={"faults": text},
    )


def _check_schema(db: sqlite3.Connection) -> Iterator[Finding]:
    """Compare the version of the schema, its tables and indexes with those of this package."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (owner,) = db.execute("PRAGMA application_id").fetchone()
    values: dict[str, object] = {"version": version, "known": len(MIGRATIONS)}
    if owner != APPLICATION_ID:
        message = "the file does not have the application id of a bank"
        advice = "Restore the file from a backup."
        yield Finding("schema", "error", message, advice, code="schema_foreign")
    elif version > len(MIGRATIONS):
        message = f"the file has schema {version}; this version knows up to {len(MIGRATIONS)}"
        advice = "Run: pip install --upgrade memorybank-llm"
        yield Finding("schema", "error", message, advice, code="schema_newer", values=values)
    elif version < len(MIGRATIONS):
        message = f"the file has schema {version}, and this version has {len(MIGRATIONS)}"
        advice = "Open the bank: that upgrades it."
        yield Finding("schema", "warning", message, advice, code="schema_older", values=values)
    elif missing := dict(_find_missing(db)):
        are_indexes = all("INDEX" in statement.split("(")[0] for statement in missing.values())
        yield Finding(
            "schema",
            "error",
            f"the file lacks {', '.join(missing)}",
            "Run the check with repair: indexes are built from the rows."
            if are_indexes
            else "Restore the file from a backup.",
            are_indexes,
            code="schema_lacks_indexes" if are_indexes else "schema_lacks_tables",
            values={"names": ", ".join(missing)},
        )
    else:
        message = f"schema {version}, with all tables and indexes"
        yield Finding("schema", "ok", message, code="schema_ok", values=values)


def _find_missing(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return names and SQL of the tables, indexes and triggers that the file lacks."""
    select = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    with closing(sqlite3.connect(":memory:")) as model:
        for script in MIGRATIONS:
            for statement in split_statements(script):
                model.execute(statement)
        expected = model.execute(select).fetchall()
    names = {name for name, _ in db.execute(select)}
    return [(name, statement) for name, statement in expected if name not in names]


def _check_orphans(db: sqlite3.Connection) -> Iterator[Finding]:
    """Count the rows that belong to no memory."""
    counts = {}
    for table, condition in _ORPHANS.items():
        (count,) = db.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()
        counts[table] = count
    yield report_orphans(counts)


def check_disk(path: Path) -> Finding:
    """Check whether the disk has room for a second copy of a file, which `compact` needs."""
    try:
        size, free = path.stat().st_size, shutil.disk_usage(path.parent).free
    except OSError as error:
        message, values = f"the free space is unknown: {error}", {"error": str(error)}
        return Finding("disk", "warning", message, code="disk_unknown", values=values)
    values = {"free": f"{free / 1e6:,.0f}", "size": f"{size / 1e6:,.1f}"}
    sizes = "{free} MB free, and the file has {size} MB".format(**values)
    if free < size:
        advice = "Free some space: compact fails, and writing may soon fail too."
        return Finding("disk", "warning", sizes, advice, code="disk_full", values=values)
    return Finding("disk", "ok", sizes, code="disk_ok", values=values)


def check_permissions(path: Path) -> Iterator[Finding]:
    """Check whether others may read the file, its WAL or the WAL's index."""
    if os.name != "posix":
        return
    files = (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")))
    readable = []
    for file in files:
        with suppress(OSError):
            if file.stat().st_mode & 0o077:
                readable.append(file)
    if readable:
        names = ", ".join(file.name for file in readable)
        paths = " ".join(map(str, readable))
        yield Finding(
            "permissions",
            "warning",
            f"other users of this machine may open {names}",
            f"Run: chmod 600 {paths}",
            code="permissions_open",
            values={"names": names, "paths": paths},
        )
    else:
        message = "only the owner may open the file"
        yield Finding("permissions", "ok", message, code="permissions_ok")


def _check_write(connections: Connections) -> Finding:
    """Write a row and roll it back."""
    if connections.readonly:
        message = "the file was opened for reading only, so no test write was made"
        advice = "To write, check the disk and the rights of the file and its folder."
        return Finding("write", "warning", message, advice, code="write_readonly")
    try:
        with connections.write() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('check', '')")
            raise _UndoneError
    except _UndoneError:
        return WRITE_OK
    except StoreBusyError as error:
        return report_busy(error)
    except StoreError as error:
        advice = "The bank can be read only: check the disk and the rights of its file and folder."
        return report_failure("write", error, advice, "write_fails")
