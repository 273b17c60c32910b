"""The command `changes`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from memorybank_core.bank import MemoryBank
from memorybank_core.cli import options
from memorybank_core.cli.banks import open_existing
from memorybank_core.reports import ChangeReport
from memorybank_core.terminal import clean, console, one_line, plural, print_json, table

Llm = Annotated[
    str | None,
    typer.Option(
        "--llm",
        envvar="MEMORYBANK_LLM",
        metavar="HOST:MODEL",
        help="Language model that reads the new turns first, such as openai:gpt-4o-mini.",
    ),
]


def changes(
    path: options.BankPath,
    *,
    user: options.User,
    llm: Llm = None,
    language: options.Language = None,
    timezone: options.Timezone = None,
    as_json: options.AsJson = False,
) -> None:
    """List which statements replaced which; with a language model, read the new turns first."""
    settings = {"llm": llm, "language": language, "timezone": timezone}
    with open_existing(path, user=user, embeds=llm is not None, **settings) as bank:
        report = bank.find_changes(user_id=user) if llm else None
        recorded = bank.changes(user_id=user)
        if as_json:
            print_json({"changes": [change.to_dict() for change in recorded], "report": report})
        else:
            _print_changes(bank, user)
    if report is not None:
        if not as_json:
            _print_report(report)
        if report.failed:
            raise typer.Exit(1)


def _print_changes(bank: MemoryBank, user: str) -> None:
    recorded = bank.changes(user_id=user)
    ids = {id for change in recorded for id in (change.newer, change.older) if id}
    memories = bank.get(ids, user_id=user)
    rows = table("Statement", "Replaced by")
    for change in recorded:
        older, newer = memories.get(change.older or ""), memories.get(change.newer)
        if older and newer:
            rows.add_row(*(Text(f"{m.day}: {one_line(m.text)}") for m in (older, newer)))
    console().print(rows if recorded else "no changes are recorded")


def _print_report(report: ChangeReport) -> None:
    out = console()
    counts = plural(len(report.recorded), "new change"), plural(report.calls, "model call")
    out.print(f"read {plural(report.read, 'turn')}: {', '.join(counts)}")
    for failure in report.failed:
        message = f"failed: {failure.day}, {plural(failure.turns, 'turn')}: {clean(failure.error)}"
        out.print(Text(message, style="red"), soft_wrap=True)
    if report.failed:
        out.print("nothing was recorded of these turns; run the command again to retry")
