"""The commands `forget`, `forecast`, `restore`, `pin` and `unpin`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer

from memorybank_core.bank import MemoryBank
from memorybank_core.cli import options
from memorybank_core.cli.banks import open_existing, resolve_moment
from memorybank_core.cli.known_ids import require_known
from memorybank_core.cli.outputs import confirm
from memorybank_core.forgetting import THRESHOLD
from memorybank_core.reports import Fading, ForgetReport
from memorybank_core.terminal import (
    console,
    day_label,
    memory_cell,
    plural_memories,
    print_json,
    table,
)

from .backup import restore_backup

_MANY = 10
"""Number of memories from which on forgetting most of them at once is asked about."""


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
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Archive memories whose retention is below the threshold; `restore` brings them back.

    If the first call would archive most memories, as after the import of an old log, it asks.
    """
    with open_existing(path, user=user, law=law, timezone=timezone) as bank:
        moment = resolve_moment(now, bank)
        forget = partial(bank.forget, user_id=user, now=moment, threshold=threshold, seed=seed)
        if not (dry_run or yes):
            _confirm_forgetting(forget(dry_run=True), bank.stats(user_id=user).archived)
        report = forget(dry_run=dry_run)
        if as_json:
            print_json(report)
            return
        _print_fading(report.forgotten, bank)
    outcome = "would be forgotten" if dry_run else "forgotten"
    console().print(f"{plural_memories(len(report.forgotten))} {outcome}, {report.kept:,} kept")


def _confirm_forgetting(report: ForgetReport, archived: int) -> None:
    """Ask before most of a user's memories are archived at once for the first time."""
    count = len(report.forgotten)
    if archived or count < _MANY or count <= report.kept:
        return
    question = f"Archive {count:,} of {count + report.kept:,} memories?"
    confirm(
        f"{question} An old log that was imported without --fresh has faded already.",
        f"{question} There is no terminal to ask: look with --dry-run, then pass --yes",
    )


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
        require_known(bank, ids, user)
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
        require_known(bank, ids, user)
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
        require_known(bank, ids, user)
        count = bank.unpin(ids, user_id=user, now=resolve_moment(now, bank))
    _print_count("unpinned", count, as_json=as_json)


def _print_count(participle: str, count: int, *, as_json: bool) -> None:
    if as_json:
        print_json({participle: count})
    else:
        console().print(f"{plural_memories(count)} {participle}")


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
