"""The command `doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import Annotated

import typer
from rich.text import Text

from memorybank_core.check_reports import CheckReport, Finding
from memorybank_core.cli import options
from memorybank_core.cli.banks import load_placeholder, require_bank
from memorybank_core.doctor.checkup import check_bank
from memorybank_core.embedders import embedder_named
from memorybank_core.errors import MemoryBankError
from memorybank_core.locations import without_password
from memorybank_core.protocols import Embedder, MemoryStore
from memorybank_core.registry import open_store
from memorybank_core.terminal import clean, console, print_json

_MARKS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "error": ("ERROR", "red")}
_Repair = Annotated[
    bool,
    typer.Option(
        "--repair",
        help="Rebuild vectors, terms and indexes from the rows first. No memory is deleted.",
    ),
]


def doctor(
    path: options.BankPath,
    repair: _Repair = False,
    now: options.Now = None,
    as_json: options.AsJson = False,
) -> None:
    """Check whether a bank is whole, and say what to do. The exit status is 1 after an error."""
    require_bank(path)
    report = _check(path, now, repair)
    if as_json:
        print_json(report.to_dict())
    else:
        _print(report)
    if not report.ok:
        raise typer.Exit(1)


def _check(path: str, now: object, repair: bool) -> CheckReport:
    """Check a bank, or report that it cannot be opened."""
    moment = now if isinstance(now, datetime) else datetime.now(timezone.utc)
    try:
        with _open(path) as (store, embedder):
            return check_bank(store, embedder, now=moment, repair=repair)
    except MemoryBankError as error:
        advice = "Follow the message; if the file is damaged, restore it from a backup."
        values = {"error": str(error)}
        finding = Finding("open", "error", str(error), advice, code="open_fails", values=values)
        return CheckReport(without_password(path), (finding,))


@contextmanager
def _open(path: str) -> Iterator[tuple[MemoryStore, Embedder]]:
    """Open the store of a bank with its embedder, or with a placeholder if that cannot be loaded.

    A bank would not open with an embedder that returns other vectors than those stored.
    """
    embedder: Embedder = load_placeholder(path)
    with suppress(MemoryBankError):  # the report says that it was not compared
        embedder = embedder_named(embedder.name)
    store = open_store(path, embedder)
    try:
        yield store, embedder
    finally:
        store.close()


def _print(report: CheckReport) -> None:
    """Print one line for each finding, with what to do below it."""
    screen = console()
    for repaired in report.repaired:
        screen.print(Text(f"repaired  {clean(repaired)}", style="green"), soft_wrap=True)
    width = max(len(finding.check) for finding in report.findings)
    for finding in report.findings:
        mark, style = _MARKS[finding.severity]
        line = Text(f"{mark:<8} ", style=style)
        line.append(f"{finding.check:<{width}}  {clean(finding.message)}", style="default")
        screen.print(line, soft_wrap=True)
        if finding.advice:
            indent = " " * (11 + width)
            screen.print(Text(f"{indent}{clean(finding.advice)}", style="dim"), soft_wrap=True)
    screen.print(_summarize(report))


def _summarize(report: CheckReport) -> str:
    counts = [
        f"{len(findings)} {noun if len(findings) == 1 else noun + 's'}"
        for findings, noun in ((report.errors, "error"), (report.warnings, "warning"))
        if findings
    ]
    return " and ".join(counts) if counts else "no problems"
