"""Mentions of dates in a text: found by the patterns, merged, and joined into ranges."""

import re
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from .absolute_patterns import DAYS, DAYS_OF_THE_MONTH, MONTHS_AND_YEARS
from .absolute_patterns import WEAK as WEAK_DATES
from .holiday_patterns import HOLIDAY_PATTERNS
from .parts import MODIFIERS, DateParts, ReferenceDays, find_nearest, lacks_year, resolve
from .patterns import TOKEN
from .period_patterns import PERIODS, SEASONS
from .relative_patterns import CONVERSATIONS, HABITS, RELATIVE, WEAK_WEEKDAYS, WEEKDAYS
from .window_patterns import WINDOWS

_PATTERNS = (
    *HABITS,
    *HOLIDAY_PATTERNS,
    *DAYS,
    *PERIODS,
    *MONTHS_AND_YEARS,
    *WINDOWS,
    *RELATIVE,
    *WEEKDAYS,
    *CONVERSATIONS,
    *DAYS_OF_THE_MONTH,
    *WEAK_DATES[:2],
    *WEAK_WEEKDAYS,
    *WEAK_DATES[2:],
    *SEASONS,
)
"""All patterns by priority: a match that overlaps one of an earlier pattern is dropped."""

_PATTERNS_BY_HINT: dict[str, list[int]] = {}
for _number, _pattern in enumerate(_PATTERNS):
    for _hint in _pattern.hints:
        _PATTERNS_BY_HINT.setdefault(_hint, []).append(_number)
_SHAPES = {frozenset(shape.split()) for shape in ("year month", "month day", "year month day")}
_SHAPES |= {frozenset(("week", "weekday")), frozenset(("year", "holiday"))}
_ADJACENT = {"", " ", ",", ", ", " of ", " in ", " on ", " from ", "的", " 的 ", "(", " ("}
_TO = re.compile(
    r" ?(?:[-–—~]|\.\.|--|(?:一?直)?[到至]) ?| (?:up )?(?:to|until|till|through|thru) (?:the )?"
)
_AND = re.compile(r",? and (?:the )?| ?[和与跟] ?")
_SLASH = re.compile(r" ?/ ?")


class Mention(NamedTuple):
    """A date in a text.

    Attributes:
        start: Index of its first character.
        end: Index after its last character.
        parts: Its parts; {} for words that only look like a date.
        weak: Whether it counts only next to another date or a bound.
    """

    start: int
    end: int
    parts: DateParts
    weak: bool


def find_mentions(text: str, reference: ReferenceDays) -> list[Mention]:
    """Return the mentions of dates in a text, in order, merged and joined."""
    mentions = _match_patterns(text, reference)
    if len(mentions) > 1:
        mentions = _combine(mentions, lambda left, right: _merge(left, right, text))
        today = reference.today
        mentions = _combine(mentions, lambda left, right: _join_range(left, right, text, today))
    return mentions


def _match_patterns(text: str, reference: ReferenceDays) -> list[Mention]:
    tokens = _PATTERNS_BY_HINT.keys() & TOKEN.findall(text.lower())
    taken = bytearray(len(text))
    mentions = []
    for number in sorted({number for token in tokens for number in _PATTERNS_BY_HINT[token]}):
        pattern = _PATTERNS[number]
        for match in pattern.regex.finditer(text):
            start, end = match.span()
            if taken.find(1, start, end) < 0:
                taken[start:end] = b"\1" * (end - start)
                mentions.append(Mention(start, end, pattern.read(match, reference), pattern.weak))
    return sorted(mentions, key=lambda mention: mention.start)


def _combine(
    mentions: list[Mention], combine: Callable[[Mention, Mention], Mention | None]
) -> list[Mention]:
    """Combine neighbours from left to right; `combine` returns None for two that stay apart."""
    folded: list[Mention] = []
    for mention in mentions:
        combined = combine(folded[-1], mention) if folded else None
        if combined:
            folded[-1] = combined
        else:
            folded.append(mention)
    return folded


def _merge(left: Mention, right: Mention, text: str) -> Mention | None:
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
        if not differ or frozenset(parts.keys() - MODIFIERS) not in _SHAPES:
            return None
    return Mention(left.start, right.end, parts, left.weak and right.weak)


def _join_range(left: Mention, right: Mention, text: str, today: date) -> Mention | None:
    """Return the range "`left` to `right`", or None if there is no such range.

    Each side completes an incomplete date on the other side.
    """
    before, gap = text[max(0, left.start - 12) : left.start].lower(), text[left.end : right.start]
    before = before.removesuffix("the ")
    between = before.endswith("between ") or text.startswith(("之间", "间"), right.end)
    complete = not lacks_year(left.parts) and not lacks_year(right.parts)
    joined = _TO.fullmatch(gap) or (between and _AND.fullmatch(gap))
    if not joined and not (complete and _SLASH.fullmatch(gap)):
        return None
    if left.weak and right.weak and not between and not before.endswith("from "):
        return None
    continues = "month" in left.parts and "month" not in right.parts  # "from May 2 to the 5th"
    if lacks_year(left.parts) and not continues:
        end = resolve(right.parts, today)
        start = end and find_nearest(left.parts, end.last, -1)
    else:
        start = resolve(left.parts, today)
        end = start and find_nearest(right.parts, start.first, 1)
    if not (start and end):
        return None
    first, last = min(start.first, end.first), max(start.last, end.last)
    parts = {"ordinal": first.toordinal(), "length": (last - first).days + 1}
    return Mention(left.start, right.end, parts, False)
