"""Where a model is asked: its address, and the key that no message may name."""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from memorybank_core.errors import ConfigurationError

_OPENAI = "https://api.openai.com/v1"
_LONGEST = 300  # characters of a server's own words in a message of ours


@dataclass(frozen=True)
class Server:
    """A model at an address, as error messages name it, and the key that they must not name."""

    model: str
    base_url: str
    key: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.model} at {self.base_url}" if self.base_url else self.model

    def hide(self, text: str) -> str:
        """`text` on one line, not too long, without the key."""
        open_text = text.replace(self.key, "[key]") if self.key else text
        return " ".join(open_text.split())[:_LONGEST]

    def cause(self, error: Exception) -> Exception | None:
        """`error`, to be chained; None where its text, or that of its causes, holds the key."""
        text = "".join(traceback.format_exception(error))
        return None if self.key and self.key in text else error


def base_url_or_default(base_url: str | None) -> str:
    """The address that was given, or the environment's, or OpenAI's own."""
    return base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI


def server_of_client(model: str, client: Any) -> Server:
    """What a client that was given says of itself."""
    key = getattr(client, "api_key", None)
    url = _split(str(getattr(client, "base_url", "")))
    return Server(model, _shown(url) if url else "", key if isinstance(key, str) else "")


def server_named(model: str, base_url: str, api_key: str | None) -> Server:
    """The server at an address, with the key that was given or that the environment has.

    Raises:
        ConfigurationError: The address or the key is none, or OpenAI would need a key.
    """
    url = _split(base_url)
    if url is None:
        raise ConfigurationError(
            f"base_url must be an address such as http://localhost:8000/v1, not {base_url!r}"
        )
    key = (api_key or os.environ.get("OPENAI_API_KEY") or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError("the key has a character that no key has; copy it once more")
    if not key and url.hostname == urlsplit(_OPENAI).hostname:
        raise ConfigurationError(
            f"there is no key for {model} at {base_url}. Set OPENAI_API_KEY or pass api_key=...; "
            "for a server that needs none pass base_url=..."
        )
    return Server(model, _shown(url), key)


def _split(base_url: str) -> SplitResult | None:
    """The parts of an address; None if it is none."""
    try:
        url = urlsplit(base_url)
        valid = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:  # a bracket or a port that is none
        return None
    return url if valid else None


def _shown(url: SplitResult) -> str:
    """The address without the name, password and query that it may hold."""
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}".rstrip("/")
