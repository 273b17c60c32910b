"""Where a bank is: the path of a file, or the URL of a PostgreSQL database."""

from __future__ import annotations

from os import PathLike, fspath
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

SCHEMES = ("postgresql", "postgres")
_SECRETS = ("password", "sslpassword")


def is_url(place: str | PathLike[str]) -> bool:
    """Whether a place is the URL of a database."""
    return fspath(place).startswith(tuple(f"{scheme}://" for scheme in SCHEMES))


def shown(place: str | PathLike[str]) -> str:
    """A place as it may be shown and kept: of a URL, all but the passwords."""
    text = fspath(place)
    if not is_url(text):
        return text
    parts = urlsplit(text)
    user, at, host = parts.netloc.rpartition("@")
    asked = parse_qsl(parts.query, keep_blank_values=True)
    query = urlencode(
        [pair for pair in asked if pair[0] not in _SECRETS], quote_via=quote, safe="/"
    )
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}", query=query))
