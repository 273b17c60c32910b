"""Answers without a language model: recalled memories, quoted with their days.

A pure function of search results: no clock, no I/O. It states nothing that a memory does not say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from memorybank_core.context.strings import format_days
from memorybank_core.records import SearchResult
from memorybank_core.search.answer_types import expect_answer, find_names
from memorybank_core.search.query_profile import GENERIC_WEIGHT, QueryProfile, analyze_query
from memorybank_core.search.superseding import asks_past
from memorybank_core.search.terms import TermGroup
from memorybank_core.search.traits import ALL_SCRIPTS, find_traits

from .days import resolve_day
from .excerpts import Criteria, match_terms, select_quote
from .message_kinds import asks_companion, find_language, find_small_talk, is_inquiry
from .occurrences import answer_times
from .phrases import Quotation, Quote, format_day, format_quote
from .strings import WORDING

CERTAIN = 0.15
"""Relevance from which a memory is quoted without a reservation."""
POSSIBLE = 0.05
"""Relevance below which a memory is not quoted."""
RELATED = 0.5
"""Relevance from which a statement of the user is followed by a related memory."""
_SECOND_SHARE = 0.7
"""Relevance of a second quote, as a share of the first's."""

_CERTAINLY = 2  # rating of a memory that probably answers
_LONGEST_SPAN = 32
"""Number of days from which a span is not named in an admission."""


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
    profile = analyze_query(message, today, lambda: _find_span(results))
    terms = _find_topic(profile, find_names(message))
    criteria = Criteria(terms, expect_answer(message, profile), asks_companion(message))
    quotes = [
        Quote(result, excerpt)
        for result in _select_current(message, profile, results)
        if (excerpt := select_quote(result.memory, criteria))
    ]
    if not is_inquiry(message):
        return _acknowledge(message, quotes, wording, language)
    counted = answer_times(message, quotes, language)
    if counted:
        return counted
    quotes = [quote for quote in quotes if _rate(profile, criteria, quote.result)]
    if not quotes:
        return _admit(profile, language)
    return _answer_question(profile, criteria, quotes, language)


def _find_span(results: Sequence[SearchResult]) -> tuple[date, date] | None:
    """Return the first and the last day of the results; None without results."""
    days = [result.memory.day for result in results]
    return (min(days), max(days)) if days else None


def _find_topic(profile: QueryProfile, names: frozenset[str]) -> list[TermGroup]:
    """Return the terms of a question that name its topic, without these names."""
    return [
        term
        for term in profile.terms
        if term.weight > GENERIC_WEIGHT and names.isdisjoint(term.forms)
    ]


def _select_current(
    message: str, profile: QueryProfile, results: Sequence[SearchResult]
) -> list[SearchResult]:
    """Return the results to quote: what is current, and of a day that the question names.

    A day's summary is quoted only if no turn was recalled.
    """
    kept = [result for result in results if result.parts.answer >= 0.0]
    if not asks_past(message):
        kept = [result for result in kept if result.superseded_by is None]
    kept = [result for result in kept if result.memory.turn] or kept
    named = [result for result in kept if result.relevance >= POSSIBLE and _is_of(profile, result)]
    return named or kept


def _is_of(profile: QueryProfile, result: SearchResult) -> bool:
    """Return whether a memory is of a day that the question names."""
    return any(days.first <= result.memory.day <= days.last for days in profile.days)


def _acknowledge(
    message: str, quotes: Sequence[Quote], wording: Mapping[str, str], language: str
) -> Quotation:
    """Return the acknowledgement of a statement, with a related memory if there is a close one."""
    related = next((quote for quote in quotes if quote.result.relevance >= RELATED), None)
    is_new = related and related.excerpt.text not in message and message not in related.excerpt.text
    if related is None or not is_new or related.excerpt.speaker != "user":
        return Quotation(wording["noted"])
    text = wording["space"].join([wording["noted"], format_quote(related, language)])
    return Quotation(text, (related.result,))


def _admit(profile: QueryProfile, language: str) -> Quotation:
    """Return the admission that nothing is remembered."""
    days = profile.days
    if len(days) == 1 and (days[0].last - days[0].first).days < _LONGEST_SPAN:
        text = WORDING[language]["unknown_days"].format(
            days=format_days(days[0].first, days[0].last, language)
        )
        return Quotation(text, is_certain=False)
    return Quotation(WORDING[language]["unknown"], is_certain=False)


def _answer_question(
    profile: QueryProfile, criteria: Criteria, quotes: Sequence[Quote], language: str
) -> Quotation:
    """Return one or two quotes, with a reservation if they may not answer."""
    wording, first = WORDING[language], quotes[0]
    if _rate(profile, criteria, first.result) < _CERTAINLY:
        text = wording["space"].join([wording["unsure"], format_quote(first, language)])
        return Quotation(text, (first.result,), is_certain=False)
    least = max(first.result.relevance * _SECOND_SHARE, CERTAIN)
    chosen = [first, *(quote for quote in quotes[1:2] if quote.result.relevance >= least)]
    sentences = []
    for quote in chosen:
        sentences.append(format_quote(quote, language))
        if profile.asks_when:
            sentences += _explain_day(quote, language)
    if first.result.times > 1:
        sentences.append(wording["repeated"].format(count=first.result.times))
    return Quotation(wording["space"].join(sentences), tuple(quote.result for quote in chosen))


def _rate(profile: QueryProfile, criteria: Criteria, result: SearchResult) -> int:
    """Return 2 if a memory probably answers, 1 if it may, and 0 if it does not.

    One in the question's script that has none of its words, names aside, may only be about the
    same person, and so may one without the number or name that the question asks for.
    """
    if result.relevance < POSSIBLE:
        return 0
    text, terms = result.memory.text, criteria.terms
    flags = find_traits(text).flags
    is_comparable = terms and flags & profile.scripts & ALL_SCRIPTS
    is_on_topic = not is_comparable or match_terms(text, terms) > 0.0
    is_likely = result.relevance >= CERTAIN or _is_of(profile, result)
    if criteria.has_answer and not profile.asks_when:  # the day of a memory is a time
        is_likely &= criteria.has_answer(text, flags)
    return int(is_likely) + int(is_on_topic)


def _explain_day(quote: Quote, language: str) -> list[str]:
    """Return a sentence with the day that "yesterday" or the like means in a quote."""
    resolved = resolve_day(quote.excerpt.text, quote.result.memory.day)
    if resolved is None or resolved[1] == 0:
        return []
    day, distance = resolved
    key = "will_happen" if distance > 0 else "happened"
    return [WORDING[language][key].format(day=format_day(day, language))]
