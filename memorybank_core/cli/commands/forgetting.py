"""Letting go: forget, forecast, restore, pin, unpin, delete."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.text import Text

from memorybank_core.bank import MemoryBank
from memorybank_core.cli import options
from memorybank_core.cli.banks import moment_of, opened
from memorybank_core.cli.group import UsageError
from memorybank_core.forgetting import THRESHOLD
from memorybank_core.locations import is_url
from memorybank_core.reports import DeletionReceipt, Fading
from memorybank_core.terminal import (
    clean,
    console,
    day_label,
    memories,
    memory_cell,
    print_json,
    table,
)


def forget(
    path: options.BankPath,
    *,
    user: options.User,
    threshold: options.Threshold = THRESHOLD,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Let chance decide, 1 - retention; the seed fixes it."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only say what would be forgotten.")
    ] = False,
    now: options.Now = None,
    law: options.LawName = None,
    timezone: options.Timezone = "UTC",
    as_json: options.AsJson = False,
) -> None:
    """Archive what has faded; `restore` brings it back."""
    with opened(path, user=user, law=law, timezone=timezone) as bank:
        moment = moment_of(now, bank)
        report = bank.forget(
            user_id=user, now=moment, threshold=threshold, seed=seed, dry_run=dry_run
        )
        if as_json:
            print_json(report)
            return
        _print_fading(report.forgotten, bank)
    said = "would be forgotten" if dry_run else "forgotten"
    console().print(f"{memories(len(report.forgotten))} {said}, {report.kept:,} kept")


def forecast(
    path: options.BankPath,
    *,
    user: options.User,
    by: options.By,
    threshold: options.Threshold = THRESHOLD,
    law: options.LawName = None,
    timezone: options.Timezone = "UTC",
    as_json: options.AsJson = False,
) -> None:
    """Say what will have faded by a day if nothing is recalled, the first to fade first."""
    with opened(path, user=user, law=law, timezone=timezone) as bank:
        moment = moment_of(by, bank)
        fading = bank.forecast(moment, user_id=user, threshold=threshold)
        if as_json:
            print_json({"fading": fading})
            return
        _print_fading(fading, bank)
        day = day_label(bank.day_of(moment))
    console().print(f"{memories(len(fading))} will have faded by {day}")


def restore(
    path: options.BankPath,
    ids: options.Ids,
    *,
    user: options.User,
    now: options.Now = None,
    timezone: options.Timezone = "UTC",
    as_json: options.AsJson = False,
) -> None:
    """Bring forgotten memories back, to fade anew from now."""
    with opened(path, user=user, timezone=timezone) as bank:
        count = bank.restore(ids, user_id=user, now=moment_of(now, bank))
    _print_count("restored", count, as_json=as_json)


def pin(
    path: options.BankPath,
    ids: options.Ids,
    *,
    user: options.User,
    as_json: options.AsJson = False,
) -> None:
    """Keep memories from fading; forgotten ones are brought back."""
    with opened(path, user=user) as bank:
        count = bank.pin(ids, user_id=user)
    _print_count("pinned", count, as_json=as_json)


def unpin(
    path: options.BankPath,
    ids: options.Ids,
    *,
    user: options.User,
    now: options.Now = None,
    timezone: options.Timezone = "UTC",
    as_json: options.AsJson = False,
) -> None:
    """Let pinned memories fade again, anew from now."""
    with opened(path, user=user, timezone=timezone) as bank:
        count = bank.unpin(ids, user_id=user, now=moment_of(now, bank))
    _print_count("unpinned", count, as_json=as_json)


def delete(
    path: options.BankPath,
    *,
    user: options.User,
    ids: Annotated[list[str] | None, typer.Option("--id", help="This memory; repeatable.")] = None,
    day: options.Day = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Everything of the user, the profile too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Erase memories for good, and print the receipt."""
    if [bool(ids), day is not None, everything].count(True) != 1:
        raise UsageError("say what to delete: one of --id, --day, --all")
    what = (
        ", ".join(ids) if ids else f"everything of {day}" if day else "everything, the profile too"
    )
    with opened(path) as bank:
        if not yes:
            _confirm(f"Erase {what}, of {user}, for good?")
        receipt = bank.delete(user_id=user, ids=ids or None, day=day)
    if as_json:
        print_json(receipt)
    else:
        _print_receipt(receipt, path)


def _print_count(done: str, count: int, *, as_json: bool) -> None:
    if as_json:
        print_json({done: count})
    else:
        console().print(f"{memories(count)} {done}")


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError("nobody to ask here: pass --yes to erase for good")
    typer.confirm(clean(question), abort=True, err=True)


def _print_fading(fading: Sequence[Fading], bank: MemoryBank) -> None:
    if not fading:
        return
    shown = table("Said on", "Retention", "Fades on", numbers=("Retention",), memories=True)
    for item in fading:
        shown.add_row(
            memory_cell(item.memory),
            str(item.memory.day),
            f"{item.retention:.3f}",
            str(bank.day_of(item.fades_at)) if item.fades_at else "never",
        )
    console().print(shown)


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
    reason = "another process still reads an old state: run compact later"
    if is_url(path):
        reason = "the server keeps old bytes until it writes over them; its log and backups, longer"
    out.print(Text(reason, style="yellow"), soft_wrap=True)
