"""Create and upgrade a bank, and read which embedder wrote it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from memorybank_core.logs import get_logger

from .address import Address, parse_address
from .connections import Options, connect
from .derivation import count_outdated, migrate_to_3
from .migration_1_to_2 import count_unpacked, migrate_to_2
from .schema import create, load_layout, quote, read_layout, read_version
from .tables import VERSION, Layout

_logger = get_logger(__name__)

_IS_READ_ONLY = (
    "SELECT current_setting('transaction_read_only') = 'on' "
    "OR coalesce(NOT has_table_privilege(to_regclass(%s)::oid, 'INSERT'), false)"
)
"""SQL of whether a standby, a setting or the rights of the role do not allow to write a table."""


def prepare(address: Address, options: Options, layout: Layout) -> tuple[Layout, Options]:
    """Create the tables of a bank if they do not exist.

    Returns:
        The layout of the tables, and the options: `readonly` if this role, database or server does
        not allow to write.

    Raises:
        StoreError: If the server cannot be reached, or the tables are not a bank of this version.
    """
    with connect(address, options) as db:
        table = f"{quote(address.schema)}.memories"
        row = db.execute(_IS_READ_ONLY, (table,)).fetchone()
        if row and row[0] and not options.readonly:
            _logger.warning("%s cannot be written: it was opened for reading only", address)
            options = replace(options, readonly=True)
        if not options.readonly:
            create(db, address, layout)
        return read_layout(db, address), options


def stored_embedder(location: str) -> tuple[str, int] | None:
    """Return name and dimension of the embedder that wrote a bank; None if there is no bank.

    Raises:
        ConfigurationError: If `location` is not the URL of a database.
        StoreError: If the server cannot be reached, or the tables are not a bank.
    """
    address = parse_address(location)
    with connect(address, Options()) as db:
        if not read_version(db, address.schema):
            return None
        layout = read_layout(db, address)
    return layout.embedder, layout.dimension


def init(url: str, layout: Layout) -> bool:
    """Create the tables of a bank; return False if there already is one.

    Raises:
        ConfigurationError: If `url` is not the URL of a database, the server is older than
            PostgreSQL 14, or Citus is to distribute the tables and is not installed.
        StoreError: If the server cannot be reached, or the schema has tables of another
            application.
    """
    address = parse_address(url)
    with connect(address, Options()) as db:
        return create(db, address, layout)


def upgrade(url: str, *, progress: Callable[[int], None] | None = None) -> tuple[int, int]:
    """Upgrade the tables of a bank; return the schema versions before and after.

    Processes with the version of schema 1 go on searching and writing meanwhile; in the end they
    wait for one short transaction, and then raise an error, as those of schema 2 do when their
    pages are written again. If this is interrupted, call it again: it continues. It also derives
    the terms of memories again if a newer version of the package finds others in their texts.

    Args:
        url: The URL of the database.
        progress: Called with the number of memories just upgraded, of `count_to_upgrade`.

    Raises:
        ConfigurationError: If `url` is not the URL of a database, or there is no bank.
        StoreError: If the server cannot be reached, this role does not own the tables, or they
            belong to another application.
    """
    address = parse_address(url)
    with connect(address, Options()) as db:
        before = read_version(db, address.schema)
        if before in (0, VERSION):
            read_layout(db, address)  # raises if there is no bank
        layout = load_layout(db, address.schema)
    if before == 1:
        migrate_to_2(address, layout, progress)
    migrate_to_3(address, layout, progress)
    return before, VERSION


def count_to_upgrade(url: str) -> int:
    """Return the number of memories that `upgrade` has to work through; 0 if it has nothing to do.

    Raises:
        ConfigurationError: If `url` is not the URL of a database.
        StoreError: If the server cannot be reached, or the tables are not a bank.
    """
    address = parse_address(url)
    with connect(address, Options()) as db:
        version = read_version(db, address.schema)
        if not version:
            return 0
        layout = load_layout(db, address.schema)
    return count_unpacked(address, layout) if version == 1 else count_outdated(address, layout)
