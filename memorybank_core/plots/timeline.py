"""A bank over time: every memory a line that pales as it fades, and a heat map of the days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from memorybank_core.errors import InvalidInputError
from memorybank_core.forgetting import ForgettingLaw
from memorybank_core.validation import require_k, require_moment

from .history import History, state_at
from .theme import (
    COLOURS,
    GREY,
    WIDTH,
    bare,
    blank,
    dated,
    drawable,
    fading_colours,
    fonts,
    name_above,
)

_COLUMNS = 240
_ROW, _MARGINS = 0.24, 1.15  # inches of height: each memory, above and below all
_CELL = 0.3  # inches: a day of the heat map
_NARROWEST = 3.2  # inches
_NUMBERED = 26  # weeks: up to here a number has room in its cell
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def plot_timeline(
    histories: Sequence[History],
    law: ForgettingLaw,
    *,
    until: datetime,
    most: int = 40,
    title: str | None = None,
) -> Any:
    """Draws memories by strength, the strongest on top: each a line that pales as it fades.

    Args:
        histories: The memories; those said after `until` are left out.
        law: How they fade.
        until: The last moment drawn.
        most: How many are drawn, the strongest first.
        title: Stands above.

    Returns:
        A `matplotlib.figure.Figure`, transparent where nothing is drawn; dots are recalls.

    Raises:
        InvalidInputError: There is no memory from before `until`.
        MissingDependencyError: matplotlib is not installed.
    """
    until = require_moment(until, "until")
    require_k(most, "most")
    said = [history for history in histories if history.created_at < until]
    if not said:
        raise InvalidInputError(f"nothing to draw: no memory is older than until={until}")
    drawn = sorted(said, key=lambda one: _standing(one, law, until))[:most]
    height = _MARGINS + _ROW * len(drawn)
    figure = blank(height)
    room = {"left": 0.02, "right": 0.62}
    room |= {"bottom": 0.45 / height, "top": 1 - 0.65 / height}
    axes = figure.subplots(gridspec_kw=room)
    _draw_lines(axes, drawn, law, until)
    name_above(axes, title)
    _explain_colours(figure, height)
    return figure


def plot_days(counts: Mapping[date, int], *, title: str | None = None) -> Any:
    """Draws a heat map of days, a column a week: the more was said, the deeper the colour.

    Args:
        counts: How many memories each day has; days between them have none.
        title: Stands above.

    Returns:
        A `matplotlib.figure.Figure`, transparent where nothing is drawn.

    Raises:
        InvalidInputError: There is no day.
        MissingDependencyError: matplotlib is not installed.
    """
    if not counts:
        raise InvalidInputError("nothing to draw: there are no days")
    first = min(counts) - timedelta(days=min(counts).weekday())
    weeks = (max(counts) - first).days // 7 + 1
    heat = np.zeros((7, weeks))
    for day, count in counts.items():
        heat[day.weekday(), (day - first).days // 7] = count
    wide = min(WIDTH, max(_NARROWEST, _CELL * weeks + 1.0))
    figure = blank(7 * _CELL + 1.0, wide)
    room = {"left": 0.55 / wide, "right": 1 - 0.1 / wide, "bottom": 0.15, "top": 0.84}
    axes = figure.subplots(gridspec_kw=room)
    axes.pcolormesh(heat, cmap=fading_colours(), vmin=0, edgecolor=GREY, linewidth=0.3)
    axes.set(aspect="equal", ylim=(7, 0), anchor="W")
    bare(axes, base=False)
    axes.set_yticks([0.5, 2.5, 4.5, 6.5], _WEEKDAYS[::2])
    _name_months(axes, first, weeks)
    if weeks <= _NUMBERED:
        _number(axes, heat)
    name_above(axes, title)
    return figure


def _standing(history: History, law: ForgettingLaw, until: datetime) -> tuple[float, ...]:
    """The order of the lines: what is stronger, then what is fresher, comes first."""
    retention, strength = state_at(history, law, until)
    return (-history.pinned, -strength, -retention, history.created_at.timestamp())


def _draw_lines(axes: Any, drawn: Sequence[History], law: ForgettingLaw, until: datetime) -> None:
    from matplotlib.dates import date2num

    start = min(history.created_at for history in drawn)
    step = (until - start) / _COLUMNS
    edges = [start + step * column for column in range(_COLUMNS + 1)]
    left = np.full((len(drawn), _COLUMNS), np.nan)
    for row, history in enumerate(drawn):
        for column in range(_COLUMNS):
            moment = edges[column] + step / 2
            if moment >= history.created_at:
                left[row, column] = state_at(history, law, moment)[0]
    rows = np.arange(len(drawn) + 1)
    colours = fading_colours()
    axes.pcolormesh(date2num(edges), rows, left, cmap=colours, vmin=0.0, vmax=1.0)
    axes.hlines(rows[1:-1], *date2num((start, until)), color=GREY, alpha=0.25, linewidth=0.4)
    for row, history in enumerate(drawn):
        recalls = [recall for recall in history.recalls if recall <= until]
        heights = [row + 0.5] * len(recalls)
        axes.plot(recalls, heights, "o", color=COLOURS[0], markersize=4.5, clip_on=False)
        _name(axes, row, history, law, until)
    axes.set(xlim=(start, until), ylim=(len(drawn), 0), yticks=[])
    bare(axes)
    dated(axes)


def _name(axes: Any, row: int, history: History, law: ForgettingLaw, until: datetime) -> None:
    """Writes a memory's strength, or that it is pinned, and its first words."""
    place = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 8.5}
    strength = "pin" if history.pinned else f"{state_at(history, law, until)[1]:.3g}"
    axes.text(1.055, row + 0.5, strength, color=COLOURS[0], ha="right", **place)
    axes.text(1.07, row + 0.5, drawable(history.label), color=GREY, fontfamily=fonts(), **place)


def _explain_colours(figure: Any, height: float) -> None:
    """A small bar of the colours beside the title, and what the dots and the numbers are."""
    bar = figure.add_axes((0.63, 1 - 0.5 / height, 0.1, 0.11 / height))
    bar.imshow(np.linspace(0, 1, 64)[None, :], cmap=fading_colours(), aspect="auto")
    bar.set_axis_off()
    told = {"color": GREY, "fontsize": 8.5, "va": "center"}
    middle = 1 - 0.445 / height
    figure.text(0.738, middle, "retention 0 to 1", **told)
    figure.text(0.862, middle, "●", **{**told, "color": COLOURS[0]})
    figure.text(0.876, middle, "recalled", **told)
    figure.text(0.627, middle, "S", ha="right", **{**told, "color": COLOURS[0]})


def _name_months(axes: Any, first: date, weeks: int) -> None:
    """Writes each month below its first week, with the year at the first and in January."""
    names: dict[tuple[int, int], tuple[float, str]] = {}
    for week in range(weeks):
        day = first + timedelta(days=7 * week + 6)
        year = f"\n{day.year}" if not names or day.month == 1 else ""
        names.setdefault((day.year, day.month), (week + 0.5, f"{day:%b}{year}"))
    places, labels = zip(*names.values(), strict=True)
    axes.set_xticks(places, labels)


def _number(axes: Any, heat: Any) -> None:
    """Writes how many memories a day has into its cell."""
    for (weekday, week), count in np.ndenumerate(heat):
        if count:
            style = {"ha": "center", "va": "center", "fontsize": 8, "color": GREY}
            if count > heat.max() / 2:
                style["color"] = "white"
            axes.text(week + 0.5, weekday + 0.5, f"{count:g}", **style)
