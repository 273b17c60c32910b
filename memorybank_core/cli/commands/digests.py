"""The commands `summarize`, `rebuild`, `verify` and `digests`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from memorybank_core.bank import MemoryBank
from memorybank_core.cli import options
from memorybank_core.cli.banks import open_existing
from memorybank_core.locations import without_password
from memorybank_core.records import Digest, Portrait
from memorybank_core.reports import SummarizeReport
from memorybank_core.terminal import (
    clean,
    console,
    day_label,
    plural,
    print_json,
    progress_bar,
    table,
)

Concurrency = Annotated[int, typer.Option("--concurrency", help="Digests to make in parallel.")]


def summarize(
    path: options.BankPath,
    user: options.OptionalUser = None,
    llm: options.DigestModel = None,
    language: options.Language = None,
    concurrency: Concurrency = 4,
    timezone: options.Timezone = None,
    as_json: options.AsJson = False,
) -> None:
    """Digest new turns into event summaries and portraits; can be stopped and repeated."""
    _digest(path, MemoryBank.summarize, user, llm, language, concurrency, timezone, as_json)


def rebuild(
    path: options.BankPath,
    user: options.OptionalUser = None,
    llm: options.DigestModel = None,
    language: options.Language = None,
    concurrency: Concurrency = 4,
    timezone: options.Timezone = None,
    as_json: options.AsJson = False,
) -> None:
    """Write all digests again from the turns, with this model and in this language."""
    _digest(path, MemoryBank.rebuild, user, llm, language, concurrency, timezone, as_json)


def verify(
    path: options.BankPath,
    user: options.OptionalUser = None,
    llm: options.DigestModel = None,
    as_json: options.AsJson = False,
) -> None:
    """List the stale digests, which the next `summarize` writes again."""
    with open_existing(path, user=user, llm=llm) as bank:
        stale = bank.verify(user_id=user)
    if as_json:
        print_json({"stale": stale})
        return
    rows = table("User", "Digest", "Day", "Reason")
    for digest in stale:
        day = str(digest.day or "all days")
        rows.add_row(Text(clean(digest.user_id)), digest.kind, day, digest.reason)
    console().print(rows if stale else "every digest is up to date")


def digests(
    path: options.BankPath,
    *,
    user: options.User,
    day: options.Day = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the summary and the portrait of all days, or of one day."""
    with open_existing(path, user=user) as bank:
        matches = [digest for digest in bank.digests(user_id=user) if digest.day == day]
    if as_json:
        print_json({"digests": [digest.to_dict() for digest in matches]})
        return
    if not matches:
        console().print(
            f"nothing is digested yet. Run: memorybank summarize {without_password(path)}"
        )
    for digest in matches:
        _print_digest(digest)


def _digest(
    path: str,
    method: Callable[..., SummarizeReport],
    user: str | None,
    llm: str | None,
    language: str | None,
    concurrency: int,
    timezone: str | None,
    as_json: bool,
) -> None:
    settings = {"llm": llm, "language": language, "timezone": timezone}
    with open_existing(path, user=user, embeds=True, **settings) as bank:
        total = len(bank.verify(user_id=user)) if method is MemoryBank.summarize else None
        with progress_bar("Digesting", total, "digests") as advance:
            report = method(bank, user_id=user, concurrency=concurrency, progress=advance)
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    if report.failed:
        raise typer.Exit(1)


def _print_report(report: SummarizeReport) -> None:
    out = console()
    extras = [
        text
        for count, text in (
            (report.waiting, f"{report.waiting:,} out of date, waiting for a language model"),
            (report.calls, plural(report.calls, "model call")),
            (report.tokens, f"{report.tokens or 0:,} tokens"),
        )
        if count
    ]
    counts = [f"{report.skipped:,} up to date", *extras]
    out.print(f"digested {plural(report.digested, 'day')}, " + ", ".join(counts))
    for failure in report.failed:
        digest = f"{failure.kind} of {failure.day or 'all days'}"
        message = f"failed: {clean(failure.user_id)}, {digest}: {clean(failure.error)}"
        out.print(Text(message, style="red"), soft_wrap=True)
    if report.failed:
        out.print("the previous digests are kept; run the command again to retry")


def _print_digest(digest: Digest) -> None:
    out = console()
    name = "Portrait" if isinstance(digest, Portrait) else "Summary"
    day = day_label(digest.day) if digest.day else "all days"
    source = f"  by {digest.made_by or 'an unknown author'}, {digest.made_at:%Y-%m-%d %H:%M} UTC"
    out.print(Text.assemble((f"{name}, {day}", "bold cyan"), (clean(source), "dim")))
    out.print(Padding(Text(clean(digest.text)), (0, 0, 1, 2)))
