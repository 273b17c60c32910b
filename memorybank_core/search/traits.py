"""Traits of a memory that ranking needs, found in its text when it is stored.

The rules look at general vocabulary of English and Chinese only. They must be fast, since they run
for every memory that is added.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from memorybank_core.text import QUESTION_END

ENDS_ASKING = 1 << 0
"""Flag: the text ends with a question."""
TELLS_TIME = 1 << 1
"""Flag: it names a time, such as a day, a month or a time of day."""
HAS_NUMBER = 1 << 2
"""Flag: it has a number, in digits or in words."""
PREFERENCE = 1 << 3
"""Flag: it states what someone likes, needs, cannot have or usually does."""
LATIN = 1 << 4
"""Flag: at least a fifth of it is in Latin script."""
HAN = 1 << 5
"""Flag: at least a fifth of it is in Chinese characters."""
OTHER_SCRIPT = 1 << 6
"""Flag: at least a fifth of it is in other scripts."""
SCRIPTS = (LATIN, HAN, OTHER_SCRIPT)
"""The flags of scripts."""
ALL_SCRIPTS = sum(SCRIPTS)
"""The bits of these flags."""

MAX_ASKS = 255
"""The value of `Traits.asks` of a text that only asks."""

_SENTENCE = re.compile(r"[^.!?。！？\n]*(?:[?？]+|[.!。！\n]+|\Z)")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_LETTER = re.compile(r"[A-Za-z]")
_LETTERS = re.compile(r"[^\W\d_]+")
_LATIN_LETTERS = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]+")
_HAN_LETTERS = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_DIGIT = re.compile(r"\d")

_TIMES = frozenset(
    """
    yesterday today tonight tomorrow morning noon afternoon evening midnight monday tuesday
    wednesday thursday friday saturday sunday january february march april june july august
    september october november december week weekend fortnight month year ago since until spring
    summer autumn winter easter christmas
    """.split()
)
_CLOCK = re.compile(r"\d{1,2}:\d\d|\d ?[ap]\.?m\b|\b(?:19|20)\d\d\b|\d{1,2}(?:st|nd|rd|th)\b")
_CHINESE_TIMES = re.compile(
    "[昨今明前后]天|[今明去前]年|[上下这本]个?(?:周|月|星期|礼拜)|周[一二三四五六日末]|星期|礼拜"
    "|[0-9一二三四五六七八九十](?:月|号|日|点|年)|早上|上午|中午|下午|傍晚|晚上|今晚|昨晚"
    "|春天|夏天|秋天|冬天|以前|以后|之前|之后"
)
_NUMBERS = frozenset(
    """
    two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred
    thousand million dozen once twice half
    """.split()
)
_CHINESE_NUMBERS = re.compile(
    "[二两三四五六七八九十百千万亿半][个只条本次年月天岁元块号点人位件张家杯公里米斤小分双套层楼]"
)
_PREFERENCES = frozenset(
    """
    love loves loved hate hates hated prefer prefers preferred favourite favorite dislike dislikes
    enjoy enjoys allergic allergy intolerant vegetarian vegan avoid avoids never always usually
    can't cannot need needs fan diet afraid
    """.split()
)
_LIKING = re.compile(r"\b(?:i|we|you|he|she|they|don't|doesn't|didn't|really) likes?\b")
_CHINESE_PREFERENCES = re.compile(
    "喜欢|[最更偏酷]爱|爱[吃喝看听玩]|讨厌|[不忌][吃喝碰]|不能|过敏|忌口|素食|吃素|习惯|从不|从来"
    "|总是|一般都|通常|受不了|害怕|需要"
)


class Traits(NamedTuple):
    """Traits of a text.

    Attributes:
        asks: Share of its characters that are in sentences ending with a question mark, from 0 to
            `MAX_ASKS`.
        flags: Sum of flags of this module.
    """

    asks: int
    flags: int


def find_traits(text: str) -> Traits:
    """Return the traits of a text in English, Chinese or both."""
    asks, flags = 0, _find_scripts(text)
    if "?" in text or "？" in text:
        length = sum(len(s) for s in _SENTENCE.findall(text) if s.endswith(("?", "？")))
        asks = min(round(MAX_ASKS * length / max(len(text.strip()), 1)), MAX_ASKS)
        flags |= ENDS_ASKING * bool(QUESTION_END.search(text))
    has_digit = bool(_DIGIT.search(text))
    flags |= HAS_NUMBER * has_digit
    if flags & LATIN:
        flags |= _find_english(text.lower().replace("’", "'"), has_digit=has_digit)
    if flags & HAN:
        flags |= _find_chinese(text)
    return Traits(asks, flags)


def _find_english(text: str, *, has_digit: bool) -> int:
    """Return the flags of English text in lower case."""
    words = _WORD.findall(text)
    flags = 0
    if not _TIMES.isdisjoint(words) or (has_digit and _CLOCK.search(text)):
        flags |= TELLS_TIME
    if not _NUMBERS.isdisjoint(words):
        flags |= HAS_NUMBER
    if not _PREFERENCES.isdisjoint(words) or (" like" in text and _LIKING.search(text)):
        flags |= PREFERENCE
    return flags


def _find_chinese(text: str) -> int:
    """Return the flags of Chinese text."""
    return (
        TELLS_TIME * bool(_CHINESE_TIMES.search(text))
        | HAS_NUMBER * bool(_CHINESE_NUMBERS.search(text))
        | PREFERENCE * bool(_CHINESE_PREFERENCES.search(text))
    )


def _find_scripts(text: str) -> int:
    """Return the flags of the scripts that a text is written in."""
    if text.isascii():
        return LATIN * bool(_LETTER.search(text))
    letters, latin, han = (
        sum(map(len, pattern.findall(text))) for pattern in (_LETTERS, _LATIN_LETTERS, _HAN_LETTERS)
    )
    words = (
        latin / 4,
        han,
        (letters - latin - han) / 3,
    )  # about, so that a name does not count as a second script
    counts = zip(SCRIPTS, words, strict=True)
    return sum(flag for flag, count in counts if count and 5 * count >= sum(words))
