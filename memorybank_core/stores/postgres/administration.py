"""Create and upgrade a bank, and read which embedder wrote it."""

from __future__ import annotations

from .address import parse_address
from .connections import Options, connect
from .schema import migrate, read_layout, read_version
from .tables import Layout


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
        ConfigurationError: If `url` is not the URL of a database, or pgvector is missing.
        StoreError: If the server cannot be reached, or the schema has tables of another
            application.
    """
    address = parse_address(url)
    with connect(address, Options()) as db:
        return migrate(db, address, layout)[0] == 0


def upgrade(url: str) -> tuple[int, int]:
    """Upgrade the tables of a bank in one transaction; return the versions before and after.

    Stores that are open in the meantime wait. Afterwards they continue if the change allows it;
    otherwise they raise an error and must be opened again with a newer package.

    Raises:
        ConfigurationError: If `url` is not the URL of a database, or there is no bank.
        StoreError: If the server cannot be reached, or the schema has tables of another
            application.
    """
    address = parse_address(url)
    with connect(address, Options()) as db:
        versions = migrate(db, address)
        read_layout(db, address)  # raises if there is no bank
    return versions
