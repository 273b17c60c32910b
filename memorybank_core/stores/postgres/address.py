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
        pooler: Whether a pooler such as PgBouncer assigns connections per transaction: nothing is
            then prepared, or set for longer than a transaction.
    """

    conninfo: str = field(repr=False)
    safe_url: str
    schema: str
    pooler: bool = False

    def __str__(self) -> str:
        return self.safe_url


def parse_address(url: str, *, pooler: bool = False) -> Address:
    """Parse a URL of libpq with two parameters more: postgresql://h/db?schema=NAME&pooler=true.

    Missing parts come from libpq's environment and files (PGHOST, PGPASSWORD, .pgpass).

    Args:
        url: The URL.
        pooler: The default of its parameter `pooler`.

    Raises:
        ConfigurationError: If it is not such a URL.
    """
    parameters = dict(query_parameters(url))
    schema = parameters.get("schema", SCHEMA)
    if not re.fullmatch(r"[^\W\d][\w$]{0,62}", schema):
        raise ConfigurationError(
            f"schema={schema!r} is not a schema name: use letters, digits and underscores"
        )
    if (named_pooler := parameters.get("pooler", str(pooler)).lower()) not in ("true", "false"):
        raise ConfigurationError(f"pooler={named_pooler!r} is neither true nor false")
    plain = without_parameters(url, ["schema", "pooler"])
    try:
        settings = conninfo_to_dict(plain)
    except ProgrammingError as error:
        reason = " ".join(str(error).replace(plain, "the URL").split())
        raise ConfigurationError(
            f"this is not the URL of a PostgreSQL database ({_hide_password(reason)}). Write "
            "postgresql://user@host:5432/database"
        ) from None  # the cause has the URL, and with it the password
    defaults = {name: value for name, value in _CONNECTION_DEFAULTS.items() if name not in settings}
    conninfo = make_conninfo(plain, **defaults)
    return Address(conninfo, without_password(url), schema, named_pooler == "true")


def _hide_password(text: str) -> str:
    return re.sub(r"(:)[^:@/\s]+(@)", r"\1…\2", text)
