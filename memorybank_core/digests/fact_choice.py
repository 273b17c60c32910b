"""Choice of the facts of a portrait: what lasts, is said often or is recent, of every group. Pure.

What a newer fact replaced is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date
from math import exp, log1p
from typing import NamedTuple

from memorybank_core.protocols import Array
from memorybank_core.search.statement_analysis import analyze_statement, replaces
from memorybank_core.text import CJK, estimate_tokens

from . import fact_patterns as patterns
from .centrality import lexical_vectors, select_distinct
from .fact_groups import find_slot
from .statement_spans import length_weight

MAX_FACTS = 30
"""Maximum number of facts in an overall portrait."""
MAX_GROUPS = 12
"""Maximum number of groups in an overall portrait."""
MAX_TOKENS = 400
"""Maximum length of an overall portrait, in estimated tokens."""
MIN_VALUE = 2.0
"""Minimum value of a fact; one of less is left out if there are others."""
RECENT_DAYS = {"plans": 30.0, "feelings": 20.0}
"""Groups of facts that hold for a while only, with the days until their weight falls to 1/e."""

_LASTING_DAYS = 180.0  # the same for other groups
_MAX_OF_GROUP = {"feelings": 1, "other": 3, "plans": 3, "people": 6}
_MAX_OF_OTHER_GROUP = 4
_WITHOUT_TOPIC = ("feelings", "other")
_MAX_COMPARED = 120  # facts that are compared for changes, best first
_MIN_TOPIC_COSINE = 0.3  # minimum lexical cosine of two facts that mention the same thing
_MIN_CHANGE_COSINE = 0.1  # minimum lexical cosine of a fact and an older one that it may replace
_NAME = re.compile(
    r"(?<=[a-z,] )(?!(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|(?:Jan|Febr)uary|March|April|"
    rf"May|Ju(?:ne|ly)|August|\w+ember|October))[A-Z][a-z]|(?<=[{CJK}])[A-Za-z]{{2,}}|叫[^，。]"
)
_NUMBER = re.compile(
    r"\d|\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|每[天周年]|[一二三四五六七八九十两]+[岁点号年次杯]",
    re.IGNORECASE,
)


class Line(NamedTuple):
    """A fact of a day: its text, the text in the first person, its level and its group."""

    day: date
    text: str
    first_person: str
    level: int
    group: str


def rate_value(first_person: str, level: int, group: str) -> float:
    """Return the value of a fact by itself: by level, topic, permanence, names and numbers."""
    specific = 0.3 * bool(_NAME.search(first_person[1:])) + 0.3 * bool(_NUMBER.search(first_person))
    return (
        level
        + 0.5 * length_weight(first_person)
        + 0.5 * bool(patterns.STABLE.search(first_person))
        + 0.6 * (group not in _WITHOUT_TOPIC)
        + specific
        - 1.0 * bool(patterns.SIMILE.search(first_person))
        - 0.6 * _is_deed(first_person)
    )


def _is_deed(first_person: str) -> bool:
    """Return whether a fact is a deed of the past that changed nothing."""
    is_past = patterns.PAST_TENSE.search(first_person) or patterns.MOMENT.search(first_person)
    return bool(is_past) and not patterns.LIFE_EVENT.search(first_person)


def choose_facts(lines: Sequence[Line], latest: date) -> list[Line]:
    """Return the best facts in order of time; each one chosen lowers the score of its group.

    Args:
        lines: The facts, in order of time.
        latest: The last day of the portrait.
    """
    lines = list(reversed(lines))  # of two equal facts, the later day's is kept
    vectors = lexical_vectors([line.first_person for line in lines])
    similarity = vectors @ vectors.T
    mentions = (similarity > _MIN_TOPIC_COSINE).sum(axis=1)
    values = [rate_value(line.first_person, line.level, line.group) for line in lines]
    scores = [
        value
        + 0.4 * log1p(max(float(count) - 1.0, 0.0))
        + 0.8 * exp(-(latest - line.day).days / RECENT_DAYS.get(line.group, _LASTING_DAYS))
        for line, value, count in zip(lines, values, mentions, strict=True)
    ]
    rows = select_distinct([line.first_person for line in lines], scores, _MAX_COMPARED)
    rows = _without_replaced(lines, similarity, rows)
    if worthy := [row for row in rows if values[row] >= MIN_VALUE]:
        rows = worthy
    return [lines[row] for row in sorted(_pick(lines, scores, rows), reverse=True)]


def _pick(lines: Sequence[Line], scores: Sequence[float], rows: Sequence[int]) -> list[int]:
    """Return the rows with the highest scores, of each group not too many."""
    left, chosen, length = list(rows), list[int](), 0.0
    taken = Counter[str]()
    while left and len(chosen) < MAX_FACTS:
        best = max(left, key=lambda row: scores[row] - 0.5 * taken[lines[row].group])
        left.remove(best)
        group, tokens = lines[best].group, estimate_tokens(lines[best].text)
        is_full = taken[group] >= _MAX_OF_GROUP.get(group, _MAX_OF_OTHER_GROUP) or (
            group not in taken and len(taken) == MAX_GROUPS
        )
        if is_full or (chosen and length + tokens > MAX_TOKENS):
            continue
        chosen.append(best)
        taken[group] += 1
        length += tokens
    return chosen


def _without_replaced(lines: Sequence[Line], similarity: Array, rows: Sequence[int]) -> list[int]:
    """Return the rows of facts that no newer one replaced."""
    newest: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: -row):  # the oldest first
        if slot := find_slot(lines[row].first_person):
            newest[slot] = row
    kept = []
    for row in rows:
        slot = find_slot(lines[row].first_person)
        if slot and lines[row].day < lines[newest[slot]].day and lines[row].group != "life":
            continue
        if not any(
            newer < row
            and similarity[row, newer] >= _MIN_CHANGE_COSINE
            and _replaces(lines, row, newer)
            for newer in rows
        ):
            kept.append(row)
    return kept


def _replaces(lines: Sequence[Line], older: int, newer: int) -> bool:
    before = analyze_statement(lines[older].first_person)
    after = analyze_statement(lines[newer].first_person)
    return before is not None and after is not None and replaces(before, after)
