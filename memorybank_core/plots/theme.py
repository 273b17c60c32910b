"""How the pictures look: colours that read on light and on dark, and fonts."""

from __future__ import annotations

from datetime import timezone
from typing import Any

from memorybank_core.errors import MissingDependencyError

from .history import WIDE

WIDTH = 9.0  # inches
COLOURS = ("#d9622b", "#2f8fce", "#3a9d5d", "#a86fd1", "#c2567f", "#8a8f3c")
GREY = "#808890"  # these read on white and on black

_CHINESE_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN",
    "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "Arial Unicode MS",
)  # fmt: skip


def can_write(text: str) -> bool:
    """Whether a font for `text` is installed: without one, Chinese is drawn as boxes.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    return text.isascii() or max(map(ord, text)) < WIDE or len(fonts()) > 1


def drawable(text: str) -> str:
    """`text` with a box for each sign that no font here has: matplotlib would warn of it."""
    if can_write(text):
        return text
    return "".join(sign if ord(sign) < WIDE else "□" for sign in text)


def blank(height: float, width: float = WIDTH) -> Any:
    """A transparent `matplotlib.figure.Figure`, of a size in inches, without pyplot's state."""
    fonts()  # says what to install
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=160, facecolor="none")


def bare(axes: Any, *, base: bool = True) -> None:
    """Takes the frame off, and writes in grey; with a `base` line or none."""
    axes.set(facecolor="none")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_visible(base)
    axes.spines["bottom"].set_color(GREY)
    axes.tick_params(colors=GREY, labelsize=9, length=3)
    axes.tick_params(axis="y", length=0)


def dated(axes: Any) -> None:
    """Writes days below the picture, in UTC."""
    from matplotlib.dates import AutoDateLocator

    axes.xaxis.set_major_locator(AutoDateLocator(minticks=4, maxticks=9, tz=timezone.utc))
    axes.xaxis.set_major_formatter(_day_label)


def name_above(axes: Any, title: str | None) -> None:
    """Writes the title of a picture above its left edge."""
    style = {"color": GREY, "fontweight": "bold", "fontfamily": fonts(), "loc": "left"}
    axes.set_title(drawable(title or ""), **style)


def fading_colours() -> Any:
    """A `Colormap` of retention: of one colour, from nothing to whole."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    full = to_rgb(COLOURS[1])
    return LinearSegmentedColormap.from_list("retention", [(*full, 0.06), (*full, 1.0)])


def _day_label(day_number: float, position: int | None = None) -> str:
    """For example "15 Mar", with the year at the first tick and in January."""
    from matplotlib.dates import num2date

    day = num2date(day_number)
    year = f"\n{day.year}" if position == 0 or day.month == 1 else ""
    return f"{day.day} {day:%b}{year}"


def fonts() -> list[str]:
    """The fonts to write with: matplotlib's own, then one with Chinese where there is one."""
    try:
        from matplotlib import font_manager
    except ImportError as error:
        raise MissingDependencyError.of("matplotlib", "plots") from error
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *[name for name in _CHINESE_FONTS if name in installed][:1]]
