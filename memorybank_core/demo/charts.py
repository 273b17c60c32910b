"""Forgetting curves drawn with block characters in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from rich.cells import cell_len
from rich.text import Text

from memorybank_core.forgetting import ForgettingLaw
from memorybank_core.plots import History, state_at

HEIGHT = 3  # rows of a curve
_BLOCKS = " ▁▂▃▄▅▆▇█"
_MARGIN = "  │"
_SAMPLES = 4  # per column


def curve_rows(
    history: History,
    law: ForgettingLaw,
    start: datetime,
    until: datetime,
    threshold: float,
    width: int,
    style: str,
) -> Iterator[Text]:
    """Yield the rows of a curve from top to bottom; the last row is the time axis.

    The curve is a dashed line while retention is below the threshold.

    Args:
        history: History of the memory.
        law: Law of forgetting.
        start: Time at the left edge.
        until: Time at the right edge.
        threshold: Retention below which a memory is forgotten.
        width: Width of the whole chart, in columns.
        style: Colour of the curve.
    """
    count = width - len(_MARGIN)
    edges = [start + (until - start) / count * column for column in range(count + 1)]
    columns = [_Column(history, law, *pair) for pair in pairwise(edges)]
    for row in reversed(range(HEIGHT)):
        line = Text("1 ┤" if row == HEIGHT - 1 else _MARGIN, "dim")
        for column in columns:
            if column.exists and column.retention < threshold:
                line.append(" " if row else "╌", "dim")
            else:
                line.append(_block(column.retention, row), style)
        yield line
    axis = Text("0 └", "dim")
    for column in columns:
        axis.append("▲" if column.is_recalled else "─", style if column.is_recalled else "dim")
    yield axis


class _Column:
    """State of a memory in one column of the chart, between two moments.

    Attributes:
        retention: The highest retention.
        exists: Whether the memory was created before the second moment.
        is_recalled: Whether it was recalled between the moments.
    """

    def __init__(
        self, history: History, law: ForgettingLaw, left: datetime, right: datetime
    ) -> None:
        recalls = [recall for recall in history.recalls if left <= recall < right]
        moments = [left + (right - left) / _SAMPLES * i for i in range(_SAMPLES + 1)]
        self.retention = max(state_at(history, law, moment)[0] for moment in moments + recalls)
        self.exists = history.created_at <= right
        self.is_recalled = bool(recalls)


def _block(level: float, row: int) -> str:
    """Return the block character of one row of a column that is `level` high."""
    eighths = round((level * HEIGHT - row) * 8)
    return _BLOCKS[min(max(eighths, 0), 8)]


def label_row(start: datetime, until: datetime, width: int, labels: dict[datetime, str]) -> Text:
    """Return the labels of the time axis, without labels that would touch an earlier one.

    Args:
        start: Time at the left edge.
        until: Time at the right edge.
        width: Width of the whole chart, in columns.
        labels: Labels by their times; each is centred below its time.
    """
    cells = [" "] * width
    for moment, label in labels.items():
        middle = len(_MARGIN) + round((moment - start) / (until - start) * (width - 4))
        left = min(max(middle - cell_len(label) // 2, 0), width - cell_len(label))
        if all(cell == " " for cell in cells[max(left - 1, 0) : left + cell_len(label) + 1]):
            cells[left : left + cell_len(label)] = [*label, *[""] * (cell_len(label) - len(label))]
    return Text("".join(cells).rstrip(), style="dim")
