"""The days that a question names, in English and in Chinese.

`date_wordings` reads each mention into parts. Parts side by side are merged ("last year" +
"May 4"), a word like "to" joins two into a range, and only then does `today` decide what was left
open. A match that overlaps one of an earlier row is dropped.
"""

import re
import unicodedata
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from .date_patterns import ROWS, TOKEN, Known, Parts, shifted

_YEARS = range(1900, 2201)
_TRADITIONAL = str.maketrans(
    "號週禮個兩這從談話說間與對後麼們過氣", "号周礼个两这从谈话说间与对后么们过气"
)
_SHAPES = {frozenset(shape.split()) for shape in ("year month", "month day", "year month day")}
_SHAPES |= {frozenset(("week", "weekday"))}
_BESIDE = {"", " ", ",", ", ", " of ", " in ", " on ", "的", " 的 ", "(", " ("}
_TO = re.compile(r" ?(?:[-–—~]|(?:一?直)?[到至]) ?| (?:up )?(?:to|until|till|through|thru) ")
_AND = {"and", "和", "与", "跟"}


@dataclass(frozen=True, slots=True)
class DayRange:
    """Days first..last, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days these are."""
        return (self.last - self.first).days + 1

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


class _Mention(NamedTuple):
    start: int
    end: int
    parts: Parts
    weak: bool


def _mentions(text: str, known: Known) -> list[_Mention]:
    tokens = set(TOKEN.findall(text.lower()))
    taken = bytearray(len(text))
    found = []
    for row in ROWS:
        if row.hints.isdisjoint(tokens):
            continue
        for match in row.pattern.finditer(text):
            start, end = match.span()
            if taken.find(1, start, end) < 0:
                taken[start:end] = b"\1" * (end - start)
                found.append(_Mention(start, end, row.read(match, known), row.weak))
    return sorted(found, key=lambda mention: mention.start)


def _folded(
    mentions: list[_Mention], combine: Callable[[_Mention, _Mention], _Mention | None]
) -> list[_Mention]:
    """The mentions with neighbours combined, from the left, wherever they can be."""
    folded: list[_Mention] = []
    for mention in mentions:
        combined = combine(folded[-1], mention) if folded else None
        if combined:
            folded[-1] = combined
        else:
            folded.append(mention)
    return folded


def _merged(left: _Mention, right: _Mention, text: str) -> _Mention | None:
    """Two mentions side by side as the one date that they name together."""
    if text[left.end : right.start] not in _BESIDE:
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


def _joined(left: _Mention, right: _Mention, text: str, today: date) -> _Mention | None:
    """The days of "`left` to `right`"; what one side leaves open follows from the other."""
    before, gap = text[max(0, left.start - 8) : left.start].lower(), text[left.end : right.start]
    between = before.endswith("between ") or text.startswith(("之间", "间"), right.end)
    if not (_TO.fullmatch(gap) or (between and gap.strip() in _AND)):
        return None
    if left.weak and right.weak and not between and not before.endswith("from "):
        return None
    continues = "month" in left.parts and "month" not in right.parts  # "from May 2 to the 5th"
    if _is_open(left.parts) and not continues:
        end = _resolved(right.parts, today)
        start = end and _nearest(left.parts, end.last, -1)
    else:
        start = _resolved(left.parts, today)
        end = start and _nearest(right.parts, start.first, 1)
    if not (start and end):
        return None
    first, last = min(start.first, end.first), max(start.last, end.last)
    parts = {"ordinal": first.toordinal(), "length": (last - first).days + 1}
    return _Mention(left.start, right.end, parts, False)


def _placed(parts: Parts) -> DayRange | None:
    """The days of parts that leave nothing open; None where the calendar has no such days."""
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
    return parts.keys().isdisjoint(("year", "week", "ordinal"))


def _nearest(parts: Parts, anchor: date, direction: int) -> DayRange | None:
    """Open parts placed at their last start up to `anchor` (-1), or first one from it on (1)."""
    if not parts or not _is_open(parts):
        return _placed(parts) if parts else None
    if "weekday" in parts:
        choices = [shifted(anchor, "week", away) for away in (0, direction)]
    elif "month" in parts:
        reach = 9 if parts.get("day") == 29 else 2  # 29 February may be eight years away
        choices = [{"year": anchor.year + direction * away} for away in range(reach)]
    else:
        choices = [shifted(anchor, "month", direction * away) for away in range(3)]
    for choice in choices:
        days = _placed(parts | choice)
        if days and (days.first >= anchor if direction > 0 else days.first <= anchor):
            return days
    return None


def _resolved(parts: Parts, today: date) -> DayRange | None:
    """The most recent days that fit; a weekday is never today itself."""
    if parts.keys() == {"weekday"} and today > date.min:
        today -= timedelta(1)
    return _nearest(parts, today, -1)


def find_days(
    text: str, *, today: date, first_day: date | None = None, last_day: date | None = None
) -> tuple[DayRange, ...]:
    """Days that `text` names, in the order of their mention, without duplicates.

    Whatever a date leaves open is read as the most recent past: a month and a day that this year
    has not reached yet are last year's, and a weekday is the last one before today. Vague words
    ("recently", 前几天), habits ("every Monday"), impossible dates and years outside 1900 to 2200
    name no day.

    Args:
        text: A question in English, Chinese, or both.
        today: The calendar day of the question in the user's time zone.
        first_day: The day of the user's first memory, for "our first conversation".
        last_day: The day of the user's last memory, for "the last time we talked".
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_TRADITIONAL)
    text = " ".join(text.split())
    mentions = _mentions(text, Known(today, first_day, last_day))
    mentions = _folded(mentions, lambda left, right: _merged(left, right, text))
    mentions = _folded(mentions, lambda left, right: _joined(left, right, text, today))
    resolved = (_resolved(mention.parts, today) for mention in mentions if not mention.weak)
    return tuple(dict.fromkeys(days for days in resolved if days))
