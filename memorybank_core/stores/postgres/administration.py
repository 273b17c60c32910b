"""What is done to a bank as a whole: made, upgraded, asked whose vectors it has."""

from __future__ import annotations

from .address import address_of
from .connections import Options, alone
from .schema import Layout, layout_of, migrate, version


def stored_embedder(location: str) -> tuple[str, int] | None:
    """Return name and dimension of the embedder that wrote a bank; None if there is no bank.

    Raises:
        ConfigurationError: If `location` is not the URL of a database.
        StoreError: If the server cannot be reached, or the tables are not a bank.
    """
    address = address_of(location)
    with alone(address, Options()) as db:
        if not version(db, address.schema):
            return None
        layout = layout_of(db, address)
    return layout.embedder, layout.dimension


def init(url: str, layout: Layout) -> bool:
    """Makes the tables of a bank; returns False, with nothing done, where there is one.

    Raises:
        ConfigurationError: It is no URL of a database, or the database has no pgvector.
        StoreError: The server cannot be reached, or another application's tables are there.
    """
    address = address_of(url)
    with alone(address, Options()) as db:
        return migrate(db, address, layout)[0] == 0


def upgrade(url: str) -> tuple[int, int]:
    """Brings the tables of a bank to the newest version; returns the versions before and after.

    One transaction. Stores that are open meanwhile wait for it, and then go on where the change
    allows that; else they raise, and are to be opened again with a newer package.

    Raises:
        ConfigurationError: It is no URL of a database, or there is no bank.
        StoreError: The server cannot be reached, or another application's tables are there.
    """
    address = address_of(url)
    with alone(address, Options()) as db:
        versions = migrate(db, address)
        layout_of(db, address)  # says so where there is no bank
    return versions
