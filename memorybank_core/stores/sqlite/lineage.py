"""Lineage of a bank: which bank a file holds, and how far the main file is behind its WAL.

Each write records it in the row `lineage` of the table `meta`. In WAL mode there are two versions
of it: the newest, which SQLite reads through the WAL, and that of the main file, without the WAL. A
checkpoint copies pages from the WAL into the main file, so the second is always an earlier state of
the first. If another program overwrites the main file (`cp backup.db bank.db`), it is not.
"""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_MAX_WRITERS = 16
_WIDTH = 480
"""Characters of the row. With one width, it stays at its place in the page, so that a page of which
only a part was written can be read."""
_UNKNOWN = "-"
_SELECT = "SELECT value FROM meta WHERE name = 'lineage'"
_RECORD = "INSERT OR REPLACE INTO meta VALUES ('lineage', ?)"


@dataclass(frozen=True, slots=True)
class Lineage:
    """Lineage of a bank, as its last write recorded it.

    Attributes:
        bank: Random id of the bank. A copy of the file has the same.
        writes: Number of writes since the bank got the id.
        writers: The last writers, oldest first: the number of the first write of each, and its
            random id. A writer is one opened store. Copies that were written to separately differ
            in them.
        base: `writes` of the main file, without its WAL, when this write was made; a lower bound, 0
            if unknown.
        boot: The kernel's boot id when `base` was read; "-" if unknown. After a power failure, the
            main file may lack what was copied into it, and only the WAL has it.
        schema: SQLite's schema cookie (`PRAGMA schema_version`); VACUUM changes it too.
        rebuilt: `writes` of the write that last changed the schema cookie. Until a checkpoint
            copies it into the main file, that file may be unreadable without its WAL.
    """

    bank: str
    writes: int
    writers: tuple[tuple[int, str], ...]
    base: int = 0
    boot: str = _UNKNOWN
    schema: int = 0
    rebuilt: int = 0

    def next(self, writer: str, base: int, schema: int) -> Lineage:
        """Return the lineage that a write records.

        Args:
            writer: Id of the writer.
            base: `writes` of the main file, without its WAL, when it was last read.
            schema: The schema cookie.
        """
        writes, writers = self.writes + 1, self.writers
        if not writers or writers[-1][1] != writer:
            writers = (*writers[1 - _MAX_WRITERS :], (writes, writer))
        rebuilt = self.rebuilt if schema == self.schema else writes
        base = max(base, self._certain_base())
        return Lineage(self.bank, writes, writers, base, _read_boot_id(), schema, rebuilt)

    def includes(self, earlier: Lineage) -> bool:
        """Return whether `earlier` is this state, or one that led to it."""
        return (
            earlier.bank == self.bank
            and earlier.writes <= self.writes
            and self._writer_of(earlier.writes) in (None, earlier.writers[-1][1])
        )

    def allows(self, in_file: Lineage | None, before: Lineage | None, schema: int) -> bool:
        """Return whether the main file, without its WAL, can have the lineage `in_file`.

        Args:
            in_file: The lineage of the main file; None if it has none that can be read.
            before: The same, when it was last read.
            schema: The schema cookie, read through the WAL.
        """
        base = max(self._certain_base(), before.writes if before else 0)
        if in_file is None:
            return base == 0 or base < self.rebuilt or schema != self.schema
        return in_file.writes >= base and self.includes(in_file)

    def _certain_base(self) -> int:
        return self.base if _UNKNOWN != self.boot == _read_boot_id() else 0

    def _writer_of(self, number: int) -> str | None:
        """Return the id of the writer that made a write; None if that is too long ago."""
        writers = [writer for first, writer in self.writers if first <= number]
        return writers[-1] if writers else None


def new_lineage() -> Lineage:
    """Return the lineage of a new bank, before its first write."""
    return Lineage(secrets.token_hex(8), 0, ())


def new_writer() -> str:
    """Return a random id for a writer."""
    return secrets.token_hex(4)


def read_lineage(db: sqlite3.Connection) -> Lineage | None:
    """Return the lineage that a connection reads, or None.

    Raises:
        sqlite3.Error: If the database cannot be read.
        ValueError: If the row is damaged.
    """
    try:
        row = db.execute(_SELECT).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    if row is None:
        return None
    bank, writes, base, boot, schema, rebuilt, *writers = str(row[0]).split()
    pairs = (writer.split(":") for writer in writers)
    return Lineage(
        bank,
        int(writes),
        tuple((int(first), writer) for first, writer in pairs),
        int(base),
        boot,
        int(schema),
        int(rebuilt),
    )


def is_without_lineage(db: sqlite3.Connection) -> bool:
    """Return whether an older version of the package wrote a bank, which has no lineage."""
    is_used = db.execute("SELECT 1 FROM meta WHERE name = 'embedder'").fetchone()
    return is_used is not None and read_lineage(db) is None


def record_lineage(db: sqlite3.Connection, lineage: Lineage) -> None:
    """Store a lineage in the open transaction."""
    writers = " ".join(f"{first}:{writer}" for first, writer in lineage.writers)
    numbers = f"{lineage.writes} {lineage.base} {lineage.boot} {lineage.schema} {lineage.rebuilt}"
    db.execute(_RECORD, (f"{lineage.bank} {numbers} {writers}".ljust(_WIDTH),))


def read_schema_cookie(db: sqlite3.Connection) -> int:
    """Return SQLite's schema cookie, which every change of the schema increments."""
    return int(db.execute("PRAGMA schema_version").fetchone()[0])


@cache
def _read_boot_id() -> str:
    """Return the kernel's boot id, which changes at every restart; "-" if unknown."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()[:8] or _UNKNOWN
    except (OSError, UnicodeDecodeError):
        return _UNKNOWN
