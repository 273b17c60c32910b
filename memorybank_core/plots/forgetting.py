"""Forgetting curves: how retention falls, jumps with each recall, and falls again more slowly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from memorybank_core.errors import InvalidInputError
from memorybank_core.forgetting import THRESHOLD, ForgettingLaw
from memorybank_core.validation import require_moment, require_threshold

from .history import History, curve, state_at
from .theme import COLOURS, GREY, bare, blank, dated, drawable, fonts

_PANEL, _MARGINS = 1.05, 1.0  # inches of height: each panel, above and below all


def plot_forgetting(
    histories: Sequence[History],
    law: ForgettingLaw,
    *,
    until: datetime,
    threshold: float = THRESHOLD,
    title: str | None = None,
    caption: str | None = None,
) -> Any:
    """Draws retention over time, a panel for each memory; reads well on light and on dark.

    Args:
        histories: The memories, the first on top; those said after `until` are left out.
        law: How they fade.
        until: The last moment drawn.
        threshold: Retention below which a memory is let go; drawn as a line.
        title: Stands above.
        caption: Says what the marks mean; default in English.

    Returns:
        A `matplotlib.figure.Figure`, transparent where nothing is drawn. `figure.savefig(path)`
        writes it; no display is needed.

    Raises:
        InvalidInputError: There is no memory from before `until`.
        MissingDependencyError: matplotlib is not installed.
    """
    until = require_moment(until, "until")
    require_threshold(threshold)
    drawn = [history for history in histories if history.created_at < until]
    if not drawn:
        raise InvalidInputError(f"nothing to draw: no memory is older than until={until}")
    start = min(history.created_at for history in drawn)
    figure, panels = _panels(len(drawn), start, until)
    caption = caption or f"●  recalled\n╌╌  forgotten below {threshold:g}"
    _write_above(panels[0], title, caption)
    for number, (panel, history) in enumerate(zip(panels, drawn, strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        _draw(panel, history, law, until, threshold, colour)
        style = {"color": colour, "fontfamily": fonts(), "transform": panel.transAxes}
        panel.text(
            1.03, 0.5, drawable(history.label), fontsize=10, va="center", linespacing=1.5, **style
        )
    return figure


def _panels(count: int, start: datetime, until: datetime) -> tuple[Any, Any]:
    """The figure, and a panel for each memory, one above the other with one time axis."""
    height = _MARGINS + _PANEL * count
    figure = blank(height)
    grid = {"left": 0.06, "right": 0.68, "hspace": 0.45}
    grid |= {"bottom": 0.4 * _MARGINS / height, "top": 1 - 0.6 * _MARGINS / height}
    panels = figure.subplots(count, 1, sharex=True, squeeze=False, gridspec_kw=grid)[:, 0]
    for panel in panels:
        panel.set(xlim=(start, until), ylim=(0.0, 1.0))
        bare(panel)
        panel.set_yticks([0.0, 1.0], ["0", "1"])
        panel.tick_params(labelbottom=False)
    dated(panels[-1])
    panels[-1].tick_params(labelbottom=True)
    return figure, panels


def _write_above(panel: Any, title: str | None, caption: str) -> None:
    style = {"transform": panel.transAxes, "color": GREY, "fontfamily": fonts(), "va": "bottom"}
    panel.text(-0.035, 1.22, drawable(title or ""), fontsize=12, fontweight="bold", **style)
    panel.text(1.03, 1.22, drawable(caption), fontsize=8.5, linespacing=1.5, **style)


def _draw(
    panel: Any, history: History, law: ForgettingLaw, until: datetime, threshold: float, colour: str
) -> None:
    """Draws one curve, grey below the threshold, with dots where it was recalled."""
    times, retentions = curve(history, law, until)
    kept = [r if r >= threshold else float("nan") for r in retentions]
    panel.axhline(threshold, color=GREY, linewidth=0.9, linestyle=(0, (4, 4)), zorder=1)
    panel.fill_between(times, 0, kept, color=colour, alpha=0.22, linewidth=0)
    panel.plot(times, retentions, color=GREY, linewidth=1.2, zorder=2)
    panel.plot(times, kept, color=colour, linewidth=2.2, zorder=3, clip_on=False)
    recalls = [recall for recall in history.recalls if recall <= until]
    levels = [state_at(history, law, recall)[0] for recall in recalls]
    panel.plot(recalls, levels, "o", color=colour, markersize=6, clip_on=False, zorder=4)
