"""Memories in and out: add, import, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memorybank_core.bank import MemoryBank
from memorybank_core.cli import options
from memorybank_core.cli.banks import moment_of, opened
from memorybank_core.records import Turn
from memorybank_core.terminal import console, print_json, progress_bar, times

BATCH = 32  # turns between two steps of the progress bar


def add(
    path: options.BankPath,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What the user said.")],
    response: Annotated[
        str, typer.Argument(metavar="RESPONSE", help="What the companion answered.")
    ] = "",
    *,
    user: options.User,
    at: options.At = None,
    session: Annotated[
        str | None, typer.Option("--session", help="The conversation; default the day's.")
    ] = None,
    id: Annotated[
        str | None, typer.Option("--id", help="Unique for this user; default derived.")
    ] = None,
    embedder: options.EmbedderName = None,
    timezone: options.Timezone = "UTC",
    as_json: options.AsJson = False,
) -> None:
    """Remember one turn. Makes the bank where there is none."""
    with MemoryBank.open(path, embedder=embedder, timezone=timezone) as bank:
        turn = Turn(query, response, moment_of(at, bank), id, session)
        receipt = bank.add([turn], user_id=user)
    if as_json:
        print_json(receipt)
        return
    if not receipt.ids:
        console().print("nothing to remember: that was recalled text")
        return
    said = "remembered" if receipt.added else "known already"
    console().print(f"{said}: {receipt.ids[0]}")


def import_(
    path: options.BankPath,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Memory JSON of the original.")],
    users: options.Users = None,
    embedder: options.EmbedderName = None,
    timezone: options.Timezone = "UTC",
    as_json: options.AsJson = False,
) -> None:
    """Read a memory JSON. Makes the bank where there is none; may be repeated."""
    from memorybank_core.json_format import count_turns, import_json, load

    data = load(file)
    with (
        MemoryBank.open(path, embedder=embedder, timezone=timezone) as bank,
        progress_bar("Remembering", count_turns(data, users=users or None)) as advance,
    ):
        report = import_json(bank, data, users=users or None, progress=advance, batch=BATCH)
    if as_json:
        print_json(report)
        return
    extras = [
        f"{count:,} {what}"
        for count, what in (
            (report.events, "daily summaries"),
            (report.digests, "portraits and overall summaries"),
            (report.unchanged, "known already"),
            (report.empty, "empty and left out"),
        )
        if count
    ]
    counts = ", ".join([times(report.turns, "turn"), *extras])
    console().print(f"imported {times(report.users, 'user')}: {counts}")


def export(
    path: options.BankPath,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; - is stdout.")],
    users: options.Users = None,
    timezone: options.Timezone = "UTC",
    as_json: options.AsJson = False,
) -> None:
    """Write users' memories, archived ones too, as the original's memory JSON."""
    from memorybank_core.json_format import count_turns, dump, export_json

    with opened(path, timezone=timezone) as bank:
        data = export_json(bank, users=users or None)
    if str(file) == "-":
        print_json(data)
        return
    dump(data, file)
    turns = count_turns(data)
    if as_json:
        print_json({"file": str(file), "users": len(data), "turns": turns})
        return
    console().print(f"exported {times(len(data), 'user')}, {times(turns, 'turn')} to {file}")
