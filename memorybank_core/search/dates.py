"""Dates in a query: the days that it names, in English and in Chinese.

`date_patterns` reads each mention into parts. Adjacent parts are merged ("last year" + "May 4"), a
word such as "to" joins two into a range, and `today` completes dates that lack a year or a month.
A match that overlaps a match of an earlier pattern is dropped.
"""

import re
import unicodedata
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from .date_patterns import ROWS, TOKEN, Parts, ReferenceDays, shift_date

_YEARS = range(1900, 2201)
_TRADITIONAL = str.maketrans(
    "號週禮個兩這從談話說間與對後麼們過氣", "号周礼个两这从谈话说间与对后么们过气"
)
_SHAPES = {frozenset(shape.split()) for shape in ("year month", "month day", "year month day")}
_SHAPES |= {frozenset(("week", "weekday"))}
_ADJACENT = {"", " ", ",", ", ", " of ", " in ", " on ", "的", " 的 ", "(", " ("}
_TO = re.compile(r" ?(?:[-–—~]|(?:一?直)?[到至]) ?| (?:up )?(?:to|until|till|through|thru) ")
_AND = {"and", "和", "与", "跟"}


@dataclass(frozen=True, slots=True)
class DayRange:
    """The days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """The number of days."""
        return (self.last - self.first).days + 1

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


class _Mention(NamedTuple):
    start: int
    end: int
    parts: Parts
    weak: bool


def _find_mentions(text: str, reference: ReferenceDays) -> list[_Mention]:
    tokens = set(TOKEN.findall(text.lower()))
    taken = bytearray(len(text))
    mentions = []
    for row in ROWS:
        if row.hints.isdisjoint(tokens):
            continue
        for match in row.pattern.finditer(text):
            start, end = match.span()
            if taken.find(1, start, end) < 0:
                taken[start:end] = b"\1" * (end - start)
                mentions.append(_Mention(start, end, row.read(match, reference), row.weak))
    return sorted(mentions, key=lambda mention: mention.start)


def _combine(
    mentions: list[_Mention], combine: Callable[[_Mention, _Mention], _Mention | None]
) -> list[_Mention]:
    """Combine neighbours from left to right; `combine` returns None for two that stay apart."""
    folded: list[_Mention] = []
    for mention in mentions:
        combined = combine(folded[-1], mention) if folded else None
        if combined:
            folded[-1] = combined
        else:
            folded.append(mention)
    return folded


def _merge(left: _Mention, right: _Mention, text: str) -> _Mention | None:
    """Merge two adjacent mentions that name one date together; return None for others."""
    if text[left.end : right.start] not in _ADJACENT:
        return None
    parts = left.parts | right.parts
    for weekday, day in ((left.parts, right.parts), (right.parts, left.parts)):
        if weekday.keys() == {"weekday"} and not day.keys().isdisjoint(("day", "ordinal")):
            parts = day  # "Sunday, May 4"
            break
    else:
        differ = left.parts and right.parts and left.parts.keys().isdisjoint(right.parts)
        if not differ or frozenset(parts.keys() - {"until"}) not in _SHAPES:
            return None
    return _Mention(left.start, right.end, parts, left.weak and right.weak)


def _join_range(left: _Mention, right: _Mention, text: str, today: date) -> _Mention | None:
    """Return the range "`left` to `right`", or None if there is no such range.

    Each side completes an incomplete date on the other side.
    """
    before, gap = text[max(0, left.start - 8) : left.start].lower(), text[left.end : right.start]
    between = before.endswith("between ") or text.startswith(("之间", "间"), right.end)
    if not (_TO.fullmatch(gap) or (between and gap.strip() in _AND)):
        return None
    if left.weak and right.weak and not between and not before.endswith("from "):
        return None
    continues = "month" in left.parts and "month" not in right.parts  # "from May 2 to the 5th"
    if _is_open(left.parts) and not continues:
        end = _resolve(right.parts, today)
        start = end and _find_nearest(left.parts, end.last, -1)
    else:
        start = _resolve(left.parts, today)
        end = start and _find_nearest(right.parts, start.first, 1)
    if not (start and end):
        return None
    first, last = min(start.first, end.first), max(start.last, end.last)
    parts = {"ordinal": first.toordinal(), "length": (last - first).days + 1}
    return _Mention(left.start, right.end, parts, False)


def _to_days(parts: Parts) -> DayRange | None:
    """Return the days of complete parts; None if the calendar has no such days."""
    try:
        if "year" in parts:
            year, month = parts["year"], parts.get("month", 12)
            first = date(year, parts.get("month", 1), parts.get("day", 1))
            until = parts.get("until") or parts.get("day") or monthrange(year, month)[1]
            last = date(year, month, until)
        else:
            first = date.fromordinal(
                parts.get("ordinal", parts.get("week", 0)) + parts.get("weekday", 0)
            )
            length = parts.get("length", 7 if parts.keys() == {"week"} else 1)
            last = first + timedelta(length - 1)
    except (ValueError, OverflowError):
        return None
    fits = first <= last and first.year in _YEARS and last.year in _YEARS
    return DayRange(first, last) if fits else None


def _is_open(parts: Parts) -> bool:
    """Return whether the parts leave the year open."""
    return parts.keys().isdisjoint(("year", "week", "ordinal"))


def _find_nearest(parts: Parts, anchor: date, direction: int) -> DayRange | None:
    """Return the nearest days before (-1) or after (1) `anchor` that match open parts."""
    if not parts or not _is_open(parts):
        return _to_days(parts) if parts else None
    if "weekday" in parts:
        choices = [shift_date(anchor, "week", offset) for offset in (0, direction)]
    elif "month" in parts:
        reach = 9 if parts.get("day") == 29 else 2  # 29 February may be eight years away
        choices = [{"year": anchor.year + direction * offset} for offset in range(reach)]
    else:
        choices = [shift_date(anchor, "month", direction * offset) for offset in range(3)]
    for choice in choices:
        days = _to_days(parts | choice)
        if days and (days.first >= anchor if direction > 0 else days.first <= anchor):
            return days
    return None


def _resolve(parts: Parts, today: date) -> DayRange | None:
    """Return the most recent days that match the parts; a weekday never means today."""
    if parts.keys() == {"weekday"} and today > date.min:
        today -= timedelta(1)
    return _find_nearest(parts, today, -1)


def find_days(
    text: str, *, today: date, span: Callable[[], tuple[date, date] | None] = lambda: None
) -> tuple[DayRange, ...]:
    """Return the days that `text` names, in the order of their mention, without duplicates.

    An incomplete date means the most recent past: a month and day that are still ahead this year
    belong to last year, and a weekday is the last one before today. Vague words ("recently",
    前几天), habits ("every Monday"), impossible dates and years outside 1900 to 2200 are ignored.

    Args:
        text: A question in English, Chinese, or both.
        today: The calendar day of the question in the user's time zone.
        span: Reads the days of the user's first and last memory; called only for "our first
            conversation", "the last time we talked" and the like.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_TRADITIONAL)
    text = " ".join(text.split())
    mentions = _find_mentions(text, ReferenceDays(today, span))
    mentions = _combine(mentions, lambda left, right: _merge(left, right, text))
    mentions = _combine(mentions, lambda left, right: _join_range(left, right, text, today))
    resolved = (_resolve(mention.parts, today) for mention in mentions if not mention.weak)
    return tuple(dict.fromkeys(days for days in resolved if days))


def find_named_days(
    text: str, *, today: date, span: Callable[[], tuple[date, date] | None] = lambda: None
) -> tuple[DayRange, ...]:
    """Return the days that `text` names itself, without days before or after a day it names.

    The arguments are those of `find_days`.
    """
    return find_days(text, today=today, span=span)
