"""Serving of a page, by default only to the same machine."""

from __future__ import annotations

import os
import socket

import gradio as gr
from starlette.middleware import Middleware

from memorybank_core.errors import ConfigurationError
from memorybank_core.locations import is_loopback
from memorybank_core.terminal import console

from .security import SecurityMiddleware
from .theme import build_theme

HOST = "127.0.0.1"
_MAX_PORT = 65_535
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_MAX_UPLOAD_BYTES = 1  # a page uploads nothing


def start_server(blocks: gr.Blocks, *, host: str, port: int, css: str) -> str:
    """Start serving a page in the background; `blocks.close()` stops it.

    Args:
        blocks: The page.
        host: Address to listen on.
        port: Port to listen on.
        css: Style sheet of the page.

    Returns:
        The URL of the page.

    Raises:
        ConfigurationError: If the port is in use or is not a port, or the host is not an address
            of this machine.
    """
    require_port(port)
    _require_free(host, port)
    hosts = {*_LOCAL_HOSTS, host} if is_loopback(host) else None
    middleware = [Middleware(SecurityMiddleware, hosts=hosts)]
    try:
        _, url, _ = blocks.launch(
            server_name=host,
            server_port=port,
            app_kwargs={"middleware": middleware},
            theme=build_theme(),
            css=css,
            prevent_thread_lock=True,
            share=False,
            quiet=True,
            ssr_mode=False,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            mcp_server=False,
            pwa=False,
            max_file_size=_MAX_UPLOAD_BYTES,
            inbrowser=False,
        )
    except OSError as error:  # another program was faster
        raise _cannot_listen(host, port, error) from error
    return url


def wait_for_end(blocks: gr.Blocks, announcement: str) -> None:
    """Print a line, serve until Ctrl-C, and stop the server."""
    console().print(announcement)
    try:
        blocks.block_thread()
    finally:
        blocks.close(verbose=False)


def _require_free(host: str, port: int) -> None:
    """Raise ConfigurationError if nothing can listen on an address; gradio would log more lines."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host.strip("[]"), port), family=family).close()
    except OSError as error:
        raise _cannot_listen(host, port, error) from error


def _cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return ConfigurationError(
        f"cannot listen on {host}:{port} ({reason}). Use another port, or stop the program that "
        "uses it"
    )


def require_port(port: int) -> None:
    """Raise ConfigurationError unless `port` is a port."""
    if not 0 <= port <= _MAX_PORT:
        raise ConfigurationError(f"the port must be 0 to {_MAX_PORT}, not {port}")
