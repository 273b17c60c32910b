"""The last chapter: forgetting curves of three memories, in the terminal and as a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.text import Text

from memorybank_core.errors import MissingDependencyError
from memorybank_core.forgetting import THRESHOLD
from memorybank_core.plots import History, can_write, plot_forgetting
from memorybank_core.records import Memory

from .charts import curve_rows, dates_row
from .scene import AGAIN_ON, ASKED_ON, FORGET_ON, HORIZON, WIDTH, Scene, moment

_STYLES = ("yellow", "blue", "green")
_LABEL = 30  # columns of a label


def tell_curves(scene: Scene, png: Path) -> None:
    """Draws the memories recalled most, once and never."""
    chosen = _chosen(scene)
    quotes = [scene.word("quote", text=scene.gist(memory, _LABEL)) for memory in chosen]
    histories = _histories(scene, chosen, quotes)
    start = min(history.created_at for history in histories)
    until = moment(HORIZON)
    width = min(scene.out.width, WIDTH)
    for history, memory, style in zip(histories, chosen, _STYLES, strict=False):
        said = scene.word("quote", text=scene.gist(memory, width // 2))
        scene.say(Text.assemble((said, "bold"), "  ", (_recalls(scene, memory), style)))
        law = scene.bank.law
        for row in curve_rows(history, law, start, until, THRESHOLD, width, style):
            scene.say(row)
    marks = [start, *(moment(day) for day in (ASKED_ON, *AGAIN_ON, FORGET_ON, HORIZON))]
    labels = {mark: scene.day(scene.bank.day_of(mark)) for mark in marks}
    scene.say(dates_row(start, until, width, labels))
    scene.say(scene.word("legend", threshold=THRESHOLD), "dim")
    scene.say("")
    teller = scene
    try:
        if not can_write("".join(quotes)):  # no Chinese font: in English, by the ids
            teller = replace(scene, language="en")
            histories = _histories(teller, chosen, [memory.id for memory in chosen])
        _picture(teller, histories).savefig(png)
    except (MissingDependencyError, OSError, ValueError) as error:
        scene.say(scene.word("no_png", error=error), "yellow")
    else:
        scene.say(scene.word("drawn", path=png))


def _chosen(scene: Scene) -> list[Memory]:
    """A memory that was recalled most often, one recalled once, one never."""
    memories = scene.bank.timeline(user_id=scene.user, archived=True)
    most = max(memory.recalls for memory in memories)
    first = {count: next((m for m in memories if m.recalls == count), None) for count in (1, 0)}
    top = next(memory for memory in memories if memory.recalls == most)
    others = [memory for memory in first.values() if memory and memory.id != top.id]
    return [top, *others]


def _histories(scene: Scene, memories: list[Memory], names: list[str]) -> list[History]:
    return [
        History(
            f"{name}\n{_recalls(scene, memory)}",
            memory.created_at,
            scene.bank.recalls(memory.id, user_id=scene.user),
        )
        for memory, name in zip(memories, names, strict=True)
    ]


def _recalls(scene: Scene, memory: Memory) -> str:
    name = {0: "never", 1: "once"}.get(memory.recalls, "often")
    return scene.word(name, count=memory.recalls, strength=memory.strength)


def _picture(scene: Scene, histories: list[History]) -> Any:
    """The same curves as a figure."""
    return plot_forgetting(
        histories,
        scene.bank.law,
        until=moment(HORIZON),
        title=scene.word("curves"),
        caption=scene.word("caption", threshold=THRESHOLD),
    )
