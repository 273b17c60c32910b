"""The days that a question names, in English and in Chinese.

Each row of `_ROWS` reads one way of writing a date into *parts*: a small dict with some of `year`,
`month`, `day` (and `until`, a later day of that month), `week` (the ordinal of its Monday),
`weekday`, or `ordinal` (and `length`, in days). Parts side by side are merged ("last year" +
"May 4"), a word like "to" joins two into a range, and only then does `today` decide what was left
open. The rows stand in order of priority; a match that overlaps an earlier row's is dropped.
"""

import re
import unicodedata
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

_YEARS = range(1900, 2201)
_TRADITIONAL = str.maketrans(
    "號週禮個兩這從談話說間與對後麼們過氣", "号周礼个两这从谈话说间与对后么们过气"
)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_COUNTS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]
_COUNTS += ["twelve"]
_NUMBERS = {"a": 1, "an": 1, "couple": 2, "a couple": 2, "两": 2, "零": 0, "〇": 0} | {
    word: number
    for words in (_MONTHS, _WEEKDAYS, _COUNTS, list("一二三四五六七八九"))
    for number, word in enumerate(words, 1)
}
_AWAY = {
    word: away
    for away, words in {
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
_SHAPES = {frozenset(shape.split()) for shape in ("year month", "month day", "year month day")}
_SHAPES |= {frozenset(("week", "weekday"))}
_BESIDE = {"", " ", ",", ", ", " of ", " in ", " on ", "的", " 的 ", "(", " ("}
_TO = re.compile(r" ?(?:[-–—~]|(?:一?直)?[到至]) ?| (?:up )?(?:to|until|till|through|thru) ")
_AND = {"and", "和", "与", "跟"}
_TOKEN = re.compile(r"[a-z]+|[\d/.-]|[^\x00-\x7f]", re.ASCII)

_Parts = dict[str, int]


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


class _Known(NamedTuple):
    today: date
    first_day: date | None
    last_day: date | None


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


def _unit(today: date, unit: str, away: int) -> _Parts:
    """The day, week, month or year that lies `away` of them from today's."""
    week = today.toordinal() - today.weekday() + 7 * away
    year, month = divmod(today.year * 12 + today.month - 1 + away, 12)
    units: dict[str, _Parts] = {
        "day": {"ordinal": today.toordinal() + away},
        "week": {"week": week},
        "weekend": {"ordinal": week + 5, "length": 2},
        "month": {"year": year, "month": month + 1},
        "year": {"year": today.year + away},
    }
    return units[_UNITS.get(unit, unit)]


def _written(match: re.Match[str], known: _Known) -> _Parts:
    """The groups of the match that are named after parts, as numbers."""
    parts = {
        key: _number(text[:3].lower() if key == "month" else text)
        for key, text in match.groupdict().items()
        if text and key in ("year", "month", "day", "until")
    }
    if parts.get("year", 100) < 100:
        parts["year"] += 2000
    return parts


def _month_first(match: re.Match[str], known: _Known) -> _Parts:
    parts = _written(match, known)
    if parts["month"] > 12:
        parts["month"], parts["day"] = parts["day"], parts["month"]
    return parts


def _month_day(match: re.Match[str], known: _Known) -> _Parts:
    """In lower case "may 4" is a date only as "on may 4", "may 4th" or "may 4 2023"."""
    lead = f" {match.string[max(0, match.start() - 8) : match.start()].lower()}"
    certain = match["th"] or match["year"] or lead.endswith((" on ", " from ", " to ", " since "))
    return {} if match["month"] in _ALSO_VERBS and not certain else _written(match, known)


def _month_alone(match: re.Match[str], known: _Known) -> _Parts:
    """A verb in disguise ("this may help") is told by its case and by what follows."""
    following = match.string[match.end() : match.end() + 1]
    is_name = match["month"].istitle() or match["month"].lower() not in _ALSO_VERBS
    if not is_name and following not in "?.!,;":
        return {}
    parts, year, month = _written(match, known), known.today.year, known.today.month
    match _which(match):
        case "last":
            parts["year"] = year - (parts["month"] >= month)
        case "this":
            parts["year"] = year
        case "next":
            parts["year"] = year + (parts["month"] <= month)
    return parts


def _weekday(match: re.Match[str], known: _Known) -> _Parts:
    """A day of the week; "last Sunday", unlike 上周日, is the most recent one in any week."""
    name, which = match["weekday"].lower(), _which(match)
    week = {} if which in ("", "last") else _unit(known.today, "week", _AWAY[which])
    return week | {"weekday": 6 if name in "日天" else _NUMBERS[name] - 1}


def _away(match: re.Match[str], known: _Known) -> _Parts:
    return _unit(known.today, match.groupdict().get("unit", "day").lower(), _AWAY[_which(match)])


def _ago(match: re.Match[str], known: _Known) -> _Parts:
    return _unit(known.today, match["unit"].lower(), -_number(match["count"].lower()))


def _conversation(match: re.Match[str], known: _Known) -> _Parts:
    is_first = match.group(match.lastindex or 0).lower() in ("first", "第一", "首", "初")
    day = known.first_day if is_first else known.last_day
    return {"ordinal": day.toordinal()} if day else {}


def _nothing(match: re.Match[str], known: _Known) -> _Parts:
    """Habits and vague counts are read so that no other row reads a piece of them."""
    return {}


_Reader = Callable[[re.Match[str], _Known], _Parts]


class _Row(NamedTuple):
    hints: frozenset[str]  # a text with none of these tokens is not worth scanning
    pattern: re.Pattern[str]
    read: _Reader
    weak: bool  # means a day only beside another mention: "May", "the 5th", "Monday", "2022"


def _row(hints: str, pattern: str, read: _Reader, weak: bool = False) -> _Row:
    compiled = re.compile(pattern, re.ASCII | re.IGNORECASE)
    return _Row(frozenset(_TOKEN.findall(hints)), compiled, read, weak)


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

_ROWS = (
    # Habits, counts and vague words come first, so that no other row reads a piece of them.
    _row(
        "every each",
        r"\b(?:every|each) (?:other )?(?:(?:year|month|week) )?(?:(?:on|in) )?(?:the )?(?:"
        rf"{_WEEKDAY}(?:(?:,? and|,| or) {_WEEKDAY})*|{_MONTH}(?: \d{{1,2}})?|\d+(?:st|nd|rd|th))",
        _nothing,
    ),
    _row("每", rf"每个?(?:年|月|{_Z_WEEK})[一二三四五六七八九十\d年月日号天末的]*", _nothing),
    _row(
        "周期拜",
        rf"[\d一二两三四五六几]个?{_Z_WEEK}[一二三四五六](?=[次回趟顿节遍餐]|天(?!气))",
        _nothing,
    ),
    _row("ago", rf"\b{_COUNT}(?: or | to | ?[-–] ?){_COUNT}{_AGO}", _nothing),
    # Absolute dates.
    *(
        _row(hints, lead + days + _Y + _CLOSE, _month_day)
        for hints, lead, to in _SPANS
        for days in (rf"{_M} (?:the )?{_D}{to}{_U}", rf"{_OPEN}{_D}{to}{_U}(?: of)? {_M}")
    ),
    _row(_HAS_MONTH, rf"{_M} (?:the )?{_D}{_Y}{_CLOSE}", _month_day),
    _row(_HAS_MONTH, rf"(?:\bthe )?{_OPEN}{_D}(?: of)? {_M}{_Y}{_CLOSE}", _month_day),
    _row(_HAS_MONTH, rf"{_M}(?:, ?| of | )(?P<year>\d{{4}}){_Y_CLOSE}", _written),
    _row(
        _HAS_MONTH,
        rf"\b(?:(?:{_LAST}|in|during|since|around) (?:the )?{_PART}?|{_PART}){_M}",
        _month_alone,
    ),
    _row(_FULL_MONTHS, rf"\b(?P<month>{_FULL_MONTHS.replace(' ', '|')})\b", _month_alone),
    _row(
        "in during since of year",
        rf"\b(?:in|during|since|(?:end|start|year|summer|winter|spring|fall|autumn) of|year)"
        rf" (?P<year>\d{{4}}){_Y_CLOSE}",
        _written,
    ),
    _row(
        "-/.",
        r"(?<!\d)(?P<year>\d{4})(?P<sep>[-/.])(?P<month>\d{1,2})(?P=sep)(?P<day>\d{1,2})(?!\.?\d)",
        _written,
    ),
    _row(
        "-/",
        r"(?<![\d/])(?P<month>\d{1,2})(?P<sep>[/-])(?P<day>\d{1,2})(?P=sep)"
        r"(?P<year>\d{4}|(?<=/)\d\d)(?![\d/])",
        _month_first,
    ),
    _row("/", r"\bon (?P<month>\d{1,2})/(?P<day>\d{1,2})(?![\d/])", _month_first),
    _row(
        "月",
        rf"{_ZM} ?{_ZD}(?: ?[日号])?[-–—~到至] ?(?P<until>\d{{1,2}}|{_ZN}) ?[日号]",
        _written,
    ),
    _row(
        "月",
        rf"{_ZM} ?(?:(?P<day>(?:\d{{1,2}}|{_ZN})(?= ?[日号])|\d{{1,2}}{_Z_BARE}))(?: ?[日号])?",
        _written,
    ),
    _row("月", rf"{_ZM}份?(?!天)", _written),
    _row(
        "年",
        r"(?<!\d)(?P<year>\d{4}|[一二][零〇一二三四五六七八九]{3}|\d\d(?= ?年 ?\d{1,2} ?月)) ?年",
        _written,
    ),
    # Relative dates.
    _row("ago", rf"(?<![\w.,-])(?P<count>{_COUNT}){_AGO}", _ago),
    _row(
        "today tonight yesterday tomorrow last this before",
        r"\b(?:the )?(?P<which>day before yesterday|night before last|yesterday|today|tonight"
        r"|tomorrow|last night|last evening|this (?:morning|afternoon|evening))\b",
        _away,
    ),
    _row("last", r"\b(?:the )?(?P<unit>week|month|year|weekend) (?P<which>before last)\b", _away),
    _row("last this next", rf"\b{_LAST} (?P<unit>weekend|week|month|year)\b", _away),
    _row(_HAS_WEEKDAY, rf"\b(?:{_LAST}|on|since|past) {_W}", _weekday),
    _row(
        _HAS_WEEKDAY,
        rf"\b{_W}(?= (?:morning|afternoon|evening|night)\b| ?\?|$)",
        _weekday,
    ),
    _row(
        "前",
        rf"{_Z_OPEN}(?P<count>\d{{1,4}}|{_ZN}|两) ?个?"
        rf"(?P<unit>天|日|年|周|星期|礼拜|(?<=个)月)(?:以|之)?前(?!后)",
        _ago,
    ),
    _row(
        "天日晚夜早晨",
        r"(?P<which>大前|(?<![以之从目])前(?!天气)|昨|今|明(?![日夜晨]))[天日晚夜早晨]",
        _away,
    ),
    _row(
        "年",
        r"(?P<which>大前|(?<![以之从目])前|(?<!过)去|今|明)(?P<unit>年)(?![轻代纪龄级])",
        _away,
    ),
    _row("月", rf"{_Z_LAST}(?P<unit>月)份?(?![球亮台光饼])", _away),
    _row(
        "周期拜",
        rf"(?:{_Z_LAST})?{_Z_WEEK}(?P<weekday>[一二三四五六日]|(?<=[期拜])天)",
        _weekday,
    ),
    _row("周期拜", rf"{_Z_LAST}(?P<unit>周末?|星期|礼拜)(?![围边年期岁刊报遭])", _away),
    # The first and the last conversation; not the first one about something.
    _row(
        "first last",
        rf"\b(?:(first|last) (?:time (?:that )?(?:we|i) (?:ever )?{_TALK}|(?:conversation|chat)"
        rf"(?: with you)?)|our (?:very )?(first|last) talk|we (first|last) {_TALK})\b"
        r"(?! (?:about|with|to|on)\b)",
        _conversation,
    ),
    _row("次回", rf"(?:(第一|首|初)次|(上一?|最后一|最近一)[次回]){_Z_TALK}", _conversation),
    # Days of the month alone, and names that need company.
    _row("on", rf"\bon the (?P<day>\d{{1,2}})(?:st|nd|rd|th){_SENTENCE}", _written),
    _row(
        "日号",
        rf"(?<![第路街巷弄道]){_Z_OPEN}(?P<day>(?:\d{{1,2}}|{_ZN})(?=号(?![楼线房室店门机馆位院码公电选员]))"
        rf"|(?:\d{{1,2}}|[二三]?十[一二三四五六七八九]|[二三]十)(?=日(?![游内后元本])))[日号]",
        _written,
    ),
    _row("st nd rd th", r"\bthe (?P<day>\d{1,2})(?:st|nd|rd|th)\b", _written, weak=True),
    _row(_HAS_WEEKDAY, rf"\b{_W}", _weekday, weak=True),
    _row(_HAS_MONTH, _M, _month_alone, weak=True),
    _row(_HAS_DIGIT, rf"{_OPEN}(?P<year>(?:19|2[01])\d\d){_Y_CLOSE}", _written, weak=True),
)


class _Mention(NamedTuple):
    start: int
    end: int
    parts: _Parts
    weak: bool


def _mentions(text: str, known: _Known) -> list[_Mention]:
    tokens = set(_TOKEN.findall(text.lower()))
    taken = bytearray(len(text))
    found = []
    for row in _ROWS:
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


def _placed(parts: _Parts) -> DayRange | None:
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


def _is_open(parts: _Parts) -> bool:
    return parts.keys().isdisjoint(("year", "week", "ordinal"))


def _nearest(parts: _Parts, anchor: date, direction: int) -> DayRange | None:
    """Open parts placed at their last start up to `anchor` (-1), or first one from it on (1)."""
    if not parts or not _is_open(parts):
        return _placed(parts) if parts else None
    if "weekday" in parts:
        choices = [_unit(anchor, "week", away) for away in (0, direction)]
    elif "month" in parts:
        reach = 9 if parts.get("day") == 29 else 2  # 29 February may be eight years away
        choices = [{"year": anchor.year + direction * away} for away in range(reach)]
    else:
        choices = [_unit(anchor, "month", direction * away) for away in range(3)]
    for choice in choices:
        days = _placed(parts | choice)
        if days and (days.first >= anchor if direction > 0 else days.first <= anchor):
            return days
    return None


def _resolved(parts: _Parts, today: date) -> DayRange | None:
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
    mentions = _mentions(text, _Known(today, first_day, last_day))
    mentions = _folded(mentions, lambda left, right: _merged(left, right, text))
    mentions = _folded(mentions, lambda left, right: _joined(left, right, text, today))
    resolved = (_resolved(mention.parts, today) for mention in mentions if not mention.weak)
    return tuple(dict.fromkeys(days for days in resolved if days))
