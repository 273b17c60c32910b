"""Endpoint of a model: its address and its API key, which must not appear in error messages."""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from memorybank_core.errors import ConfigurationError

_OPENAI = "https://api.openai.com/v1"
_MAX_LENGTH = 300  # characters of a server's response that an error message quotes


@dataclass(frozen=True)
class Endpoint:
    """A model at an address. `str` of it, for error messages, does not contain the key.

    Attributes:
        model: The model's name.
        base_url: The address without user name, password and query; empty if unknown.
        key: The API key; empty for none.
    """

    model: str
    base_url: str
    key: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.model} at {self.base_url}" if self.base_url else self.model

    def redact(self, text: str) -> str:
        """Return `text` on one line, shortened, without the key."""
        redacted = text.replace(self.key, "[key]") if self.key else text
        return " ".join(redacted.split())[:_MAX_LENGTH]

    def safe_cause(self, error: Exception) -> Exception | None:
        """Return `error` for exception chaining; None if its traceback contains the key."""
        text = "".join(traceback.format_exception(error))
        return None if self.key and self.key in text else error


def resolve_base_url(base_url: str | None) -> str:
    """Return `base_url`, or else OPENAI_BASE_URL, or else the address of OpenAI."""
    return base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI


def endpoint_of_client(model: str, client: Any) -> Endpoint:
    """Return the endpoint that a client of the openai package uses."""
    key = getattr(client, "api_key", None)
    url = _parse_url(str(getattr(client, "base_url", "")))
    return Endpoint(model, _public_url(url) if url else "", key if isinstance(key, str) else "")


def resolve_endpoint(model: str, base_url: str, api_key: str | None) -> Endpoint:
    """Return the endpoint at an address.

    Args:
        model: The model's name.
        base_url: The address.
        api_key: The API key; None for OPENAI_API_KEY in the environment.

    Raises:
        ConfigurationError: If the address or the key is invalid, or OpenAI needs a key.
    """
    url = _parse_url(base_url)
    if url is None:
        raise ConfigurationError(
            f"base_url must be an address such as http://localhost:8000/v1, not {base_url!r}"
        )
    key = (api_key or os.environ.get("OPENAI_API_KEY") or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError(
            "the API key contains a character that is not printable ASCII; copy it again"
        )
    if not key and url.hostname == urlsplit(_OPENAI).hostname:
        raise ConfigurationError(
            f"no API key for {model} at {base_url}. Set OPENAI_API_KEY or pass api_key=...; for a "
            "server without keys pass base_url=..."
        )
    return Endpoint(model, _public_url(url), key)


def _parse_url(base_url: str) -> SplitResult | None:
    """Return the parts of an http address; None if it is invalid."""
    try:
        url = urlsplit(base_url)
        valid = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:  # an unbalanced bracket, or a port out of range
        return None
    return url if valid else None


def _public_url(url: SplitResult) -> str:
    """Return the address without user name, password and query."""
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}".rstrip("/")
