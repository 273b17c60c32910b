"""Locations of banks: the path of a file, or the URL of a database; and addresses to serve on."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from ipaddress import ip_address
from os import PathLike, fspath
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

FILE = "file"
"""The scheme of every location that is not a URL."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_SECRETS = ("password", "sslpassword")


def scheme_of(location: str | PathLike[str]) -> str:
    """Return the scheme of a URL in lower case, or "file" for a path."""
    match = _SCHEME.match(fspath(location))
    return match[1].lower() if match else FILE


def is_url(location: str | PathLike[str]) -> bool:
    """Return whether a location is a URL rather than a path."""
    return scheme_of(location) != FILE


def without_password(location: str | PathLike[str]) -> str:
    """Return a location without passwords, so that it is safe to show and store."""
    text = fspath(location)
    if not is_url(text):
        return text
    parts = urlsplit(without_parameters(text, _SECRETS))
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}"))


def query_parameters(url: str) -> list[tuple[str, str]]:
    """Return the query parameters of a URL, in order."""
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


def without_parameters(url: str, names: Collection[str]) -> str:
    """Return the URL without the query parameters that have these names."""
    kept = [pair for pair in query_parameters(url) if pair[0] not in names]
    return urlunsplit(urlsplit(url)._replace(query=urlencode(kept, quote_via=quote, safe="/")))


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine only."""
    with suppress(ValueError):
        return ip_address(host.strip("[]")).is_loopback
    return host == "localhost"
