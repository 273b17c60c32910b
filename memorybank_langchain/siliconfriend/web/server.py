"""Server of the page, by default reachable only from the same machine."""

from __future__ import annotations

import warnings
from typing import Any

import gradio as gr
from langchain_core.language_models import BaseChatModel

from memorybank_core import MemoryBank, SettingsWarning
from memorybank_core.locations import is_loopback
from memorybank_core.validation import require_language
from memorybank_core.web.server import HOST, require_port, start_server, wait_for_end

from .page import page
from .strings import STRINGS
from .styles import CSS

PORT = 7860


def serve(
    bank: MemoryBank,
    model: BaseChatModel,
    *,
    host: str = HOST,
    port: int = PORT,
    language: str | None = None,
    password: str | None = None,
    **options: Any,
) -> None:
    """Serve SiliconFriend's page until Ctrl-C.

    Args:
        bank: Bank with the memories; users see only their own.
        model: Any LangChain chat model.
        host: Address to listen on; "0.0.0.0" makes the page reachable from other machines.
        port: Port to listen on.
        language: Language of the page, "en" or "zh"; default the bank's, which the companion
            speaks.
        password: Password that visitors must enter; None requires no password.
        options: Keyword arguments of `Companion` and `siliconfriend`, except `user_id`.

    Raises:
        ConfigurationError: If the port is in use or is not a port, the host is not an address of
            this machine, or the password is empty.
        InvalidInputError: If `language` is not supported.
    """
    language = require_language(language or bank.language)
    blocks = page(bank, model, language=language, password=password, **options)
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
        ConfigurationError: If the port is in use or is not a port, or the host is not an address
            of this machine.
    """
    require_port(port)
    if not is_loopback(host) and not has_password:
        warnings.warn(
            f"anyone who can reach {host}:{port} can sign in under any name and read that user's "
            "memories: set a password, or serve on 127.0.0.1",
            SettingsWarning,
            stacklevel=2,
        )
    return start_server(blocks, host=host, port=port, css=CSS)
