"""Chapter on forgetting curves: three memories, drawn in the terminal and as a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.text import Text

from memorybank_core.errors import MissingDependencyError, StoreWriteError
from memorybank_core.forgetting import THRESHOLD
from memorybank_core.output_files import replaced
from memorybank_core.plots import History, can_write, plot_forgetting
from memorybank_core.records import Memory

from .charts import curve_rows, label_row
from .scene import (
    FORECAST_DAY,
    FORGET_DAY,
    QUESTION_DAY,
    REPEAT_DAYS,
    WIDTH,
    Scene,
    after_noon,
)

PICTURE_TITLE = "memorybank demo"
"""Title in the metadata of the picture, by which a later run knows that it may replace it."""

_STYLES = ("yellow", "blue", "green")
_LABEL_COLUMNS = 30


def show_curves(scene: Scene, png: Path) -> None:
    """Draw the curves of a memory recalled often, of one recalled once, and of one never recalled.

    Args:
        scene: The person whose memories are drawn.
        png: File for the picture.
    """
    memories = _choose_memories(scene)
    quotes = [scene.phrase("quote", text=scene.shorten(m, _LABEL_COLUMNS)) for m in memories]
    histories = _histories(scene, memories, quotes)
    _draw_in_terminal(scene, memories, histories)
    scene.print("")
    figure_scene = scene
    try:
        if not can_write("".join(quotes)):  # no Chinese font: label in English, with the ids
            figure_scene = replace(scene, language="en")
            histories = _histories(figure_scene, memories, [memory.id for memory in memories])
        figure = _draw_figure(figure_scene, histories)
        with replaced(png) as new:
            format = png.suffix.removeprefix(".") or "png"
            figure.savefig(new, format=format, metadata={"Title": PICTURE_TITLE})
    except MissingDependencyError as error:  # as after `make demo`: not a fault
        scene.print(scene.phrase("no_png", error=error), "dim")
    except (StoreWriteError, ValueError) as error:
        scene.print(scene.phrase("no_png", error=error), "yellow")
    else:
        scene.print(scene.phrase("drawn", path=png))


def is_picture(path: Path) -> bool:
    """Return whether a file is empty or the picture of an earlier demo."""
    content = path.read_bytes()
    return not content or PICTURE_TITLE.encode() in content


def _draw_in_terminal(scene: Scene, memories: list[Memory], histories: list[History]) -> None:
    start = min(history.created_at for history in histories)
    until = after_noon(FORECAST_DAY)
    width = min(scene.out.width, WIDTH)
    for history, memory, style in zip(histories, memories, _STYLES, strict=False):
        quote = scene.phrase("quote", text=scene.shorten(memory, width // 2))
        scene.print(Text.assemble((quote, "bold"), "  ", (_describe_recalls(scene, memory), style)))
        for row in curve_rows(history, scene.bank.law, start, until, THRESHOLD, width, style):
            scene.print(row)
    days = (QUESTION_DAY, *REPEAT_DAYS, FORGET_DAY, FORECAST_DAY)
    moments = [start, *map(after_noon, days)]
    labels = {moment: scene.format_day(scene.bank.day_of(moment)) for moment in moments}
    scene.print(label_row(start, until, width, labels))
    scene.print(scene.phrase("legend", threshold=THRESHOLD), "dim")


def _choose_memories(scene: Scene) -> list[Memory]:
    """Return the memory recalled most often, one recalled once, and one never recalled."""
    memories = scene.bank.timeline(user_id=scene.user, archived=True)
    top = max(memories, key=lambda memory: memory.recalls)
    first = {count: next((m for m in memories if m.recalls == count), None) for count in (1, 0)}
    return [top, *[memory for memory in first.values() if memory and memory.id != top.id]]


def _histories(scene: Scene, memories: list[Memory], names: list[str]) -> list[History]:
    return [
        History(
            f"{name}\n{_describe_recalls(scene, memory)}",
            memory.created_at,
            scene.bank.recalls(memory.id, user_id=scene.user),
        )
        for memory, name in zip(memories, names, strict=True)
    ]


def _describe_recalls(scene: Scene, memory: Memory) -> str:
    name = {0: "never", 1: "once"}.get(memory.recalls, "often")
    return scene.phrase(name, count=memory.recalls, strength=memory.strength)


def _draw_figure(scene: Scene, histories: list[History]) -> Any:
    """Return the curves as a figure of matplotlib."""
    return plot_forgetting(
        histories,
        scene.bank.law,
        until=after_noon(FORECAST_DAY),
        title=scene.phrase("curves"),
        caption=scene.phrase("caption", threshold=THRESHOLD),
    )
