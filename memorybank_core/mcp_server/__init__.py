"""A server of the Model Context Protocol (MCP) for a bank. It needs the extra `mcp`.

Assistants such as Claude, Cursor, VS Code or a LangGraph agent call its tools to remember and
recall. Over standard input and output it serves one user; over HTTP, each bearer token has a user.
The protocol: https://modelcontextprotocol.io.
"""

from __future__ import annotations

from memorybank_core.errors import MissingDependencyError

_PACKAGES = ("anyio", "mcp", "pydantic", "starlette", "uvicorn")
"""Packages that the extra installs."""

try:
    from .server import create_server
    from .tokens import read_tokens
    from .transports import serve_http
except ModuleNotFoundError as error:
    if not error.name or error.name.partition(".")[0] not in _PACKAGES:
        raise
    raise MissingDependencyError.of("mcp", "mcp") from error

__all__ = ["create_server", "read_tokens", "serve_http"]
