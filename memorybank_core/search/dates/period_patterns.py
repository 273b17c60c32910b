"""Patterns of parts of months and years: early July, the end of May, Q2, 上半年, last spring.

Seasons are those of the northern hemisphere, by whole months: spring begins in March.
"""

import re

from .absolute_patterns import read_month
from .numbers import read_number
from .parts import FIRST_DAY, DateParts, ReferenceDays, shift_date, to_days
from .patterns import (
    OFFSETS,
    WHICH,
    Y_END,
    Z_WHICH,
    ZM,
    M,
    group,
    pattern,
    read_parts,
)

_EARLY = r"early(?: in)?|(?:the )?(?:start|beginning) of"
_MID = r"mid(?:dle of)?|(?:the )?middle of|mid-"
_LATE = r"late(?: in)?|(?:the )?(?:very )?end of"
_WEEKS = r"(?:the )?(?:first|second|third|fourth|last|1st|2nd|3rd|4th) week of"
_HALVES = r"(?:the )?(?:first|second) half of"
_EDGES = r"(?:the )?(?:first|last) day of"
_PART = (
    rf"(?=[esbmltf1-4])(?P<part>{_EARLY}|{_MID}|{_LATE}|{_WEEKS}|{_HALVES}|{_EDGES})"
    r"[ -]?(?:the month of )?"
)
_HAS_PART = "early start beginning mid middle late end week half day"
_YEAR_PARTS = ((1, 3), (5, 4), (10, 3))
"""First month and number of months of early, mid and late in a year."""
_SEASONS = {"spring": 3, "春": 3, "summer": 6, "夏": 6, "autumn": 9, "fall": 9, "秋": 9}
_SEASONS |= {"winter": 12, "冬": 12}
_HAS_SEASON = "spring summer autumn fall winter"
_SEASON = r"(?P<season>spring|summer|autumn|winter)(?:time)?(?: (?:holidays?|break|vacation))?"
_FALL = r"(?P<season>spring|summer|autumn|fall|winter)(?: (?:holidays?|break|vacation))?"
_ORDER = {"first": 0, "1st": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "4th": 3}
_ORDER |= {"last": 4, "初": 0, "上旬": 0, "中": 1, "中旬": 1, "底": 2, "末": 2, "下旬": 2}


def _part_index(text: str) -> int:
    """Return the index of `MONTH_PARTS` that a phrase means."""
    text = text.lower().removeprefix("the ")
    first = text.split()[0]
    if "week" in text:
        return 3 + _ORDER[first]
    if "half" in text:
        return 8 + _ORDER[first]
    if "day" in text:
        return FIRST_DAY + (first == "last")
    return 0 if first in ("early", "start", "beginning") else 1 if first.startswith("mid") else 2


def _read_part_of_month(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    parts = read_month(match, reference)
    return parts and parts | {"part": _part_index(match["part"])}


def _read_part_of_year(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    """Read "late 2024", "early last year", "the end of the year"."""
    index = _part_index(match["part"])
    if 3 <= index < 8 or index >= FIRST_DAY:  # a week or a day
        parts = {"month": 12 if index in (7, 11) else 1, "part": index}
    else:
        month, months = (*_YEAR_PARTS, (1, 6), (7, 6))[index if index < 3 else index - 5]
        parts = {"month": month, "months": months}
    if match["year"]:
        return parts | {"year": int(match["year"])}
    which = group(match)
    return parts | ({"year": reference.today.year + OFFSETS[which]} if which else {})


def _read_part_of_this(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    """Read "early last month" and "the end of last week"."""
    index, unit = _part_index(match["part"]), match["unit"].lower()
    if unit == "month" and not group(match):
        return {"part": index}
    base = shift_date(reference.today, unit, OFFSETS[group(match) or "this"])
    if unit == "month":
        return base | {"part": index}
    first = (0, 2, 4)[index % 3]
    return {"ordinal": base["week"] + first, "length": 3}


def _read_months(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    """Read a season, a quarter or a half; "last summer" is the latest one that has ended."""
    months = 6 if group(match, "half") else 3
    if season := group(match, "season"):
        month = _SEASONS[season]
    elif half := group(match, "half"):
        month = 1 if half in ("first", "1st", "1", "上") else 7
    else:
        quarter = group(match, "quarter")
        month = 3 * (_ORDER[quarter] if quarter in _ORDER else read_number(quarter) - 1) + 1
    parts = {"month": month, "months": months}
    if group(match, "year"):
        return parts | {"year": int(match["year"])}
    return parts | _which_year(parts, group(match), reference)


def _which_year(parts: DateParts, which: str, reference: ReferenceDays) -> DateParts:
    """Return the year of "last", "this" or "next" months, or {} without such a word."""
    if not which:
        return {}
    offset, today = OFFSETS[which], reference.today
    years = range(today.year - 2, today.year + 3)
    choices = [days for year in years if (days := to_days(parts | {"year": year}))]
    if offset < 0:
        chosen = [days for days in choices if days.last < today][-1:]
    elif offset > 0:
        chosen = [days for days in choices if days.first > today][:1]
    else:
        chosen = [days for days in choices if today in days]
        chosen = chosen or [days for days in choices if days.first.year == today.year]
    return {"year": chosen[0].first.year} if chosen else {}


def _read_quarter_near(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    return shift_date(reference.today, "quarter", OFFSETS[group(match)])


def _read_vacation(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    return {"month": 7 if match[1] == "暑" else 1, "months": 2}


def _read_chinese_month_part(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    """Read 3月初, 上个月底 or, without a month, the latest 月初."""
    part = {"part": _ORDER[match["part"]]}
    if which := group(match):
        return shift_date(reference.today, "month", OFFSETS[which]) | part
    if group(match, "month"):
        return read_parts(match, reference) | part
    return part


def _read_chinese_year_part(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    month, months = _YEAR_PARTS[_ORDER[match["part"]]]
    parts = {"month": month, "months": months}
    if group(match, "year"):
        return parts | {"year": int(match["year"])}
    which = group(match)
    return parts | ({"year": reference.today.year + OFFSETS[which]} if which else {})


PERIODS = (
    pattern(
        _HAS_PART,
        rf"\b{_PART}(?:{WHICH} )?{M}(?:,? (?P<year>\d{{4}}){Y_END})?",
        _read_part_of_month,
    ),
    pattern(
        _HAS_PART,
        rf"\b{_PART}(?:(?P<year>\d{{4}}){Y_END}|(?:the|{WHICH}) year\b)",
        _read_part_of_year,
    ),
    pattern(_HAS_PART, rf"\b{_PART}(?:the|{WHICH}) (?P<unit>week|month)\b", _read_part_of_this),
    pattern(
        _HAS_SEASON,
        rf"\b{_FALL}(?: of|,)? (?P<year>\d{{4}}){Y_END}",
        _read_months,
    ),
    pattern(_HAS_SEASON, rf"\b{WHICH} {_FALL}\b", _read_months),
    pattern(_HAS_SEASON, rf"\b(?:in|during|over|all) (?:the )?{_SEASON}\b(?! of \d)", _read_months),
    pattern("fall", r"\b(?:in|during|over) the (?P<season>fall)\b(?! of)", _read_months),
    pattern("q", r"(?<![\w.])(?:(?P<year>\d{4})[ -]?)?(?-i:Q)(?P<quarter>[1-4])\b", _read_months),
    pattern("quarter", rf"\b{WHICH} quarter\b", _read_quarter_near),
    pattern(
        "quarter",
        rf"\b(?:the )?(?P<quarter>first|second|third|fourth|1st|2nd|3rd|4th) quarter\b"
        rf"(?: of (?:the year|(?P<year>\d{{4}}){Y_END}))?",
        _read_months,
    ),
    pattern(
        "h",
        r"(?:(?<=\bin )|(?<=\bduring )|(?<=\bsince )|\b(?=\w\w(?: of)? (?:19|2[01])\d\d\b))"
        r"(?-i:H)(?P<half>[12])\b",
        _read_months,
    ),
    pattern("季", rf"{Z_WHICH}(?P<unit>季度)", _read_quarter_near),
    pattern("季", r"(?<![两几前\d一二三四])第?(?P<quarter>[一二三四1-4])个?季度", _read_months),
    pattern("半", r"(?P<half>[上下])半年", _read_months),
    pattern("春夏秋冬", rf"{Z_WHICH}(?P<season>[春夏秋冬])[天季]", _read_months),
    pattern("春夏秋冬", r"(?P<season>[春夏秋冬])[天季]", _read_months, weak=True),
    pattern("暑寒", r"([暑寒])假", _read_vacation),
    pattern(
        "月",
        rf"(?:{Z_WHICH}月|{ZM}|(?<![\d一二三四五六七八九十个每半])月)份?的?(?P<part>初|底|末|[上中下]旬)(?![一二三四五六七八九])",
        _read_chinese_month_part,
    ),
    pattern(
        "年",
        r"(?:(?P<which>去|今|前|明)年?|(?<!\d)(?P<year>\d{4})年?|(?<![\d一二两三四五六七八九十百千几多半每]))"
        r"年的?(?P<part>初(?![一二三四五六七八九十])|[底末]|中(?!国))(?![级学中])",
        _read_chinese_year_part,
    ),
)
"""Parts of months and years."""
SEASONS = (pattern(_HAS_SEASON, rf"\b(?:the )?{_SEASON}\b", _read_months, weak=True),)
"""Seasons, which count only next to another date or a bound."""
