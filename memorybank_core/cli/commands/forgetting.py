"""The commands `forget`, `forecast`, `restore`, `pin`, `unpin`, `delete` and `expire`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer
from rich.text import Text

from memorybank_core.bank import MemoryBank
from memorybank_core.cli import options
from memorybank_core.cli.banks import open_existing, resolve_moment
from memorybank_core.cli.group import UsageError
from memorybank_core.cli.outputs import confirm
from memorybank_core.errors import InvalidInputError
from memorybank_core.forgetting import THRESHOLD
from memorybank_core.locations import is_url
from memorybank_core.reports import DeletionReceipt, Fading
from memorybank_core.terminal import (
    clean,
    console,
    day_label,
    memory_cell,
    plural_memories,
    print_json,
    table,
)

from .backup import restore_backup

_NO_TERMINAL = "no terminal to ask for confirmation: pass --yes to erase permanently"


def forget(
    path: options.BankPath,
    *,
    user: options.User,
    threshold: options.Threshold = THRESHOLD,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Seed to forget at random, with probability 1 - retention."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", "-n", help="Print what would be forgotten; change nothing."),
    ] = False,
    now: options.Now = None,
    law: options.LawName = None,
    timezone: options.Timezone = None,
    as_json: options.AsJson = False,
) -> None:
    """Archive memories whose retention is below the threshold; `restore` brings them back."""
    with open_existing(path, user=user, law=law, timezone=timezone) as bank:
        moment = resolve_moment(now, bank)
        report = bank.forget(
            user_id=user, now=moment, threshold=threshold, seed=seed, dry_run=dry_run
        )
        if as_json:
            print_json(report)
            return
        _print_fading(report.forgotten, bank)
    outcome = "would be forgotten" if dry_run else "forgotten"
    console().print(f"{plural_memories(len(report.forgotten))} {outcome}, {report.kept:,} kept")


def forecast(
    path: options.BankPath,
    *,
    user: options.User,
    by: options.By,
    threshold: options.Threshold = THRESHOLD,
    law: options.LawName = None,
    timezone: options.Timezone = None,
    as_json: options.AsJson = False,
) -> None:
    """List memories that will have faded by a day if nothing is recalled, the earliest first."""
    with open_existing(path, user=user, law=law, timezone=timezone) as bank:
        moment = resolve_moment(by, bank)
        fading = bank.forecast(moment, user_id=user, threshold=threshold)
        if as_json:
            print_json({"fading": fading})
            return
        _print_fading(fading, bank)
        day = day_label(bank.day_of(moment))
    console().print(f"{plural_memories(len(fading))} will have faded by {day}")


def restore(
    path: Annotated[
        str, typer.Argument(metavar="BANK", help="File or URL of the bank; or FILE, a backup.")
    ],
    ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Ids of memories; or BANK, for a backup.")
    ],
    *,
    user: Annotated[
        str | None, typer.Option("--user", "-u", help="Id of the user; not for a backup.")
    ] = None,
    now: options.Now = None,
    timezone: options.Timezone = None,
    force: Annotated[
        bool, typer.Option("--force", help="Delete the bank that a backup replaces.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Restore forgotten memories (BANK ID... --user USER), or a backup (FILE BANK).

    Restored memories start to fade again from now. A backup replaces a bank that is not open
    anywhere; the replaced file gets another name, unless --force is passed.
    """
    if user is None:
        restore_backup(path, ids, force=force, as_json=as_json)
        return
    with open_existing(path, user=user, timezone=timezone) as bank:
        _require_known(bank, ids, user)
        count = bank.restore(ids, user_id=user, now=resolve_moment(now, bank))
    _print_count("restored", count, as_json=as_json)


def pin(
    path: options.BankPath,
    ids: options.Ids,
    *,
    user: options.User,
    as_json: options.AsJson = False,
) -> None:
    """Keep memories from fading; forgotten ones are restored."""
    with open_existing(path, user=user) as bank:
        _require_known(bank, ids, user)
        count = bank.pin(ids, user_id=user)
    _print_count("pinned", count, as_json=as_json)


def unpin(
    path: options.BankPath,
    ids: options.Ids,
    *,
    user: options.User,
    now: options.Now = None,
    timezone: options.Timezone = None,
    as_json: options.AsJson = False,
) -> None:
    """Let pinned memories fade again, starting from now."""
    with open_existing(path, user=user, timezone=timezone) as bank:
        _require_known(bank, ids, user)
        count = bank.unpin(ids, user_id=user, now=resolve_moment(now, bank))
    _print_count("unpinned", count, as_json=as_json)


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
        missing = _find_missing(bank, ids or (), user)
        is_known = user in bank.users()
        receipt = bank.delete(user_id=user, ids=ids or None, day=day)
    if as_json:
        print_json(receipt)
    elif receipt.memories or (everything and is_known):
        _print_receipt(receipt, path)
    if missing:
        raise _not_found(missing, user)
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


def _print_count(participle: str, count: int, *, as_json: bool) -> None:
    if as_json:
        print_json({participle: count})
    else:
        console().print(f"{plural_memories(count)} {participle}")


def _find_missing(bank: MemoryBank, ids: Sequence[str], user: str) -> list[str]:
    """Return the ids that no memory of the user has."""
    known = bank.get(ids, user_id=user) if ids else {}
    return [id for id in dict.fromkeys(ids) if id not in known]


def _require_known(bank: MemoryBank, ids: Sequence[str], user: str) -> None:
    """Raise InvalidInputError if an id is that of no memory; nothing was changed yet."""
    if missing := _find_missing(bank, ids, user):
        raise _not_found(missing, user)


def _not_found(ids: Sequence[str], user: str) -> InvalidInputError:
    return InvalidInputError(f"no memory of the user {user!r} has the id {', '.join(ids)}")


def _print_fading(fading: Sequence[Fading], bank: MemoryBank) -> None:
    if not fading:
        return
    rows = table("Said on", "Retention", "Fades on", numbers=("Retention",), memories=True)
    for entry in fading:
        rows.add_row(
            memory_cell(entry.memory),
            str(entry.memory.day),
            f"{entry.retention:.3f}",
            str(bank.day_of(entry.fades_at)) if entry.fades_at else "never",
        )
    console().print(rows)


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
