"""Serving of the page, by default only to the same machine and only for reading."""

from __future__ import annotations

from typing import Any

import gradio as gr

from memorybank_core.bank import MemoryBank
from memorybank_core.errors import ConfigurationError
from memorybank_core.locations import is_loopback
from memorybank_core.validation import require_language
from memorybank_core.web.server import HOST, start_server, wait_for_end

from .page import page
from .strings import STRINGS
from .styles import CSS

PORT = 7861


def serve(
    bank: MemoryBank,
    *,
    host: str = HOST,
    port: int = PORT,
    language: str | None = None,
    password: str | None = None,
    **options: Any,
) -> None:
    """Serve the page of a bank until Ctrl-C.

    Args:
        bank: The bank.
        host: Address to listen on; another one than this machine's own requires a password.
        port: Port to listen on.
        language: Language of the page, "en" or "zh"; default the bank's.
        password: Password that visitors must enter; None requires no password.
        options: `write` and `user_id` of `page`.

    Raises:
        ConfigurationError: If the port is in use or is not a port, the host is not an address of
            this machine, the password is empty, or there is no password for other machines.
        InvalidInputError: If `language` is not supported.
    """
    language = require_language(language or bank.language)
    blocks = page(bank, language=language, password=password, **options)
    url = start(blocks, host=host, port=port, has_password=password is not None)
    wait_for_end(blocks, STRINGS[language]["running"].format(url=url))


def start(
    blocks: gr.Blocks, *, host: str = HOST, port: int = PORT, has_password: bool = False
) -> str:
    """Start serving a page in the background; `blocks.close()` stops it.

    Args:
        blocks: The page.
        host: Address to listen on.
        port: Port to listen on.
        has_password: Whether the page asks for a password.

    Returns:
        The URL of the page.

    Raises:
        ConfigurationError: As in `serve`.
    """
    require_safe_address(host, has_password=has_password)
    return start_server(blocks, host=host, port=port, css=CSS)


def require_safe_address(host: str, *, has_password: bool) -> None:
    """Raise ConfigurationError if other machines could read the bank without a password."""
    if not has_password and not is_loopback(host):
        raise ConfigurationError(
            f"on {host}, anybody could read the memories of every user: set a password "
            "(--password, or MEMORYBANK_UI_PASSWORD), or listen on 127.0.0.1"
        )
