"""Patterns of dates in English and Chinese: a table of regular expressions and their readers.

Each row of `ROWS` reads one way of writing a date into *parts*: a dict with some of `year`,
`month`, `day` (and `until`, a later day of that month), `week` (the ordinal of its Monday),
`weekday`, or `ordinal` (and `length`, in days). An incomplete date lacks parts. The rows are in
order of priority.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_COUNTS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]
_COUNTS += ["twelve"]
_NUMBERS = {"a": 1, "an": 1, "couple": 2, "a couple": 2, "两": 2, "零": 0, "〇": 0} | {
    word: number
    for words in (_MONTHS, _WEEKDAYS, _COUNTS, list("一二三四五六七八九"))
    for number, word in enumerate(words, 1)
}
_OFFSETS = {
    word: offset
    for offset, words in {
        -3: "大前",
        -2: "day before yesterday|night before last|before last|前|上上",
        -1: "yesterday|last night|last evening|last|昨|去|上",
        0: "today|tonight|this morning|this afternoon|this evening|this|今|这|本",
        1: "tomorrow|next|明|下",
        2: "下下",
    }.items()
    for word in words.split("|")
}
_UNITS = {"天": "day", "日": "day", "周": "week", "星期": "week", "礼拜": "week"}
_UNITS |= {"周末": "weekend", "月": "month", "年": "year"}
_ALSO_VERBS = {"may", "march", "mar"}
TOKEN = re.compile(r"[a-z]+|[\d/.-]|[^\x00-\x7f]", re.ASCII)

Parts = dict[str, int]
"""The parts of a date by name: "year", "month", "day" and so on."""


class ReferenceDays(NamedTuple):
    """The days to which relative words refer.

    Attributes:
        today: Today.
        span: Reads the days of the user's first and last memory, if there are memories.
    """

    today: date
    span: Callable[[], tuple[date, date] | None]


def _number(text: str) -> int:
    if text.isdigit():
        return int(text)
    if "十" in text:
        tens, ones = text.split("十")
        return 10 * _NUMBERS.get(tens, 1) + _NUMBERS.get(ones, 0)
    if len(text) == 4 and text[0] in "一二":
        return int("".join(str(_NUMBERS[numeral]) for numeral in text))
    return _NUMBERS[text]


def _which(match: re.Match[str]) -> str:
    return (match.groupdict().get("which") or "").lower()


def shift_date(today: date, unit: str, offset: int) -> Parts:
    """Return the day, week, month or year that lies `offset` units after the one of today."""
    week = today.toordinal() - today.weekday() + 7 * offset
    year, month = divmod(today.year * 12 + today.month - 1 + offset, 12)
    units: dict[str, Parts] = {
        "day": {"ordinal": today.toordinal() + offset},
        "week": {"week": week},
        "weekend": {"ordinal": week + 5, "length": 2},
        "month": {"year": year, "month": month + 1},
        "year": {"year": today.year + offset},
    }
    return units[_UNITS.get(unit, unit)]


def _read_parts(match: re.Match[str], reference: ReferenceDays) -> Parts:
    """Return the named groups of the match that are parts of a date, as numbers."""
    parts = {
        key: _number(text[:3].lower() if key == "month" else text)
        for key, text in match.groupdict().items()
        if text and key in ("year", "month", "day", "until")
    }
    if parts.get("year", 100) < 100:
        parts["year"] += 2000
    return parts


def _read_month_first(match: re.Match[str], reference: ReferenceDays) -> Parts:
    parts = _read_parts(match, reference)
    if parts["month"] > 12:
        parts["month"], parts["day"] = parts["day"], parts["month"]
    return parts


def _read_month_day(match: re.Match[str], reference: ReferenceDays) -> Parts:
    """Read month and day; "may 4" in lower case only as "on may 4", "may 4th" or "may 4 2023"."""
    lead = f" {match.string[max(0, match.start() - 8) : match.start()].lower()}"
    certain = match["th"] or match["year"] or lead.endswith((" on ", " from ", " to ", " since "))
    return {} if match["month"] in _ALSO_VERBS and not certain else _read_parts(match, reference)


def _read_month(match: re.Match[str], reference: ReferenceDays) -> Parts:
    """Read a month; case and the next character distinguish it from a verb ("this may help")."""
    following = match.string[match.end() : match.end() + 1]
    is_name = match["month"].istitle() or match["month"].lower() not in _ALSO_VERBS
    if not is_name and following not in "?.!,;":
        return {}
    parts, year, month = _read_parts(match, reference), reference.today.year, reference.today.month
    match _which(match):
        case "last":
            parts["year"] = year - (parts["month"] >= month)
        case "this":
            parts["year"] = year
        case "next":
            parts["year"] = year + (parts["month"] <= month)
    return parts


def _read_weekday(match: re.Match[str], reference: ReferenceDays) -> Parts:
    """Read a weekday; "last Sunday" is the most recent Sunday, 上周日 that of last week."""
    name, which = match["weekday"].lower(), _which(match)
    week = {} if which in ("", "last") else shift_date(reference.today, "week", _OFFSETS[which])
    return week | {"weekday": 6 if name in "日天" else _NUMBERS[name] - 1}


def _read_relative(match: re.Match[str], reference: ReferenceDays) -> Parts:
    return shift_date(
        reference.today, match.groupdict().get("unit", "day").lower(), _OFFSETS[_which(match)]
    )


def _read_ago(match: re.Match[str], reference: ReferenceDays) -> Parts:
    return shift_date(reference.today, match["unit"].lower(), -_number(match["count"].lower()))


def _read_conversation(match: re.Match[str], reference: ReferenceDays) -> Parts:
    is_first = match.group(match.lastindex or 0).lower() in ("first", "第一", "首", "初")
    span = reference.span()
    return {"ordinal": span[0 if is_first else 1].toordinal()} if span else {}


def _read_nothing(match: re.Match[str], reference: ReferenceDays) -> Parts:
    """Return no parts: a habit or a vague count is not a date, and no other row may match it."""
    return {}


_Reader = Callable[[re.Match[str], ReferenceDays], Parts]


class _Row(NamedTuple):
    hints: frozenset[str]  # a text without any of these tokens cannot match
    pattern: re.Pattern[str]
    read: _Reader
    weak: bool  # names a day only next to another date: "May", "the 5th", "Monday", "2022"


def _row(hints: str, pattern: str, read: _Reader, weak: bool = False) -> _Row:
    compiled = re.compile(pattern, re.ASCII | re.IGNORECASE)
    return _Row(frozenset(TOKEN.findall(hints)), compiled, read, weak)


_MONTH = (
    r"(?=[JFMASOND])(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b"
)
_FULL_MONTHS = "january february july september october november december"  # neither verb nor name
_HAS_MONTH = f"{' '.join(_MONTHS)} {_FULL_MONTHS} march april june august sept"
_HAS_WEEKDAY, _HAS_DIGIT = " ".join(_WEEKDAYS), "0123456789"
_M = rf"\b(?P<month>{_MONTH})(?:\.(?= ?\d))?"
_D = r"(?P<day>\d{1,2})(?P<th>st|nd|rd|th)?"
_U = r"(?:the )?(?P<until>\d{1,2})(?:st|nd|rd|th)?"
_Y = r"(?:(?:, ?| of | in | )(?P<year>\d{4})(?![\d:]))?"
_OPEN, _CLOSE = r"(?<![\w.:/$#-])", r"(?!\w|%|[.,:/]\d| ?[ap]\.?m\b)"
_Y_CLOSE = r"(?![\w%]|[.,:/]\d| (?:steps|people|words|days|times|miles|dollars)\b)"
_SPANS = (
    (_HAS_MONTH, "", r"(?: ?[-–—~] ?| to | through | until )"),
    ("between", r"\bbetween (?:the )?", " and "),
)
_PART = r"(?:early |mid[ -]|late |(?:the )?(?:start|beginning|middle|end|month|week) of )"
_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day\b(?! (?:morning|afternoon|evening|night)s)"
_W = rf"(?P<weekday>{_WEEKDAY})"
_LAST = r"(?P<which>last|this|next)"
_COUNT = rf"(?:\d{{1,4}}|an?|(?:a )?couple|{'|'.join(_COUNTS)})"
_AGO = r"(?: of)? (?P<unit>day|week|month|year)s? ago\b"
_TALK = r"(?:talked|spoke|chatted|met|talk|speak|chat|meet)(?: (?:to|with) you)?"
_SENTENCE = r"(?=$|[?.!,;:)]| (?:i|we|you|he|she|it|they|did|was|and|or|to|at|with|what|when)\b)"
_ZN = r"(?:[一二三四五六七八九]?十[一二三四五六七八九]?|[一二三四五六七八九])"
_Z_OPEN = r"(?<![\d.第几数多两百千一二三四五六七八九十])"
_ZM = rf"{_Z_OPEN}(?P<month>\d{{1,2}}|{_ZN}) ?月"
_ZD = rf"(?P<day>\d{{1,2}}|{_ZN})"
_Z_BARE = r"(?![\d.:%]|[多几余月年个元块岁人次点时分页天周折百千万])"
_Z_LAST = r"(?P<which>上上|(?<![早晚马线网以])上|这|本|下下|下)(?:一?个|一)?"
_Z_WEEK = r"(?:周|星期|礼拜)"
_Z_TALK = r"(?:我们?|咱们?|[和跟与]?你)*(?:对话|谈话|交谈|说话|聊(?:天|(?=[了的什时?,。!]|到哪|$)))"

ROWS = (
    # Habits, counts and vague words come first, so that no other row matches a part of them.
    _row(
        "every each",
        r"\b(?:every|each) (?:other )?(?:(?:year|month|week) )?(?:(?:on|in) )?(?:the )?(?:"
        rf"{_WEEKDAY}(?:(?:,? and|,| or) {_WEEKDAY})*|{_MONTH}(?: \d{{1,2}})?|\d+(?:st|nd|rd|th))",
        _read_nothing,
    ),
    _row("每", rf"每个?(?:年|月|{_Z_WEEK})[一二三四五六七八九十\d年月日号天末的]*", _read_nothing),
    _row(
        "周期拜",
        rf"[\d一二两三四五六几]个?{_Z_WEEK}[一二三四五六](?=[次回趟顿节遍餐]|天(?!气))",
        _read_nothing,
    ),
    _row("ago", rf"\b{_COUNT}(?: or | to | ?[-–] ?){_COUNT}{_AGO}", _read_nothing),
    # Absolute dates.
    *(
        _row(hints, lead + days + _Y + _CLOSE, _read_month_day)
        for hints, lead, to in _SPANS
        for days in (rf"{_M} (?:the )?{_D}{to}{_U}", rf"{_OPEN}{_D}{to}{_U}(?: of)? {_M}")
    ),
    _row(_HAS_MONTH, rf"{_M} (?:the )?{_D}{_Y}{_CLOSE}", _read_month_day),
    _row(_HAS_MONTH, rf"(?:\bthe )?{_OPEN}{_D}(?: of)? {_M}{_Y}{_CLOSE}", _read_month_day),
    _row(_HAS_MONTH, rf"{_M}(?:, ?| of | )(?P<year>\d{{4}}){_Y_CLOSE}", _read_parts),
    _row(
        _HAS_MONTH,
        rf"\b(?:(?:{_LAST}|in|during|since|around) (?:the )?{_PART}?|{_PART}){_M}",
        _read_month,
    ),
    _row(_FULL_MONTHS, rf"\b(?P<month>{_FULL_MONTHS.replace(' ', '|')})\b", _read_month),
    _row(
        "in during since of year",
        rf"\b(?:in|during|since|(?:end|start|year|summer|winter|spring|fall|autumn) of|year)"
        rf" (?P<year>\d{{4}}){_Y_CLOSE}",
        _read_parts,
    ),
    _row(
        "-/.",
        r"(?<!\d)(?P<year>\d{4})(?P<sep>[-/.])(?P<month>\d{1,2})(?P=sep)(?P<day>\d{1,2})(?!\.?\d)",
        _read_parts,
    ),
    _row(
        "-/",
        r"(?<![\d/])(?P<month>\d{1,2})(?P<sep>[/-])(?P<day>\d{1,2})(?P=sep)"
        r"(?P<year>\d{4}|(?<=/)\d\d)(?![\d/])",
        _read_month_first,
    ),
    _row("/", r"\bon (?P<month>\d{1,2})/(?P<day>\d{1,2})(?![\d/])", _read_month_first),
    _row(
        "月",
        rf"{_ZM} ?{_ZD}(?: ?[日号])?[-–—~到至] ?(?P<until>\d{{1,2}}|{_ZN}) ?[日号]",
        _read_parts,
    ),
    _row(
        "月",
        rf"{_ZM} ?(?:(?P<day>(?:\d{{1,2}}|{_ZN})(?= ?[日号])|\d{{1,2}}{_Z_BARE}))(?: ?[日号])?",
        _read_parts,
    ),
    _row("月", rf"{_ZM}份?(?!天)", _read_parts),
    _row(
        "年",
        r"(?<!\d)(?P<year>\d{4}|[一二][零〇一二三四五六七八九]{3}|\d\d(?= ?年 ?\d{1,2} ?月)) ?年",
        _read_parts,
    ),
    # Relative dates.
    _row("ago", rf"(?<![\w.,-])(?P<count>{_COUNT}){_AGO}", _read_ago),
    _row(
        "today tonight yesterday tomorrow last this before",
        r"\b(?:the )?(?P<which>day before yesterday|night before last|yesterday|today|tonight"
        r"|tomorrow|last night|last evening|this (?:morning|afternoon|evening))\b",
        _read_relative,
    ),
    _row(
        "last",
        r"\b(?:the )?(?P<unit>week|month|year|weekend) (?P<which>before last)\b",
        _read_relative,
    ),
    _row("last this next", rf"\b{_LAST} (?P<unit>weekend|week|month|year)\b", _read_relative),
    _row(_HAS_WEEKDAY, rf"\b(?:{_LAST}|on|since|past) {_W}", _read_weekday),
    _row(
        _HAS_WEEKDAY,
        rf"\b{_W}(?= (?:morning|afternoon|evening|night)\b| ?\?|$)",
        _read_weekday,
    ),
    _row(
        "前",
        rf"{_Z_OPEN}(?P<count>\d{{1,4}}|{_ZN}|两) ?个?"
        rf"(?P<unit>天|日|年|周|星期|礼拜|(?<=个)月)(?:以|之)?前(?!后)",
        _read_ago,
    ),
    _row(
        "天日晚夜早晨",
        r"(?P<which>大前|(?<![以之从目])前(?!天气)|昨|今|明(?![日夜晨]))[天日晚夜早晨]",
        _read_relative,
    ),
    _row(
        "年",
        r"(?P<which>大前|(?<![以之从目])前|(?<!过)去|今|明)(?P<unit>年)(?![轻代纪龄级])",
        _read_relative,
    ),
    _row("月", rf"{_Z_LAST}(?P<unit>月)份?(?![球亮台光饼])", _read_relative),
    _row(
        "周期拜",
        rf"(?:{_Z_LAST})?{_Z_WEEK}(?P<weekday>[一二三四五六日]|(?<=[期拜])天)",
        _read_weekday,
    ),
    _row("周期拜", rf"{_Z_LAST}(?P<unit>周末?|星期|礼拜)(?![围边年期岁刊报遭])", _read_relative),
    # The first and the last conversation, but not the first about a topic.
    _row(
        "first last",
        rf"\b(?:(first|last) (?:time (?:that )?(?:we|i) (?:ever )?{_TALK}|(?:conversation|chat)"
        rf"(?: with you)?)|our (?:very )?(first|last) talk|we (first|last) {_TALK})\b"
        r"(?! (?:about|with|to|on)\b)",
        _read_conversation,
    ),
    _row("次回", rf"(?:(第一|首|初)次|(上一?|最后一|最近一)[次回]){_Z_TALK}", _read_conversation),
    # Days of the month alone, and names that count only next to another date.
    _row("on", rf"\bon the (?P<day>\d{{1,2}})(?:st|nd|rd|th){_SENTENCE}", _read_parts),
    _row(
        "日号",
        rf"(?<![第路街巷弄道]){_Z_OPEN}(?P<day>(?:\d{{1,2}}|{_ZN})(?=号(?![楼线房室店门机馆位院码公电选员]))"
        rf"|(?:\d{{1,2}}|[二三]?十[一二三四五六七八九]|[二三]十)(?=日(?![游内后元本])))[日号]",
        _read_parts,
    ),
    _row("st nd rd th", r"\bthe (?P<day>\d{1,2})(?:st|nd|rd|th)\b", _read_parts, weak=True),
    _row(_HAS_WEEKDAY, rf"\b{_W}", _read_weekday, weak=True),
    _row(_HAS_MONTH, _M, _read_month, weak=True),
    _row(_HAS_DIGIT, rf"{_OPEN}(?P<year>(?:19|2[01])\d\d){_Y_CLOSE}", _read_parts, weak=True),
)
