"""Answer types: tests whether a text has the time, number, amount or name that a query asks for.

The rules look at general vocabulary of English and Chinese questions only. A text that lacks what
is asked for can be about the same people and things, but it does not answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .query_profile import QueryProfile
from .tokenize import tokenize
from .traits import HAS_NUMBER, TELLS_TIME

MAX_LENGTH = 1_000
"""Maximum number of characters of a text that are searched for a name or number."""

_PHONE = re.compile(r"\b(?:tele)?phone\b|\bmobile number\b|电话|手机号", re.IGNORECASE)
_MONEY = re.compile(
    r"\bhow much (?:did|does|do|is|was|were|are)\b"
    r"|\b(?:price|costs?|costly|salary|wages?|rent|fees?|budget|pay|paid|earns?)\b"
    "|多少钱|工资|薪水|价[格钱]|房租",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"\b(?:who|whose|where|(?:sur|nick|maiden )?names?|called)\b"
    r"|\b(?:which|what) (?:bank|company|firm|hospital|school|university|street|city|town|village"
    r"|country|shop|restaurant|hotel|brand|band|book|film|movie|song)\b"
    "|叫什么|谁|哪[家个座里儿]|什么(?:名字|地方)|姓什么",
    re.IGNORECASE,
)
_SURNAME = (
    "[王李张刘陈杨黄赵吴徐孙朱胡郭何林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜程苏魏吕丁任沈姚卢姜"
    "崔钟谭陆汪范廖贾夏韦邹孟熊秦邱尹薛闫段雷侯史陶黎贺顾毛郝龚邵钱严覃戴莫孔汤]"
)
_CHINESE_NAME = re.compile(rf"{_SURNAME}[\u4e00-\u9fff]")
_ENGLISH_NAME = re.compile(r"[A-Z\u00c0-\u00de](?<=[\w,;:'’)] .)[\w'’-]+")
_QUOTED = re.compile('["“「『《叫][^"”」』》]{1,40}')
_LONG_NUMBER = re.compile(r"\d[\d –/-]{4,}\d")
_AMOUNT = re.compile(r"[$€£¥]|\d\d|\d[块元]|[十百千万][块元]")


def find_names(query: str) -> frozenset[str]:
    """Return the terms of the names in a query: words with a capital, Chinese names."""
    names = _ENGLISH_NAME.findall(query)
    if not query.isascii():
        names += _CHINESE_NAME.findall(query)
    return frozenset(term for name in names for term in tokenize(name))


def expect_answer(query: str, profile: QueryProfile) -> Callable[[str, int], bool] | None:
    """Return a test whether a text, with its flags, has what the query asks for; None if anything.

    Args:
        query: The query.
        profile: Analysis of the query.
    """
    if profile.asks_when:
        return lambda text, flags: flags & TELLS_TIME > 0
    if _PHONE.search(query):
        return lambda text, flags: _LONG_NUMBER.search(text, 0, MAX_LENGTH) is not None
    if _MONEY.search(query):
        return lambda text, flags: _AMOUNT.search(text, 0, MAX_LENGTH) is not None
    if profile.asks_number:
        return lambda text, flags: flags & HAS_NUMBER > 0
    if _NAME.search(query):
        lower = query.lower()
        return lambda text, flags: _has_name_beyond(lower, text)
    return None


def _has_name_beyond(query: str, text: str) -> bool:
    """Return whether the text has a name that the query, in lower case, does not have."""
    patterns = (_ENGLISH_NAME,) if text.isascii() else (_ENGLISH_NAME, _CHINESE_NAME)
    return any(
        match.group().lower() not in query
        for pattern in (*patterns, _QUOTED)
        for match in pattern.finditer(text, 0, MAX_LENGTH)
    )
