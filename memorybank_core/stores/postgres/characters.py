"""Characters: a database in UTF-8 can hold all but NUL, which is escaped."""

from __future__ import annotations

from typing import Any

import psycopg

from memorybank_core.errors import ConfigurationError

from .address import Address

ESCAPE = "\x1a"  # SUBSTITUTE, which no keyboard types
_NUL, _SELF = ESCAPE + "0", ESCAPE + "1"


def escape(value: Any) -> Any:
    """Return `value` with every NUL of a text (or of the texts of a list) escaped."""
    if isinstance(value, str):
        if "\0" in value or ESCAPE in value:
            return value.replace(ESCAPE, _SELF).replace("\0", _NUL)
    elif isinstance(value, list):
        return [escape(item) for item in value]
    return value


def unescape(text: str) -> str:
    """Invert `escape` for one text."""
    return text.replace(_NUL, "\0").replace(_SELF, ESCAPE)


def require_utf8(db: psycopg.Connection[Any], address: Address) -> None:
    """Check that a database can store every text; one in UTF-8 has no text that is not.

    Raises:
        ConfigurationError: If it has another encoding.
    """
    encoding = db.info.parameter_status("server_encoding")
    if encoding not in (None, "UTF8"):
        raise ConfigurationError(
            f"{address} has the encoding {encoding}, in which not every text can be stored. Create "
            "a database with: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
        )
