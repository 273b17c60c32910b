"""The commands `search`, `context` and `timeline`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from memorybank_core.cli import options
from memorybank_core.cli.banks import open_existing, resolve_moment
from memorybank_core.context import CONTEXT_TOKENS, MIN_RELEVANCE
from memorybank_core.forgetting import retention_of
from memorybank_core.records import Memory, SearchResult
from memorybank_core.search.relevance import select_reinforced
from memorybank_core.terminal import (
    clean,
    console,
    day_label,
    memory_cell,
    print_json,
    retention_cell,
    spoken_text,
    table,
)

INDENT = 4  # columns
_MAX_OMITTED = 5  # maximum number of listed parts that had no room, or too little


def search(
    path: options.BankPath,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="A question or keywords.")],
    *,
    user: options.User,
    k: Annotated[int, typer.Option("-k", help="Maximum number of memories.")] = 5,
    why: Annotated[bool, typer.Option("--why", help="Explain the score of each memory.")] = False,
    reinforce: Annotated[
        bool, typer.Option("--reinforce", help="Count as a recall, which strengthens the best.")
    ] = False,
    min_relevance: options.MinRelevance = 0.0,
    since: options.Since = None,
    until: options.Until = None,
    kind: options.Kind = None,
    session: options.Session = None,
    archived: options.Archived = False,
    where: options.Where = None,
    history: Annotated[
        bool, typer.Option("--history", help="Give each repeated and outdated memory its own rank.")
    ] = False,
    now: options.Now = None,
    language: options.Language = None,
    law: options.LawName = None,
    timezone: options.Timezone = None,
    date_order: options.DateOrder = None,
    embedder: options.EmbedderName = None,
    reranker: options.RerankerName = None,
    as_json: options.AsJson = False,
) -> None:
    """Search for the memories that answer a question, best first."""
    filters: dict[str, Any] = {
        "since": since, "until": until, "kind": kind, "session": session, "archived": archived,
        "where": options.merge(where), "history": history,
    }  # fmt: skip
    settings: dict[str, Any] = {
        "language": language, "law": law, "timezone": timezone, "date_order": date_order,
        "embedder": embedder, "reranker": reranker,
    }  # fmt: skip
    with open_existing(path, user=user, embeds=True, **settings) as bank:
        moment = resolve_moment(now, bank)
        results = bank.search(
            question, user_id=user, k=k, now=moment, min_relevance=min_relevance, **filters
        )
        best = select_reinforced(results) if reinforce else []
        count, language = bank.reinforce(best, user_id=user, now=moment), bank.language
    if as_json:
        documents = [{**result.to_dict(), "why": result.why(language)} for result in results]
        print_json({"results": documents, "reinforced": count})
        return
    _print_results(results, language if why else None)
    if reinforce:
        console().print(f"reinforced: {count}")


def context(
    path: options.BankPath,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="New message of the user.")],
    *,
    user: options.User,
    k: Annotated[
        int | None,
        typer.Option("-k", help="Maximum number of memories; by default as many as fit."),
    ] = None,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", help="Maximum length in tokens, which are estimated.")
    ] = CONTEXT_TOKENS,
    min_relevance: options.MinRelevance = MIN_RELEVANCE,
    where: options.Where = None,
    now: options.Now = None,
    law: options.LawName = None,
    language: options.Language = None,
    timezone: options.Timezone = None,
    date_order: options.DateOrder = None,
    embedder: options.EmbedderName = None,
    reranker: options.RerankerName = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the context for a prompt: portrait, summary and relevant memories."""
    settings: dict[str, Any] = {
        "language": language, "law": law, "timezone": timezone, "date_order": date_order,
        "embedder": embedder, "reranker": reranker,
    }  # fmt: skip
    with open_existing(path, user=user, embeds=True, **settings) as bank:
        moment = resolve_moment(now, bank)
        block = bank.context(
            query,
            user_id=user,
            k=k,
            max_tokens=max_tokens,
            min_relevance=min_relevance,
            where=options.merge(where),
            now=moment,
        )
    if as_json:
        print_json(block.to_dict())
        return
    out = console()
    out.print(clean(block.text) or "nothing relevant is remembered", soft_wrap=True)
    _print_ids("only passages of", block.shortened)
    _print_ids("no room for", (*block.digests_left_out, *block.left_out))


def timeline(
    path: options.BankPath,
    *,
    user: options.User,
    since: options.Since = None,
    until: options.Until = None,
    kind: options.Kind = None,
    session: options.Session = None,
    archived: options.Archived = False,
    where: options.Where = None,
    now: options.Now = None,
    law: options.LawName = None,
    timezone: options.Timezone = None,
    as_json: options.AsJson = False,
) -> None:
    """List memories day by day, with the retention of each."""
    filters: dict[str, Any] = {
        "since": since, "until": until, "kind": kind, "session": session, "archived": archived,
        "where": options.merge(where),
    }  # fmt: skip
    with open_existing(path, user=user, law=law, timezone=timezone) as bank:
        moment = resolve_moment(now, bank)
        memories = bank.timeline(user_id=user, **filters)
        retentions = [retention_of(memory, bank.law, moment) for memory in memories]
    if as_json:
        pairs = zip(memories, retentions, strict=True)
        print_json({"memories": [{**memory.to_dict(), "retention": r} for memory, r in pairs]})
    elif memories:
        _print_timeline(memories, retentions)
    else:
        console().print("no memories")


def _print_results(results: Sequence[SearchResult], language: str | None) -> None:
    """Print search results; with a `language`, also the explanation of each score."""
    out = console()
    if not results:
        out.print("nothing found")
    for rank, result in enumerate(results, 1):
        memory = result.memory
        forgotten = ("  forgotten", "red") if memory.archived_at else ""
        out.print(
            Text.assemble(
                (f"{rank:>2}  ", "bold"),
                (day_label(memory.day), "bold cyan"),
                (f"  {clean(memory.id)}", "dim"),
                forgotten,
                (_describe_repetition(result), "yellow"),
            )
        )
        out.print(Padding(spoken_text(memory), (0, 0, 0, INDENT)))
        if language:
            out.print(Padding(Text(result.why(language), style="dim"), (0, 0, 0, INDENT)))
        if rank < len(results):
            out.print()


def _print_ids(label: str, ids: Sequence[str]) -> None:
    """Print a label and the first of the ids after it; nothing without ids."""
    if ids:
        shown = ", ".join([*map(clean, ids[:_MAX_OMITTED]), *("…" for _ in ids[_MAX_OMITTED:][:1])])
        console().print(Text(f"{label}: {shown}", style="yellow"), soft_wrap=True)


def _describe_repetition(result: SearchResult) -> str:
    """Return how often it was said, and when it was superseded; "" if neither applies."""
    times = f"  {result.times} times" if result.times > 1 else ""
    newer = result.superseded_by
    return times + (f"  superseded {day_label(newer.day)} by {clean(newer.id)}" if newer else "")


def _print_timeline(memories: Sequence[Memory], retentions: Sequence[float]) -> None:
    columns = ("Strength", "Retention", "Recalls")
    rows = table(*columns, numbers=("Strength", "Recalls"), memories=True)
    day = None
    for memory, retention in zip(memories, retentions, strict=True):
        if memory.day != day:
            if day:
                rows.add_row()
            day = memory.day
            rows.add_row(Text(day_label(day), style="bold cyan"))
        rows.add_row(
            memory_cell(memory),
            f"{memory.strength:g}",
            retention_cell(memory, retention),
            str(memory.recalls),
        )
    console().print(rows)
