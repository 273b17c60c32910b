"""HTML of what will be forgotten: how many memories remain over time, as inline SVG."""

from __future__ import annotations

from datetime import datetime, timedelta

from memorybank_core.bank import MemoryBank
from memorybank_core.web.html_text import Strings, escape
from memorybank_core.web.markup import format_day, render_button

from .overview import HORIZON, Overview

_WIDTH, _HEIGHT = 640.0, 190.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 12.0, 628.0, 30.0, 160.0
_POINTS = 120
_MIN_SPAN = timedelta(days=60)


def render_forecast(
    overview: Overview, by: datetime, bank: MemoryBank, strings: Strings, *, write: bool
) -> str:
    """Return how many memories fade by a time, and the chart of those that remain.

    Args:
        overview: Counts over the user's memories.
        by: The time, within `HORIZON`.
        bank: Bank that holds the memories.
        strings: Texts of the page.
        write: Whether there is a button that archives what has faded.
    """
    count, faded = overview.count_faded(by), overview.count_faded(overview.now)
    day = format_day(bank.day_of(by), strings)
    counts = {"count": f"{count:,}", "active": f"{overview.active:,}"}
    lines = [f'<p class="mb-lead">{escape(strings["by"].format(day=day, **counts))}</p>']
    if faded:
        text = strings["faded_now"].format(count=f"{faded:,}")
        lines.append(f'<p class="mb-known">{escape(text)}</p>')
        if write:
            label = escape(strings["forget_faded"].format(count=f"{faded:,}"))
            lines.append(
                '<div class="mb-actions"><button type="button" class="mb-do" '
                f'data-do="forget_faded" data-id="">{label}</button></div>'
            )
    return "".join(lines) + _draw_remaining(overview, by, day, bank, strings)


def _draw_remaining(
    overview: Overview, by: datetime, day: str, bank: MemoryBank, strings: Strings
) -> str:
    """Draw the number of active memories that have not faded, to about twice as far as `by`."""
    span = min(max(2 * (by - overview.now), _MIN_SPAN), HORIZON)
    points = []
    for number in range(_POINTS + 1):
        share = number / _POINTS
        points.append((_x(share), _y(overview, overview.now + share * span)))
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    by_x, by_y = _x((by - overview.now) / span), _y(overview, by)
    passed = " ".join(f"{x:.1f},{y:.1f}" for x, y in points if x < by_x)
    end = format_day(bank.day_of(overview.now + span), strings)
    left = f"{overview.active - overview.count_faded(by):,}"
    anchor = "start" if by_x < _LEFT + 120 else "end" if by_x > _RIGHT - 120 else "middle"
    title = escape(strings["remaining"])
    return (
        f'<svg class="curve remaining" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" '
        f'aria-label="{title}">'
        f'<polygon class="area" points="{_LEFT},{_BOTTOM} {passed} {by_x:.1f},{by_y:.1f} '
        f'{by_x:.1f},{_BOTTOM}"/>'
        f'<line class="axis" x1="{_LEFT}" y1="{_BOTTOM}" x2="{_RIGHT}" y2="{_BOTTOM}"/>'
        f'<polyline class="past" points="{line}"/>'
        f'<line class="now" x1="{by_x:.1f}" y1="{_TOP - 8}" x2="{by_x:.1f}" y2="{_BOTTOM}"/>'
        f'<circle class="dot" cx="{by_x:.1f}" cy="{by_y:.1f}" r="5"/>'
        f'<text x="{by_x:.1f}" y="{_TOP - 12}" text-anchor="{anchor}">{escape(day)}: {left}</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 10}">{escape(strings["today"])}: '
        f"{overview.active - overview.count_faded(overview.now):,}</text>"
        f'<text x="{_RIGHT}" y="{_HEIGHT - 10}" text-anchor="end">{escape(end)}</text></svg>'
        f'<p class="mb-known mb-caption">{title}</p>'
    )


def _x(share: float) -> float:
    return _LEFT + min(max(share, 0.0), 1.0) * (_RIGHT - _LEFT)


def _y(overview: Overview, time: datetime) -> float:
    remaining = overview.active - overview.count_faded(time)
    return _BOTTOM - remaining / max(overview.active, 1) * (_BOTTOM - _TOP)


def moment_after(now: datetime, days: object) -> datetime:
    """Return the time `days` after `now`, within `HORIZON`; `days` comes from the browser."""
    count = days if isinstance(days, (int, float)) and days >= 0 else 0
    return now + min(timedelta(days=min(count, HORIZON.days)), HORIZON)


def render_more(shown: int, count: int, strings: Strings) -> str:
    """Return a button that lists more memories; "" if all are listed."""
    if shown >= count:
        return ""
    button = render_button("more_fading", "", strings)
    return f'<nav class="mb-pager"><span>{shown:,} / {count:,}</span>{button}</nav>'
