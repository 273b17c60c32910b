"""The arguments and options that commands share: one spelling, one meaning."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import typer


def _day(text: str) -> date:
    """A calendar day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day; write 2024-03-09") from None


def _moment(text: str) -> date:
    """A day, or a datetime with its offset."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time; write 2024-03-09 or 2024-03-09T18:30+01:00"
        ) from None
    if moment.utcoffset() is None:
        raise typer.BadParameter(f"{text!r} has no offset; write {text}+01:00, or {text}Z for UTC")
    return moment


BankPath = Annotated[
    str, typer.Argument(metavar="BANK", help="The bank's file, or a postgresql:// URL.")
]
User = Annotated[str, typer.Option("--user", "-u", help="Whose memory: the user id.")]
MaybeUser = Annotated[str | None, typer.Option("--user", "-u", help="One user only.")]
Users = Annotated[
    list[str] | None, typer.Option("--user", "-u", help="Only this user; repeat for more.")
]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of memories.")]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
EmbedderName = Annotated[
    str | None,
    typer.Option(
        "--embedder",
        envvar="MEMORYBANK_EMBEDDER",
        help="What turns text into vectors; default the one that wrote the bank.",
    ),
]
Language = Annotated[str, typer.Option("--language", help="Of the wording: en or zh.")]
LawName = Annotated[
    str | None,
    typer.Option(
        "--law",
        envvar="MEMORYBANK_LAW",
        help="How memories fade: ebbinghaus (default), power or fsrs.",
    ),
]
Timezone = Annotated[
    str,
    typer.Option("--timezone", envvar="MEMORYBANK_TIMEZONE", help="Where a day is a day (IANA)."),
]
Now = Annotated[
    date | None,
    typer.Option(
        "--now",
        parser=_moment,
        metavar="TIME",
        help="Instead of the present: ISO 8601 with offset, or a day (its noon).",
    ),
]
At = Annotated[
    date | None,
    typer.Option("--at", parser=_moment, metavar="TIME", help="When it was said; default now."),
]
By = Annotated[date, typer.Option("--by", parser=_moment, metavar="TIME", help="Until when.")]
Day = Annotated[
    date | None, typer.Option("--day", parser=_day, metavar="DAY", help="Everything of this day.")
]
Since = Annotated[
    date | None, typer.Option("--since", parser=_day, metavar="DAY", help="Nothing of before.")
]
Until = Annotated[
    date | None, typer.Option("--until", parser=_day, metavar="DAY", help="Nothing of after.")
]
Threshold = Annotated[
    float, typer.Option("--threshold", help="Retention below which a memory is let go.")
]
Archived = Annotated[bool, typer.Option("--archived", help="Also what was forgotten.")]
Kind = Annotated[str | None, typer.Option("--kind", help="turn or event only.")]
Session = Annotated[str | None, typer.Option("--session", help="One conversation only.")]
