"""Plots of a bank over time: memories as rows that fade, and a heat map of the days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from memorybank_core.errors import InvalidInputError
from memorybank_core.forgetting import ForgettingLaw
from memorybank_core.validation import require_count, require_moment

from .history import History, state_at
from .theme import (
    COLOURS,
    GREY,
    WIDTH,
    font_families,
    label_days,
    remove_frame,
    replace_missing_glyphs,
    retention_colours,
    set_title,
    transparent_figure,
)

_COLUMNS = 240
_ROW, _MARGINS = 0.24, 1.15  # height in inches: of each memory, of both margins together
_CELL = 0.3  # inches, for a day of the heat map
_MIN_WIDTH = 3.2  # inches
_MAX_NUMBERED_WEEKS = 26  # in more weeks, the cells are too small for numbers
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def plot_timeline(
    histories: Sequence[History],
    law: ForgettingLaw,
    *,
    until: datetime,
    most: int = 40,
    title: str | None = None,
) -> Any:
    """Plot memories as rows that become paler as they fade, the strongest on top.

    Args:
        histories: The memories; those created after `until` are left out.
        law: Law of forgetting.
        until: Time at the right edge.
        most: Maximum number of rows.
        title: Title of the plot.

    Returns:
        A transparent `matplotlib.figure.Figure`; its dots are recalls.

    Raises:
        InvalidInputError: If no memory was created before `until`.
        MissingDependencyError: If matplotlib is not installed.
    """
    until = require_moment(until, "until")
    require_count(most, "most")
    earlier = [history for history in histories if history.created_at < until]
    if not earlier:
        raise InvalidInputError(f"nothing to draw: no memory is older than until={until}")
    drawn = sorted(earlier, key=lambda history: _sort_key(history, law, until))[:most]
    height = _MARGINS + _ROW * len(drawn)
    figure = transparent_figure(height)
    margins = {"left": 0.02, "right": 0.62}
    margins |= {"bottom": 0.45 / height, "top": 1 - 0.65 / height}
    axes = figure.subplots(gridspec_kw=margins)
    _draw_rows(axes, drawn, law, until)
    set_title(axes, title)
    _add_legend(figure, height)
    return figure


def plot_days(counts: Mapping[date, int], *, title: str | None = None) -> Any:
    """Plot a heat map of the number of memories per day, with a column for each week.

    Args:
        counts: Number of memories by day; missing days count 0.
        title: Title of the plot.

    Returns:
        A transparent `matplotlib.figure.Figure`.

    Raises:
        InvalidInputError: If there are no days.
        MissingDependencyError: If matplotlib is not installed.
    """
    if not counts:
        raise InvalidInputError("nothing to draw: there are no days")
    first = min(counts) - timedelta(days=min(counts).weekday())
    weeks = (max(counts) - first).days // 7 + 1
    heat = np.zeros((7, weeks))
    for day, count in counts.items():
        heat[day.weekday(), (day - first).days // 7] = count
    width = min(WIDTH, max(_MIN_WIDTH, _CELL * weeks + 1.0))
    figure = transparent_figure(7 * _CELL + 1.0, width)
    margins = {"left": 0.55 / width, "right": 1 - 0.1 / width, "bottom": 0.15, "top": 0.84}
    axes = figure.subplots(gridspec_kw=margins)
    axes.pcolormesh(heat, cmap=retention_colours(), vmin=0, edgecolor=GREY, linewidth=0.3)
    axes.set(aspect="equal", ylim=(7, 0), anchor="W")
    remove_frame(axes, base=False)
    axes.set_yticks([0.5, 2.5, 4.5, 6.5], _WEEKDAYS[::2])
    _label_months(axes, first, weeks)
    if weeks <= _MAX_NUMBERED_WEEKS:
        _number_cells(axes, heat)
    set_title(axes, title)
    return figure


def _sort_key(history: History, law: ForgettingLaw, until: datetime) -> tuple[float, ...]:
    """Return a key that sorts pinned memories first, then by strength, then by retention."""
    retention, strength = state_at(history, law, until)
    return (-history.pinned, -strength, -retention, history.created_at.timestamp())


def _draw_rows(axes: Any, drawn: Sequence[History], law: ForgettingLaw, until: datetime) -> None:
    from matplotlib.dates import date2num

    start = min(history.created_at for history in drawn)
    step = (until - start) / _COLUMNS
    edges = [start + step * column for column in range(_COLUMNS + 1)]
    retentions = np.full((len(drawn), _COLUMNS), np.nan)
    for row, history in enumerate(drawn):
        for column in range(_COLUMNS):
            moment = edges[column] + step / 2
            if moment >= history.created_at:
                retentions[row, column] = state_at(history, law, moment)[0]
    rows = np.arange(len(drawn) + 1)
    colours = retention_colours()
    axes.pcolormesh(date2num(edges), rows, retentions, cmap=colours, vmin=0.0, vmax=1.0)
    axes.hlines(rows[1:-1], *date2num((start, until)), color=GREY, alpha=0.25, linewidth=0.4)
    for row, history in enumerate(drawn):
        recalls = [recall for recall in history.recalls if recall <= until]
        heights = [row + 0.5] * len(recalls)
        axes.plot(recalls, heights, "o", color=COLOURS[0], markersize=4.5, clip_on=False)
        _label_row(axes, row, history, law, until)
    axes.set(xlim=(start, until), ylim=(len(drawn), 0), yticks=[])
    remove_frame(axes)
    label_days(axes)


def _label_row(axes: Any, row: int, history: History, law: ForgettingLaw, until: datetime) -> None:
    """Write the strength of a memory, or "pin", and its label."""
    style = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 8.5}
    strength = "pin" if history.pinned else f"{state_at(history, law, until)[1]:.3g}"
    axes.text(1.055, row + 0.5, strength, color=COLOURS[0], ha="right", **style)
    axes.text(
        1.07,
        row + 0.5,
        replace_missing_glyphs(history.label),
        color=GREY,
        fontfamily=font_families(),
        **style,
    )


def _add_legend(figure: Any, height: float) -> None:
    """Add a legend of colours, dots and numbers to the right of the title."""
    bar = figure.add_axes((0.63, 1 - 0.5 / height, 0.1, 0.11 / height))
    bar.imshow(np.linspace(0, 1, 64)[None, :], cmap=retention_colours(), aspect="auto")
    bar.set_axis_off()
    style = {"color": GREY, "fontsize": 8.5, "va": "center"}
    middle = 1 - 0.445 / height
    figure.text(0.738, middle, "retention 0 to 1", **style)
    figure.text(0.862, middle, "●", **{**style, "color": COLOURS[0]})
    figure.text(0.876, middle, "recalled", **style)
    figure.text(0.627, middle, "S", ha="right", **{**style, "color": COLOURS[0]})


def _label_months(axes: Any, first: date, weeks: int) -> None:
    """Label each month at its first week, with the year at the first month and in January."""
    names: dict[tuple[int, int], tuple[float, str]] = {}
    for week in range(weeks):
        day = first + timedelta(days=7 * week + 6)
        year = f"\n{day.year}" if not names or day.month == 1 else ""
        names.setdefault((day.year, day.month), (week + 0.5, f"{day:%b}{year}"))
    positions, labels = zip(*names.values(), strict=True)
    axes.set_xticks(positions, labels)


def _number_cells(axes: Any, heat: Any) -> None:
    """Write the number of memories of each day into its cell."""
    for (weekday, week), count in np.ndenumerate(heat):
        if count:
            style = {"ha": "center", "va": "center", "fontsize": 8, "color": GREY}
            if count > heat.max() / 2:
                style["color"] = "white"
            axes.text(week + 0.5, weekday + 0.5, f"{count:g}", **style)
