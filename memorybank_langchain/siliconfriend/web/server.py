"""Serving the page: on this machine alone, unless told otherwise."""

from __future__ import annotations

import warnings
from ipaddress import ip_address
from typing import Any

import gradio as gr
from langchain_core.language_models import BaseChatModel
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from memorybank_core import ConfigurationError, MemoryBank
from memorybank_core.terminal import console

from .page import page
from .security import SecurityLayer
from .strings import WORDS
from .theme import CSS, theme

HOST, PORT = "127.0.0.1", 7860
_LOCAL = ["localhost", "127.0.0.1"]
_UPLOADS = 1  # bytes: there is nothing to upload


def serve(
    bank: MemoryBank,
    model: BaseChatModel,
    *,
    host: str = HOST,
    port: int = PORT,
    language: str = "en",
    password: str | None = None,
    **options: Any,
) -> None:
    """Serves SiliconFriend's page until Ctrl-C.

    Args:
        bank: Where the memories are; people see their own alone.
        model: Any chat model of LangChain's.
        host: Where to listen; from another machine it can be reached at "0.0.0.0" only.
        port: Where to listen.
        language: "en" or "zh": the page's; the companion speaks the bank's.
        password: What everyone must know who wants in; None asks for none.
        options: The keywords of `Companion` and `siliconfriend`, but for whose memory it is.

    Raises:
        ConfigurationError: The port is taken, or the host is not this machine's.
        InvalidInputError: There is no wording in that language.
    """
    blocks = page(bank, model, language=language, password=password, **options)
    url = start(blocks, host=host, port=port, guarded=password is not None)
    console().print(WORDS[language]["running"].format(url=url))
    try:
        blocks.block_thread()
    finally:
        blocks.close(verbose=False)


def start(blocks: gr.Blocks, *, host: str = HOST, port: int = PORT, guarded: bool = False) -> str:
    """Begins to serve a page and returns its address; `blocks.close()` ends it.

    Args:
        blocks: The page.
        host: Where to listen.
        port: Where to listen.
        guarded: Whether it asks for a password.

    Raises:
        ConfigurationError: The port is taken, or the host is not this machine's.
    """
    local = _is_loopback(host)
    if not local and not guarded:
        warnings.warn(
            f"anyone who reaches {host}:{port} can sign in by any name and read what is "
            "remembered of it: give a password, or serve on 127.0.0.1",
            stacklevel=2,
        )
    layers = [Middleware(SecurityLayer)]
    if local and ":" not in host:
        layers.append(Middleware(TrustedHostMiddleware, allowed_hosts=[*_LOCAL, host]))
    try:
        _, url, _ = blocks.launch(
            server_name=host,
            server_port=port,
            app_kwargs={"middleware": layers},
            theme=theme(),
            css=CSS,
            prevent_thread_lock=True,
            share=False,
            quiet=True,
            ssr_mode=False,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            mcp_server=False,
            pwa=False,
            max_file_size=_UPLOADS,
            inbrowser=False,
        )
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({error}). Take another port, or end what has it"
        ) from error
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
