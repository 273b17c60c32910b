"""The commands `add`, `import` and `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memorybank_core.cli import options
from memorybank_core.cli.banks import open_existing, open_or_create, require_bank, resolve_moment
from memorybank_core.cli.outputs import require_writable
from memorybank_core.records import Turn
from memorybank_core.terminal import console, plural, print_json, progress_bar


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


def import_(
    path: options.BankPath,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON of the original MemoryBank.")],
    users: options.Users = None,
    embedder: options.EmbedderName = None,
    timezone: options.Timezone = None,
    as_json: options.AsJson = False,
) -> None:
    """Import a JSON file of the original MemoryBank; creates the bank if it does not exist.

    Importing the same file again changes nothing.
    """
    from memorybank_core.json_format import count_turns, import_json, load

    data = load(file)
    with (
        open_or_create(path, embedder=embedder, timezone=timezone) as bank,
        progress_bar("Importing", count_turns(data, users=users or None), "turns") as advance,
    ):
        report = import_json(bank, data, users=users or None, progress=advance)
    if as_json:
        print_json(report)
        return
    extras = [
        f"{count:,} {label}"
        for count, label in (
            (report.events, "daily summaries"),
            (report.digests, "portraits and overall summaries"),
            (report.items, "stored items"),
            (report.unchanged, "already known"),
            (report.empty, "empty and skipped"),
        )
        if count
    ]
    counts = ", ".join([plural(report.turns, "turn"), *extras])
    console().print(f"imported {plural(report.users, 'user')}: {counts}")


def export(
    path: options.BankPath,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Output file; - for stdout.")],
    users: options.Users = None,
    where: options.Where = None,
    timezone: options.Timezone = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
) -> None:
    """Export everything except vectors as JSON of the original MemoryBank.

    An earlier export is replaced. With --user or --where, items of a LangGraph store are left out.
    """
    from memorybank_core.json_format import count_items, count_turns, dump, export_json, is_export

    to_stdout = str(file) == "-"
    if not to_stdout:
        require_bank(path)
        require_writable(file, is_ours=is_export, force=force, source=path)
    with open_existing(path, timezone=timezone) as bank:
        data = export_json(bank, users=users or None, where=options.merge(where))
    if to_stdout:
        print_json(data)
        return
    dump(data, file, source=path)
    turns, items = count_turns(data), count_items(data)
    people = len(data) - bool(items)
    if as_json:
        print_json({"file": str(file), "users": people, "turns": turns, "items": items})
        return
    counts = [
        plural(people, "user"),
        plural(turns, "turn"),
        *([plural(items, "item")] * bool(items)),
    ]
    console().print(f"exported {', '.join(counts)} to {file}", soft_wrap=True)
