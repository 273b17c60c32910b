"""Arguments and options that several commands share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any

import typer

from memorybank_core.metadata import Metadata


def _parse_day(text: str) -> date:
    """Parse a calendar day such as 2024-03-09."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day; write 2024-03-09") from None


def _parse_moment(text: str) -> date:
    """Parse a day, or a datetime with its UTC offset."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a time; write 2024-03-09 or 2024-03-09T18:30+01:00"
        ) from None
    if moment.utcoffset() is None:
        raise typer.BadParameter(f"{text!r} has no offset; write {text}+01:00, or {text}Z for UTC")
    return moment


def _parse_object(text: str) -> Metadata:
    """Parse KEY=VALUE, whose value is a string, or a JSON object."""
    if text.lstrip().startswith("{"):
        try:
            return Metadata(json.loads(text))
        except ValueError as error:
            raise typer.BadParameter(f"{text!r} is not JSON: {error}") from None
    key, is_pair, string = text.partition("=")
    if not key or not is_pair:
        raise typer.BadParameter(f"{text!r} is neither KEY=VALUE nor a JSON object")
    return Metadata({key: string})


def merge(objects: Sequence[Metadata] | None) -> dict[str, Any]:
    """Return the keys of all objects of an option; a later one replaces earlier ones."""
    return {key: value for object in objects or () for key, value in object.items()}


BankPath = Annotated[
    str, typer.Argument(metavar="BANK", help="File of the bank, or a postgresql:// URL.")
]
User = Annotated[str, typer.Option("--user", "-u", help="Id of the user.")]
OptionalUser = Annotated[str | None, typer.Option("--user", "-u", help="This user only.")]
Users = Annotated[
    list[str] | None, typer.Option("--user", "-u", help="Only this user; repeat for more.")
]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of memories.")]

Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Overwrite a file that this command did not write, without asking."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
EmbedderName = Annotated[
    str | None,
    typer.Option(
        "--embedder",
        envvar="MEMORYBANK_EMBEDDER",
        help="Embedder that turns text into vectors; default the one that wrote the bank.",
    ),
]
RerankerName = Annotated[
    str | None,
    typer.Option(
        "--reranker",
        envvar="MEMORYBANK_RERANKER",
        help="Reranker that scores the best memories again, such as sentence-transformers:PATH.",
    ),
]
MinRelevance = Annotated[
    float,
    typer.Option("--min-relevance", help="Relevance, 0 to 1, below which memories are left out."),
]
Language = Annotated[
    str | None,
    typer.Option(
        "--language", metavar="en|zh", help="Language of prompts and digests; default the bank's."
    ),
]
DigestModel = Annotated[
    str | None,
    typer.Option(
        "--llm",
        envvar="MEMORYBANK_LLM",
        metavar="HOST:MODEL",
        help="Language model that writes digests, such as openai:gpt-4o-mini; default: rules do.",
    ),
]
LawName = Annotated[
    str | None,
    typer.Option(
        "--law",
        envvar="MEMORYBANK_LAW",
        metavar="NAME",
        help="Law of forgetting: ebbinghaus, power or fsrs; default the bank's.",
    ),
]
Timezone = Annotated[
    str | None,
    typer.Option(
        "--timezone",
        envvar="MEMORYBANK_TIMEZONE",
        metavar="ZONE",
        help="Time zone of the days, an IANA name, of a bank that keeps none yet.",
    ),
]
DateOrder = Annotated[
    str | None,
    typer.Option(
        "--date-order",
        envvar="MEMORYBANK_DATE_ORDER",
        help="Reading of 3/4/2025: day-first or month-first; by default as usual in the time zone.",
    ),
]
Now = Annotated[
    date | None,
    typer.Option(
        "--now",
        parser=_parse_moment,
        metavar="TIME",
        help="Time to use as the present: ISO 8601 with offset, or a day (its noon).",
    ),
]
At = Annotated[
    date | None,
    typer.Option(
        "--at", parser=_parse_moment, metavar="TIME", help="Time of the turn; default now."
    ),
]
UndatedAt = Annotated[
    date | None,
    typer.Option(
        "--at",
        parser=_parse_moment,
        metavar="TIME",
        help="Time of turns that have none in the source; default the time of the file.",
    ),
]
By = Annotated[
    date,
    typer.Option("--by", parser=_parse_moment, metavar="TIME", help="Time to look ahead to."),
]
Day = Annotated[
    date | None, typer.Option("--day", parser=_parse_day, metavar="DAY", help="This day only.")
]
Since = Annotated[
    date | None,
    typer.Option("--since", parser=_parse_day, metavar="DAY", help="First day to include."),
]
Until = Annotated[
    date | None,
    typer.Option("--until", parser=_parse_day, metavar="DAY", help="Last day to include."),
]
Threshold = Annotated[
    float, typer.Option("--threshold", help="Retention below which a memory is forgotten.")
]
Archived = Annotated[bool, typer.Option("--archived", help="Include forgotten memories.")]
Kind = Annotated[str | None, typer.Option("--kind", help="Only this kind: turn or event.")]
Session = Annotated[str | None, typer.Option("--session", help="Only this session.")]
TurnMetadata = Annotated[
    list[Metadata] | None,
    typer.Option(
        "--metadata",
        parser=_parse_object,
        metavar="KEY=VALUE",
        help="Metadata of the turn: KEY=VALUE with a string, or a JSON object; repeat for more.",
    ),
]
Where = Annotated[
    list[Metadata] | None,
    typer.Option(
        "--where",
        parser=_parse_object,
        metavar="KEY=VALUE",
        help='Only turns with these metadata: KEY=VALUE, or JSON such as {"year": {"$gte": 2024}}; '
        "repeat for more.",
    ),
]
