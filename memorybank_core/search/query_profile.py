"""Analysis of a query: its terms, the days that it names, and the kind of its question.

The kinds are few, and the rules look at general vocabulary of English and Chinese questions only.
They change how much each search signal counts (see `ranking`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from memorybank_core.text import CJK, CJK_CHARACTER

from .dates import DayRange, find_days
from .spelling import joined_syllables
from .terms import TermGroup
from .tokenize import tokenize
from .traits import ALL_SCRIPTS, find_traits
from .word_forms import GENERIC_CHARACTERS, GENERIC_PHRASES, GENERIC_WORDS, WORD_FORMS

GENERIC_WEIGHT = 0.3
"""Weight of a word that is frequent in questions and names no topic."""
MIN_MESSAGE_WORDS = 25
"""Minimum number of words of a message with several thoughts; a shorter query is one question."""

CHARACTER_WEIGHT = 0.5
"""Weight of a single Chinese character, which the pairs of characters with it repeat."""

# "Where was the cat when we were away?" does not ask for a time.
_WHEN = re.compile(
    r"^\W*when\b(?!.*,)|\bwhen(?:'s| exactly)\b|\b(?:since|until|know|remember|say|tell me) when\b"
    r"|\bwhen (?:am|is|are|was|were|do|does|did|have|has|had|can|could|will|would|should)\b"
    r"|\b(?:what|which) (?:day|date|time|year|month)\b|\bhow long ago\b"
    "|什么时候|何时|几[号月点时]|哪[一]?[天年日]|哪个月|(?:星期|周|礼拜)几|多久以前",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\bhow (?:many|much|long|often|old|big|tall|far|deep|heavy|high|large|fast|wide|costly)\b"
    r"|\b(?:number|code|phone|price|cost|size|weight|age|rate|amount|id|version|reference)\b"
    "|多[少久大长高重远深宽]|几|号码|编号|价格",
    re.IGNORECASE,
)
_ADVICE = re.compile(
    r"\b(?:should|could|can|shall|must) (?:i|we)\b|\bshould you\b|\bideas? for\b|\bgood idea\b"
    r"|\bwhat (?:should|could|can|would|must|mustn't) |\b(?:recommend|suggest|advise|pick|choose)\b"
    r"|\b(?:help me|set up|plan) (?:a|an|my|our|me|with)\b|\bwould .{1,40} be (?:a good|ok|fine)\b"
    "|该(?:准备|买|送|做|吃|去|选|怎么|不该|点)|推荐|建议我|适合|合适|好不好|帮我(?:选|挑|想|写|安排)"
    "|[选挑]哪|挑[什一个]|[给送寄买]什么",
    re.IGNORECASE,
)
_RECALLS_ADVICE = re.compile(
    r"\bdid you\b|\b(?:was|were) your\b|\byou(?:'d| had| have|'ve)? (?:told|said|gave|given"
    r"|suggested|recommended|advised)\b|你.{0,4}(?:教|说|推荐|建议|提)过|你(?:当时|之前|上次)",
    re.IGNORECASE,
)
_CURRENT = re.compile(
    r"\b(?:now|nowadays|current|currently|presently|these days)\b|\bat (?:present|the moment)\b"
    r"|\b(?:last time|most recent|most recently|latest|newest)\b"
    "|现在|目前|如今|眼下|当前|现今|这阵子|上次|最后一次|最近一次|最新",
    re.IGNORECASE,
)
_WORD = re.compile(rf"[^\W{CJK}]+|[{CJK}]{{1,2}}")
_GENERIC_PHRASE = re.compile("|".join(sorted(GENERIC_PHRASES, key=len, reverse=True)))


@dataclass(frozen=True, slots=True)
class QueryProfile:
    """Analysis of a query.

    Attributes:
        terms: Its terms; the forms of one word are one term.
        days: The days that it names.
        scripts: The flags of the scripts that it is written in (see `traits`).
        asks_when: Whether it asks for a time.
        asks_number: Whether it asks for a number, an amount or an identifier.
        asks_advice: Whether it asks for advice, which depends on what someone likes and needs.
        asks_current: Whether it asks how something is now, or when it was last.
        is_message: Whether it is a message with several thoughts rather than one question.
    """

    terms: tuple[TermGroup, ...]
    days: tuple[DayRange, ...] = ()
    scripts: int = 0
    asks_when: bool = False
    asks_number: bool = False
    asks_advice: bool = False
    asks_current: bool = False
    is_message: bool = False


def analyze_query(
    query: str,
    today: date,
    span: Callable[[], tuple[date, date] | None] = lambda: None,
    date_order: str = "month-first",
) -> QueryProfile:
    """Analyze a query in English, Chinese, or both.

    Args:
        query: The query.
        today: The calendar day of the query in the user's time zone.
        span: Reads the days of the user's first and last memory (see `find_days`).
        date_order: "day-first" or "month-first", the reading of 3/4/2025.
    """
    return QueryProfile(
        terms=tuple(group_forms(query)),
        days=find_days(query, today=today, span=span, date_order=date_order),
        scripts=find_traits(query).flags & ALL_SCRIPTS,
        asks_when=_WHEN.search(query) is not None,
        asks_number=_NUMBER.search(query) is not None,
        asks_advice=bool(_ADVICE.search(query)) and not _RECALLS_ADVICE.search(query),
        asks_current=_CURRENT.search(query) is not None,
        is_message=len(_WORD.findall(query)) >= MIN_MESSAGE_WORDS,
    )


def group_forms(query: str) -> list[TermGroup]:
    """Return the terms of a query in their order, each with the forms of its word.

    Words and Chinese characters that name no topic count little; Chinese phrases that name none
    are left out, unless the query has nothing else.
    """
    groups: dict[tuple[str, ...], TermGroup] = {}
    terms = tokenize(_GENERIC_PHRASE.sub(" ", query)) or tokenize(query)
    for term in (*terms, *joined_syllables(terms)):
        forms = WORD_FORMS.get(term, (term,))
        groups.setdefault(forms, TermGroup(forms, _weight(term)))
    return list(groups.values())


def _weight(term: str) -> float:
    """Return how much a term counts."""
    if term in GENERIC_WORDS or GENERIC_CHARACTERS.issuperset(term):
        return GENERIC_WEIGHT
    return CHARACTER_WEIGHT if CJK_CHARACTER.fullmatch(term) else 1.0
