"""The address of a bank on PostgreSQL: its URL, and the password kept out of messages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from memorybank_core.errors import ConfigurationError
from memorybank_core.locations import query_parameters, without_parameters, without_password

SCHEMA = "memorybank"
"""Default schema of a bank's tables."""

_CONNECTION_DEFAULTS = {
    "application_name": "memorybank",
    "connect_timeout": "10",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
"""Detect a lost network connection within seconds."""


@dataclass(frozen=True, slots=True)
class Address:
    """A database, and the schema in it.

    Attributes:
        conninfo: The connection string of libpq; may contain the password, so it is not shown.
        safe_url: The URL without the password.
        schema: The name of the schema.
    """

    conninfo: str = field(repr=False)
    safe_url: str
    schema: str

    def __str__(self) -> str:
        return self.safe_url


def parse_address(url: str) -> Address:
    """Parse a URL of libpq, which may also name a schema: postgresql://user@host/db?schema=NAME.

    Missing parts come from libpq's environment and files (PGHOST, PGPASSWORD, .pgpass).

    Raises:
        ConfigurationError: If it is not such a URL.
    """
    schema = dict(query_parameters(url)).get("schema", SCHEMA)
    if not re.fullmatch(r"[^\W\d][\w$]{0,62}", schema):
        raise ConfigurationError(
            f"schema={schema!r} is not a schema name: use letters, digits and underscores"
        )
    plain = without_parameters(url, ["schema"])
    try:
        settings = conninfo_to_dict(plain)
    except ProgrammingError as error:
        reason = " ".join(str(error).replace(plain, "the URL").split())
        raise ConfigurationError(
            f"this is not the URL of a PostgreSQL database ({_hide_password(reason)}). Write "
            "postgresql://user@host:5432/database"
        ) from None  # the cause has the URL, and with it the password
    defaults = {name: value for name, value in _CONNECTION_DEFAULTS.items() if name not in settings}
    return Address(make_conninfo(plain, **defaults), without_password(url), schema)


def _hide_password(text: str) -> str:
    return re.sub(r"(:)[^:@/\s]+(@)", r"\1…\2", text)
