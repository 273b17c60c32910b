"""Event summaries without a language model: what the user said, in the third person or quoted.

Pure functions: no clock, no I/O, no randomness. A sentence is put into the third person where that
is safe (see `indirect_speech`); every other one is quoted, verbatim. "…" marks a cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from memorybank_core.protocols import Matrix
from memorybank_core.records import Memory
from memorybank_core.text import clip, estimate_tokens, split_sentences

from .centrality import lexical_vectors, mean_vectors, most_central
from .indirect_speech import report_all
from .statement_spans import find_statements, select_excerpt

MAX_EVENTS = 5
"""Maximum number of turns that `extract_events` quotes; a short day gets fewer."""
EVENTS_TOKENS = 140
"""Approximate total length of a day's quotes, in estimated tokens."""
LINE_TOKENS = 40
"""Approximate maximum length of a line, in estimated tokens."""
MAX_OVERALL_LINES = 12
"""Maximum number of lines of the overall summary."""

WORDING = {
    "en": {
        "user": "The user",
        "companion": "The companion",
        "quotes": "{speaker} said: {quotes}",
        "separator": " ",
        "day_line": "{day}: {text}",
        "summary": "Day by day:",
    },
    "zh": {
        "user": "用户",
        "companion": "AI伴侣",
        "quotes": "{speaker}说：{quotes}",
        "separator": "",
        "day_line": "{day}：{text}",
        "summary": "逐日总结：",
    },
}
"""The words around the quotes, by language."""

_BULLET = re.compile(r"^\s*(?:[-*•·]|\d{1,2}[.)、])\s+(?=\S)")
_NEXT_QUOTE = re.compile(r"(?<=”)\s*(?=“)")
_HEADING = re.compile("[:：]\\**$")
_MIN_WEIGHT = 0.15  # turns of a lower weight have hardly any content
_MIN_REST = 2.5  # minimum length of the end of an excerpt, in tokens
_STOPS = (*".!?",)
_EMPTY_WEIGHT = 0.02  # weight of a text without statements


class _Utterance(NamedTuple):
    """Text that a person or the companion said.

    Attributes:
        text: The text.
        speaker: Who said it, as it is written before a quote.
        name: Name of the user, if known.
        is_quoted: Whether the whole text must be quoted.
    """

    text: str
    speaker: str
    name: str | None = None
    is_quoted: bool = False


def extract_events(turns: Sequence[Memory], vectors: Sequence[Matrix], language: str) -> str:
    """Return a day's event summary: what its most central turns say, by their embeddings.

    Args:
        turns: The memories of the day's turns, at least one, in order of time.
        vectors: The vectors of each turn's windows, float32 (windows, d), unit length.
        language: "en" or "zh", for the words around the quotes.
    """
    utterances = [_find_main_utterance(memory, WORDING[language]) for memory in turns]
    weights = [_weight(utterance.text) for utterance in utterances]
    count = min(MAX_EVENTS, 1 + sum(weight >= _MIN_WEIGHT for weight in weights) // 2)
    rows = sorted(most_central(mean_vectors(vectors), weights, count))
    limit = EVENTS_TOKENS / len(rows)
    excerpts = [
        utterances[row]._replace(text=select_excerpt(utterances[row].text, limit)) for row in rows
    ]
    return _format_excerpts(list(dict.fromkeys(excerpts)), WORDING[language])


def extract_overall_summary(days: Sequence[tuple[date, str]], language: str) -> str:
    """Return the beginning of each day's event summary, by any author, one dated line per day.

    If there are more than `MAX_OVERALL_LINES` days, the latest and the most representative ones
    are kept.

    Args:
        days: Each day with its summary, at least one.
        language: "en" or "zh", for the words around the lines.
    """
    days = sorted(days)
    rows = list(range(len(days)))
    if len(days) > MAX_OVERALL_LINES:
        vectors = lexical_vectors([text for _, text in days])
        weights = [1.0] * len(days)
        rows = sorted(most_central(vectors, weights, MAX_OVERALL_LINES, required=rows[-1:]))
    wording = WORDING[language]
    lines = (
        wording["day_line"].format(
            day=days[row][0].isoformat(), text=_extract_beginning(days[row][1])
        )
        for row in rows
    )
    return "\n- ".join([wording["summary"], *lines])


def _find_main_utterance(memory: Memory, wording: Mapping[str, str]) -> _Utterance:
    """Return a turn's query, or its response if the query is empty."""
    turn = memory.turn
    if turn is None:
        return _Utterance(memory.text, wording["user"], is_quoted=True)
    if turn.query.strip():
        return _Utterance(turn.query, turn.user_name or wording["user"], turn.user_name)
    speaker = turn.companion_name or wording["companion"]
    return _Utterance(turn.response, speaker, is_quoted=True)


def _weight(text: str) -> float:
    """Return the weight of the best statement in `text`."""
    return max((statement.weight for statement in find_statements(text)), default=_EMPTY_WEIGHT)


def _format_excerpts(excerpts: Sequence[_Utterance], wording: Mapping[str, str]) -> str:
    """Join excerpts; consecutive quotes of a speaker share one introduction."""
    pieces = [piece for excerpt in excerpts for piece in _report(excerpt)]
    result = ""
    for speaker, group in groupby(pieces, key=itemgetter(0)):
        texts = [text for _, text in group]
        if speaker:
            quotes = wording["separator"].join(f"“{text}”" for text in texts)
            texts = [wording["quotes"].format(speaker=speaker, quotes=quotes)]
        for text in texts:
            result += (" " if wording["separator"] or result[-1:] in _STOPS else "") + text
    return result.strip()


def _report(excerpt: _Utterance) -> Iterator[tuple[str, str]]:
    """Yield ("", sentence in the third person), and (speaker, quote) where that is not safe."""
    text, start = excerpt.text, 0
    if not excerpt.is_quoted:
        for sentence, reported in report_all(text, excerpt.name):
            begin = text.index(sentence, start)
            if reported:
                if quote := text[start:begin].strip():
                    yield excerpt.speaker, quote
                yield "", reported
                start = begin + len(sentence)
    quote = text[start:].strip()
    if quote and (start == 0 or estimate_tokens(quote) >= _MIN_REST):
        yield excerpt.speaker, quote


def _extract_beginning(text: str) -> str:
    """Return the first sentences of a summary on one line, and close an open quote."""
    lines = [_BULLET.sub("", line).strip() for line in text.splitlines()]
    parts = [
        part for line in lines if not _HEADING.search(line) for part in _NEXT_QUOTE.split(line)
    ]
    pieces = [piece for part in parts for piece in split_sentences(part)] or ["…"]
    kept = clip(pieces[0], LINE_TOKENS)
    for piece in pieces[1:] if kept == pieces[0] else ():
        longer = kept + (" " if kept.rstrip("”")[-1:].isascii() else "") + piece
        if estimate_tokens(longer) > LINE_TOKENS:
            break
        kept = longer
    return kept + "”" * (kept.count("“") - kept.count("”"))
