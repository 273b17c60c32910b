"""Drawing of a memory's forgetting curve as inline SVG, for light and dark backgrounds."""

from __future__ import annotations

from datetime import datetime, timedelta

from memorybank_core.forgetting import THRESHOLD, ForgettingLaw, fades_at
from memorybank_core.plots import History, curve, state_at
from memorybank_core.records import Memory

WIDTH, HEIGHT = 600.0, 132.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 14.0, 586.0, 10.0, 106.0
_POINTS = 48
_MAX_SPAN = timedelta(days=365)


def draw_curve(
    memory: Memory,
    recalls: list[datetime],
    law: ForgettingLaw,
    now: datetime,
    labels: dict[str, str],
) -> str:
    """Draw the retention of a memory from its creation until it has faded; dots are recalls.

    Args:
        memory: The memory.
        recalls: Times of its recalls, oldest first.
        law: Forgetting law.
        now: Present time; the curve after it assumes no further recalls.
        labels: Labels of the points "start", "now" and "until" (the end) and of the "threshold",
            and the "title" of the picture, as escaped HTML.

    Returns:
        The SVG element.
    """
    history = History.of(memory, recalls)
    start, until = history.created_at, _find_end(memory, law, now)
    scale = _Scale(start, until)
    times, retentions = curve(history, law, until, _POINTS)
    retention_now = state_at(history, law, now)[0]
    points = [scale.at(time, retention) for time, retention in zip(times, retentions, strict=True)]
    now_point = scale.at(now, retention_now)
    now_x = now_point[0]
    past = [point for point, time in zip(points, times, strict=True) if time <= now] + [now_point]
    future = [now_point] + [point for point, time in zip(points, times, strict=True) if time > now]
    bottom_left = f"{_LEFT:.1f},{_BOTTOM}"
    dots = "".join(
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
        for x, y in (scale.at(at, state_at(history, law, at)[0]) for at in recalls if at <= until)
    )
    threshold_y = f"{scale.at(start, THRESHOLD)[1]:.1f}"
    return (
        f'<svg class="curve" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'aria-label="{labels["title"]}">'
        f'<polygon class="area" points="{bottom_left} {_format_path(past)} {now_x:.1f},{_BOTTOM}"/>'
        f'<line class="axis" x1="{_LEFT}" y1="{_BOTTOM}" x2="{_RIGHT}" y2="{_BOTTOM}"/>'
        f'<line class="low" x1="{_LEFT}" y1="{threshold_y}" x2="{_RIGHT}" y2="{threshold_y}"/>'
        f'<text x="{_RIGHT}" y="{_TOP + 4}" text-anchor="end">'
        f"╌ {labels['threshold']} {THRESHOLD:g}</text>"
        f'<line class="now" x1="{now_x:.1f}" y1="{_TOP}" x2="{now_x:.1f}" y2="{_BOTTOM}"/>'
        f'<polyline class="future" points="{_format_path(future)}"/>'
        f'<polyline class="past" points="{_format_path(past)}"/>{dots}'
        f"{_draw_date_labels(now_x, labels)}</svg>"
    )


class _Scale:
    """Mapping of times and retentions to coordinates in the SVG."""

    def __init__(self, start: datetime, until: datetime) -> None:
        self._start, self._span = start, until - start

    def at(self, time: datetime, retention: float) -> tuple[float, float]:
        """Return the coordinates of a time and a retention."""
        share = min(max((time - self._start) / self._span, 0.0), 1.0)
        return _LEFT + share * (_RIGHT - _LEFT), _BOTTOM - retention * (_BOTTOM - _TOP)


def _find_end(memory: Memory, law: ForgettingLaw, now: datetime) -> datetime:
    """Return the end of the curve: shortly after the memory has faded, within a year."""
    fades = fades_at(memory, law, THRESHOLD) or now + _MAX_SPAN
    return max(min(fades, now + _MAX_SPAN), now + timedelta(days=1)) + timedelta(hours=12)


def _format_path(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _draw_date_labels(now_x: float, labels: dict[str, str]) -> str:
    """Label start, now and end below the axis, except labels that would overlap "now"."""
    y = HEIGHT - 8
    anchor = "start" if now_x < _LEFT + 30 else "end" if now_x > _RIGHT - 30 else "middle"
    texts = [f'<text x="{now_x:.1f}" y="{y}" text-anchor="{anchor}">{labels["now"]}</text>']
    if now_x > _LEFT + 130:
        texts.append(f'<text x="{_LEFT}" y="{y}">{labels["start"]}</text>')
    if now_x < _RIGHT - 130:
        texts.append(f'<text x="{_RIGHT}" y="{y}" text-anchor="end">{labels["until"]}</text>')
    return "".join(texts)
