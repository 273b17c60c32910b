"""Output of the command-line programs: text and tables for people, JSON for programs.

This module needs the extra `cli`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from memorybank_core.records import Memory

BAR = 8
"""Width of a retention bar, in columns."""

_WIDTH_WITH_SPEED = 80
"""Width of a terminal, in columns, from which on progress bars show the speed."""

_BLOCKS = " ▏▎▍▌▋▊▉█"
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def console() -> Console:
    """Return a console on stdout that prints text verbatim, without interpreting markup."""
    return Console(markup=False, highlight=False, emoji=False)


def print_json(value: Any) -> None:
    """Print one JSON document. Records become objects, times become ISO 8601 strings.

    If the output is not Unicode, other characters than ASCII are escaped, as JSON escapes them.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    escaped = not encoding.lower().startswith("utf")
    typer.echo(json.dumps(value, ensure_ascii=escaped, indent=2, default=_json_value))


def _json_value(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def clean(text: str) -> str:
    """Return `text` with each control character replaced by a space, except newlines."""
    return _CONTROL.sub(" ", text)


def one_line(text: str) -> str:
    """Return `text` on one line, without control characters."""
    return " ".join(clean(text).split())


def day_label(day: date) -> str:
    """Return a day with its weekday, such as "Sat 9 Mar 2024"."""
    return f"{day:%a} {day.day} {day:%b %Y}"


def plural(count: int, noun: str, plural_noun: str | None = None) -> str:
    """Return a count with its noun, such as "1 turn" or "2 turns"."""
    return f"{count:,} {noun if count == 1 else plural_noun or noun + 's'}"


def plural_memories(count: int) -> str:
    """Return a count of memories, such as "2 memories"."""
    return plural(count, "memory", "memories")


def retention_bar(retention: float, width: int = BAR) -> Text:
    """Return a bar for a retention in [0, 1], followed by the number."""
    eighths = round(retention * width * 8)
    bar = "█" * (eighths // 8) + (_BLOCKS[eighths % 8] if eighths % 8 else "")
    style = "green" if retention >= 0.5 else "yellow" if retention >= 0.2 else "red"
    return Text.assemble((bar.ljust(width), style), f" {retention:.2f}")


def retention_cell(
    memory: Memory, retention: float, *, forgotten: str = "forgotten", pinned: str = "pinned"
) -> Text:
    """Return the retention bar of a memory, or a word if it is forgotten or pinned."""
    if memory.archived_at:
        return Text(forgotten, style="red")
    return Text(pinned, style="cyan") if memory.pinned else retention_bar(retention)


def table(*columns: str, numbers: Collection[str] = (), memories: bool = False) -> Table:
    """Return an empty table.

    Args:
        columns: Headings of the columns.
        numbers: Columns to align to the right.
        memories: Whether to add a first column "Memory", as wide as the terminal allows.
    """
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=memories, header_style="bold")
    if memories:
        grid.add_column("Memory", no_wrap=True, overflow="ellipsis", ratio=1)
    for name in columns:
        grid.add_column(name, justify="right" if name in numbers else "left", no_wrap=True)
    return grid


def memory_cell(memory: Memory) -> Text:
    """Return the text of a memory on one line, with its id below."""
    return Text.assemble(one_line(memory.text), "\n", (clean(memory.id), "dim"))


def spoken_text(memory: Memory) -> Text:
    """Return the text of a memory with the name of who said each part in front of it."""
    turn = memory.turn
    if turn is None:
        return Text.assemble(("summary: ", "dim"), clean(memory.text))
    parts = (
        (turn.user_name or "user", turn.query),
        (turn.companion_name or "companion", turn.response),
    )
    lines = [
        Text.assemble((f"{one_line(name)}: ", "dim"), clean(text)) for name, text in parts if text
    ]
    return Text("\n").join(lines)


class SpeedColumn(ProgressColumn):
    """Column of a progress bar with the steps per second in the last half minute.

    Args:
        unit: Name of the steps, in the plural.
    """

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Return the speed, such as "16.3 turns/s"; empty at first."""
        if task.speed is None:
            return Text()
        return Text(f"{task.speed:,.{0 if task.speed >= 100 else 1}f} {self._unit}/s")


@contextmanager
def progress_bar(
    label: str, total: int | None, unit: str = "steps"
) -> Iterator[Callable[[int], None]]:
    """Show a progress bar with the speed and the time left on stderr, if it is a terminal.

    Args:
        label: Text in front of the bar.
        total: Number of steps; None if unknown: the bar then shows the time elapsed.
        unit: Name of the steps, in the plural.

    Yields:
        A function that advances the bar by a number of steps.
    """
    stderr = Console(stderr=True)
    hidden = not stderr.is_terminal
    columns = [TextColumn(label), BarColumn(), MofNCompleteColumn()]
    speed = [SpeedColumn(unit)] if stderr.width >= _WIDTH_WITH_SPEED else []
    times = [TimeElapsedColumn()] if total is None else [TimeRemainingColumn(), TextColumn("left")]
    columns += [*speed, *times]
    with Progress(*columns, console=stderr, transient=True, disable=hidden) as progress:
        task = progress.add_task(label, total=total)
        yield lambda count: progress.advance(task, count)
