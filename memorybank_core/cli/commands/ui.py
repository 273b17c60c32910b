"""The command `ui`."""

from __future__ import annotations

from typing import Annotated

import typer

from memorybank_core.cli import options
from memorybank_core.cli.banks import load_placeholder, open_existing, require_bank
from memorybank_core.embedders import embedder_named
from memorybank_core.errors import MemoryBankError
from memorybank_core.protocols import Embedder
from memorybank_core.validation import require_language

PASSWORD = "MEMORYBANK_UI_PASSWORD"  # noqa: S105  # the name of a variable
"""Environment variable with the password of the page."""


def ui(
    path: options.BankPath,
    *,
    user: Annotated[
        str | None, typer.Option("--user", "-u", help="The user shown first; default the first.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Allow changes and deletions; else read-only.")
    ] = False,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on.")] = 7861,
    password: Annotated[
        str | None,
        typer.Option(
            "--password",
            envvar=PASSWORD,
            help="Password that visitors must enter; required for other addresses.",
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            "--language", metavar="en|zh", help="Language of the page; default: the bank's."
        ),
    ] = None,
    law: options.LawName = None,
    embedder: options.EmbedderName = None,
) -> None:
    """Show a bank in the browser: search, timeline, forgetting, digests and checks."""
    from memorybank_core.ui import serve
    from memorybank_core.ui.server import require_safe_address
    from memorybank_core.web.passwords import require_password
    from memorybank_core.web.server import require_port

    require_port(port)
    require_password(password)
    require_safe_address(host, has_password=password is not None)
    if language is not None:
        require_language(language)
    loaded = _load_embedder(path, embedder)
    with open_existing(
        path, user=user, embeds=True, embedder=loaded, law=law, readonly=not write
    ) as bank:
        serve(
            bank, host=host, port=port, language=language, password=password,
            write=write, user_id=user,
        )  # fmt: skip


def _load_embedder(path: str, name: str | None) -> Embedder:
    """Return the embedder of a bank or, if it cannot be loaded, a placeholder that cannot search.

    Raises:
        ConfigurationError: If there is no bank, or the named embedder cannot be loaded.
    """
    if name is not None:
        require_bank(path)
        return embedder_named(name)
    placeholder = load_placeholder(path)
    try:
        return embedder_named(placeholder.name)
    except MemoryBankError as error:
        typer.echo(f"no search: {error}", err=True)
        return placeholder
