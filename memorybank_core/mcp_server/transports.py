"""Serve over HTTP: on this machine only, unless bearer tokens protect it."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from mcp.server.fastmcp import FastMCP

from memorybank_core.errors import ConfigurationError
from memorybank_core.locations import is_loopback

DRAIN_TIME = 5
"""Time that running requests get to end when the server is stopped, in seconds."""


def serve_http(server: FastMCP, announce: Callable[[str], object] | None = None) -> None:
    """Serve a server over streamable HTTP until the process is interrupted.

    The address is that of the server's settings; the path is /mcp.

    Args:
        server: The server.
        announce: Called with the URL as soon as the address is listened on.

    Raises:
        ConfigurationError: If the address is not of this machine and there are no tokens, or it
            cannot be listened on.
    """
    settings = server.settings
    if settings.auth is None and not is_loopback(settings.host):
        raise ConfigurationError(
            f"on {settings.host}, anybody could read the memories: give each user a token "
            "(--tokens FILE, or MEMORYBANK_MCP_TOKEN for one user), or listen on 127.0.0.1"
        )
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.create_server((settings.host, settings.port), family=family)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"cannot listen on {settings.host}:{settings.port}: {error}"
        ) from error
    config = uvicorn.Config(
        server.streamable_http_app(),
        log_level="warning",
        timeout_graceful_shutdown=DRAIN_TIME,
    )
    with listener:
        if announce is not None:
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            announce(f"http://{host}:{listener.getsockname()[1]}/mcp")
        uvicorn.Server(config).run(sockets=[listener])
