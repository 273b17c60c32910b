"""Plots that compare laws of forgetting, or the recall of retrieval systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from memorybank_core.errors import InvalidInputError
from memorybank_core.forgetting import ForgettingLaw
from memorybank_core.validation import require_count

from .theme import (
    COLOURS,
    GREY,
    font_families,
    remove_frame,
    replace_missing_glyphs,
    transparent_figure,
)

_HEIGHT = 3.2  # inches
_BAR = 0.8  # width of all bars of a group, as a share of the width of the group


def plot_laws(
    laws: Mapping[str, ForgettingLaw],
    *,
    days: int = 30,
    strengths: Sequence[float] = (1.0, 3.0),
    title: str | None = None,
) -> Any:
    """Plot retention over days under several laws, with a panel for each strength.

    Args:
        laws: The laws by their names in the legend.
        days: Number of days, 1 or more.
        strengths: Strength of each panel.
        title: Title of the plot.

    Returns:
        A transparent `matplotlib.figure.Figure`.

    Raises:
        InvalidInputError: If there are no laws or no strengths.
        MissingDependencyError: If matplotlib is not installed.
    """
    require_count(days, "days")
    if not laws or not strengths:
        raise InvalidInputError("nothing to draw: pass at least one law and one strength")
    figure = transparent_figure(_HEIGHT)
    margins = {"left": 0.06, "right": 0.72, "bottom": 0.16, "top": 0.82, "wspace": 0.08}
    panels = figure.subplots(1, len(strengths), sharey=True, squeeze=False, gridspec_kw=margins)[0]
    time = np.linspace(0.0, days, 200)
    for panel, strength in zip(panels, strengths, strict=True):
        for colour, (name, law) in zip(_colours(len(laws)), laws.items(), strict=True):
            panel.plot(
                time,
                law.retention(time, np.full(200, strength)),
                color=colour,
                label=replace_missing_glyphs(name),
            )
        panel.set(xlim=(0, days), ylim=(0, 1.02))
        panel.set_title(f"strength {strength:g}", color=GREY, fontsize=9.5)
        panel.set_xlabel("days since the last recall", color=GREY, fontsize=9)
        remove_frame(panel)
    panels[0].set_yticks([0.0, 0.5, 1.0])
    _add_legend(panels[-1])
    _add_title(figure, title)
    return figure


def plot_recall(
    recalls: Mapping[str, Mapping[str, float]], *, measure: str = "recall", title: str | None = None
) -> Any:
    """Plot the recall of several systems, with a group of bars for each set of questions.

    Args:
        recalls: A share in [0, 1] by system, then by set of questions.
        measure: Name of the share, for example "recall@3".
        title: Title of the plot.

    Returns:
        A transparent `matplotlib.figure.Figure`.

    Raises:
        InvalidInputError: If there are no numbers, or a share is not in [0, 1].
        MissingDependencyError: If matplotlib is not installed.
    """
    sets = list(dict.fromkeys(name for shares in recalls.values() for name in shares))
    if not sets:
        raise InvalidInputError("nothing to draw: there are no numbers")
    values = [share for shares in recalls.values() for share in shares.values()]
    invalid = {share for share in values if not 0 <= share <= 1}
    if invalid:
        raise InvalidInputError(f"a share must be in [0, 1], not {sorted(invalid)}")
    figure = transparent_figure(_HEIGHT)
    axes = figure.subplots(gridspec_kw={"left": 0.06, "right": 0.76, "bottom": 0.12, "top": 0.82})
    width = _BAR / len(recalls)
    for number, (system, share_by_set) in enumerate(recalls.items()):
        positions = np.arange(len(sets)) + (number - (len(recalls) - 1) / 2) * width
        shares = [share_by_set.get(name, 0.0) for name in sets]
        bars = axes.bar(positions, shares, 0.92 * width, color=_colours(len(recalls))[number])
        bars.set_label(replace_missing_glyphs(system))
        axes.bar_label(bars, [f"{share:.2f}" for share in shares], color=GREY, fontsize=8)
    axes.set(ylim=(0, 1.05), ylabel=measure)
    axes.yaxis.label.set_color(GREY)
    remove_frame(axes)
    axes.set_xticks(
        range(len(sets)), list(map(replace_missing_glyphs, sets)), fontfamily=font_families()
    )
    axes.set_yticks([0.0, 0.5, 1.0])
    _add_legend(axes)
    _add_title(figure, title)
    return figure


def _colours(count: int) -> list[str]:
    return [COLOURS[number % len(COLOURS)] for number in range(count)]


def _add_legend(axes: Any) -> None:
    """Add a legend of the colours to the right of the axes."""
    position = {"bbox_to_anchor": (1.01, 1.0), "loc": "upper left"}
    style = {"family": font_families(), "size": 9}
    axes.legend(frameon=False, labelcolor=GREY, prop=style, **position)


def _add_title(figure: Any, title: str | None) -> None:
    style = {"color": GREY, "fontsize": 12, "fontweight": "bold", "fontfamily": font_families()}
    figure.text(0.03, 0.93, replace_missing_glyphs(title or ""), **style)
