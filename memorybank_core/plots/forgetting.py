"""Plot of forgetting curves: retention falls, jumps with each recall, and falls more slowly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from memorybank_core.errors import InvalidInputError
from memorybank_core.forgetting import THRESHOLD, ForgettingLaw
from memorybank_core.validation import require_moment, require_threshold

from .history import History, curve, state_at
from .theme import (
    COLOURS,
    GREY,
    font_families,
    label_days,
    remove_frame,
    replace_missing_glyphs,
    transparent_figure,
)

_PANEL, _MARGINS = 1.05, 1.0  # height in inches: of each panel, of both margins together


def plot_forgetting(
    histories: Sequence[History],
    law: ForgettingLaw,
    *,
    until: datetime,
    threshold: float = THRESHOLD,
    title: str | None = None,
    caption: str | None = None,
) -> Any:
    """Plot retention over time, with a panel for each memory.

    Args:
        histories: The memories, the first on top; those created after `until` are left out.
        law: Law of forgetting.
        until: Time at the right edge.
        threshold: Retention below which a memory is forgotten; drawn as a dashed line.
        title: Title of the plot.
        caption: Explanation of the marks; default in English.

    Returns:
        A transparent `matplotlib.figure.Figure`. `figure.savefig(path)` writes it to a file; no
        display is needed.

    Raises:
        InvalidInputError: If no memory was created before `until`.
        MissingDependencyError: If matplotlib is not installed.
    """
    until = require_moment(until, "until")
    require_threshold(threshold)
    drawn = [history for history in histories if history.created_at < until]
    if not drawn:
        raise InvalidInputError(f"nothing to draw: no memory is older than until={until}")
    start = min(history.created_at for history in drawn)
    figure, panels = _create_panels(len(drawn), start, until)
    caption = caption or f"●  recalled\n╌╌  forgotten below {threshold:g}"
    _add_title(panels[0], title, caption)
    for number, (panel, history) in enumerate(zip(panels, drawn, strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        _draw_curve(panel, history, law, until, threshold, colour)
        style = {"color": colour, "fontfamily": font_families(), "transform": panel.transAxes}
        panel.text(
            1.03,
            0.5,
            replace_missing_glyphs(history.label),
            fontsize=10,
            va="center",
            linespacing=1.5,
            **style,
        )
    return figure


def _create_panels(count: int, start: datetime, until: datetime) -> tuple[Any, Any]:
    """Return a figure and its panels, one below the other with a common time axis."""
    height = _MARGINS + _PANEL * count
    figure = transparent_figure(height)
    grid = {"left": 0.06, "right": 0.68, "hspace": 0.45}
    grid |= {"bottom": 0.4 * _MARGINS / height, "top": 1 - 0.6 * _MARGINS / height}
    panels = figure.subplots(count, 1, sharex=True, squeeze=False, gridspec_kw=grid)[:, 0]
    for panel in panels:
        panel.set(xlim=(start, until), ylim=(0.0, 1.0))
        remove_frame(panel)
        panel.set_yticks([0.0, 1.0], ["0", "1"])
        panel.tick_params(labelbottom=False)
    label_days(panels[-1])
    panels[-1].tick_params(labelbottom=True)
    return figure, panels


def _add_title(panel: Any, title: str | None, caption: str) -> None:
    style = {
        "transform": panel.transAxes,
        "color": GREY,
        "fontfamily": font_families(),
        "va": "bottom",
    }
    panel.text(
        -0.035, 1.22, replace_missing_glyphs(title or ""), fontsize=12, fontweight="bold", **style
    )
    panel.text(1.03, 1.22, replace_missing_glyphs(caption), fontsize=8.5, linespacing=1.5, **style)


def _draw_curve(
    panel: Any, history: History, law: ForgettingLaw, until: datetime, threshold: float, colour: str
) -> None:
    """Draw one curve, grey below the threshold, with a dot for each recall."""
    times, retentions = curve(history, law, until)
    kept = [r if r >= threshold else float("nan") for r in retentions]
    panel.axhline(threshold, color=GREY, linewidth=0.9, linestyle=(0, (4, 4)), zorder=1)
    panel.fill_between(times, 0, kept, color=colour, alpha=0.22, linewidth=0)
    panel.plot(times, retentions, color=GREY, linewidth=1.2, zorder=2)
    panel.plot(times, kept, color=colour, linewidth=2.2, zorder=3, clip_on=False)
    recalls = [recall for recall in history.recalls if recall <= until]
    levels = [state_at(history, law, recall)[0] for recall in recalls]
    panel.plot(recalls, levels, "o", color=colour, markersize=6, clip_on=False, zorder=4)
