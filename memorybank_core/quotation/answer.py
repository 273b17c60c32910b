"""Answers without a language model: recalled memories, quoted with their days.

A pure function of search results: no clock, no I/O. It states nothing that a memory does not say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from memorybank_core.context.strings import format_days
from memorybank_core.records import SearchResult
from memorybank_core.search.answer_types import expect_answer, find_names
from memorybank_core.search.question import GENERIC_WEIGHT, QueryProfile, read_question
from memorybank_core.search.superseding import asks_past
from memorybank_core.search.terms import TermGroup
from memorybank_core.search.traits import ALL_SCRIPTS, find_traits

from .days import resolve_day
from .excerpts import Criteria, Excerpt, match_terms, select_quote
from .message_kinds import asks_companion, find_language, find_small_talk, is_inquiry
from .strings import WORDING

CERTAIN = 0.15
"""Relevance from which a memory is quoted without a reservation."""
POSSIBLE = 0.05
"""Relevance below which a memory is not quoted."""
RELATED = 0.5
"""Relevance from which a statement of the user is followed by a related memory."""
_SECOND_SHARE = 0.7
"""Relevance of a second quote, as a share of the first's."""
_SAME_TOPIC = 0.99
"""Share of the best matched weight from which a memory is about what is counted."""

_CERTAINLY = 2  # rating of a memory that probably answers
_LEAST_SHARE = 0.5
"""Share of the question's words that what is counted must have."""
_LONGEST_SPAN = 32
"""Number of days from which a span is not named in an admission."""

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

_TIMES = (("count", _COUNT), ("last", _LAST), ("first", _FIRST))


@dataclass(frozen=True, slots=True)
class Quotation:
    """An answer that quotes memories.

    Attributes:
        text: The answer.
        results: The results whose memories it quotes or counts, best first.
        is_certain: Whether the quotes probably answer; False if nothing is remembered, or if the
            answer says that it only names what is closest.
    """

    text: str
    results: tuple[SearchResult, ...] = ()
    is_certain: bool = True


class _Quote(NamedTuple):
    result: SearchResult
    excerpt: Excerpt


def quote_answer(
    message: str, results: Sequence[SearchResult], *, today: date, language: str = "en"
) -> Quotation:
    """Return an answer to the user's message that quotes what was recalled for it.

    It is in the language of the message. Small talk gets a short reply, and a statement an
    acknowledgement. A question gets one or two quotes, the number or the last of the times that the
    user said so, or the admission that nothing is remembered.

    Args:
        message: The user's message.
        results: The results of a search for the message, best first.
        today: The calendar day of the message in the user's time zone.
        language: Language of an answer to a message without words, "en" or "zh".
    """
    wording = WORDING[language := find_language(message, language)]
    if kind := find_small_talk(message):
        return Quotation(wording[kind])
    question = read_question(message, today)
    terms = _find_topic(message, question)
    criteria = Criteria(terms, expect_answer(message, question), asks_companion(message))
    quotes = [
        _Quote(result, excerpt)
        for result in _select_current(message, question, results)
        if (excerpt := select_quote(result.memory, criteria))
    ]
    if not is_inquiry(message):
        return _acknowledge(message, quotes, wording, language)
    counted = _answer_times(message, terms, quotes, language)
    if counted:
        return counted
    quotes = [quote for quote in quotes if _rate(question, terms, quote.result)]
    if not quotes:
        return _admit(question, language)
    return _answer_question(question, terms, quotes, language)


def _find_topic(message: str, question: QueryProfile) -> list[TermGroup]:
    """Return the terms of a question that name its topic, without names."""
    names = find_names(message)
    return [
        term
        for term in question.terms
        if term.weight > GENERIC_WEIGHT and names.isdisjoint(term.forms)
    ]


def _select_current(
    message: str, question: QueryProfile, results: Sequence[SearchResult]
) -> list[SearchResult]:
    """Return the results to quote: what is current, and of a day that the question names.

    A day's summary is quoted only if no turn was recalled.
    """
    kept = [result for result in results if result.parts.answer >= 0.0]
    if not asks_past(message):
        kept = [result for result in kept if result.superseded_by is None]
    kept = [result for result in kept if result.memory.turn] or kept
    named = [
        result
        for result in kept
        if result.relevance >= POSSIBLE
        and any(days.first <= result.memory.day <= days.last for days in question.days)
    ]
    return named or kept


def _acknowledge(
    message: str, quotes: Sequence[_Quote], wording: Mapping[str, str], language: str
) -> Quotation:
    """Return the acknowledgement of a statement, with a related memory if there is a close one."""
    related = next((quote for quote in quotes if quote.result.relevance >= RELATED), None)
    is_new = related and related.excerpt.text not in message and message not in related.excerpt.text
    if related is None or not is_new or related.excerpt.speaker != "user":
        return Quotation(wording["noted"])
    text = wording["space"].join([wording["noted"], _format_quote(related, language)])
    return Quotation(text, (related.result,))


def _admit(question: QueryProfile, language: str) -> Quotation:
    """Return the admission that nothing is remembered."""
    days = question.days
    if len(days) == 1 and (days[0].last - days[0].first).days < _LONGEST_SPAN:
        text = WORDING[language]["unknown_days"].format(
            days=format_days(days[0].first, days[0].last, language)
        )
        return Quotation(text, is_certain=False)
    return Quotation(WORDING[language]["unknown"], is_certain=False)


def _answer_times(
    message: str, terms: Sequence[TermGroup], quotes: Sequence[_Quote], language: str
) -> Quotation | None:
    """Return how often, or when first or last, the user said something; None if not asked.

    Only what the user stated counts, and only memories that share as many words of the question as
    the best one does.
    """
    kind = next((kind for kind, pattern in _TIMES if pattern.search(message)), None)
    stated = [quote for quote in quotes if quote.excerpt.speaker == "user"]
    best = max((quote.excerpt.matched for quote in stated), default=0.0)
    if kind is None or not best or best < sum(term.weight for term in terms) * _LEAST_SHARE:
        return None
    stated = [quote for quote in stated if quote.excerpt.matched >= best * _SAME_TOPIC]
    stated.sort(key=lambda quote: (quote.result.memory.created_at, quote.result.memory.id))
    count = sum(quote.result.times for quote in stated)
    if count == 1 and kind != "count":
        return None  # an ordinary quote says it
    chosen = stated[0] if kind == "first" else stated[-1]
    wording = WORDING[language]
    text = wording["once" if count == 1 else kind].format(
        day=_format_day(chosen.result.memory.day, language),
        days=_format_list([quote.result.memory.day for quote in stated], language),
        count=count,
        quote=chosen.excerpt.text,
    )
    return Quotation(text, tuple(quote.result for quote in reversed(stated)))


def _answer_question(
    question: QueryProfile, terms: Sequence[TermGroup], quotes: Sequence[_Quote], language: str
) -> Quotation:
    """Return one or two quotes, with a reservation if they may not answer."""
    wording, first = WORDING[language], quotes[0]
    if _rate(question, terms, first.result) < _CERTAINLY:
        text = wording["space"].join([wording["unsure"], _format_quote(first, language)])
        return Quotation(text, (first.result,), is_certain=False)
    least = max(first.result.relevance * _SECOND_SHARE, CERTAIN)
    chosen = [first, *(quote for quote in quotes[1:2] if quote.result.relevance >= least)]
    sentences = []
    for quote in chosen:
        sentences.append(_format_quote(quote, language))
        if question.asks_when:
            sentences += _explain_day(quote, language)
    if first.result.times > 1:
        sentences.append(wording["repeated"].format(count=first.result.times))
    return Quotation(wording["space"].join(sentences), tuple(quote.result for quote in chosen))


def _rate(question: QueryProfile, terms: Sequence[TermGroup], result: SearchResult) -> int:
    """Return 2 if a memory probably answers, 1 if it may, and 0 if it does not.

    One in the question's script that has none of its words, names aside, may only be about the
    same person.
    """
    if result.relevance < POSSIBLE:
        return 0
    text = result.memory.text
    is_comparable = terms and find_traits(text).flags & question.scripts & ALL_SCRIPTS
    is_on_topic = not is_comparable or match_terms(text, terms) > 0.0
    return int(result.relevance >= CERTAIN) + int(is_on_topic)


def _format_quote(quote: _Quote, language: str) -> str:
    """Return a sentence that quotes a memory, with its day and speaker."""
    memory, (text, speaker, _) = quote.result.memory, quote.excerpt
    name = (memory.turn.user_name or "") if memory.turn else ""
    key = "speaker" if speaker == "user" and name.strip() else speaker
    day = _format_day(memory.day, language)
    return WORDING[language][key].format(day=day, quote=text, name=" ".join(name.split()))


def _explain_day(quote: _Quote, language: str) -> list[str]:
    """Return a sentence with the day that "yesterday" or the like means in a quote."""
    resolved = resolve_day(quote.excerpt.text, quote.result.memory.day)
    if resolved is None or resolved[1] == 0:
        return []
    day, distance = resolved
    key = "will_happen" if distance > 0 else "happened"
    return [WORDING[language][key].format(day=_format_day(day, language))]


def _format_list(days: Sequence[date], language: str) -> str:
    """Return different days as a list, with "and" before the last."""
    wording = WORDING[language]
    *earlier, last = (_format_day(day, language) for day in dict.fromkeys(days))
    return wording["and"].join([wording["comma"].join(earlier), last]) if earlier else last


def _format_day(day: date, language: str) -> str:
    return format_days(day, day, language)
