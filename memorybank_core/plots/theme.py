"""Theme of the plots: colours readable on light and dark backgrounds, and fonts."""

from __future__ import annotations

from datetime import timezone
from typing import Any

from memorybank_core.errors import MissingDependencyError

from .history import WIDE

WIDTH = 9.0  # inches
# These colours have enough contrast on white and on black.
COLOURS = ("#d9622b", "#2f8fce", "#3a9d5d", "#a86fd1", "#c2567f", "#8a8f3c")
GREY = "#808890"

_CHINESE_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN",
    "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "Arial Unicode MS",
)  # fmt: skip


def can_write(text: str) -> bool:
    """Return whether a font for `text` is installed; without a font, Chinese is drawn as boxes.

    Raises:
        MissingDependencyError: If matplotlib is not installed.
    """
    return text.isascii() or max(map(ord, text)) < WIDE or len(font_families()) > 1


def replace_missing_glyphs(text: str) -> str:
    """Return `text` with a box for each character without a font, to avoid matplotlib's warning."""
    if can_write(text):
        return text
    return "".join(character if ord(character) < WIDE else "□" for character in text)


def transparent_figure(height: float, width: float = WIDTH) -> Any:
    """Return a transparent `matplotlib.figure.Figure` of a size in inches, without pyplot.

    Raises:
        MissingDependencyError: If matplotlib is not installed.
    """
    font_families()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=160, facecolor="none")


def remove_frame(axes: Any, *, base: bool = True) -> None:
    """Remove the frame and make the labels grey; `base` keeps the line at the bottom."""
    axes.set(facecolor="none")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_visible(base)
    axes.spines["bottom"].set_color(GREY)
    axes.tick_params(colors=GREY, labelsize=9, length=3)
    axes.tick_params(axis="y", length=0)


def label_days(axes: Any) -> None:
    """Label the horizontal axis with days, in UTC."""
    from matplotlib.dates import AutoDateLocator

    axes.xaxis.set_major_locator(AutoDateLocator(minticks=4, maxticks=9, tz=timezone.utc))
    axes.xaxis.set_major_formatter(_day_label)


def set_title(axes: Any, title: str | None) -> None:
    """Write a title above the left edge of the axes."""
    style = {"color": GREY, "fontweight": "bold", "fontfamily": font_families(), "loc": "left"}
    axes.set_title(replace_missing_glyphs(title or ""), **style)


def retention_colours() -> Any:
    """Return a `Colormap` of one colour, from transparent to opaque."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    full = to_rgb(COLOURS[1])
    return LinearSegmentedColormap.from_list("retention", [(*full, 0.06), (*full, 1.0)])


def _day_label(day_number: float, position: int | None = None) -> str:
    """Return a label such as "15 Mar", with the year at the first tick and in January."""
    from matplotlib.dates import num2date

    day = num2date(day_number)
    year = f"\n{day.year}" if position == 0 or day.month == 1 else ""
    return f"{day.day} {day:%b}{year}"


def font_families() -> list[str]:
    """Return matplotlib's font, followed by a Chinese font if one is installed.

    Raises:
        MissingDependencyError: If matplotlib is not installed.
    """
    try:
        from matplotlib import font_manager
    except ImportError as error:
        raise MissingDependencyError.of("matplotlib", "plots") from error
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *[name for name in _CHINESE_FONTS if name in installed][:1]]
