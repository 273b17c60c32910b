"""ASGI middleware that blocks unused endpoints and adds security headers."""

from __future__ import annotations

import re
from collections.abc import Collection, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_BLOCKED_PATHS = (
    "/upload",
    "/file",
    "/proxy",
    "/stream",
    "/process_recording",
    "/deep_link",
    "/runs",
)
"""Prefixes of gradio's paths that the page does not use, such as file uploads."""
_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",  # gradio needs both
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]]+))(?::\d+)?")
_HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class SecurityMiddleware:
    """Blocks unused endpoints, and adds headers that block content from other origins.

    Args:
        app: The application.
        hosts: Names that a request may use for this machine, so that a page of another name, which
            resolves to this machine, cannot read this one; None allows all.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None = None) -> None:
        self._app = app
        self._hosts = None if hosts is None else {host.strip("[]").lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI defines it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if self._hosts is not None and _read_host(scope) not in self._hosts:
            await PlainTextResponse("invalid host header", 400)(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"]).removeprefix("/gradio_api")
        if path.startswith(_BLOCKED_PATHS):
            await PlainTextResponse("not found", 404)(scope, receive, send)
            return

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _read_host(scope: Scope) -> str:
    """Return the name in the Host header without its port; "" if it is not one."""
    match = _HOST.fullmatch(Headers(scope=scope).get("host", "").lower())
    return (match[1] or match[2]) if match else ""
