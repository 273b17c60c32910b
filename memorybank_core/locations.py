"""Where a bank is: the path of a file, or the URL of a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Collection
from os import PathLike, fspath
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

_SCHEMES = ("postgresql", "postgres")
_SECRETS = ("password", "sslpassword")


def is_url(place: str | PathLike[str]) -> bool:
    """Whether a place is the URL of a database."""
    return fspath(place).startswith(tuple(f"{scheme}://" for scheme in _SCHEMES))


def shown(place: str | PathLike[str]) -> str:
    """A place as it may be shown and kept: of a URL, all but the passwords."""
    text = fspath(place)
    if not is_url(text):
        return text
    parts = urlsplit(without_parameters(text, _SECRETS))
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}"))


def parameters(url: str) -> list[tuple[str, str]]:
    """The parameters of a URL, in their order."""
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


def without_parameters(url: str, names: Collection[str]) -> str:
    """The URL without the parameters of these names."""
    kept = [pair for pair in parameters(url) if pair[0] not in names]
    return urlunsplit(urlsplit(url)._replace(query=urlencode(kept, quote_via=quote, safe="/")))
