"""Kinds of messages: small talk, questions and statements, in English and Chinese."""

from __future__ import annotations

import re

from memorybank_core.search.answers import asks
from memorybank_core.search.small_talk import is_small_talk
from memorybank_core.text import CJK, split_sentences

_SMALL_TALK = {
    "who": r"\bwho are you\b|\bwhat can you do\b|[你您]是谁|[你您](?:能做|会)什么",
    "goodbye": r"\b(?:bye|goodbye|farewell|good ?night|see you|sleep well|talk to you)\b"
    r"|再见|拜拜|回见|晚安|[天头下儿]见|保重",
    "thanks": r"\b(?:thanks?|thx|cheers)\b|谢",
    "how_are_you": r"\bhow (?:are you|do you do)\b|\bhow(?:['’]?s| is) it going\b"
    r"|\bwhat['’]?s up\b|[你您]好吗|最近(?:还好|好|怎么样|如何)|今天(?:好吗|怎么样)",
    "greeting": r"\b(?:hello|hi|hey|hiya|howdy|greetings|welcome back)\b"
    r"|\bgood (?:morning|afternoon|evening|day)\b|\bare you (?:still )?there\b"
    r"|[你您]们?好|哈[喽啰罗]|[早晚]上好|[上中下]午好|[早午]安|好久不见|[嗨嘿]|在吗|我(?:回来|来)了|^早",
}
_PATTERNS = {kind: re.compile(text, re.IGNORECASE) for kind, text in _SMALL_TALK.items()}
_REQUEST = re.compile(
    r"\b(?:tell|remind) me (?:again )?(?:about|of|what|which|who|where|when|how|the|my)\b"
    r"|\b(?:do|can) you (?:still )?(?:remember|recall)\b"
    "|(?:告诉|提醒|说说|讲讲)我?.{0,12}(?:什么|哪|谁|几|多少|怎么)|记得.{0,20}[吗么]"
    "|^(?:说说|讲讲|聊聊)",
    re.IGNORECASE,
)
_ASKS_COMPANION = re.compile(
    r"\b(?:did|have|had) you (?:\w+ )?(?:suggest|sa(?:y|id)|t(?:ell|old)|recommend|advise|g[ia]ven?"
    r"|propose|answer|explain)"
    r"|\byou (?:suggested|recommended|advised|proposed|explained|told me|gave me)\b"
    r"|\byour (?:advice|suggestions?|ideas?|tips?|recommendations?|answer)\b"
    "|(?<![跟和对向给诉])[你您](?:当时|之前|上次|曾|是怎么|怎么)?(?:给我|跟我|对我)?"
    "(?:教|告诉我|说|推荐|建议|提议|提过|出了|劝|讲)",
    re.IGNORECASE,
)
_HAN = re.compile(f"[{CJK}]")
_LATIN_WORD = re.compile("[A-Za-z\u00c0-\u024f]+")


def find_small_talk(message: str) -> str | None:
    """Return the kind of small talk that a message is, a key of the wording; None for others."""
    if not is_small_talk(message):
        return None
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.search(message)), "assent")


def is_inquiry(message: str) -> bool:
    """Return whether a message asks for something, with or without a question mark."""
    return bool(_REQUEST.search(message)) or any(map(asks, split_sentences(message)))


def asks_companion(message: str) -> bool:
    """Return whether a message asks what the companion said or advised."""
    return _ASKS_COMPANION.search(message) is not None


def find_language(message: str, default: str) -> str:
    """Return "zh" or "en", the language of most words of a message; `default` without words."""
    han, latin = len(_HAN.findall(message)), len(_LATIN_WORD.findall(message))
    if not (han or latin):
        return default
    return "zh" if han / 2 >= latin else "en"  # a Chinese word has about two characters
