"""The command `add`."""

from __future__ import annotations

from typing import Annotated

import typer

from memorybank_core.cli import options
from memorybank_core.cli.banks import open_or_create, resolve_moment
from memorybank_core.records import Turn
from memorybank_core.terminal import console, print_json


def add(
    path: options.BankPath,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="Message of the user.")],
    response: Annotated[
        str, typer.Argument(metavar="RESPONSE", help="Answer of the companion.")
    ] = "",
    *,
    user: options.User,
    at: options.At = None,
    session: Annotated[
        str | None,
        typer.Option("--session", help="Session; default one session for each day."),
    ] = None,
    id: Annotated[
        str | None,
        typer.Option("--id", help="Id, unique for this user; default a hash of the turn."),
    ] = None,
    metadata: options.TurnMetadata = None,
    embedder: options.EmbedderName = None,
    timezone: options.Timezone = None,
    as_json: options.AsJson = False,
) -> None:
    """Add one turn; creates the bank if it does not exist."""
    with open_or_create(path, embedder=embedder, timezone=timezone) as bank:
        moment, values = resolve_moment(at, bank), options.merge(metadata)
        turn = Turn(query, response, moment, id, session, metadata=values)
        receipt = bank.add([turn], user_id=user)
    if as_json:
        print_json(receipt)
        return
    if not receipt.ids:
        console().print("nothing added: the text was recalled from memory")
        return
    outcome = "added" if receipt.added else "already known"
    if receipt.updated:
        outcome = "already known, metadata replaced"
    console().print(f"{outcome}: {receipt.ids[0]}", soft_wrap=True)
