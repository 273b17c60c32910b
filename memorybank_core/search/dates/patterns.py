"""Building blocks of the tables of patterns: a pattern, and expressions that several tables use."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from .numbers import COUNTS, MONTHS, ORDINALS, SHORT_WEEKDAYS, WEEKDAYS, read_number
from .parts import DateParts, ReferenceDays

TOKEN = re.compile(r"[a-z]+|[\d/.-]|[^\x00-\x7f]", re.ASCII)
"""The tokens of a lower-case text by which patterns are chosen."""

OFFSETS = {
    word: offset
    for offset, words in {
        -3: "大前",
        -2: "day before yesterday|night before last|before last|前|上上",
        -1: "yesterday|last night|last evening|last|previous|past|昨|去|上",
        0: "today|tonight|this morning|this afternoon|this evening|this|current|今|这|本",
        1: "tomorrow|next|coming|明|下",
        2: "day after tomorrow|下下|后",
        3: "大后",
    }.items()
    for word in words.split("|")
}
ALSO_VERBS = frozenset(("may", "march", "mar"))

_Reader = Callable[[re.Match[str], ReferenceDays], DateParts]


@dataclass(frozen=True)
class DatePattern:
    """One way of writing a date.

    Attributes:
        hints: A text without any of these tokens cannot match.
        expression: The regular expression.
        read: Reads a match into parts; {} for a match that names no date.
        weak: Whether it names a day only next to another date or a bound: "May", "the 5th",
            "Monday", "2022".
    """

    hints: frozenset[str]
    expression: str
    read: _Reader
    weak: bool

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The compiled expression. To compile all takes an eighth of the time of an import."""
        return re.compile(self.expression, re.ASCII | re.IGNORECASE)


def pattern(hints: str, expression: str, read: _Reader, weak: bool = False) -> DatePattern:
    """Return a pattern; `hints` are split into tokens."""
    return DatePattern(frozenset(TOKEN.findall(hints)), expression, read, weak)


def read_nothing(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    """Return no parts: a habit or vague count is not a date, and no other pattern may match it."""
    return {}


def group(match: re.Match[str], name: str = "which") -> str:
    """Return a named group in lower case; "" if the pattern lacks it or it did not match."""
    return (match.groupdict().get(name) or "").lower()


def read_parts(match: re.Match[str], reference: ReferenceDays) -> DateParts:
    """Return the named groups of the match that are parts of a date, as numbers."""
    parts = {
        key: read_number(text[:3].lower() if key == "month" else text.lower())
        for key, text in match.groupdict().items()
        if text and key in ("year", "month", "day", "until")
    }
    if parts.get("year", 100) < 100:
        parts["year"] += 2000
    return parts


MONTH = (
    r"(?=[JFMASOND])(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b"
)
FULL_MONTHS = "january february july september october november december"
"""Months that are neither a verb nor a name."""
HAS_MONTH = f"{' '.join(MONTHS)} {FULL_MONTHS} march april june august sept"
HAS_WEEKDAY = " ".join(WEEKDAYS + SHORT_WEEKDAYS)
HAS_DIGIT = "0123456789"
M = rf"\b(?P<month>{MONTH})(?:\.(?= ?\d))?"
D = r"(?P<day>\d{1,2})(?P<th>st|nd|rd|th)?"
U = r"(?:the )?(?P<until>\d{1,2})(?:st|nd|rd|th)?"
Y = r"(?:(?:, ?| of | in | )(?P<year>\d{4})(?![\d:]))?"
START, END = r"(?<![\w.:/$#-])", r"(?!\w|%|[.,:/]\d| ?[ap]\.?m\b)"
Y_END = r"(?![\w%]|[.,:/]\d| (?:steps|people|words|days|times|miles|dollars)\b)"
LEAD = (
    r"(?:(?<=\bon )|(?<=\bby )|(?<=\bbefore )|(?<=\bafter )|(?<=\bsince )|(?<=\buntil )"
    r"|(?<=\btill )|(?<=\bfrom ))"
)
"""Position after a word that dates follow."""
ORDINAL = rf"(?:(?:twenty|thirty)[- ])?(?:{'|'.join(reversed(ORDINALS))})|thirtieth"
HAS_ORDINAL = f"{' '.join(ORDINALS)} twenty thirty thirtieth"
AFTER_BARE_DAY = (
    r"(?=$|[?.!,;:)]| (?:i|we|you|he|she|it|they|did|was|and|or|to|at|with|what|when)\b)"
)
"""Position after "the 5th" if that is a day."""

WEEKDAY = (
    r"(?=[mtwfs])(?:"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day\b(?! (?:morning|afternoon|evening|night)s)"
    r"|(?-i:Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)\b\.?|(?:tues?|thu(?:rs?)?|fri)\b\.?)"
)
FULL_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day\b"
W = rf"(?P<weekday>{WEEKDAY})"
WHICH = r"(?=[ltnpc])(?P<which>last|this|next|past|previous|coming)"
COUNT = rf"(?:\d{{1,4}}|an?|(?:a )?couple|{'|'.join(COUNTS)})"
TALK = r"(?:talked|spoke|chatted|met|talk|speak|chat|meet)(?: (?:to|with) you)?"

ZN = r"(?:[一二三四五六七八九]?十[一二三四五六七八九]?|[一二三四五六七八九])"
Z_START = r"(?<![\d.第几数多两百千一二三四五六七八九十])"
ZM = rf"{Z_START}(?<![叫名])(?P<month>\d{{1,2}}|{ZN}) ?月"
ZD = rf"(?P<day>\d{{1,2}}|{ZN})"
Z_BARE = r"(?![\d.:%]|[多几余月年个元块岁人次点时分页天周折百千万])"
Z_WHICH = r"(?P<which>上上|(?<![早晚马线网以])上|这|本|下下|下)(?:一?个|一)?"
Z_WEEK = r"(?:周|星期|礼拜)"
Z_TALK = r"(?:我们?|咱们?|[和跟与]?你)*(?:对话|谈话|交谈|说话|聊(?:天|(?=[了的什时?,。!]|到哪|$)))"
