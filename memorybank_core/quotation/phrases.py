"""Sentences that quote a memory, with its day and speaker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from memorybank_core.context.strings import format_days
from memorybank_core.records import SearchResult

from .excerpts import Excerpt
from .strings import WORDING


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


class Quote(NamedTuple):
    """A result and the excerpt of its memory to quote."""

    result: SearchResult
    excerpt: Excerpt


def format_quote(quote: Quote, language: str) -> str:
    """Return a sentence that quotes a memory, with its day and speaker."""
    memory, (text, speaker, _) = quote.result.memory, quote.excerpt
    name = (memory.turn.user_name or "") if memory.turn else ""
    key = "speaker" if speaker == "user" and name.strip() else speaker
    day = format_day(memory.day, language)
    return WORDING[language][key].format(day=day, quote=text, name=" ".join(name.split()))


def format_list(days: Sequence[date], language: str) -> str:
    """Return different days as a list, with "and" before the last."""
    wording = WORDING[language]
    *earlier, last = (format_day(day, language) for day in days)
    return wording["and"].join([wording["comma"].join(earlier), last]) if earlier else last


def format_day(day: date, language: str) -> str:
    """Return a day in words."""
    return format_days(day, day, language)
