"""Comparisons: the laws of forgetting side by side, and how much of the evidence is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from memorybank_core.errors import InvalidInputError
from memorybank_core.forgetting import ForgettingLaw
from memorybank_core.validation import require_k

from .theme import COLOURS, GREY, bare, blank, drawable, fonts

_HEIGHT = 3.2  # inches
_BAR = 0.8  # of a group's width, all its bars together


def plot_laws(
    laws: Mapping[str, ForgettingLaw],
    *,
    days: int = 30,
    strengths: Sequence[float] = (1.0, 3.0),
    title: str | None = None,
) -> Any:
    """Draws retention over days under several laws, a panel for each strength.

    Args:
        laws: By the names to show.
        days: How many days are drawn, 1 or more.
        strengths: S of each panel.
        title: Stands above.

    Returns:
        A `matplotlib.figure.Figure`, transparent where nothing is drawn.

    Raises:
        InvalidInputError: There are no laws or no strengths.
        MissingDependencyError: matplotlib is not installed.
    """
    require_k(days, "days")
    if not laws or not strengths:
        raise InvalidInputError("nothing to draw: give one law and one strength, at the least")
    figure = blank(_HEIGHT)
    room = {"left": 0.06, "right": 0.72, "bottom": 0.16, "top": 0.82, "wspace": 0.08}
    panels = figure.subplots(1, len(strengths), sharey=True, squeeze=False, gridspec_kw=room)[0]
    time = np.linspace(0.0, days, 200)
    for panel, strength in zip(panels, strengths, strict=True):
        for colour, (name, law) in zip(_colours(len(laws)), laws.items(), strict=True):
            panel.plot(
                time,
                law.retention(time, np.full(200, strength)),
                color=colour,
                label=drawable(name),
            )
        panel.set(xlim=(0, days), ylim=(0, 1.02))
        panel.set_title(f"strength {strength:g}", color=GREY, fontsize=9.5)
        panel.set_xlabel("days since the last recall", color=GREY, fontsize=9)
        bare(panel)
    panels[0].set_yticks([0.0, 0.5, 1.0])
    _legend(panels[-1])
    _head(figure, title)
    return figure


def plot_recall(
    recalls: Mapping[str, Mapping[str, float]], *, measure: str = "recall", title: str | None = None
) -> Any:
    """Draws how much of the evidence each system finds, a group of bars for each set of questions.

    Args:
        recalls: By system, then by set of questions, a share in [0, 1].
        measure: What the share is, for example "recall@3".
        title: Stands above.

    Returns:
        A `matplotlib.figure.Figure`, transparent where nothing is drawn.

    Raises:
        InvalidInputError: There is nothing to compare, or a share lies outside of [0, 1].
        MissingDependencyError: matplotlib is not installed.
    """
    sets = list(dict.fromkeys(name for found in recalls.values() for name in found))
    if not sets:
        raise InvalidInputError("nothing to draw: there are no figures")
    wrong = {share for found in recalls.values() for share in found.values() if not 0 <= share <= 1}
    if wrong:
        raise InvalidInputError(f"a share must lie in [0, 1], not be {sorted(wrong)}")
    figure = blank(_HEIGHT)
    axes = figure.subplots(gridspec_kw={"left": 0.06, "right": 0.76, "bottom": 0.12, "top": 0.82})
    width = _BAR / len(recalls)
    for number, (system, found) in enumerate(recalls.items()):
        places = np.arange(len(sets)) + (number - (len(recalls) - 1) / 2) * width
        shares = [found.get(name, 0.0) for name in sets]
        bars = axes.bar(places, shares, 0.92 * width, color=_colours(len(recalls))[number])
        bars.set_label(drawable(system))
        axes.bar_label(bars, [f"{share:.2f}" for share in shares], color=GREY, fontsize=8)
    axes.set(ylim=(0, 1.05), ylabel=measure)
    axes.yaxis.label.set_color(GREY)
    bare(axes)
    axes.set_xticks(range(len(sets)), list(map(drawable, sets)), fontfamily=fonts())
    axes.set_yticks([0.0, 0.5, 1.0])
    _legend(axes)
    _head(figure, title)
    return figure


def _colours(count: int) -> list[str]:
    return [COLOURS[number % len(COLOURS)] for number in range(count)]


def _legend(axes: Any) -> None:
    """Names the colours, to the right of the picture."""
    place = {"bbox_to_anchor": (1.01, 1.0), "loc": "upper left"}
    style = {"family": fonts(), "size": 9}
    axes.legend(frameon=False, labelcolor=GREY, prop=style, **place)


def _head(figure: Any, title: str | None) -> None:
    style = {"color": GREY, "fontsize": 12, "fontweight": "bold", "fontfamily": fonts()}
    figure.text(0.03, 0.93, drawable(title or ""), **style)
