"""The command `mcp`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memorybank_core.cli import options
from memorybank_core.cli.banks import open_or_create
from memorybank_core.errors import ConfigurationError

TOKEN = "MEMORYBANK_MCP_TOKEN"  # noqa: S105  # the name of a variable
"""Environment variable with the bearer token of the only user."""
_UserId = Annotated[
    str | None,
    typer.Option("--user-id", "--user", "-u", help="Id of the user whose memory is served."),
]
_Tokens = Annotated[
    Path | None,
    typer.Option(
        "--tokens",
        metavar="FILE",
        help='Serve several users over HTTP; a JSON file, {"USER": "TOKEN", …}.',
    ),
]
_Token = Annotated[
    str | None,
    typer.Option("--token", envvar=TOKEN, help="Bearer token of the user of --user-id, over HTTP."),
]


def mcp(
    path: options.BankPath,
    *,
    user_id: _UserId = None,
    http: Annotated[
        bool, typer.Option("--http", help="Serve over HTTP instead of standard input and output.")
    ] = False,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Port.")] = 8765,
    token: _Token = None,
    tokens: _Tokens = None,
    writes: Annotated[
        bool, typer.Option("--writes/--no-writes", help="Whether there are tools for changes.")
    ] = True,
    language: options.Language = None,
    timezone: options.Timezone = None,
    law: options.LawName = None,
    embedder: options.EmbedderName = None,
    llm: options.DigestModel = None,
) -> None:
    """Serve a bank to assistants by the Model Context Protocol (Claude, Cursor, VS Code, …)."""
    from memorybank_core.mcp_server import create_server, read_tokens, serve_http

    users = read_tokens(tokens) if tokens else None
    if users is None and token and http:
        users = {user_id: token} if user_id else None
    _require_user(user_id, users, has_file=tokens is not None, http=http)
    with open_or_create(
        path, language=language, timezone=timezone, law=law, embedder=embedder, llm=llm
    ) as bank:
        user = None if users else user_id
        server = create_server(
            bank, user_id=user, tokens=users, writes=writes, host=host, port=port,
            log_level="WARNING",
        )  # fmt: skip
        if http:
            serve_http(server, lambda url: typer.echo(url, err=True))
        else:
            server.run("stdio")


def _require_user(
    user_id: str | None, users: dict[str, str] | None, *, has_file: bool, http: bool
) -> None:
    """Raise ConfigurationError unless the options say whose memory is served."""
    if has_file and (user_id or not http):
        raise ConfigurationError("--tokens is for --http, and names the users: leave out --user-id")
    if not user_id and not users:
        raise ConfigurationError("say whose memory to serve: --user-id USER")
