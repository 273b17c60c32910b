"""Server of the page, by default reachable only from the same machine."""

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
from .security import SecurityMiddleware
from .strings import STRINGS
from .styles import CSS
from .theme import build_theme

HOST, PORT = "127.0.0.1", 7860
_MAX_PORT = 65_535
_LOCAL_HOSTS = ["localhost", "127.0.0.1"]
_MAX_UPLOAD_BYTES = 1  # the page uploads nothing


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
    """Serve SiliconFriend's page until Ctrl-C.

    Args:
        bank: Bank with the memories; users see only their own.
        model: Any LangChain chat model.
        host: Address to listen on; "0.0.0.0" makes the page reachable from other machines.
        port: Port to listen on.
        language: Language of the page, "en" or "zh"; the companion speaks the bank's language.
        password: Password that visitors must enter; None requires no password.
        options: Keyword arguments of `Companion` and `siliconfriend`, except `user_id`.

    Raises:
        ConfigurationError: If the port is in use or is not a port, or the host is not an address
            of this machine.
        InvalidInputError: If `language` is not supported.
    """
    blocks = page(bank, model, language=language, password=password, **options)
    url = start(blocks, host=host, port=port, has_password=password is not None)
    console().print(STRINGS[language]["running"].format(url=url))
    try:
        blocks.block_thread()
    finally:
        blocks.close(verbose=False)


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
    if not 0 <= port <= _MAX_PORT:
        raise ConfigurationError(f"the port must be 0 to {_MAX_PORT}, not {port}")
    is_local = _is_loopback(host)
    if not is_local and not has_password:
        warnings.warn(
            f"anyone who can reach {host}:{port} can sign in under any name and read that user's "
            "memories: set a password, or serve on 127.0.0.1",
            stacklevel=2,
        )
    middleware = [Middleware(SecurityMiddleware)]
    if is_local and ":" not in host:
        middleware.append(Middleware(TrustedHostMiddleware, allowed_hosts=[*_LOCAL_HOSTS, host]))
    try:
        _, url, _ = blocks.launch(
            server_name=host,
            server_port=port,
            app_kwargs={"middleware": middleware},
            theme=build_theme(),
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
            max_file_size=_MAX_UPLOAD_BYTES,
            inbrowser=False,
        )
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({error}). Use another port, or stop the program that "
            "uses it"
        ) from error
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
