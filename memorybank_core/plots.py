"""Forgetting curves: how retention falls, jumps with each recall, and falls again more slowly.

The curve itself is a pure function; only `plot_forgetting` needs matplotlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from .bank import THRESHOLD
from .checks import require_moment, require_threshold
from .errors import InvalidInputError, MissingDependencyError
from .forgetting import ForgettingLaw, days_between
from .records import require_aware

WIDTH = 9.0  # inches
COLOURS = ("#d9622b", "#2f8fce", "#3a9d5d", "#a86fd1", "#c2567f", "#8a8f3c")
GREY = "#808890"  # these read on white and on black

_POINTS = 400
_PANEL, _MARGINS = 1.05, 1.0  # inches of height: each panel, above and below all
_CHINESE_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN",
    "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "Arial Unicode MS",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class History:
    """What happened to one memory.

    Attributes:
        label: What to call it, in a line or two.
        created_at: When it was said, with a time zone.
        recalls: When it was recalled, with a time zone, oldest first.
        strength: S before the first of those recalls.

    Raises:
        InvalidInputError: A time has no time zone.
    """

    label: str
    created_at: datetime
    recalls: Sequence[datetime] = ()
    strength: float = 1.0

    def __post_init__(self) -> None:
        for moment in (self.created_at, *self.recalls):
            require_aware(moment, "History: a time")


def state_at(history: History, law: ForgettingLaw, moment: datetime) -> tuple[float, float]:
    """Retention and strength of a memory at a moment; both are 0 before it was said."""
    if moment < history.created_at:
        return 0.0, 0.0
    strength, since = history.strength, history.created_at
    for recall in history.recalls:
        if recall <= moment:
            strength = law.strengthened(strength, days_between(since, recall))
            since = max(since, recall)
    return float(law.retention(days_between(since, moment), strength)), strength


def curve(
    history: History, law: ForgettingLaw, until: datetime, points: int = _POINTS
) -> tuple[list[datetime], list[float]]:
    """Times and retentions from creation to `until`; a recall has two, before and after it."""
    step = (until - history.created_at) / points
    times = {history.created_at + step * i for i in range(points + 1)}
    for recall in history.recalls:
        if recall <= until:
            times |= {recall - timedelta(seconds=1), recall}
    ordered = sorted(time for time in times if time >= history.created_at)
    return ordered, [state_at(history, law, time)[0] for time in ordered]


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
    fonts = _fonts()
    start = min(history.created_at for history in drawn)
    figure, panels = _panels(len(drawn), start, until)
    caption = caption or f"●  recalled\n╌╌  forgotten below {threshold:g}"
    _write_above(panels[0], title, caption, fonts)
    for number, (panel, history) in enumerate(zip(panels, drawn, strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        _draw(panel, history, law, until, threshold, colour)
        style = {"color": colour, "fontfamily": fonts, "transform": panel.transAxes}
        panel.text(1.03, 0.5, history.label, fontsize=10, va="center", linespacing=1.5, **style)
    return figure


def can_write(text: str) -> bool:
    """Whether a font for `text` is installed: without one, Chinese is drawn as boxes.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    return text.isascii() or max(map(ord, text)) < 0x2E80 or len(_fonts()) > 1


def _panels(count: int, start: datetime, until: datetime) -> tuple[Any, Any]:
    """The figure, and a panel for each memory, one above the other with one time axis."""
    from matplotlib.dates import AutoDateLocator
    from matplotlib.figure import Figure

    height = _MARGINS + _PANEL * count
    figure = Figure(figsize=(WIDTH, height), dpi=160, facecolor="none")
    grid = {"left": 0.06, "right": 0.68, "hspace": 0.45}
    grid |= {"bottom": 0.4 * _MARGINS / height, "top": 1 - 0.6 * _MARGINS / height}
    panels = figure.subplots(count, 1, sharex=True, squeeze=False, gridspec_kw=grid)[:, 0]
    for panel in panels:
        panel.set(xlim=(start, until), ylim=(0.0, 1.0), facecolor="none")
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.spines["bottom"].set_color(GREY)
        panel.set_yticks([0.0, 1.0], ["0", "1"])
        panel.tick_params(colors=GREY, labelsize=9, length=3, labelbottom=False)
        panel.tick_params(axis="y", length=0)
    last = panels[-1]
    last.xaxis.set_major_locator(AutoDateLocator(minticks=4, maxticks=9, tz=timezone.utc))
    last.xaxis.set_major_formatter(_day_label)
    last.tick_params(labelbottom=True)
    return figure, panels


def _write_above(panel: Any, title: str | None, caption: str, fonts: list[str]) -> None:
    style = {"transform": panel.transAxes, "color": GREY, "fontfamily": fonts, "va": "bottom"}
    panel.text(-0.035, 1.22, title or "", fontsize=12, fontweight="bold", **style)
    panel.text(1.03, 1.22, caption, fontsize=8.5, linespacing=1.5, **style)


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


def _day_label(day_number: float, position: int | None = None) -> str:
    """For example "15 Mar", with the year at the first tick and in January."""
    from matplotlib.dates import num2date

    day = num2date(day_number)
    year = f"\n{day.year}" if position == 0 or day.month == 1 else ""
    return f"{day.day} {day:%b}{year}"


def _fonts() -> list[str]:
    """The fonts to write with: matplotlib's own, then one with Chinese where there is one."""
    try:
        from matplotlib import font_manager
    except ImportError as error:
        raise MissingDependencyError.of("matplotlib", "plots") from error
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *[name for name in _CHINESE_FONTS if name in installed][:1]]
