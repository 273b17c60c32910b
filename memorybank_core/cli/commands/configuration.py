"""The command `configure`."""

from __future__ import annotations

from typing import Annotated

import typer

from memorybank_core.cli import options
from memorybank_core.cli.banks import open_existing
from memorybank_core.cli.group import UsageError
from memorybank_core.configuration import LAW_PARAMETERS, describe_law, law_with
from memorybank_core.terminal import console, plural, print_json


def configure(
    path: options.BankPath,
    timezone: Annotated[
        str | None,
        typer.Option("--timezone", metavar="ZONE", help="Time zone of the days, an IANA name."),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option("--language", metavar="en|zh", help="Language of prompts and digests."),
    ] = None,
    law: Annotated[
        str | None,
        typer.Option("--law", metavar="NAME", help="Law of forgetting: ebbinghaus, power or fsrs."),
    ] = None,
    scale_days: Annotated[
        float | None,
        typer.Option("--scale-days", metavar="DAYS", help="Parameter of ebbinghaus and power."),
    ] = None,
    exponent: Annotated[
        float | None, typer.Option("--exponent", metavar="NUMBER", help="Parameter of power.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Change settings that the bank keeps. Another time zone moves turns to their days there."""
    values = dict(zip(LAW_PARAMETERS, (scale_days, exponent), strict=True))
    parameters = {name: value for name, value in values.items() if value is not None}
    if not (timezone or language or law or parameters):
        raise UsageError("pass what to change: --timezone, --language, --law or its parameters")
    with open_existing(path) as bank:
        new_law = law_with(law or bank.law, parameters) if law or parameters else None
        report = bank.configure(timezone=timezone, language=language, law=new_law)
        settings = {
            "timezone": bank.timezone.key,
            "language": bank.language,
            "law": describe_law(bank.law),
        }
    if as_json:
        print_json({**settings, "moved": report.moved, "stale": report.stale})
        return
    out = console()
    names = f"time zone {settings['timezone']}, language {settings['language']}"
    out.print(f"{names}, law {settings['law']}", soft_wrap=True)
    if timezone:
        out.print(f"{plural(report.moved, 'turn')} moved to another day")
    if report.stale:
        out.print(f"{plural(report.stale, 'digest')} to make: run summarize", soft_wrap=True)
