"""Patterns of windows that end today: the last two days, the past week, 最近三天, 这几天.

A window of n days reaches from n days ago up to and including today.
"""

import re

from .numbers import COUNTS, read_number
from .parts import DateParts, ReferenceDays, same_day
from .patterns import ZN, group, pattern

_UNITS = {"天": "day", "日": "day", "周": "week", "星期": "week", "礼拜": "week", "月": "month"}
_UNITS |= {"年": "year"}
_MANY = rf"(?:\d{{1,4}}|(?:a )?couple(?: of)?|(?:a )?few|several|{'|'.join(COUNTS)})"
_UNIT = r"(?P<unit>day|week|fortnight|month|year)s?"
_FUTURE = ("next", "coming", "未来", "接下来", "今后")


def _read_window(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    text = (group(match, "count") or "a").removesuffix(" of")
    unit = _UNITS.get(match["unit"], match["unit"].lower())
    today = reference.today
    sign = 1 if group(match) in _FUTURE else -1
    other = same_day(today, unit, sign * read_number(text))
    return _between(today.toordinal(), other.toordinal()) if other else {}


def _read_half_window(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    today = reference.today
    start = same_day(today, "month", -6) if match["unit"] in "年year" else None
    ordinal = today.toordinal()
    return _between(ordinal, start.toordinal() if start else ordinal - 15)


def _read_days_before(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    """Read 前两天: a few days that end yesterday."""
    count = read_number(match["count"]) + 1
    return {"ordinal": reference.today.toordinal() - count, "length": count}


def _between(start: int, end: int) -> DateParts:
    first, last = min(start, end), max(start, end)
    return {"ordinal": first, "length": last - first + 1}


WINDOWS = (
    pattern(
        "last past previous next coming",
        rf"\b(?:the |these |our |my )?(?P<which>last|past|previous|next|coming) (?P<count>{_MANY})"
        rf" {_UNIT}\b",
        _read_window,
    ),
    pattern("past", rf"\b(?:the )?(?P<which>past) {_UNIT}\b(?! of\b)", _read_window),
    pattern(
        "last",
        rf"\b(?:in|within|over|during|for) the (?P<which>last) {_UNIT}\b(?! of\b)",
        _read_window,
    ),
    pattern("fortnight", r"\b(?:the )?(?P<which>last|past) (?P<unit>fortnight)\b", _read_window),
    pattern(
        "half",
        r"\b(?:the )?(?:last|past) half[- ](?:an? )?(?P<unit>year|month)\b",
        _read_half_window,
    ),
    pattern(
        "半", r"(?:最近|近|过去|这|前)半个?(?P<unit>年|月)(?:里|内|以?来|间)?", _read_half_window
    ),
    pattern(
        "近去这来后",
        rf"(?P<which>最近的?|(?<![附])近|过去的?|(?<!从)这(?!一[天年月])|未来|接下来的?|今后)"
        rf"(?P<count>\d{{1,3}}|{ZN}|两|几) ?个?(?P<unit>天|日|周|星期|礼拜|(?<=个)月|年)"
        r"(?![前后轻代纪])(?:里|内|以?来|间)?",
        _read_window,
    ),
    pattern(
        "前",
        r"(?<![以之从目节夕秋庆旦阳午宵日号周假月年会试\d一二三四五六七八九十])前(?P<count>[两二三])天(?!气)",
        _read_days_before,
    ),
)
"""Windows."""
