"""Portraits without a language model: facts from the user's statements, in the third person.

Pure functions: no clock, no I/O, no randomness. A day's portrait lists its facts. The overall
portrait keeps a few from all days, by group: what lasts, is said often or is recent; what a newer
statement replaced is left out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from memorybank_core.records import Memory, Turn
from memorybank_core.text import CJK, clip, split_sentences

from . import fact_patterns as patterns
from .centrality import select_distinct
from .fact_choice import MIN_VALUE, RECENT_DAYS, Line, choose_facts, rate_value
from .fact_groups import classify
from .facts import Fact, find_facts, questions_before, rate
from .grammatical_person import to_first_person

MAX_LINES = 8
"""Maximum number of facts in the portrait of a day."""
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
        "home": "Home",
        "people": "People",
        "pets": "Animals",
        "work": "Work",
        "health": "Health",
        "food": "Food",
        "likes": "Likes",
        "routine": "Routine",
        "things": "Things",
        "plans": "Plans",
        "feelings": "Feelings",
        "other": "More",
    },
    "zh": {
        "life": "生活",
        "home": "住处",
        "people": "身边的人",
        "pets": "动物",
        "work": "工作",
        "health": "健康",
        "food": "饮食",
        "likes": "喜好",
        "routine": "习惯",
        "things": "物品",
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

_QUOTING_HEADINGS = ("In the user's own words:", "用户的原话：")
"""Headings of stored extractive portraits that quote the user; they are still read."""
_BULLET = re.compile(r"^\s*(?:[-*•·]|\d{1,2}[.)、])\s+(?=\S)")
_SPEAKER_LINE = re.compile("(?P<name>[^“]+)[:：] ?“(?P<quote>.*)”$")
_HEADING = re.compile("[:：]\\**$")
_HAN = re.compile(f"[{CJK}]")
_DAY_WORDS = (("yesterday", "昨天"), ("today", "今天"), ("tomorrow", "明天"))
_DAY_WORD = re.compile(r"\b(?:yesterday|today|tomorrow)\b(?!['’])|昨天|今天|明天", re.IGNORECASE)
_PROSE_SENTENCES = 3  # number of leading sentences taken from a portrait in prose
_MAX_READ = 1_000  # number of latest facts that an overall portrait is chosen from


def extract_portrait(turns: Sequence[Memory], language: str) -> str:
    """Return a day's portrait: what the user states about themselves, one fact a line.

    Without such statements, the portrait is `NOTHING_KNOWN`.

    Args:
        turns: The memories of the day's turns, at least one, in order of time.
        language: "en" or "zh", for the heading; each fact has the language of its statement.
    """
    exchanges = [memory.turn for memory in turns if memory.turn]
    facts = _find_day_facts(exchanges)
    if not facts:
        return NOTHING_KNOWN[language]
    texts = [fact.text for fact in facts]
    statements = [*map(to_first_person, texts)]
    scores = [
        rate_value(statement, fact.level, fact.group)
        for statement, fact in zip(statements, facts, strict=True)
    ]
    rows = sorted(select_distinct(statements, scores, MAX_LINES))
    rows = [row for row in rows if scores[row] >= MIN_VALUE] or rows
    return "\n- ".join([WORDING[language]["day"], *(texts[row] for row in rows)])


def extract_overall_portrait(days: Sequence[tuple[date, str]], language: str) -> str:
    """Return the most important facts of daily portraits by any author, a line for each group.

    Args:
        days: Each day with its portrait, at least one.
        language: "en" or "zh", for the heading and the names of the groups.
    """
    lines = [line for day, text in sorted(days) for line in _parse_portrait(day, text)][-_MAX_READ:]
    latest = max(day for day, _ in days)
    lines = [_name_days(line, latest) for line in lines]
    lines = [line for line in lines if _holds(line, latest)]
    if not lines:
        return NOTHING_KNOWN[language]
    chosen = choose_facts(lines, latest)
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


def _parse_portrait(day: date, text: str) -> Iterator[Line]:
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
                yield Line(day, fact.text, to_first_person(fact.text), fact.level, fact.group)
        return
    is_ours = heading in {wording["day"] for wording in WORDING.values()}
    prose = [row for row in split_sentences(text) if not _HEADING.search(row)][:_PROSE_SENTENCES]
    for item in items if is_ours else [clip(row, LINE_TOKENS) for row in items or prose]:
        first_person = to_first_person(item)
        level = rate(first_person.rstrip(".。")) if is_ours and first_person != item else 3
        yield Line(day, item, first_person, level, classify(first_person))


def _name_days(line: Line, latest: date) -> Line:
    """Return a fact of an earlier day with the dates of "today", "yesterday" and "tomorrow"."""
    if line.day == latest:
        return line

    def name(match: re.Match[str]) -> str:
        days = next(i for i, words in enumerate(_DAY_WORDS) if match[0].lower() in words) - 1
        day = line.day + timedelta(days=days)
        if _HAN.match(match[0]):
            return str(day)
        return f"{'On' if match[0][0].isupper() else 'on'} {day}"

    return line._replace(
        text=_DAY_WORD.sub(name, line.text), first_person=_DAY_WORD.sub(name, line.first_person)
    )


def _holds(line: Line, latest: date) -> bool:
    """Return whether a fact of a day can still be true: not one of "today" or "next week"."""
    return line.day == latest or not patterns.RELATIVE_TIME.search(line.first_person)


def _date(line: Line) -> str:
    """Return a fact; a plan or feeling with its day."""
    if line.group not in RECENT_DAYS:
        return line.text
    mark = "。" if _HAN.search(line.text) else "."
    day = f"（{line.day}）" if mark == "。" else f" ({line.day})"
    return f"{line.text.rstrip('.。')}{day}{mark}"


def _join(texts: Sequence[str]) -> str:
    result = texts[0]
    for text in texts[1:]:
        result += (" " if result[-1:].isascii() else "") + text
    return result
