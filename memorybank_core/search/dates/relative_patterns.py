"""Patterns of days relative to today: yesterday, three weeks ago, last Friday, 上周三."""

import re

from .numbers import read_number
from .parts import DateParts, ReferenceDays, same_day, shift_date
from .patterns import (
    COUNT,
    FULL_WEEKDAY,
    HAS_WEEKDAY,
    MONTH,
    OFFSETS,
    TALK,
    WEEKDAY,
    WHICH,
    Z_START,
    Z_TALK,
    Z_WEEK,
    Z_WHICH,
    ZN,
    W,
    group,
    pattern,
    read_nothing,
)

_AGO = r"(?: of)? (?P<unit>day|weekend|week|fortnight|month|year)s? ago\b"
_MIDDLE = 15
"""Days in half a month."""


def _read_weekday(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    """Read a weekday; "last Sunday" is the most recent Sunday, 上周日 that of last week."""
    name, which = match["weekday"].lower(), group(match)
    weekday = 6 if name in "日天" else read_number(name[:3]) - 1
    today = reference.today
    if which in ("before last", "coming"):
        days = (today.weekday() - weekday - 1) % 7 + 8
        days = days if which == "before last" else (today.weekday() - weekday) % 7 - 7
        return {"ordinal": today.toordinal() - days}
    offset = OFFSETS[which] if which not in ("", "last", "past", "previous") else None
    week = {} if offset is None else shift_date(today, "week", offset)
    return week | {"weekday": weekday}


def _read_relative(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    unit, which = group(match, "unit") or "day", group(match)
    is_near = unit == "weekend" and which == "coming"
    return shift_date(reference.today, unit, 0 if is_near else OFFSETS[which])


def _read_weekend(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    """Read "at the weekend": the latest one that has begun."""
    return shift_date(reference.today, "weekend", 0 if reference.today.weekday() >= 5 else -1)


def _read_ago(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    count = read_number(match["count"].lower())
    return shift_date(reference.today, match["unit"].lower(), -count)


def _read_half_ago(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    """Read "half a year ago" as a month, and 半个月前 as the week around that day."""
    if match["unit"].lower() in ("year", "年"):
        return shift_date(reference.today, "month", -6)
    return {"ordinal": reference.today.toordinal() - _MIDDLE - 3, "length": 7}


def _read_same_day(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    """Read "a year ago today" as that day, and "this time last year" as the week around it."""
    units = {"年": "year", "月": "month", "周": "week", "星期": "week", "礼拜": "week"}
    unit = group(match, "unit") or "year"
    count = read_number(group(match, "count") or "a")
    if which := group(match):
        count = -OFFSETS[which]
    day = same_day(reference.today, units.get(unit, unit), -count)
    if day is None:
        return {}
    ordinal = day.toordinal() - (group(match, "yesterday") in ("yesterday", "昨天"))
    return {"ordinal": ordinal - 3, "length": 7} if group(match, "around") else {"ordinal": ordinal}


def _read_conversation(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    is_first = match.group(match.lastindex or 0).lower() in ("first", "第一", "首", "初")
    span = reference.span()
    return {"ordinal": span[0 if is_first else 1].toordinal()} if span else {}


HABITS = (
    pattern(
        "every each",
        r"\b(?:every|each) (?:other )?(?:(?:year|month|week) )?(?:(?:on|in) )?(?:the )?(?:"
        rf"{WEEKDAY}(?:(?:,? and|,| or) {WEEKDAY})*|{MONTH}(?: \d{{1,2}})?|\d+(?:st|nd|rd|th)"
        r"|spring|summer|autumn|fall|winter|christmas|easter|new year(?:'s eve)?)",
        read_nothing,
    ),
    pattern(
        "每",
        rf"每个?(?:年|月|{Z_WEEK}|季度?|[春夏秋冬][天季]?)的?年?[一二三四五六七八九十\d年月日号天末的初底中]*"
        r"(?:春节|中秋节?|国庆节?|圣诞节?|过年|暑假|寒假|春天|夏天|秋天|冬天)?",
        read_nothing,
    ),
    pattern(
        "周期拜",
        rf"[\d一二两三四五六几]个?{Z_WEEK}[一二三四五六](?=[次回趟顿节遍餐]|天(?!气))",
        read_nothing,
    ),
    pattern("ago", rf"\b{COUNT}(?: or | to | ?[-–] ?){COUNT}{_AGO}", read_nothing),
)
"""Habits, counts and vague words: they come first, so that no other pattern matches their parts."""

RELATIVE = (
    pattern(
        "ago",
        rf"(?<![\w.,-])(?P<count>{COUNT}) (?P<unit>week|fortnight|month|year)s? ago"
        r" (?:(?P<yesterday>yesterday)|today|to the day)\b",
        _read_same_day,
    ),
    pattern("last", r"\bthis (?:day|date) last (?P<unit>week|month|year)\b", _read_same_day),
    pattern("last", r"\b(?P<around>this time) last (?P<unit>month|year)\b", _read_same_day),
    pattern("ago", r"\bhalf an? (?P<unit>month|year) ago\b", _read_half_ago),
    pattern("ago", rf"(?<![\w.,-])(?P<count>{COUNT}){_AGO}", _read_ago),
    pattern(
        "today tonight yesterday tomorrow last this before",
        r"\b(?:the )?(?P<which>day before yesterday|night before last|day after tomorrow|yesterday"
        r"|today|tonight|tomorrow|last night|last evening|this (?:morning|afternoon|evening))\b",
        _read_relative,
    ),
    pattern(
        "last",
        r"\b(?:the )?(?P<unit>week|month|year|weekend) (?P<which>before last)\b",
        _read_relative,
    ),
    pattern(
        "weekend", r"\b(?:at|on|over|during) the weekend\b(?! (?:of|before|after))", _read_weekend
    ),
    pattern(
        "last this next past previous coming",
        rf"\b{WHICH} (?P<unit>weekend|week|month|year)\b(?! of\b)",
        _read_relative,
    ),
    pattern("今", r"(?P<which>去|前)年的?今[天日]", _read_same_day),
    pattern(
        "今",
        rf"{Z_START}(?P<count>\d{{1,3}}|{ZN}|两)个?(?P<unit>年|月|周|星期|礼拜)前的?今天",
        _read_same_day,
    ),
    pattern("今", rf"{Z_WHICH}(?P<unit>月|周|星期|礼拜)的?今天", _read_same_day),
    pattern("年", r"(?P<which>去|前)年的?(?P<around>这个?时候|这时|此时|同期)", _read_same_day),
    pattern("半", r"(?<![多大])半个?(?P<unit>月|年)(?:以|之)?前(?!后)", _read_half_ago),
    pattern(
        "前",
        rf"{Z_START}(?P<count>\d{{1,4}}|{ZN}|两) ?个?"
        rf"(?P<unit>天|日|年|周|星期|礼拜|(?<=个)月)(?:以|之)?前(?!后)",
        _read_ago,
    ),
    pattern(
        "天日晚夜早晨",
        r"(?P<which>大前|(?<![以之从目])前(?!天气)|昨|今|大?(?<![以之今然最])后(?=天(?![性赋下]))"
        r"|明(?![日夜晨]))[天日晚夜早晨]",
        _read_relative,
    ),
    pattern(
        "年",
        r"(?P<which>大前|(?<![以之从目])前|(?<!过)去|今|明|(?<![以之今])后)"
        r"(?P<unit>年)(?![轻代纪龄级])",
        _read_relative,
    ),
    pattern("月", rf"{Z_WHICH}(?P<unit>月)份?(?![球亮台光饼])", _read_relative),
    pattern(
        "周期拜",
        rf"(?:{Z_WHICH})?{Z_WEEK}(?P<weekday>[一二三四五六日]|(?<=[期拜])天)",
        _read_weekday,
    ),
    pattern("周期拜", rf"{Z_WHICH}(?P<unit>周末?|星期|礼拜)(?![围边年期岁刊报遭])", _read_relative),
)
"""Days, weeks, months and years before or after today."""

WEEKDAYS = (
    pattern("last", rf"\b(?:on )?the {W} (?P<which>before last)\b", _read_weekday),
    pattern(HAS_WEEKDAY, rf"\b(?=[ltnpco])(?:{WHICH}|on) {W}", _read_weekday),
    pattern(
        HAS_WEEKDAY,
        rf"\b(?=[mtwfs])(?P<weekday>{FULL_WEEKDAY})"
        r"(?='s\b| (?:morning|afternoon|evening|night)\b| ?\?|$)",
        _read_weekday,
    ),
    pattern(HAS_WEEKDAY, rf"\b{W}(?= (?:morning|afternoon|evening|night)\b| ?\?|$)", _read_weekday),
)
"""Weekdays that name a day."""

WEAK_WEEKDAYS = (pattern(HAS_WEEKDAY, rf"\b{W}", _read_weekday, weak=True),)
"""Weekdays that count only next to another date or a bound."""

CONVERSATIONS = (
    pattern(
        "first last",
        rf"\b(?:(first|last) (?:time (?:that )?(?:we|i) (?:ever )?{TALK}|(?:conversation|chat)"
        rf"(?: with you)?)|our (?:very )?(first|last) talk|we (first|last) {TALK})\b"
        r"(?! (?:about|with|to|on)\b)",
        _read_conversation,
    ),
    pattern("次回", rf"(?:(第一|首|初)次|(上一?|最后一|最近一)[次回]){Z_TALK}", _read_conversation),
)
"""The first and the last conversation, but not the first about a topic."""
