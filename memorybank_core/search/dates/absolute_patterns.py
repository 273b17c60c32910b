"""Patterns of calendar dates: days, months and years, in words and in numbers."""

import re
from datetime import date

from .parts import DateParts, ReferenceDays
from .patterns import (
    AFTER_BARE_DAY,
    ALSO_VERBS,
    END,
    FULL_MONTHS,
    HAS_DIGIT,
    HAS_MONTH,
    HAS_ORDINAL,
    LEAD,
    ORDINAL,
    START,
    WHICH,
    Y_END,
    Z_BARE,
    Z_START,
    ZD,
    ZM,
    ZN,
    D,
    M,
    U,
    Y,
    group,
    pattern,
    read_parts,
)

_SPANS = (
    (HAS_MONTH, "", r"(?: ?[-–—~] ?| to | through | until )"),
    ("between", r"\bbetween (?:the )?", " and "),
)


def _read_numeric(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    """Read 3/4 by the order of day and month; a number above 12 can only be a day."""
    parts = read_parts(match, reference)
    if reference.day_first:
        parts["month"], parts["day"] = parts["day"], parts["month"]
    if parts["month"] > 12:
        parts["month"], parts["day"] = parts["day"], parts["month"]
    return parts


def _read_month_day(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    """Read month and day; "may 4" in lower case only as "on may 4", "may 4th" or "may 4 2023"."""
    lead = f" {match.string[max(0, match.start() - 8) : match.start()].lower()}"
    leads = (" on ", " from ", " to ", " since ", " before ", " after ", " until ", " by ")
    certain = group(match, "th") or match["year"] or lead.endswith(leads)
    return {} if match["month"] in ALSO_VERBS and not certain else read_parts(match, reference)


def read_month(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    """Read a month; case and the next character distinguish it from a verb ("this may help")."""
    following = match.string[match.end() : match.end() + 1]
    is_name = match["month"].istitle() or match["month"].lower() not in ALSO_VERBS
    if not is_name and following not in "?.!,;":
        return {}
    parts, year, month = read_parts(match, reference), reference.today.year, reference.today.month
    match group(match):
        case "last" | "past" | "previous":
            parts["year"] = year - (parts["month"] >= month)
        case "this":
            parts["year"] = year
        case "next" | "coming":
            parts["year"] = year + (parts["month"] <= month)
    return parts


def _read_iso_week(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    try:
        monday = date.fromisocalendar(int(match["iso"]), int(match["number"]), 1)
    except ValueError:
        return {}
    parts = {"week": monday.toordinal()}
    return parts | ({"weekday": int(match["isoday"]) - 1} if match["isoday"] else {})


DAYS = (
    *(
        pattern(hints, lead + days + Y + END, _read_month_day)
        for hints, lead, to in _SPANS
        for days in (rf"{M} (?:the )?{D}{to}{U}", rf"{START}{D}{to}{U}(?: of)? {M}")
    ),
    pattern(HAS_MONTH, rf"{M} (?:the )?{D}{Y}{END}", _read_month_day),
    pattern(HAS_MONTH, rf"\b(?=[t\d])(?:the )?{START}{D}(?: of)? {M}{Y}{END}", _read_month_day),
    pattern(HAS_ORDINAL, rf"\b(?:the )?(?P<day>{ORDINAL})(?: day)? of {M}{Y}{END}", read_parts),
    pattern(HAS_ORDINAL, rf"{M} (?P<th>the )?(?P<day>{ORDINAL})\b{Y}{END}", _read_month_day),
    pattern(
        "-",
        rf"{START}{D}-{M}-(?P<year>\d{{4}}){END}",
        read_parts,
    ),
    pattern(
        "w",
        r"(?<![\w-])(?P<iso>\d{4})-?W(?P<number>\d\d)(?:-?(?P<isoday>[1-7]))?(?![\w-])",
        _read_iso_week,
    ),
    pattern(
        "-/.",
        r"(?<!\d)(?P<year>\d{4})(?P<sep>[-/.])(?P<month>\d{1,2})(?P=sep)(?P<day>\d{1,2})"
        r"(?!\.?\d(?<!\.\.\d))",
        read_parts,
    ),
    pattern(
        "-",
        r"(?<![\w.-])(?P<year>(?:19|20|21)\d\d)-(?P<month>0[1-9]|1[0-2])(?![\w-]|\.\d)",
        read_parts,
    ),
    pattern(
        "-/",
        r"(?<![\d/])(?P<month>\d{1,2})(?P<sep>[/-])(?P<day>\d{1,2})(?P=sep)"
        r"(?P<year>\d{4}|(?<=/)\d\d)(?![\d/])",
        _read_numeric,
    ),
    pattern(
        ".",
        r"(?<![\w.])(?P<day>\d{1,2})\. ?(?P<month>\d{1,2})\. ?(?P<year>\d{4})(?![\w]|\.\d)",
        read_parts,
    ),
    pattern(
        "/", rf"\b(?=\d\d?/){LEAD}(?P<month>\d{{1,2}})/(?P<day>\d{{1,2}})(?![\d/])", _read_numeric
    ),
    pattern(
        "天号日",
        r"(?<![\d/])(?P<month>\d{1,2})/(?P<day>\d{1,2})(?=那天|当天|[号日])[号日]?",
        _read_numeric,
    ),
    pattern(
        "月",
        rf"{ZM} ?{ZD}(?: ?[日号])?[-–—~到至] ?(?P<until>\d{{1,2}}|{ZN}) ?[日号]",
        read_parts,
    ),
    pattern(
        "月",
        rf"{ZM} ?(?:(?P<day>(?:\d{{1,2}}|{ZN})(?= ?[日号])|\d{{1,2}}{Z_BARE}))(?: ?[日号])?",
        read_parts,
    ),
)
"""Days with their month."""

MONTHS_AND_YEARS = (
    pattern(HAS_MONTH, rf"{M}(?:, ?| of | )(?P<year>\d{{4}}){Y_END}", read_parts),
    pattern(
        HAS_MONTH,
        rf"\b(?=[ltnpcida])(?:{WHICH}|in|during|around) (?:the month of )?{M}",
        read_month,
    ),
    pattern(FULL_MONTHS, rf"\b(?P<month>{FULL_MONTHS.replace(' ', '|')})\b", read_month),
    pattern(
        "in during year summer winter spring fall autumn",
        rf"\b(?:in|during|(?:summer|winter|spring|fall|autumn) of|year)"
        rf" (?P<year>\d{{4}}){Y_END}",
        read_parts,
    ),
    pattern("月", rf"{ZM}份?(?![天兔])", read_parts),
    pattern(
        "年",
        r"(?<!\d)(?P<year>\d{4}|[一二][零〇一二三四五六七八九]{3}|\d\d(?= ?年 ?\d{1,2} ?月)) ?年",
        read_parts,
    ),
)
"""Months and years."""

_ONLY_DAY = rf"(?P<day>\d{{1,2}}(?=st|nd|rd|th)|{ORDINAL})(?:st|nd|rd|th)?"
DAYS_OF_THE_MONTH = (
    pattern(
        "on by before after since until till from",
        rf"\b(?=the ){LEAD}the {_ONLY_DAY}{AFTER_BARE_DAY}",
        read_parts,
    ),
    pattern(
        "日号",
        rf"(?<![第路街巷弄道]){Z_START}(?P<day>(?:\d{{1,2}}|{ZN})(?=号(?![楼线房室店门机馆位院码公电选员]))"
        rf"|(?:\d{{1,2}}|[二三]?十[一二三四五六七八九]|[二三]十)(?=日(?![游内后元本])))[日号]",
        read_parts,
    ),
)
"""Days of the month alone."""

WEAK = (
    pattern("st nd rd th", r"\b(?:the )?(?P<day>\d{1,2})(?:st|nd|rd|th)\b", read_parts, weak=True),
    pattern(HAS_ORDINAL, rf"\bthe (?P<day>{ORDINAL})\b", read_parts, weak=True),
    pattern(HAS_MONTH, M, read_month, weak=True),
    pattern(HAS_DIGIT, rf"{START}(?P<year>(?:19|2[01])\d\d){Y_END}", read_parts, weak=True),
)
"""Names and numbers that count only next to another date or a bound."""
