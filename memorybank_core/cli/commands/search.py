"""Looking into memory: search, context, timeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from memorybank_core.cli import options
from memorybank_core.cli.banks import moment_of, opened
from memorybank_core.context import CONTEXT_TOKENS
from memorybank_core.forgetting import retention_of
from memorybank_core.records import Memory, SearchResult
from memorybank_core.terminal import (
    clean,
    console,
    day_label,
    left_cell,
    memory_cell,
    print_json,
    table,
)

INDENT = 4


def search(
    path: options.BankPath,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="A question, or any words.")],
    *,
    user: options.User,
    k: Annotated[int, typer.Option("-k", help="How many at most.")] = 5,
    why: Annotated[bool, typer.Option("--why", help="Say why each was found.")] = False,
    reinforce: Annotated[
        bool, typer.Option("--reinforce", help="Recall them: each grows stronger.")
    ] = False,
    since: options.Since = None,
    until: options.Until = None,
    kind: options.Kind = None,
    session: options.Session = None,
    archived: options.Archived = False,
    now: options.Now = None,
    language: options.Language = "en",
    law: options.LawName = None,
    timezone: options.Timezone = "UTC",
    embedder: options.EmbedderName = None,
    as_json: options.AsJson = False,
) -> None:
    """Find the memories that answer a question, best first."""
    wanted: dict[str, Any] = {
        "k": k, "since": since, "until": until, "kind": kind, "session": session,
    }  # fmt: skip
    settings = {"language": language, "law": law, "timezone": timezone, "embedder": embedder}
    with opened(path, user=user, embeds=True, **settings) as bank:
        moment = moment_of(now, bank)
        found = bank.search(question, user_id=user, now=moment, archived=archived, **wanted)
        count = bank.reinforce(found, user_id=user, now=moment) if reinforce else 0
    if as_json:
        results = [{**result.to_dict(), "why": result.why(language)} for result in found]
        print_json({"results": results, "reinforced": count})
        return
    _print_results(found, language if why else None)
    if reinforce:
        console().print(f"reinforced: {count}")


def context(
    path: options.BankPath,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What the user says now.")],
    *,
    user: options.User,
    k: Annotated[int, typer.Option("-k", help="How many memories at most.")] = 5,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", help="How long it may become; tokens are estimated.")
    ] = CONTEXT_TOKENS,
    now: options.Now = None,
    law: options.LawName = None,
    language: options.Language = "en",
    timezone: options.Timezone = "UTC",
    embedder: options.EmbedderName = None,
    as_json: options.AsJson = False,
) -> None:
    """Print what goes into a prompt: the portrait, the summary, and what answers."""
    settings = {"language": language, "law": law, "timezone": timezone, "embedder": embedder}
    with opened(path, user=user, embeds=True, **settings) as bank:
        moment = moment_of(now, bank)
        found = bank.context(query, user_id=user, k=k, max_tokens=max_tokens, now=moment)
    if as_json:
        print_json(found.to_dict())
        return
    out = console()
    out.print(clean(found.text) or "nothing is known", soft_wrap=True)
    if not found.complete:
        left = ", ".join(clean(one) for one in (*found.digests_left_out, *found.left_out))
        out.print(Text(f"no room for: {left}", style="yellow"), soft_wrap=True)


def timeline(
    path: options.BankPath,
    *,
    user: options.User,
    since: options.Since = None,
    until: options.Until = None,
    kind: options.Kind = None,
    session: options.Session = None,
    archived: options.Archived = False,
    now: options.Now = None,
    law: options.LawName = None,
    timezone: options.Timezone = "UTC",
    as_json: options.AsJson = False,
) -> None:
    """List memories day by day, with what is left of each."""
    wanted: dict[str, Any] = {"since": since, "until": until, "kind": kind, "session": session}
    with opened(path, user=user, law=law, timezone=timezone) as bank:
        moment = moment_of(now, bank)
        found = bank.timeline(user_id=user, archived=archived, **wanted)
        retentions = [retention_of(memory, bank.law, moment) for memory in found]
    if as_json:
        pairs = zip(found, retentions, strict=True)
        print_json({"memories": [{**memory.to_dict(), "retention": r} for memory, r in pairs]})
    elif found:
        _print_timeline(found, retentions)
    else:
        console().print("no memories")


def _print_results(found: Sequence[SearchResult], why: str | None) -> None:
    out = console()
    if not found:
        out.print("nothing found")
    for rank, result in enumerate(found, 1):
        memory = result.memory
        forgotten = ("  forgotten", "red") if memory.archived_at else ""
        out.print(
            Text.assemble(
                (f"{rank:>2}  ", "bold"),
                (day_label(memory.day), "bold cyan"),
                (f"  {clean(memory.id)}", "dim"),
                forgotten,
            )
        )
        out.print(Padding(Text(clean(memory.text)), (0, 0, 0, INDENT)))
        if why:
            out.print(Padding(Text(result.why(why), style="dim"), (0, 0, 0, INDENT)))
        if rank < len(found):
            out.print()


def _print_timeline(found: Sequence[Memory], retentions: Sequence[float]) -> None:
    columns = ("Strength", "Retention", "Recalls")
    shown = table(*columns, numbers=("Strength", "Recalls"), memories=True)
    day = None
    for memory, retention in zip(found, retentions, strict=True):
        if memory.day != day:
            if day:
                shown.add_row()
            day = memory.day
            shown.add_row(Text(day_label(day), style="bold cyan"))
        shown.add_row(
            memory_cell(memory),
            f"{memory.strength:g}",
            left_cell(memory, retention),
            str(memory.recalls),
        )
    console().print(shown)
