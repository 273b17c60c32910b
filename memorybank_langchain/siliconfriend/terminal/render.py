"""Terminal output of recalled memories with their scores, of the timeline and of digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from memorybank_core import (
    Context,
    Digest,
    Fading,
    ForgettingLaw,
    Memory,
    MemoryBank,
    Portrait,
)
from memorybank_core.forgetting import retention_of
from memorybank_core.terminal import clean, one_line, retention_cell, table
from memorybank_langchain.siliconfriend.digest_text import text_for_user

from .strings import format_day

Strings = Mapping[str, str]

_INDENT = 2
_WIDTH_OF_ALL_COLUMNS = 60  # of a terminal; a narrower one has no room for the text besides
_MAX_FADED = 5  # maximum number of faded memories to list


def print_context(
    out: Console, context: Context, in_view: int, strings: Strings, language: str
) -> None:
    """Print the memories recalled for an answer, best first, with the parts of their scores."""
    if not context.results:
        out.print(strings["nothing_recalled"], style="dim")
    for rank, result in enumerate(context.results, 1):
        day = format_day(result.memory.day, language)
        out.print(Text.assemble((f"{rank}  ", "bold"), (day, "bold cyan")))
        out.print(Padding(Text(_format_dialogue(result.memory, strings)), (0, 0, 0, _INDENT)))
        out.print(Padding(Text(result.why(language), "dim"), (0, 0, 0, _INDENT)))
    if context.left_out:
        out.print(strings["left_out"].format(count=len(context.left_out)), style="dim")
    if in_view:
        out.print(strings["in_view"].format(count=in_view), style="dim")


def print_timeline(
    out: Console, memories: Sequence[Memory], law: ForgettingLaw, now: datetime, strings: Strings
) -> None:
    """Print memories by day, with the retention of each."""
    if not memories:
        out.print(strings["no_memories"])
        return
    memory_header, strength, retention, recalls = strings["head"].split(",")
    is_wide = out.width >= _WIDTH_OF_ALL_COLUMNS
    headers = (strength, retention, recalls) if is_wide else (retention,)
    timeline = table(*headers, numbers=(strength, recalls), memories=True)
    timeline.columns[0].header = memory_header
    day = None
    for memory in memories:
        if memory.day != day:
            day = memory.day
            timeline.add_row(Text(str(day), style="bold cyan"))
        retained = retention_cell(
            memory,
            retention_of(memory, law, now),
            forgotten=strings["forgotten_mark"],
            pinned=strings["pinned_mark"],
        )
        cells = (f"{memory.strength:g}", retained, str(memory.recalls)) if is_wide else (retained,)
        timeline.add_row(Text(one_line(memory.text)), *cells)
    out.print(timeline)


def print_digests(
    out: Console, digests: Sequence[Digest], bank: MemoryBank, strings: Strings
) -> None:
    """Print the portrait and the overall summary of a bank, with their authors."""
    overall = [digest for digest in digests if digest.day is None]
    if not overall:
        out.print(strings["no_portrait"])
    for digest in overall:
        key = "overall_portrait" if isinstance(digest, Portrait) else "overall_summary"
        made_by = strings["extractive"] if digest.is_extractive else clean(digest.made_by or "?")
        author = f"  ({made_by}, {format_day(bank.day_of(digest.made_at), bank.language)})"
        out.print(Text.assemble((strings[key], "bold cyan"), (author, "dim")))
        out.print(Padding(Text(clean(text_for_user(digest))), (0, 0, 1, _INDENT)))


def print_faded(out: Console, faded: Sequence[Fading], strings: Strings, language: str) -> None:
    """Print the most faded memories, with "…" if there are more."""
    out.print(strings["faded"])
    for item in sorted(faded, key=lambda item: item.retention)[:_MAX_FADED]:
        day = format_day(item.memory.day, language)
        line = Text.assemble((day, "cyan"), f"  {one_line(item.memory.text)}")
        line.truncate(max(out.width - _INDENT, 1), overflow="ellipsis")
        out.print(Padding(line, (0, 0, 0, _INDENT)))
    if len(faded) > _MAX_FADED:
        out.print(Padding("…", (0, 0, 0, _INDENT)))


def _format_dialogue(memory: Memory, strings: Strings) -> str:
    """Return the text of a memory with speaker names, without control characters."""
    if memory.turn is None:
        return clean(memory.text)
    lines = ((strings["you"], memory.turn.query), (strings["companion"], memory.turn.response))
    return "\n".join(f"{name}: {clean(text)}" for name, text in lines if text.strip())
