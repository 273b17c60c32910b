"""Event summaries without a language model: quotes selected from the dialogue, never reworded.

Pure functions: no clock, no I/O, no randomness. Every quote is a verbatim piece of a turn, so
nothing can be invented; "…" marks a cut.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from operator import itemgetter

from memorybank_core.protocols import Matrix
from memorybank_core.records import Memory
from memorybank_core.text import clip, estimate_tokens, split_sentences

from .centrality import lexical_vectors, mean_vectors, most_central
from .statements import find_statements, select_excerpt

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
        "summary": "逐日概要：",
    },
}
"""The words around the quotes, by language."""

_BULLET = re.compile(r"^\s*(?:[-*•·]|\d{1,2}[.)、])\s+(?=\S)")
_NEXT_QUOTE = re.compile(r"(?<=”)\s*(?=“)")
_HEADING = re.compile("[:：]\\**$")
_MIN_WEIGHT = 0.15  # turns of a lower weight have hardly any content
_EMPTY_WEIGHT = 0.02  # weight of a text without statements


def extract_events(turns: Sequence[Memory], vectors: Sequence[Matrix], language: str) -> str:
    """Return a day's event summary: quotes of its most central turns, by their embeddings.

    Args:
        turns: The memories of the day's turns, at least one, in order of time.
        vectors: The vectors of each turn's windows, float32 (windows, d), unit length.
        language: "en" or "zh", for the words around the quotes.
    """
    utterances = [_find_main_utterance(memory, WORDING[language]) for memory in turns]
    weights = [_weight(text) for _, text in utterances]
    count = min(MAX_EVENTS, 1 + sum(weight >= _MIN_WEIGHT for weight in weights) // 2)
    rows = sorted(most_central(mean_vectors(vectors), weights, count))
    limit = EVENTS_TOKENS / len(rows)
    quotes = [(utterances[row][0], select_excerpt(utterances[row][1], limit)) for row in rows]
    return _format_quotes(list(dict.fromkeys(quotes)), WORDING[language])


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


def _find_main_utterance(memory: Memory, wording: Mapping[str, str]) -> tuple[str, str]:
    """Return speaker and text of a turn's query, or of its response if the query is empty."""
    turn = memory.turn
    if turn is None:
        return wording["user"], memory.text
    if turn.query.strip():
        return turn.user_name or wording["user"], turn.query
    return turn.companion_name or wording["companion"], turn.response


def _weight(text: str) -> float:
    """Return the weight of the best statement in `text`."""
    return max((statement.weight for statement in find_statements(text)), default=_EMPTY_WEIGHT)


def _format_quotes(quotes: Sequence[tuple[str, str]], wording: Mapping[str, str]) -> str:
    """Join (speaker, text) quotes; consecutive quotes of a speaker share one introduction."""
    separator = wording["separator"]
    return separator.join(
        wording["quotes"].format(
            speaker=speaker, quotes=separator.join(f"“{text}”" for _, text in group)
        )
        for speaker, group in groupby(quotes, key=itemgetter(0))
    )


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
