"""Portraits without a language model: facts from the user's statements, in the third person.

Pure functions: no clock, no I/O, no randomness. A day's portrait lists its facts. The overall
portrait keeps a few from all days, by group: what lasts, is said often or is recent; what a newer
statement replaced is left out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from math import exp, log1p
from typing import NamedTuple

from memorybank_core.protocols import Array
from memorybank_core.records import Memory, Turn
from memorybank_core.search.statements import read_statement, replaces
from memorybank_core.text import CJK, clip, split_sentences

from . import fact_patterns as patterns
from .centrality import lexical_vectors, select_distinct
from .fact_groups import classify, find_slot
from .facts import Fact, find_facts, questions_before, rate
from .person import quote_user
from .statements import length_weight

MAX_LINES = 6
"""Maximum number of facts in the portrait of a day."""
MAX_OVERALL_FACTS = 12
"""Maximum number of facts in the overall portrait; each group of them is one line."""
LINE_TOKENS = 40
"""Approximate maximum length of a line of a model's portrait, in estimated tokens."""

WORDING = {
    "en": {
        "day": "About the user, from this day:",
        "overall": "About the user:",
        "group": "{}: {}",
    },
    "zh": {"day": "关于用户，来自这一天：", "overall": "关于用户：", "group": "{}：{}"},
}
"""Headings, and a line of the overall portrait, by language."""

GROUP_NAMES = {
    "en": {
        "life": "Life",
        "people": "People",
        "work": "Work",
        "health": "Health",
        "likes": "Likes",
        "plans": "Plans",
        "feelings": "Feelings",
        "other": "More",
    },
    "zh": {
        "life": "生活",
        "people": "身边的人",
        "work": "工作",
        "health": "健康",
        "likes": "喜好",
        "plans": "打算",
        "feelings": "心情",
        "other": "其他",
    },
}
"""Names of the groups, in the order in which they are written."""

NOTHING_KNOWN = {
    "en": "Nothing is known of the user from this day.",
    "zh": "这一天没有关于用户的信息。",
}
"""Portrait of a day on which the user said nothing of themselves, by language."""

_QUOTING_HEADINGS = ("In the user's own words:", "用户的原话：")  # of portraits before this version
_BULLET = re.compile(r"^\s*(?:[-*•·]|\d{1,2}[.)、])\s+(?=\S)")
_SPEAKER_LINE = re.compile("(?P<name>[^“]+)[:：] ?“(?P<quote>.*)”$")
_HEADING = re.compile("[:：]\\**$")
_HAN = re.compile(f"[{CJK}]")
_NAME = re.compile(rf"(?<=[a-z,] )[A-Z][a-z]|(?<=[{CJK}])[A-Za-z]{{2,}}")
_PROSE_SENTENCES = 3  # number of leading sentences taken from a portrait in prose
_MAX_READ = 1_000  # number of latest facts that an overall portrait is chosen from
_COMPARED = 60  # number of best facts that are compared for changes
_SAME_TOPIC = 0.3  # lexical cosine from which two facts count as mentions of one thing
_CHANGED = 0.12  # lexical cosine from which a newer fact may replace an older one
_RECENT_DAYS = {"plans": 30.0, "feelings": 20.0}
_LASTING_DAYS = 180.0  # days until the weight of recency falls to 1/e, for other groups


class _Line(NamedTuple):
    """A fact of a day: its text, how the user would say it, its level and group."""

    day: date
    text: str
    own: str
    level: int
    group: str


def extract_portrait(turns: Sequence[Memory], language: str) -> str:
    """Return a day's portrait: what the user states about themselves, one fact a line.

    Without such statements, the portrait is `NOTHING_KNOWN`.

    Args:
        turns: The memories of the day's turns, at least one, in order of time.
        language: "en" or "zh", for the heading; each fact has the language of its statement.
    """
    exchanges = [memory.turn for memory in turns if memory.turn]
    facts = _find_day_facts(exchanges)
    facts = [fact for fact in facts if fact.level >= 2] or facts
    if not facts:
        return NOTHING_KNOWN[language]
    texts = [fact.text for fact in facts]
    scores = [_score(fact.text, fact.level) for fact in facts]
    rows = sorted(select_distinct([*map(quote_user, texts)], scores, MAX_LINES))
    return "\n- ".join([WORDING[language]["day"], *(texts[row] for row in rows)])


def extract_overall_portrait(days: Sequence[tuple[date, str]], language: str) -> str:
    """Return the most important facts of daily portraits by any author, a line for each group.

    Args:
        days: Each day with its portrait, at least one.
        language: "en" or "zh", for the heading and the names of the groups.
    """
    lines = [line for day, text in sorted(days) for line in _parse_portrait(day, text)][-_MAX_READ:]
    latest = max(day for day, _ in days)
    lines = [line for line in lines if _holds(line, latest)]
    if not lines:
        return NOTHING_KNOWN[language]
    if any(line.level >= 2 for line in lines):
        lines = [line for line in lines if line.level >= 2]
    chosen = _choose(lines, latest)
    groups: dict[str, list[str]] = defaultdict(list)
    for line in chosen:
        groups[line.group].append(_date(line))
    wording, names = WORDING[language], GROUP_NAMES[language]
    written = [
        wording["group"].format(names[group], _join(groups[group]))
        for group in names
        if group in groups
    ]
    return "\n- ".join([wording["overall"], *written])


def _find_day_facts(turns: Sequence[Turn]) -> list[Fact]:
    speakers = {turn.user_name for turn in turns if turn.query.strip()}
    named = len(speakers) > 1
    facts = [
        fact
        for turn, question in zip(turns, questions_before(turns), strict=True)
        for fact in find_facts(turn, question, turn.user_name if named else None)
    ]
    return list(dict.fromkeys(facts))


def _parse_portrait(day: date, text: str) -> Iterator[_Line]:
    """Yield the facts of a portrait: its list items, or the leading sentences of prose.

    A model's portrait is about the user only, in the third person: its lines get the top level.
    """
    if text.strip() in NOTHING_KNOWN.values():
        return
    rows = text.splitlines()
    items = [_BULLET.sub("", row).strip() for row in rows if _BULLET.match(row)]
    heading = rows[0].strip() if rows else ""
    if heading in _QUOTING_HEADINGS:
        for item in items:
            quoted = _SPEAKER_LINE.match(item)
            turn = Turn(quoted["quote"] if quoted else item or "-")
            for fact in find_facts(turn, name=quoted["name"] if quoted else None):
                yield _Line(day, fact.text, quote_user(fact.text), fact.level, fact.group)
        return
    is_ours = heading in {wording["day"] for wording in WORDING.values()}
    prose = [row for row in split_sentences(text) if not _HEADING.search(row)][:_PROSE_SENTENCES]
    for item in items if is_ours else [clip(row, LINE_TOKENS) for row in items or prose]:
        own = quote_user(item)
        level = rate(own.rstrip(".。")) if is_ours and own != item else 3
        yield _Line(day, item, own, level, classify(own))


def _holds(line: _Line, latest: date) -> bool:
    """Return whether a fact of a day can still be true: not one of "today" or "next week"."""
    return line.day == latest or not patterns.PAST_DAY.search(line.own)


def _choose(lines: Sequence[_Line], latest: date) -> list[_Line]:
    """Return the best facts in order of time; each one chosen lowers the score of its group."""
    lines = list(reversed(lines))  # of two equal facts, the later day's is kept
    vectors = lexical_vectors([line.own for line in lines])
    similarity = vectors @ vectors.T
    mentions = (similarity > _SAME_TOPIC).sum(axis=1)
    scores = [
        _score(line.text, line.level)
        + 0.4 * log1p(max(float(count) - 1.0, 0.0))
        + 0.8 * exp(-(latest - line.day).days / _RECENT_DAYS.get(line.group, _LASTING_DAYS))
        for line, count in zip(lines, mentions, strict=True)
    ]
    rows = select_distinct([line.own for line in lines], scores, _COMPARED)
    rows = _without_replaced(lines, similarity, rows)
    chosen: list[int] = []
    taken: dict[str, int] = defaultdict(int)
    while rows and len(chosen) < MAX_OVERALL_FACTS:
        best = max(rows, key=lambda row: scores[row] - 0.5 * taken[lines[row].group])
        rows.remove(best)
        chosen.append(best)
        taken[lines[best].group] += 1
    return [lines[row] for row in sorted(chosen, reverse=True)]


def _without_replaced(lines: Sequence[_Line], similarity: Array, rows: Sequence[int]) -> list[int]:
    """Return the rows of facts that no newer one replaced."""
    newest: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: -row):  # the oldest first
        if slot := find_slot(lines[row].own):
            newest[slot] = row
    kept = []
    for row in rows:
        slot = find_slot(lines[row].own)
        if slot and newest[slot] != row:
            continue
        if not any(
            newer < row and similarity[row, newer] >= _CHANGED and _replaces(lines, row, newer)
            for newer in rows
        ):
            kept.append(row)
    return kept


def _replaces(lines: Sequence[_Line], older: int, newer: int) -> bool:
    before, after = read_statement(lines[older].own), read_statement(lines[newer].own)
    return before is not None and after is not None and replaces(before, after)


def _score(text: str, level: int) -> float:
    """Return the score of a fact by itself: by level, length, permanence and names."""
    is_stable, has_names = patterns.STABLE.search(text), _NAME.search(text[1:])
    return level + 0.5 * length_weight(text) + 0.5 * bool(is_stable) + 0.3 * bool(has_names)


def _date(line: _Line) -> str:
    """Return a fact; a plan or feeling with its day."""
    if line.group not in _RECENT_DAYS:
        return line.text
    mark = "。" if _HAN.search(line.text) else "."
    day = f"（{line.day}）" if mark == "。" else f" ({line.day})"
    return f"{line.text.rstrip('.。')}{day}{mark}"


def _join(texts: Sequence[str]) -> str:
    result = texts[0]
    for text in texts[1:]:
        result += (" " if result[-1:].isascii() else "") + text
    return result
