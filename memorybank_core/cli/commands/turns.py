"""The commands `add`, `import` and `export`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from memorybank_core.bank import MemoryBank
from memorybank_core.cli import options
from memorybank_core.cli.banks import open_existing, open_or_create, require_bank, resolve_moment
from memorybank_core.cli.outputs import require_writable
from memorybank_core.records import Turn
from memorybank_core.terminal import console, plural, plural_memories, print_json, progress_bar


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
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Start forgetting now, not at the time of each turn."),
    ] = False,
    embedder: options.EmbedderName = None,
    timezone: options.Timezone = None,
    as_json: options.AsJson = False,
) -> None:
    """Import a JSON file of the original MemoryBank; creates the bank if it does not exist.

    Importing the same file again changes nothing. The next `forget` archives old memories unless
    --fresh is passed; it asks first.
    """
    from memorybank_core.json_format import count_turns, import_json, load

    data = load(file)
    with (
        open_or_create(path, embedder=embedder, timezone=timezone) as bank,
        progress_bar("Importing", count_turns(data, users=users or None), "turns") as advance,
    ):
        report = import_json(bank, data, users=users or None, fresh=fresh, progress=advance)
        faded = 0 if as_json or not report.turns else _count_faded(bank, data, users)
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
    out = console()
    out.print(f"imported {plural(report.users, 'user')}: {counts}")
    if faded:
        out.print(
            f"{plural_memories(faded)} faded long ago: the next forget would archive them, or "
            "import into a new bank with --fresh"
        )


def _count_faded(bank: MemoryBank, data: Mapping[str, Any], users: Collection[str] | None) -> int:
    """Return how many memories of the imported users `forget` would archive now."""
    from memorybank_core.json_format.fields import resolve_user_id
    from memorybank_core.json_format.items import users_of

    imported = {resolve_user_id(key, entry) for key, entry in users_of(data).items()}
    chosen = imported if not users else imported & set(users)
    return sum(
        len(bank.forget(user_id=user_id, dry_run=True).forgotten)
        for user_id in sorted(chosen & set(bank.users()))
    )


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
    from memorybank_core.json_format.items import users_of

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
    people = len(users_of(data))
    if as_json:
        print_json({"file": str(file), "users": people, "turns": turns, "items": items})
        return
    counts = [
        plural(people, "user"),
        plural(turns, "turn"),
        *([plural(items, "item")] * bool(items)),
    ]
    console().print(f"exported {', '.join(counts)} to {file}", soft_wrap=True)
