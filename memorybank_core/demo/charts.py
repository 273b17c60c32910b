"""What the demo draws in a terminal: forgetting curves, and the passage of a text that matters."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import pairwise

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from memorybank_core.forgetting import ForgettingLaw
from memorybank_core.plots import History, state_at
from memorybank_core.protocols import Embedder

HEIGHT = 3  # rows of a curve
_BLOCKS = " ▁▂▃▄▅▆▇█"
_MARGIN = "  │"
_SAMPLES = 4  # in each column
_SENTENCE = re.compile(r"[^.!?。！？\n]*[.!?。！？\n]*[”’\"」』)）]*\s*")


def curve_rows(
    history: History,
    law: ForgettingLaw,
    start: datetime,
    until: datetime,
    threshold: float,
    width: int,
    style: str,
) -> Iterator[Text]:
    """A curve as rows of blocks over a time axis; dashes where it lies below the threshold.

    Args:
        history: The memory.
        law: How it fades.
        start: The time at the left edge.
        until: The time at the right edge.
        threshold: Retention below which a memory is let go.
        width: Columns of the whole drawing.
        style: The colour.
    """
    count = width - len(_MARGIN)
    edges = [start + (until - start) / count * column for column in range(count + 1)]
    columns = [_Column(history, law, *pair) for pair in pairwise(edges)]
    for row in reversed(range(HEIGHT)):
        line = Text("1 ┤" if row == HEIGHT - 1 else _MARGIN, "dim")
        for column in columns:
            if column.is_said and column.level < threshold:
                line.append(" " if row else "╌", "dim")
            else:
                line.append(_block(column.level, row), style)
        yield line
    axis = Text("0 └", "dim")
    for column in columns:
        axis.append("▲" if column.is_recalled else "─", style if column.is_recalled else "dim")
    yield axis


class _Column:
    """What is seen of a memory between two moments: the highest retention, and any recall."""

    def __init__(
        self, history: History, law: ForgettingLaw, left: datetime, right: datetime
    ) -> None:
        recalls = [recall for recall in history.recalls if left <= recall < right]
        times = [left + (right - left) / _SAMPLES * i for i in range(_SAMPLES + 1)]
        self.level = max(state_at(history, law, time)[0] for time in times + recalls)
        self.is_said = history.created_at <= right
        self.is_recalled = bool(recalls)


def _block(level: float, row: int) -> str:
    """The part of a curve at `level` that lies in a row, counted from the bottom."""
    eighths = round((level * HEIGHT - row) * 8)
    return _BLOCKS[min(max(eighths, 0), 8)]


def dates_row(start: datetime, until: datetime, width: int, labels: dict[datetime, str]) -> Text:
    """The time axis' labels, each centred below its time; one that would touch another is left."""
    cells = [" "] * width
    for moment, label in labels.items():
        middle = len(_MARGIN) + round((moment - start) / (until - start) * (width - 4))
        left = min(max(middle - cell_len(label) // 2, 0), width - cell_len(label))
        if all(cell == " " for cell in cells[max(left - 1, 0) : left + cell_len(label) + 1]):
            cells[left : left + cell_len(label)] = [*label, *[""] * (cell_len(label) - len(label))]
    return Text("".join(cells).rstrip(), style="dim")


def passage(text: str, question: str, embedder: Embedder, limit: int) -> str:
    """The sentences of `text` nearest to `question`, each with the next, in `limit` columns."""
    text = " ".join(text.split())
    if cell_len(text) <= limit:
        return text
    sentences = [found for found in _SENTENCE.findall(text) if found.strip()]
    nearness = embedder.embed_documents(sentences) @ embedder.embed_query(question)
    chosen: list[int] = []
    for nearest in (-nearness).argsort(kind="stable").tolist():
        more = [i for i in (nearest, nearest + 1) if i < len(sentences) and i not in chosen]
        if sum(cell_len(sentences[i]) for i in chosen + more) > limit:
            break
        chosen += more
    if not chosen:
        return f"{set_cell_size(sentences[nearness.argmax()], limit - 2).rstrip()} …"
    return _joined(sentences, chosen)


def _joined(sentences: list[str], chosen: Collection[int]) -> str:
    """The chosen sentences in their order, with dots for what is left out."""
    text = ""
    for i, sentence in enumerate(sentences):
        if i in chosen:
            text += sentence
        elif not text.endswith("… "):
            text = f"{text.rstrip()} … ".lstrip()
    return text.strip()
