"""Words around a date that move it or make it a bound: "before", "since", "the day after", 之前.

A bound is open on one side: it reaches to the first memory or to today. "Before", "until" and
"after" become up to three ranges next to the date: a week, a month and the whole. Ranking lifts a
day by the shortest range that contains it, so near days are lifted more than remote ones.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from .day_range import DayRange
from .numbers import WEEKDAYS, read_number
from .patterns import COUNT, ZN

_NEAR = (7, 31)
"""Lengths of the ranges next to a bound, in days."""
_FURTHEST = 366
"""Length of a bound of a user without memories, in days."""
_REACH = 32
"""Number of characters before and after a date that can hold such words."""

_SIDES = {
    "before": "before|prior to|earlier than|ahead of|preceding|leading up to",
    "until": "until|till|til|up to|by|no later than|not later than|at the latest by|on or before"
    "|up until|before or on",
    "after": "after|following|later than",
    "since": "since|starting(?: from| on)?|on or after|from",
}
_LEAD = re.compile(
    r"\b(?:" + "|".join(f"(?P<{side}>{words})" for side, words in _SIDES.items()) + r")(?: the)? $"
)
_BOTH = re.compile(r"\b(?:before or after|after or before)(?: the)? $")
_OPEN_FROM = re.compile(r" ?(?:on|onwards?|or later|and later|and after)\b")
_OR_EARLIER = re.compile(r" or (?:earlier|before)\b")
_UNITS = {"day": 1, "night": 1, "week": 7, "fortnight": 14, "weekend": 2, "month": 30, "year": 365}
_SHIFT = re.compile(
    rf"\b(?:the |last |first |(?P<count>{COUNT}) )(?P<unit>day|night|morning|evening|weekend|week"
    r"|fortnight|month|(?:mon|tues|wednes|thurs|fri|satur|sun)day)s? "
    r"(?P<side>before|after|prior to|following)(?: the)? $"
)
_WEEK_OF = re.compile(r"\bthe (?P<unit>week|weekend) of(?: the)? $")
_CHINESE_LEAD = re.compile(
    r"(?P<since>自从|自|打从)(?:我|我们|上?)?$|(?P<until>直到|截至|截止到?|到)$"
)
_CHINESE_TAIL = re.compile(
    r"的?(?:那[天日年]|当[天日]|那个?月)?"
    r"(?:(?P<both>之前还是之后|以前还是以后|前还是后|前后)|(?P<until>为止|之内|及以前|或之前)|(?P<before>之前|以前|前(?![一两三天后面几任]|半个?))"
    r"|(?P<since>以来|起|开始(?!的)|至今|到现在|及以后)|(?P<after>之后|以后|过后|后(?![一两三天来面几]|半个?)))"
)
_CHINESE_SHIFT = re.compile(
    rf"的?(?P<side>前|后)(?:的)?(?P<count>\d{{1,2}}|{ZN}|两)个?(?P<unit>天|周|星期|礼拜|晚)|的?(?P<next>第二天|次日|隔天)"
    r"|的?(?P<eve>头一天|前夕|前夜)"
)


class Bounded(NamedTuple):
    """The days of a mention after its surrounding words are applied.

    Attributes:
        ranges: The days.
        start: Index of the first character of the mention with the words before it.
        exact: Whether the text names these days themselves, not only a bound.
        side: "before", "until", "after", "since" or "".
    """

    ranges: tuple[DayRange, ...]
    start: int
    exact: bool
    side: str


def apply_bound(
    text: str,
    start: int,
    end: int,
    days: DayRange,
    today: date,
    span: Callable[[], tuple[date, date] | None],
) -> Bounded:
    """Return the days that a mention means with the words around it.

    "The week before May 9" is that week and, since people often report it on May 9, that
    day.

    Args:
        text: The text.
        start: Index of the mention's first character.
        end: Index after its last character.
        days: The days of the mention itself.
        today: Today.
        span: Reads the days of the user's first and last memory.
    """
    lead, tail = text[max(0, start - _REACH) : start].lower(), text[end : end + _REACH].lower()
    shift = _SHIFT.search(lead)
    first = start - len(lead) + shift.start() if shift else start
    shifted = _shift(days, shift, lead, tail)
    if shifted:
        return Bounded((shifted,) if shifted.days == 1 else (shifted, days), first, True, "")
    side = _find_side(lead, tail)
    if not side:
        return Bounded((days,), start, True, "")
    return Bounded(_open_ranges(days, side, today, span), start, False, side)


def has_bound(text: str, start: int, end: int) -> bool:
    """Return whether the words around a mention make it a bound or move it."""
    lead, tail = text[max(0, start - _REACH) : start].lower(), text[end : end + _REACH].lower()
    return bool(_find_side(lead, tail) or _SHIFT.search(lead) or _CHINESE_SHIFT.match(tail))


def _find_side(lead: str, tail: str) -> str:
    """Return the side of a bound; "" if the words are not a bound."""
    if _BOTH.search(lead):
        return ""
    if chinese := _CHINESE_TAIL.match(tail):
        side = chinese.lastgroup or ""
        return "" if side == "both" else side
    if _OPEN_FROM.match(tail) and "from" in lead[-10:]:
        return "since"
    if english := _LEAD.search(lead):
        side = english.lastgroup or ""
        return "" if english["since"] == "from" else side
    if chinese := _CHINESE_LEAD.search(lead):
        return chinese.lastgroup or ""
    if re.match(r" ?(?:onwards?|or later|and after)\b", tail):
        return "since"
    return "until" if _OR_EARLIER.match(tail) else ""


def _shift(days: DayRange, english: re.Match[str] | None, lead: str, tail: str) -> DayRange | None:
    """Return the days of "the day before", "two weeks after", 前一天 and the like, or None."""
    if week := _WEEK_OF.search(lead):
        monday = days.first.toordinal() - days.first.weekday()
        return _from_ordinals(monday + 5 * (week["unit"] == "weekend"), monday + 6)
    if english:
        count, unit = read_number(english["count"] or "a"), english["unit"]
        sign = -1 if english["side"] in ("before", "prior to") else 1
        if unit == "week" and not english["count"]:
            return _beside(days, sign, 7)
        if unit in WEEKDAYS or unit == "weekend":
            weekday = WEEKDAYS.index("saturday" if unit == "weekend" else unit)
            return _nearest_weekday(days, sign, weekday, 2 if unit == "weekend" else 1)
        length = _UNITS.get(unit, 1)
        return _moved(days, sign * count * length, 0 if length == 1 else length // 2)
    if chinese := _CHINESE_SHIFT.match(tail):
        if chinese["next"] or chinese["eve"]:
            return _moved(days, 1 if chinese["next"] else -1, 0)
        count = read_number(chinese["count"]) * (1 if chinese["unit"] in "天晚" else 7)
        return _beside(days, -1 if chinese["side"] == "前" else 1, count)
    return None


def _moved(days: DayRange, offset: int, around: int) -> DayRange | None:
    """Return the days around the one that lies `offset` days from the days."""
    day = (days.first if offset < 0 else days.last).toordinal() + offset
    return _from_ordinals(day - around, day + around)


def _nearest_weekday(days: DayRange, sign: int, weekday: int, length: int) -> DayRange | None:
    """Return `length` days from the last such weekday before (-1), or the first after (1) them."""
    edge = days.first if sign < 0 else days.last
    distance = (sign * (weekday - edge.weekday()) - 1) % 7 + 1
    day = edge.toordinal() + sign * distance
    return _from_ordinals(day, day + length - 1)


def _beside(days: DayRange, sign: int, length: int) -> DayRange | None:
    """Return the `length` days directly before (-1) or after (1) the days."""
    if sign < 0:
        return _from_ordinals(days.first.toordinal() - length, days.first.toordinal() - 1)
    return _from_ordinals(days.last.toordinal() + 1, days.last.toordinal() + length)


def _from_ordinals(first: int, last: int) -> DayRange | None:
    if not date(1900, 1, 1).toordinal() <= first <= last <= date(2200, 12, 31).toordinal():
        return None
    return DayRange(date.fromordinal(first), date.fromordinal(last))


def _open_ranges(
    days: DayRange,
    side: str,
    today: date,
    span: Callable[[], tuple[date, date] | None],
) -> tuple[DayRange, ...]:
    """Return the ranges of a bound, the shortest first; at least one day next to the date."""
    known = span()
    if side in ("before", "until"):
        end = days.last.toordinal() if side == "until" else days.first.toordinal() - 1
        start = known[0].toordinal() if known else end - _FURTHEST + 1
        lengths = _lengths(end - start + 1)
        ranges = [_from_ordinals(end - length + 1, end) for length in lengths]
    else:
        start = days.first.toordinal() if side == "since" else days.last.toordinal() + 1
        end = max(today, known[1]).toordinal() if known else today.toordinal()
        # "Since" reaches up to today, which is not less likely than the days next to the date.
        lengths = [max(end - start + 1, 1)] if side == "since" else _lengths(end - start + 1)
        ranges = [_from_ordinals(start, start + length - 1) for length in lengths]
    return tuple(days for days in ranges if days)


def _lengths(longest: int) -> list[int]:
    longest = max(longest, 1)
    return [length for length in _NEAR if length < longest] + [longest]


def intersect(left: Bounded, right: Bounded) -> Bounded | None:
    """Return the days of "after X and before Y", or None for other bounds."""
    if left.side not in ("after", "since") or right.side not in ("before", "until"):
        return None
    if not left.ranges or not right.ranges:
        return None
    first, last = left.ranges[0].first, right.ranges[0].last
    return Bounded((DayRange(first, last),), left.start, False, "") if first <= last else None
