"""Where a bank on PostgreSQL is: the URL, with the password out of sight."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from memorybank_core.errors import ConfigurationError
from memorybank_core.locations import parameters, without_parameters, without_password

SCHEMA = "memorybank"
"""The schema of the database that a bank's tables lie in, unless the URL names another."""

_UNLESS_GIVEN = {
    "application_name": "memorybank",
    "connect_timeout": "10",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
"""So that a network that swallows everything is noticed within seconds."""


@dataclass(frozen=True, slots=True)
class Address:
    """A database, and the schema in it.

    Attributes:
        conninfo: What libpq connects by; may have a password, so it is shown nowhere.
        shown: The URL without a password.
        schema: The name of the schema.
    """

    conninfo: str = field(repr=False)
    shown: str
    schema: str

    def __str__(self) -> str:
        return self.shown


def address_of(url: str) -> Address:
    """The address that a URL names: postgresql://user@host/database?schema=NAME, as libpq has it.

    What it leaves out is taken from libpq's environment and files (PGHOST, PGPASSWORD, .pgpass).

    Raises:
        ConfigurationError: It is no such URL.
    """
    schema = dict(parameters(url)).get("schema", SCHEMA)
    if not re.fullmatch(r"[^\W\d][\w$]{0,62}", schema):
        raise ConfigurationError(
            f"schema={schema!r} is no name for a schema: write letters, digits and underscores"
        )
    plain = without_parameters(url, ["schema"])
    try:
        given = conninfo_to_dict(plain)
    except ProgrammingError as error:
        reason = " ".join(str(error).replace(plain, "the URL").split())
        raise ConfigurationError(
            f"this is no URL of a PostgreSQL database ({_without_password(reason)}). Write "
            "postgresql://user@host:5432/database"
        ) from None  # the cause has the URL, and with it the password
    told = {name: value for name, value in _UNLESS_GIVEN.items() if name not in given}
    return Address(make_conninfo(plain, **told), without_password(url), schema)


def _without_password(text: str) -> str:
    return re.sub(r"(:)[^:@/\s]+(@)", r"\1…\2", text)
