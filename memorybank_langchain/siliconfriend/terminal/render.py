"""What the commands print: what was recalled and why, the timeline, the portrait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from memorybank_core import Context, Digest, Fading, ForgettingLaw, Memory, Portrait
from memorybank_core.forgetting import retention_of
from memorybank_core.terminal import clean, left_cell, one_line, table

from .strings import day_label

Words = Mapping[str, str]

_INDENT = 2
_FADED = 5  # how many of what has faded are shown


def show_why(out: Console, context: Context, in_view: int, words: Words, language: str) -> None:
    """What was recalled for an answer, best first, each with the parts of its score."""
    if not context.results:
        out.print(words["nothing_recalled"], style="dim")
    for rank, result in enumerate(context.results, 1):
        day = day_label(result.memory.day, language)
        out.print(Text.assemble((f"{rank}  ", "bold"), (day, "bold cyan")))
        out.print(Padding(Text(said_in(result.memory, words)), (0, 0, 0, _INDENT)))
        out.print(Padding(Text(result.why(language), "dim"), (0, 0, 0, _INDENT)))
    if context.left_out:
        out.print(words["no_room"].format(count=len(context.left_out)), style="dim")
    if in_view:
        out.print(words["in_view"].format(count=in_view), style="dim")


def show_timeline(
    out: Console, memories: Sequence[Memory], law: ForgettingLaw, now: datetime, words: Words
) -> None:
    """Memories day by day, with what is left of each."""
    if not memories:
        out.print(words["no_memories"])
        return
    memory_head, *heads = words["head"].split(",")
    shown = table(*heads, numbers=(heads[0], heads[2]), memories=True)
    shown.columns[0].header = memory_head
    day = None
    for memory in memories:
        if memory.day != day:
            day = memory.day
            shown.add_row(Text(str(day), style="bold cyan"))
        shown.add_row(
            Text(one_line(memory.text)),
            f"{memory.strength:g}",
            left_cell(
                memory,
                retention_of(memory, law, now),
                forgotten=words["forgotten_mark"],
                pinned=words["pinned_mark"],
            ),
            str(memory.recalls),
        )
    out.print(shown)


def show_digests(out: Console, digests: Sequence[Digest], words: Words) -> None:
    """The portrait and the summary of all days, and who made them."""
    overall = [one for one in digests if one.day is None]
    if not overall:
        out.print(words["no_portrait"])
    for digest in overall:
        name = "overall_portrait" if isinstance(digest, Portrait) else "overall_summary"
        by = f"  ({clean(digest.made_by or '?')}, {digest.made_at:%Y-%m-%d})"
        out.print(Text.assemble((words[name], "bold cyan"), (by, "dim")))
        out.print(Padding(Text(clean(digest.text)), (0, 0, 1, _INDENT)))


def show_fading(out: Console, fading: Sequence[Fading], words: Words, language: str) -> None:
    """Some of what has faded, the least retained first."""
    out.print(words["fading"])
    for item in sorted(fading, key=lambda one: one.retention)[:_FADED]:
        day = day_label(item.memory.day, language)
        line = Text.assemble((day, "cyan"), f"  {one_line(item.memory.text)}")
        line.truncate(max(out.width - _INDENT, 1), overflow="ellipsis")
        out.print(Padding(line, (0, 0, 0, _INDENT)))
    if len(fading) > _FADED:
        out.print(Padding("…", (0, 0, 0, _INDENT)))


def said_in(memory: Memory, words: Words) -> str:
    """Who said what in a memory, without anything that a terminal would obey."""
    if memory.turn is None:
        return clean(memory.text)
    said = ((words["you"], memory.turn.query), (words["companion"], memory.turn.response))
    return "\n".join(f"{name}: {clean(text)}" for name, text in said if text.strip())
