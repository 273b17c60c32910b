"""Digests without a language model: what was said, chosen and quoted, never reworded.

Pure functions: no clock, no I/O, no randomness. Every quoted piece is a verbatim piece of a
turn, so nothing can be invented; "…" marks where one was cut.
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
from memorybank_core.text import estimate_tokens, sentences

from .centrality import centrality, distinct, lexical_vectors, means, most_central
from .statements import clip, fullness, statements, telling

EVENTS = 5
"""How many turns `events` quotes at most; a short day gets fewer."""
EVENT_TOKENS = 140
"""About how long the quotes of a day may be together, in estimated tokens."""
LINES = 5
"""How many statements `portrait` quotes at most."""
LINE_TOKENS = 40
"""About how long a line may be, in estimated tokens."""
OVERALL = 12
"""How many lines the overall summary and the overall portrait have at most."""

WORDING = {
    "en": {
        "user": "The user",
        "companion": "The companion",
        "said": "{who} said: {quotes}",
        "between": " ",
        "named": "{who}: {piece}",
        "portrait": "In the user's own words:",
        "dated": "{day}: {text}",
        "summary": "Day by day:",
        "overall": "About the user:",
    },
    "zh": {
        "user": "用户",
        "companion": "AI伴侣",
        "said": "{who}说：{quotes}",
        "between": "",
        "named": "{who}：{piece}",
        "portrait": "用户的原话：",
        "dated": "{day}：{text}",
        "summary": "逐日概要：",
        "overall": "关于用户：",
    },
}
"""The words around the quotes."""

NOTHING_KNOWN = {
    "en": "Nothing is known of the user from this day.",
    "zh": "这一天没有关于用户的信息。",
}
"""The portrait of a day on which the user said nothing."""

_BULLET = re.compile(r"^\s*(?:[-*•·]|\d{1,2}[.)、])\s+(?=\S)")
_NEXT_QUOTE = re.compile(r"(?<=”)\s*(?=“)")
_SIGNED = re.compile("[^“]+[:：] ?“.*”$")
_HEADING = re.compile("[:：]\\**$")
_PROSE = 3  # so many sentences of a portrait in prose are looked at
_TOLD = 0.15  # a turn worth less has hardly anything to tell


class _Line(NamedTuple):
    """A line that may stand in a portrait, and how much it tells as `Statement.of_self` does."""

    text: str
    of_self: int


def events(turns: Sequence[Memory], vectors: Sequence[Matrix], language: str) -> str:
    """What happened on a day: its most central turns, by their embeddings.

    Args:
        turns: The memories of the day's turns, at least one, in order of time.
        vectors: The vectors of each turn's windows, float32 (windows, d), unit length.
        language: "en" or "zh", for the words around the quotes.
    """
    said = [_heard(memory, WORDING[language]) for memory in turns]
    worths = [_worth(words) for _, words in said]
    count = min(EVENTS, 1 + sum(worth >= _TOLD for worth in worths) // 2)
    rows = sorted(most_central(means(vectors), worths, count))
    quotes = [(said[row][0], telling(said[row][1], EVENT_TOKENS / len(rows))) for row in rows]
    return _narrated(list(dict.fromkeys(quotes)), WORDING[language])


def portrait(turns: Sequence[Memory], vectors: Sequence[Matrix], language: str) -> str:
    """What the user says of themself on a day, a line each.

    Where they say nothing of themself these are their most central words, and where they say
    nothing at all it is `NOTHING_KNOWN`.

    Args:
        turns: The memories of the day's turns, at least one, in order of time.
        vectors: The vectors of each turn's windows, float32 (windows, d), unit length.
        language: "en" or "zh", for the words around the quotes.
    """
    told = [
        (turn, rows)
        for memory, rows in zip(turns, vectors, strict=True)
        if (turn := memory.turn) and turn.query.strip()
    ]
    if not told:
        return NOTHING_KNOWN[language]
    words = [turn.query for turn, _ in told]
    center = means([rows for _, rows in told])
    chosen = _self_statements(words, centrality(center, [1.0] * len(words)))
    if not chosen:
        central = sorted(most_central(center, [_worth(query) for query in words], 2))
        chosen = [(row, telling(words[row], LINE_TOKENS)) for row in central]
    several = len({turn.user_name for turn, _ in told}) > 1
    names = [turn.user_name if several else None for turn, _ in told]
    lines = [_signed(names[row], text, WORDING[language]) for row, text in chosen]
    return "\n- ".join([WORDING[language]["portrait"], *dict.fromkeys(lines)])


def overall_summary(days: Sequence[tuple[date, str]], language: str) -> str:
    """A short account of the daily event summaries, whoever wrote them: a dated line each.

    Of many days those that stand best for the others are taken, and always the latest.

    Args:
        days: Each day with its summary, at least one.
        language: "en" or "zh", for the words around them.
    """
    days = sorted(days)
    rows = list(range(len(days)))
    if len(days) > OVERALL:
        texts = lexical_vectors([text for _, text in days])
        rows = sorted(most_central(texts, [1.0] * len(days), OVERALL, taken=rows[-1:]))
    wording = WORDING[language]
    lines = (
        wording["dated"].format(day=days[row][0].isoformat(), text=_leading(days[row][1]))
        for row in rows
    )
    return "\n- ".join([wording["summary"], *lines])


def overall_portrait(days: Sequence[tuple[date, str]], language: str) -> str:
    """The most telling lines of the daily portraits, whoever wrote them, without repetitions.

    Args:
        days: Each day with its portrait, at least one.
        language: "en" or "zh", for the words around them.
    """
    told = [line for _, text in sorted(days) for line in _portrait_lines(text)]
    if not told:
        return NOTHING_KNOWN[language]
    told = [line for line in told if line.of_self] or told
    told.reverse()  # of two that say the same, the later is kept
    texts = [line.text for line in told]
    center = centrality(lexical_vectors(texts), [1.0] * len(texts))
    scores = [_score(line, near) for line, near in zip(told, center, strict=True)]
    chosen = sorted(distinct(texts, scores, OVERALL), reverse=True)
    return "\n- ".join([WORDING[language]["overall"], *(texts[row] for row in chosen)])


def _heard(memory: Memory, wording: Mapping[str, str]) -> tuple[str, str]:
    """Who speaks in a turn and the words: the user's, or the companion's where there are none."""
    turn = memory.turn
    if turn is None:
        return wording["user"], memory.text
    if turn.query.strip():
        return turn.user_name or wording["user"], turn.query
    return turn.companion_name or wording["companion"], turn.response


def _worth(words: str) -> float:
    """How much the best statement of `words` tells; a little even where nothing is stated."""
    return max((statement.worth for statement in statements(words)), default=0.02)


def _narrated(quotes: Sequence[tuple[str, str]], wording: Mapping[str, str]) -> str:
    """Who said what, each speaker named once in a row of quotes."""
    between = wording["between"]
    return between.join(
        wording["said"].format(who=who, quotes=between.join(f"“{piece}”" for _, piece in run))
        for who, run in groupby(quotes, key=itemgetter(0))
    )


def _signed(name: str | None, piece: str, wording: Mapping[str, str]) -> str:
    """A line of the portrait, with the speaker where there are several."""
    if name is None:
        return piece
    return wording["named"].format(who=name, piece=f"“{piece}”")


def _self_statements(words: Sequence[str], center: Array) -> list[tuple[int, str]]:
    """What the words tell of their speaker, the best in order of time, each with its row."""
    told = [
        (row, _Line(clip(query[found.start : found.end], LINE_TOKENS), found.of_self))
        for row, query in enumerate(words)
        for found in statements(query)
        if found.of_self
    ]
    told = [(row, line) for row, line in told if line.of_self >= 2] or told
    scores = [_score(line, center[row]) for row, line in told]
    chosen = sorted(distinct([line.text for _, line in told], scores, LINES))
    return [(row, line.text) for row, line in (told[i] for i in chosen)]


def _score(line: _Line, central: float) -> float:
    """How much a line belongs in a portrait: by what it tells, then by length and centrality."""
    return line.of_self + 0.5 * fullness(line.text) + 0.5 * float(central)


def _leading(text: str) -> str:
    """The first sentences of a summary, in one line; a quote that is cut is closed."""
    lines = [_BULLET.sub("", line).strip() for line in text.splitlines()]
    parts = [
        part for line in lines if not _HEADING.search(line) for part in _NEXT_QUOTE.split(line)
    ]
    pieces = [piece for part in parts for piece in sentences(part)] or ["…"]
    kept = clip(pieces[0], LINE_TOKENS)
    for piece in pieces[1:] if kept == pieces[0] else ():
        longer = kept + (" " if kept.rstrip("”")[-1:].isascii() else "") + piece
        if estimate_tokens(longer) > LINE_TOKENS:
            break
        kept = longer
    return kept + "”" * (kept.count("“") - kept.count("”"))


def _portrait_lines(text: str) -> list[_Line]:
    """The lines of a portrait: the items of its list, or the leading sentences of prose.

    A model speaks of the user in the third person and of nothing else: its lines tell most.
    """
    if text.strip() in NOTHING_KNOWN.values():
        return []
    lines = text.splitlines()
    items = [_BULLET.sub("", line).strip() for line in lines if _BULLET.match(line)]
    if lines and lines[0] in {wording["portrait"] for wording in WORDING.values()}:
        quotes = [item if _SIGNED.match(item) else f"“{item}”" for item in items]
        levels = [[found.of_self for found in statements(quote)] for quote in quotes]
        return [
            _Line(quote, max(level, default=0)) for quote, level in zip(quotes, levels, strict=True)
        ]
    leading = items or [line for line in sentences(text) if not _HEADING.search(line)][:_PROSE]
    return [_Line(clip(line, LINE_TOKENS), 3) for line in leading]
