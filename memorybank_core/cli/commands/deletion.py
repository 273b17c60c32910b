"""The commands `delete` and `expire`, which erase memories permanently."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer
from rich.text import Text

from memorybank_core.cli import options
from memorybank_core.cli.banks import open_existing, resolve_moment
from memorybank_core.cli.group import UsageError
from memorybank_core.cli.known_ids import find_missing, not_found
from memorybank_core.cli.outputs import confirm
from memorybank_core.errors import InvalidInputError
from memorybank_core.locations import is_url
from memorybank_core.reports import DeletionReceipt
from memorybank_core.terminal import clean, console, plural_memories, print_json

_NO_TERMINAL = "no terminal to ask for confirmation: pass --yes to erase permanently"


def delete(
    path: options.BankPath,
    *,
    user: options.User,
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="This memory only; repeat for more.")
    ] = None,
    day: options.Day = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Everything about the user, the profile included.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Erase memories permanently, and print a receipt.

    It is an error if nothing, or not every --id, was there to erase.
    """
    if [bool(ids), day is not None, everything].count(True) != 1:
        raise UsageError("pass what to delete: one of --id, --day, --all")
    if ids:
        selection = ", ".join(ids)
    else:
        selection = f"everything of {day}" if day else "everything, the profile included"
    with open_existing(path) as bank:
        if not yes:
            confirm(f"Erase {selection}, of {user}, permanently?", _NO_TERMINAL)
        missing = find_missing(bank, ids or (), user)
        is_known = user in bank.users()
        receipt = bank.delete(user_id=user, ids=ids or None, day=day)
    if as_json:
        print_json(receipt)
    elif receipt.memories or (everything and is_known):
        _print_receipt(receipt, path)
    if missing:
        raise not_found(missing, user)
    if not (receipt.memories or (is_known and everything)):
        what = f"no memory of {day}" if day and is_known else "nothing"
        raise InvalidInputError(f"{what} is stored of the user {user!r}; nothing was erased")


def expire(
    path: options.BankPath,
    *,
    days: Annotated[int, typer.Option("--older-than", metavar="DAYS", min=0, help="Age in days.")],
    user: options.OptionalUser = None,
    archived: Annotated[
        bool,
        typer.Option("--archived", help="Only memories that were archived that long ago."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Print what would be erased; erase nothing.")
    ] = False,
    now: options.Now = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Erase memories older than a number of days permanently, and print receipts."""
    with open_existing(path) as bank:
        if not (yes or dry_run):
            confirm(
                f"Erase what is older than {days} days, of {user or 'all users'}, permanently?",
                _NO_TERMINAL,
            )
        reports = bank.expire(
            timedelta(days=days),
            user_id=user,
            archived=archived,
            now=resolve_moment(now, bank),
            dry_run=dry_run,
        )
    if as_json:
        print_json({"expired": reports})
        return
    for report in reports:
        if report.receipt:
            _print_receipt(report.receipt, path)
        else:
            count = plural_memories(len(report.ids))
            console().print(f"{count} of {clean(report.user_id)} would be erased", soft_wrap=True)
    if not reports:
        console().print("nothing is that old")


def _print_receipt(receipt: DeletionReceipt, path: str) -> None:
    out = console()
    counts = {
        "memories": receipt.memories,
        "vectors": receipt.vectors,
        "recalls": receipt.recalls,
        "digests": receipt.digests,
    }
    out.print(f"erased for {clean(receipt.user_id)}:", soft_wrap=True)
    for name, count in counts.items():
        out.print(f"  {name:<10}{count:>8,}")
    out.print(f"  {'left':<10}{receipt.remaining:>8,}")
    if receipt.erased:
        out.print(Text("the bytes are gone from the file", style="green"))
        return
    reason = "another process still reads an older state of the file: run compact later"
    if is_url(path):
        reason = "the server keeps the bytes until it overwrites them, its log and backups longer"
    out.print(Text(reason, style="yellow"), soft_wrap=True)
