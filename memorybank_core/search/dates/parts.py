"""Parts of a date, and the days that they mean.

Parts are a dict with some of these keys; an incomplete date lacks some.

| key | meaning |
| --- | --- |
| year, month, day | as in the calendar |
| until | a later day of that month |
| months | number of months from `month`: a season, a quarter, half a year |
| part | part of the month: an index of `MONTH_PARTS` |
| week | ordinal of a Monday |
| weekday | 0 (Monday) to 6 |
| ordinal, length | ordinal of a day, and the number of days from it |
| holiday | an index of `HOLIDAYS` |
| before, after | number of further days before and after |
"""

from calendar import monthrange
from collections.abc import Callable
from datetime import date, timedelta
from typing import NamedTuple

from .day_range import DayRange
from .holidays import holiday_day

DateParts = dict[str, int]

MONTH_PARTS = (
    (1, 10), (11, 20), (21, 31),  # early, mid, late
    (1, 7), (8, 14), (15, 21), (22, 28), (-7, 31),  # the first to the last week
    (1, 15), (16, 31),  # halves
    (1, 1), (-1, 31),  # the first and the last day
)  # fmt: skip
"""First and last day of each part of a month; a negative one counts from the end of the month."""
FIRST_DAY = 10
"""Index of the first of the parts that are single days."""
MODIFIERS = frozenset(("until", "months", "part", "before", "after"))
"""Keys that qualify a date and do not complete it."""

_YEARS = range(1900, 2201)
_UNITS = {"天": "day", "日": "day", "周": "week", "星期": "week", "礼拜": "week"}
_UNITS |= {"周末": "weekend", "月": "month", "年": "year", "季度": "quarter"}


class ReferenceDays(NamedTuple):
    """The days to which relative words refer, and how numeric dates are read.

    Attributes:
        today: Today.
        span: Reads the days of the user's first and last memory, if there are memories.
        day_first: Whether 3/4 is 3 April and not March 4.
    """

    today: date
    span: Callable[[], tuple[date, date] | None]
    day_first: bool = False


def shift_date(today: date, unit: str, offset: int) -> DateParts:
    """Return the day, week, month or year that lies `offset` units after the one of today."""
    week = today.toordinal() - today.weekday() + 7 * offset
    year, month = divmod(today.year * 12 + today.month - 1 + offset, 12)
    quarter = today.year * 4 + (today.month - 1) // 3 + offset
    units: dict[str, DateParts] = {
        "day": {"ordinal": today.toordinal() + offset},
        "week": {"week": week},
        "fortnight": {"week": week + 7 * offset},
        "weekend": {"ordinal": week + 5, "length": 2},
        "month": {"year": year, "month": month + 1},
        "quarter": {"year": quarter // 4, "month": quarter % 4 * 3 + 1, "months": 3},
        "year": {"year": today.year + offset},
    }
    return units[_UNITS.get(unit, unit)]


def same_day(today: date, unit: str, offset: int) -> date | None:
    """Return the same day of the month or of the year, `offset` units after that of today.

    A day that the month lacks becomes its last day. None if the calendar has no such year.
    """
    if unit in ("month", "year"):
        year, month = divmod(
            today.year * 12 + today.month - 1 + offset * (12, 1)[unit == "month"], 12
        )
        if not 1 <= year <= 9999:
            return None
        return date(year, month + 1, min(today.day, monthrange(year, month + 1)[1]))
    days = {"day": 1, "week": 7, "fortnight": 14}[unit] * offset
    ordinal = today.toordinal() + days
    return date.fromordinal(ordinal) if 1 <= ordinal <= date.max.toordinal() else None


def to_days(parts: DateParts) -> DayRange | None:
    """Return the days of complete parts; None if the calendar has no such days."""
    try:
        if "holiday" in parts:
            day = holiday_day(parts["holiday"], parts["year"])
            if day is None:
                return None
            first = last = day
        elif "year" in parts:
            first, last = _calendar_days(parts)
        else:
            start = parts.get("ordinal", parts.get("week", 0)) + parts.get("weekday", 0)
            first = date.fromordinal(start)
            length = parts.get("length", 7 if parts.keys() == {"week"} else 1)
            last = first + timedelta(length - 1)
        first -= timedelta(parts.get("before", 0))
        last += timedelta(parts.get("after", 0))
    except (ValueError, OverflowError):
        return None
    fits = first <= last and first.year in _YEARS and last.year in _YEARS
    return DayRange(first, last) if fits else None


def _calendar_days(parts: DateParts) -> tuple[date, date]:
    """Return the first and the last day of parts with a year.

    Raises:
        ValueError: If the calendar has no such days.
    """
    year, month = parts["year"], parts.get("month", 1)
    months = parts.get("months", 1 if "month" in parts else 12)
    end_year, end_month = divmod(year * 12 + month - 2 + months, 12)
    end_month += 1
    length = monthrange(end_year, end_month)[1]
    if "part" in parts:
        start, end = MONTH_PARTS[parts["part"]]
        start = start if start > 0 else length + 1 + start
        return date(year, month, start), date(year, month, min(end, length))
    end = parts.get("until") or parts.get("day") or length
    return date(year, month, parts.get("day", 1)), date(end_year, end_month, end)


def lacks_year(parts: DateParts) -> bool:
    """Return whether the parts lack a year, and a week or a day that would do in its place."""
    return parts.keys().isdisjoint(("year", "week", "ordinal"))


def find_nearest(parts: DateParts, anchor: date, direction: int) -> DayRange | None:
    """Return the nearest days before (-1) or after (1) `anchor` that match parts without a year."""
    if not parts or not lacks_year(parts):
        return to_days(parts) if parts else None
    if "weekday" in parts:
        choices = [shift_date(anchor, "week", offset) for offset in (0, direction)]
    elif "month" in parts or "holiday" in parts:
        reach = 9 if parts.get("day") == 29 else 2  # 29 February may be eight years away
        choices = [{"year": anchor.year + direction * offset} for offset in range(reach)]
    else:
        choices = [shift_date(anchor, "month", direction * offset) for offset in range(3)]
    for choice in choices:
        days = to_days(parts | choice)
        if days and (days.first >= anchor if direction > 0 else days.first <= anchor):
            return days
    return None


def resolve(parts: DateParts, today: date) -> DayRange | None:
    """Return the most recent days that match the parts; a weekday never means today."""
    if parts.keys() == {"weekday"} and today > date.min:
        today -= timedelta(1)
    return find_nearest(parts, today, -1)
