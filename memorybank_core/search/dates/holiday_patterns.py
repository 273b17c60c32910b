"""Patterns of holidays: on Christmas Eve, last Easter, over Thanksgiving, 去年中秋, 国庆期间."""

import re
from functools import partial

from .holidays import HOLIDAYS, holiday_day
from .parts import DateParts, ReferenceDays
from .patterns import OFFSETS, TOKEN, WHICH, DatePattern, group, pattern

_COMMON = frozenset(
    "day eve the st saint first second on at of and s festival night tree card market present gift "
    "carol song resolution sunday monday tuesday wednesday thursday friday in chinese".split()
)
"""Words of names that do not hint at a holiday."""
_COMMON_CHARACTERS = frozenset(
    "节年日夜前后那当晚我你他她它咱这去的之以一大假期间放小长黄金周国际、"
)
_AROUND = {"before": 3, "after": 3}
_ENGLISH_SPANS = {"weekend": {"before": 2, "after": 1}, "time": _AROUND, "season": _AROUND}
_CHINESE_SPANS: dict[str, DateParts] = {"前后": _AROUND, "": {}}
_WHOLE_HOLIDAYS = {"before": 0, "after": 6}


def _read_english(number: int, match: re.Match[str], reference: ReferenceDays) -> DateParts:
    span: DateParts = _AROUND if group(match, "over") else {}
    if stretch := group(match, "stretch"):
        span = _ENGLISH_SPANS.get(stretch, _WHOLE_HOLIDAYS)
    return _in_year({"holiday": number} | span, match, reference)


def _read_chinese(number: int, match: re.Match[str], reference: ReferenceDays) -> DateParts:
    span = _CHINESE_SPANS.get(group(match, "stretch"), _WHOLE_HOLIDAYS)
    return _in_year({"holiday": number} | span, match, reference)


def _in_year(parts: DateParts, match: re.Match[str], reference: ReferenceDays) -> DateParts:
    """Add the year to a holiday: "last Christmas" is the latest one before today."""
    if group(match, "year"):
        return parts | {"year": int(match["year"])}
    which, today = group(match), reference.today
    if not which:
        return parts
    day = holiday_day(parts["holiday"], today.year)
    passed, ahead = bool(day and day < today), bool(day and day > today)
    if OFFSETS[which] < 0:
        return parts | {"year": today.year - (not passed)}
    return parts | {"year": today.year + (OFFSETS[which] > 0 and not ahead)}


def _english_pattern(number: int, names: str) -> DatePattern:
    words = set(TOKEN.findall(names.replace("\\.", "").replace("?", ""))) - _COMMON
    hints = {
        form for word in words for form in (word, f"{word}s", word.rstrip("s")) if word.isalpha()
    }
    expression = (
        rf"\b(?:(?P<over>over|around|during) )?(?:the )?(?:{WHICH} )?(?:{names})(?!\w)(?:'s)?"
        r"(?: (?P<stretch>weekend|time|season|holidays?|break|vacation)\b)?"
        r"(?:(?:,| of| in)? (?P<year>(?:19|20|21)\d\d)\b)?"
    )
    return pattern(" ".join(hints), expression, partial(_read_english, number))


def _chinese_pattern(number: int, names: str) -> DatePattern:
    characters = {c for c in names if not c.isascii()}
    hints = "".join(characters - _COMMON_CHARACTERS or characters)
    expression = (
        rf"(?<![一二三四五六七八九十])(?:{names})(?P<stretch>假期|小?长假|黄金周|期间|放假|前后)?"
    )
    return pattern(hints, expression, partial(_read_chinese, number))


HOLIDAY_PATTERNS = (
    *(_english_pattern(n, item.english) for n, item in enumerate(HOLIDAYS) if item.english),
    *(_chinese_pattern(n, item.chinese) for n, item in enumerate(HOLIDAYS) if item.chinese),
)
"""One pattern for each holiday and language."""
