"""Occurrences: how often, and when first or last, the user said something."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memorybank_core.search.query_profile import GENERIC_WEIGHT, group_forms

from .excerpts import match_terms
from .phrases import Quotation, Quote, format_day, format_list
from .strings import WORDING

_SAME_TOPIC = 0.99
"""Share of the best matched weight from which a memory is about what is counted."""
_LEAST_SHARE = 0.3
"""Share of the question's words that what is counted must have."""
_LISTED_DAYS = 5  # maximum number of days that are listed

_COUNT = re.compile(
    r"\bhow (?:many times|often)\b(?!.*\b(?:should|must|need|a (?:day|week|month|year))\b)"
    r"|[几多]少?次(?!数)|几回",
    re.IGNORECASE,
)
_LAST = re.compile(
    r"\b(?:last time|most recent(?:ly)?|latest)\b|\bdid (?:i|we) last\b"
    "|上一?次|最近一次|最后一次|上一?回",
    re.IGNORECASE,
)
_FIRST = re.compile(
    r"\bfirst time\b|\bdid (?:i|we) first\b|第一次(?!见面的)|头一[次回]|最早.{0,6}(?:时候|说|提)",
    re.IGNORECASE,
)

_ABOUT_TELLING = re.compile(
    r"\b(?:mention(?:ed)?|tell|told|sa(?:y|id)|talk(?:ed)?|spoke|speak|times?|often|last|first)\b"
    "|提[到起过]|[说聊讲]过?[到起过]|告诉过?|记得|[几多]少?次|上一?次|最近一次|最后一次|[头第]一次"
    "|什么时候|[我你]们?|[跟是有]",
    re.IGNORECASE,
)
"""Words with which a question is about the conversation, not about its topic."""
_TIMES = (("count", _COUNT), ("last", _LAST), ("first", _FIRST))


def answer_times(message: str, quotes: Sequence[Quote], language: str) -> Quotation | None:
    """Return how often, or when first or last, the user said something; None if not asked.

    Only what the user stated counts, and only memories that share as many words of the question as
    the best one does.
    """
    kind = next((kind for kind, pattern in _TIMES if pattern.search(message)), None)
    if kind is None:
        return None
    terms = group_forms(_ABOUT_TELLING.sub(" ", message))
    topic = [term for term in terms if term.weight > GENERIC_WEIGHT]
    rated = [
        (match_terms(quote.result.memory.turn.query, topic), quote)
        for quote in quotes
        if quote.result.memory.turn and quote.excerpt.speaker == "user"
    ]
    best = max((matched for matched, _ in rated), default=0.0)
    if not best or best < sum(term.weight for term in topic) * _LEAST_SHARE:
        return None
    stated = [quote for matched, quote in rated if matched >= best * _SAME_TOPIC]
    stated.sort(key=lambda quote: (quote.result.memory.created_at, quote.result.memory.id))
    if kind != "count" and len(stated) == 1:
        return None  # an ordinary quote says it
    return _format_times(kind, stated, language)


def _format_times(kind: str, stated: Sequence[Quote], language: str) -> Quotation:
    """Return the answer that counts statements, oldest first, or names the first or the last."""
    count = sum(quote.result.times for quote in stated)
    days = list(dict.fromkeys(quote.result.memory.day for quote in stated))
    if kind == "count" and (count == 1 or len(days) > _LISTED_DAYS):
        kind = "once" if count == 1 else "often"
    chosen = stated[0] if kind == "first" else stated[-1]
    text = WORDING[language][kind].format(
        day=format_day(chosen.result.memory.day, language),
        first=format_day(days[0], language),
        days=format_list(days, language),
        count=count,
        quote=chosen.excerpt.text,
    )
    return Quotation(text, tuple(quote.result for quote in reversed(stated)))
