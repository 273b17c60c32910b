"""What commands print: one JSON document for programs, tables for people."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from memorybank_core.records import Memory

BAR = 8
"""Cells of a retention bar."""

_BLOCKS = " ▏▎▍▌▋▊▉█"
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def console() -> Console:
    """stdout; what is printed is text, never markup."""
    return Console(markup=False, highlight=False, emoji=False)


def print_json(value: Any) -> None:
    """Prints one JSON document; records become objects, times ISO 8601."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value).__name__}")


def clean(text: str) -> str:
    """`text` without the control characters that a terminal would obey."""
    return _CONTROL.sub(" ", text)


def one_line(text: str) -> str:
    """`text` in one line."""
    return " ".join(clean(text).split())


def day_label(day: date) -> str:
    """For example "Sat 9 Mar 2024"."""
    return f"{day:%a} {day.day} {day:%b %Y}"


def times(count: int, what: str, plural: str | None = None) -> str:
    """For example "1 memory", "2 memories"."""
    return f"{count:,} {what if count == 1 else plural or what + 's'}"


def memories(count: int) -> str:
    """For example "2 memories"."""
    return times(count, "memory", "memories")


def retention_bar(retention: float, width: int = BAR) -> Text:
    """A bar with the number after it."""
    eighths = round(retention * width * 8)
    bar = "█" * (eighths // 8) + (_BLOCKS[eighths % 8] if eighths % 8 else "")
    style = "green" if retention >= 0.5 else "yellow" if retention >= 0.2 else "red"
    return Text.assemble((bar.ljust(width), style), f" {retention:.2f}")


def left_cell(
    memory: Memory, retention: float, *, forgotten: str = "forgotten", pinned: str = "pinned"
) -> Text:
    """What is left of a memory, as a bar; or why none is shown."""
    if memory.archived_at:
        return Text(forgotten, style="red")
    return Text(pinned, style="cyan") if memory.pinned else retention_bar(retention)


def table(*columns: str, numbers: Collection[str] = (), memories: bool = False) -> Table:
    """An empty table. `numbers` stand right; a first column of `memories` takes the room left."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=memories, header_style="bold")
    if memories:
        made.add_column("Memory", no_wrap=True, overflow="ellipsis", ratio=1)
    for name in columns:
        made.add_column(name, justify="right" if name in numbers else "left", no_wrap=True)
    return made


def memory_cell(memory: Memory) -> Text:
    """What was said, in one line, and the id below it."""
    return Text.assemble(one_line(memory.text), "\n", (clean(memory.id), "dim"))


@contextmanager
def progress_bar(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, where that is a terminal; gives what counts it on."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    shown = Console(stderr=True)
    hidden = not shown.is_terminal
    with Progress(*columns, console=shown, transient=True, disable=hidden) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)
