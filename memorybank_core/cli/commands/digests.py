"""Digests: summarize, rebuild, verify, digests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from memorybank_core.bank import MemoryBank
from memorybank_core.cli import options
from memorybank_core.cli.banks import opened
from memorybank_core.locations import without_password
from memorybank_core.records import Digest, Portrait
from memorybank_core.reports import SummarizeReport
from memorybank_core.terminal import (
    clean,
    console,
    day_label,
    print_json,
    progress_bar,
    table,
    times,
)

Llm = Annotated[
    str | None,
    typer.Option(
        "--llm",
        envvar="MEMORYBANK_LLM",
        metavar="HOST:MODEL",
        help="The language model, such as openai:gpt-4o-mini; default none: digests are extracted.",
    ),
]
Concurrency = Annotated[int, typer.Option("--concurrency", help="How many digests at once.")]


def summarize(
    path: options.BankPath,
    user: options.MaybeUser = None,
    llm: Llm = None,
    language: options.Language = "en",
    concurrency: Concurrency = 4,
    timezone: options.Timezone = "UTC",
    as_json: options.AsJson = False,
) -> None:
    """Digest what is new into event summaries and portraits; may be stopped and repeated."""
    _digest(path, MemoryBank.summarize, user, llm, language, concurrency, timezone, as_json)


def rebuild(
    path: options.BankPath,
    user: options.MaybeUser = None,
    llm: Llm = None,
    language: options.Language = "en",
    concurrency: Concurrency = 4,
    timezone: options.Timezone = "UTC",
    as_json: options.AsJson = False,
) -> None:
    """Make all digests anew from the turns, with this model and in this language."""
    _digest(path, MemoryBank.rebuild, user, llm, language, concurrency, timezone, as_json)


def verify(
    path: options.BankPath,
    user: options.MaybeUser = None,
    llm: Llm = None,
    as_json: options.AsJson = False,
) -> None:
    """List the digests that are stale: what the next `summarize` makes."""
    with opened(path, user=user, llm=llm) as bank:
        stale = bank.verify(user_id=user)
    if as_json:
        print_json({"stale": stale})
        return
    shown = table("User", "Digest", "Of", "Why")
    for one in stale:
        shown.add_row(Text(clean(one.user_id)), one.kind, str(one.day or "all days"), one.reason)
    console().print(shown if stale else "every digest is up to date")


def digests(
    path: options.BankPath,
    *,
    user: options.User,
    day: options.Day = None,
    as_json: options.AsJson = False,
) -> None:
    """Show the summary and the portrait of all days, or of one."""
    with opened(path, user=user) as bank:
        found = [one for one in bank.digests(user_id=user) if one.day == day]
    if as_json:
        print_json({"digests": [one.to_dict() for one in found]})
        return
    if not found:
        console().print(f"nothing is digested. Run: memorybank summarize {without_password(path)}")
    for one in found:
        _print_digest(one)


def _digest(
    path: str,
    verb: Callable[..., SummarizeReport],
    user: str | None,
    llm: str | None,
    language: str,
    concurrency: int,
    timezone: str,
    as_json: bool,
) -> None:
    options = {"llm": llm, "language": language, "timezone": timezone}
    with opened(path, user=user, embeds=True, **options) as bank:
        total = len(bank.verify(user_id=user)) if verb is MemoryBank.summarize else None
        with progress_bar("Digesting", total) as advance:
            report = verb(bank, user_id=user, concurrency=concurrency, progress=advance)
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    if report.failed:
        raise typer.Exit(1)


def _print_report(report: SummarizeReport) -> None:
    out = console()
    extras = [
        what
        for count, what in (
            (report.waiting, f"{report.waiting:,} out of date that wait for a language model"),
            (report.calls, times(report.calls, "model call")),
            (report.tokens, f"{report.tokens or 0:,} tokens"),
        )
        if count
    ]
    counts = [f"{report.skipped:,} up to date", *extras]
    out.print(f"digested {times(report.digested, 'day')}, " + ", ".join(counts))
    for failure in report.failed:
        of = f"{failure.kind} of {failure.day or 'all days'}"
        message = f"failed: {clean(failure.user_id)}, {of}: {clean(failure.error)}"
        out.print(Text(message, style="red"), soft_wrap=True)
    if report.failed:
        out.print("what was there before is kept; run it again to try these once more")


def _print_digest(digest: Digest) -> None:
    out = console()
    name = "Portrait" if isinstance(digest, Portrait) else "Summary"
    of = day_label(digest.day) if digest.day else "all days"
    by = f"  by {digest.made_by or 'an unknown author'}, {digest.made_at:%Y-%m-%d %H:%M} UTC"
    out.print(Text.assemble((f"{name}, {of}", "bold cyan"), (clean(by), "dim")))
    out.print(Padding(Text(clean(digest.text)), (0, 0, 1, 2)))
