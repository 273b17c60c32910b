"""Address of Ollama, which also has OpenAI's interface."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from memorybank_core.errors import ConfigurationError

PORT = 11434
_DEFAULT = "127.0.0.1"
_EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - where a server listens; we connect to it


def ollama_url() -> str:
    """Return the address of Ollama's OpenAI interface, from OLLAMA_HOST or this machine.

    Like Ollama's own command, this accepts a host, a host with a port, and a URL. The address that
    a server listens on at every interface means this machine.

    Raises:
        ConfigurationError: If OLLAMA_HOST is not such an address.
    """
    value = os.environ.get("OLLAMA_HOST", "").strip().strip("\"'")
    has_scheme = "://" in value
    try:
        url = urlsplit(value if has_scheme else f"http://{value}")
        host, port = url.hostname or "", url.port
    except ValueError as error:
        raise ConfigurationError(f"OLLAMA_HOST is not an address: {value!r}") from error
    if url.scheme not in ("http", "https"):
        raise ConfigurationError(f"OLLAMA_HOST must be an http address, not {value!r}")
    if port is None:
        port = {"http": 80, "https": 443}[url.scheme] if has_scheme else PORT
    host = _DEFAULT if host in _EVERY_ADDRESS else host
    name = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{name}:{port}{url.path.rstrip('/')}/v1"
