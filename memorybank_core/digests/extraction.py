"""Digests without a language model: quotes selected from the dialogue, never reworded.

Pure functions: no clock, no I/O, no randomness. Every quote is a verbatim piece of a turn, so
nothing can be invented; "…" marks a cut.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from memorybank_core.protocols import Array, Matrix
from memorybank_core.records import Memory
from memorybank_core.text import estimate_tokens, split_sentences

from .centrality import centrality, lexical_vectors, mean_vectors, most_central, select_distinct
from .statements import clip, find_statements, length_weight, select_excerpt

MAX_EVENTS = 5
"""Maximum number of turns that `extract_events` quotes; a short day gets fewer."""
EVENTS_TOKENS = 140
"""Approximate total length of a day's quotes, in estimated tokens."""
MAX_LINES = 5
"""Maximum number of statements that `extract_portrait` quotes."""
LINE_TOKENS = 40
"""Approximate maximum length of a line, in estimated tokens."""
MAX_OVERALL_LINES = 12
"""Maximum number of lines of the overall summary and of the overall portrait."""

WORDING = {
    "en": {
        "user": "The user",
        "companion": "The companion",
        "quotes": "{speaker} said: {quotes}",
        "separator": " ",
        "speaker_line": "{speaker}: {quote}",
        "portrait": "In the user's own words:",
        "day_line": "{day}: {text}",
        "summary": "Day by day:",
        "overall": "About the user:",
    },
    "zh": {
        "user": "用户",
        "companion": "AI伴侣",
        "quotes": "{speaker}说：{quotes}",
        "separator": "",
        "speaker_line": "{speaker}：{quote}",
        "portrait": "用户的原话：",
        "day_line": "{day}：{text}",
        "summary": "逐日概要：",
        "overall": "关于用户：",
    },
}
"""The words around the quotes, by language."""

NOTHING_KNOWN = {
    "en": "Nothing is known of the user from this day.",
    "zh": "这一天没有关于用户的信息。",
}
"""Portrait of a day on which the user said nothing, by language."""

_BULLET = re.compile(r"^\s*(?:[-*•·]|\d{1,2}[.)、])\s+(?=\S)")
_NEXT_QUOTE = re.compile(r"(?<=”)\s*(?=“)")
_SPEAKER_LINE = re.compile("[^“]+[:：] ?“.*”$")
_HEADING = re.compile("[:：]\\**$")
_PROSE_SENTENCES = 3  # number of leading sentences taken from a portrait in prose
_MIN_WEIGHT = 0.15  # turns of a lower weight have hardly any content
_EMPTY_WEIGHT = 0.02  # weight of a text without statements


class _PortraitLine(NamedTuple):
    """A candidate line of a portrait; `self_level` as in `StatementSpan`."""

    text: str
    self_level: int


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


def extract_portrait(turns: Sequence[Memory], vectors: Sequence[Matrix], language: str) -> str:
    """Return a day's portrait: what the user says about themselves, one quote per line.

    Without such statements, the user's most central sentences are quoted; if the user said
    nothing, the portrait is `NOTHING_KNOWN`.

    Args:
        turns: The memories of the day's turns, at least one, in order of time.
        vectors: The vectors of each turn's windows, float32 (windows, d), unit length.
        language: "en" or "zh", for the words around the quotes.
    """
    user_turns = [
        (turn, windows)
        for memory, windows in zip(turns, vectors, strict=True)
        if (turn := memory.turn) and turn.query.strip()
    ]
    if not user_turns:
        return NOTHING_KNOWN[language]
    queries = [turn.query for turn, _ in user_turns]
    means = mean_vectors([windows for _, windows in user_turns])
    quotes = _select_self_statements(queries, centrality(means, [1.0] * len(queries)))
    if not quotes:
        rows = sorted(most_central(means, [_weight(query) for query in queries], 2))
        quotes = [(row, select_excerpt(queries[row], LINE_TOKENS)) for row in rows]
    has_several_speakers = len({turn.user_name for turn, _ in user_turns}) > 1
    speakers = [turn.user_name if has_several_speakers else None for turn, _ in user_turns]
    lines = [_format_line(speakers[row], quote, WORDING[language]) for row, quote in quotes]
    return "\n- ".join([WORDING[language]["portrait"], *dict.fromkeys(lines)])


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


def extract_overall_portrait(days: Sequence[tuple[date, str]], language: str) -> str:
    """Return the most informative lines of daily portraits by any author, without repetitions.

    Args:
        days: Each day with its portrait, at least one.
        language: "en" or "zh", for the words around the lines.
    """
    lines = [line for _, text in sorted(days) for line in _parse_portrait(text)]
    if not lines:
        return NOTHING_KNOWN[language]
    lines = [line for line in lines if line.self_level] or lines
    lines.reverse()  # of two equal lines, the later day's is kept
    texts = [line.text for line in lines]
    closeness = centrality(lexical_vectors(texts), [1.0] * len(texts))
    scores = [_score_line(line, value) for line, value in zip(lines, closeness, strict=True)]
    rows = sorted(select_distinct(texts, scores, MAX_OVERALL_LINES), reverse=True)
    return "\n- ".join([WORDING[language]["overall"], *(texts[row] for row in rows)])


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


def _format_line(speaker: str | None, quote: str, wording: Mapping[str, str]) -> str:
    """Return a line of the portrait, beginning with its speaker unless that is None."""
    if speaker is None:
        return quote
    return wording["speaker_line"].format(speaker=speaker, quote=f"“{quote}”")


def _select_self_statements(queries: Sequence[str], closeness: Array) -> list[tuple[int, str]]:
    """Return the best statements of speakers about themselves, in order, each with its row."""
    candidates = [
        (row, _PortraitLine(clip(query[span.start : span.end], LINE_TOKENS), span.self_level))
        for row, query in enumerate(queries)
        for span in find_statements(query)
        if span.self_level
    ]
    candidates = [(row, line) for row, line in candidates if line.self_level >= 2] or candidates
    scores = [_score_line(line, closeness[row]) for row, line in candidates]
    chosen = sorted(select_distinct([line.text for _, line in candidates], scores, MAX_LINES))
    return [(row, line.text) for row, line in (candidates[i] for i in chosen)]


def _score_line(line: _PortraitLine, closeness: float) -> float:
    """Return the score of a line: its self level, then its length and centrality."""
    return line.self_level + 0.5 * length_weight(line.text) + 0.5 * float(closeness)


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


def _parse_portrait(text: str) -> list[_PortraitLine]:
    """Return the lines of a portrait: its list items, or the leading sentences of prose.

    A model's portrait is about the user only, in the third person: its lines get the top level.
    """
    if text.strip() in NOTHING_KNOWN.values():
        return []
    lines = text.splitlines()
    items = [_BULLET.sub("", line).strip() for line in lines if _BULLET.match(line)]
    if lines and lines[0] in {wording["portrait"] for wording in WORDING.values()}:
        quotes = [item if _SPEAKER_LINE.match(item) else f"“{item}”" for item in items]
        levels = [[span.self_level for span in find_statements(quote)] for quote in quotes]
        return [
            _PortraitLine(quote, max(level, default=0))
            for quote, level in zip(quotes, levels, strict=True)
        ]
    prose = [line for line in split_sentences(text) if not _HEADING.search(line)][:_PROSE_SENTENCES]
    return [_PortraitLine(clip(line, LINE_TOKENS), 3) for line in items or prose]
