"""Forgetting curve of a memory as inline SVG, for light and dark backgrounds."""

from __future__ import annotations

from datetime import datetime, timedelta

from memorybank_core.forgetting import THRESHOLD, ForgettingLaw, fades_at
from memorybank_core.plots import History, curve, state_at
from memorybank_core.records import Memory

WIDTH, HEIGHT = 600.0, 132.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 14.0, 586.0, 10.0, 106.0
_POINTS = 48
_MAX_SPAN = timedelta(days=365)


def curve_svg(
    memory: Memory,
    recalls: list[datetime],
    law: ForgettingLaw,
    now: datetime,
    label: dict[str, str],
) -> str:
    """Draw the retention of a memory from its creation until it has faded; dots are recalls.

    Args:
        memory: The memory.
        recalls: Times of its recalls, oldest first.
        law: Forgetting law.
        now: Present time; the curve after it assumes no further recall.
        label: Labels of the points "start", "now" and "until" (the end) and of the "threshold",
            as safe HTML.

    Returns:
        The SVG element.
    """
    history = History.of(memory, recalls)
    start, until = history.created_at, _end(memory, law, now)
    scale = _Scale(start, until)
    times, levels = curve(history, law, until, _POINTS)
    level_now = state_at(history, law, now)[0]
    points = [scale.at(time, level) for time, level in zip(times, levels, strict=True)]
    here = scale.at(now, level_now)
    past = [point for point, time in zip(points, times, strict=True) if time <= now] + [here]
    future = [here] + [point for point, time in zip(points, times, strict=True) if time > now]
    floor = f"{_LEFT:.1f},{_BOTTOM}"
    dots = "".join(
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
        for x, y in (scale.at(at, state_at(history, law, at)[0]) for at in recalls if at <= until)
    )
    low = scale.at(start, THRESHOLD)[1]
    return (
        f'<svg class="curve" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img">'
        f'<polygon class="area" points="{floor} {_path(past)} {here[0]:.1f},{_BOTTOM}"/>'
        f'<line class="axis" x1="{_LEFT}" y1="{_BOTTOM}" x2="{_RIGHT}" y2="{_BOTTOM}"/>'
        f'<line class="low" x1="{_LEFT}" y1="{low:.1f}" x2="{_RIGHT}" y2="{low:.1f}"/>'
        f'<text x="{_RIGHT}" y="{_TOP + 4}" text-anchor="end">'
        f"╌ {label['threshold']} {THRESHOLD:g}</text>"
        f'<line class="now" x1="{here[0]:.1f}" y1="{_TOP}" x2="{here[0]:.1f}" y2="{_BOTTOM}"/>'
        f'<polyline class="future" points="{_path(future)}"/>'
        f'<polyline class="past" points="{_path(past)}"/>{dots}'
        f"{_dates(here[0], label)}</svg>"
    )


class _Scale:
    """Mapping from times and retentions to coordinates of the picture."""

    def __init__(self, start: datetime, until: datetime) -> None:
        self._start, self._span = start, until - start

    def at(self, time: datetime, level: float) -> tuple[float, float]:
        """Return the coordinates of a time and a retention."""
        share = min(max((time - self._start) / self._span, 0.0), 1.0)
        return _LEFT + share * (_RIGHT - _LEFT), _BOTTOM - level * (_BOTTOM - _TOP)


def _end(memory: Memory, law: ForgettingLaw, now: datetime) -> datetime:
    """Return a time shortly after the memory has faded, at most a year away."""
    fades = fades_at(memory, law, THRESHOLD) or now + _MAX_SPAN
    return max(min(fades, now + _MAX_SPAN), now + timedelta(days=1)) + timedelta(hours=12)


def _path(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _dates(here: float, label: dict[str, str]) -> str:
    """Label start, now and end below the axis; labels that would overlap "now" are left out."""
    y = HEIGHT - 8
    anchor = "start" if here < _LEFT + 30 else "end" if here > _RIGHT - 30 else "middle"
    texts = [f'<text x="{here:.1f}" y="{y}" text-anchor="{anchor}">{label["now"]}</text>']
    if here > _LEFT + 130:
        texts.append(f'<text x="{_LEFT}" y="{y}">{label["start"]}</text>')
    if here < _RIGHT - 130:
        texts.append(f'<text x="{_RIGHT}" y="{y}" text-anchor="end">{label["until"]}</text>')
    return "".join(texts)
