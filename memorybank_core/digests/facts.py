"""Facts about the user: statements of their turns in the third person, each a sentence of its own.

A statement is cut out of its sentence, a short answer is completed from the question before it,
and what would not stand alone (a fragment, a pronoun without its noun) is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from memorybank_core.records import Turn
from memorybank_core.text import CJK, estimate_tokens, split_sentences

from . import answer_patterns, dialogue_patterns, statement_patterns
from . import fact_patterns as patterns
from .fact_groups import classify
from .grammatical_person import to_third_person
from .implied_subjects import MAN, WOMAN, add_description, add_subject, name_person
from .statement_spans import find_statements, rate_self_level

MAX_TOKENS = 32
"""Maximum length of a fact, in estimated tokens."""
_MIN_TOKENS = 2.5  # minimum length of a statement: shorter ones say too little
_MAX_READ = 4_000  # characters of a turn that are read
_MAX_FRAGMENT = 200  # characters after a statement that are read for its description
_MAX_ANSWER = 8  # words or Chinese characters of an answer that is completed
_HAN = re.compile(f"[{CJK}]")
_QUOTE = re.compile(r"[\"“「『]|(?<=[\s(])['‘](?=\w)")
_OWN_SUBJECT = re.compile(r"(?:my|our) (?:\w+ )??\w+(?=['’]s | )", re.IGNORECASE)
_END = re.compile(r"[\s,，;；:：、.。!！~～…—–-]+$")


class Fact(NamedTuple):
    """A sentence about the user.

    Attributes:
        text: The sentence, in the third person.
        level: How much it reveals: 1 a deed, 2 a state, plan or event of life, 3 a lasting trait.
        group: A group of `fact_groups.classify`, such as "home"; "other" if none fits.
    """

    text: str
    level: int
    group: str


def find_facts(turn: Turn, question: str = "", name: str | None = None) -> list[Fact]:
    """Return the facts that a turn states about its user, in order.

    Args:
        turn: The turn.
        question: What the companion said before; completes a short answer.
        name: Name of the user, to use in place of "the user".
    """
    query = turn.query[:_MAX_READ]
    statements = [*_find_statements(query), [_complete(query, question)]]
    facts = (
        next(filter(None, (_make_fact(text, name) for text in _by_preference(versions))), None)
        for versions in statements
    )
    return list(dict.fromkeys(fact for fact in facts if fact))


def _by_preference(versions: Sequence[str]) -> list[str]:
    """Return the versions of a statement, the longest first; those with a comparison last."""
    return sorted(versions, key=lambda text: (patterns.SIMILE.search(text) is not None, -len(text)))


def _find_statements(query: str) -> Iterator[list[str]]:
    """Yield the versions of each statement in the first person (see `_split_statements`)."""
    before = ""
    for span in find_statements(query):
        if span.role == "talk":
            continue
        for sentence in split_sentences(query[span.start : span.end]):
            after = query[query.find(sentence, span.start) + len(sentence) :][:_MAX_FRAGMENT]
            sentence = add_subject(name_person(sentence, before), before)
            before = sentence
            sentence = add_description(sentence, after)
            if statement_patterns.FIRST_PERSON.search(sentence) and not patterns.ROLE.search(
                sentence
            ):
                yield from _split_statements(sentence)


def _split_statements(sentence: str) -> Iterator[list[str]]:
    """Yield the versions of each statement in a sentence: with one clause, with two, and so on."""
    is_chinese = _HAN.search(sentence) is not None
    boundary = patterns.CHINESE_CLAUSE if is_chinese else patterns.CLAUSE
    start = patterns.CHINESE_START if is_chinese else patterns.START
    sentence, *quoted = _QUOTE.split(patterns.ASIDE.sub("", sentence), maxsplit=1)
    parts = [part for part in boundary.split(sentence) if part.strip()]
    if quoted:  # the clause that the quote belongs to
        parts = parts[:-1]
    index = 0
    while index < len(parts):
        text = patterns.CONJUNCTION.sub("", parts[index]).lstrip()
        match = start.match(text)
        index += 1
        if not match:
            continue
        lead = (match["lead"] or "").rstrip()
        if patterns.EMPTY_LEAD.match(match["lead"] or ""):
            text = text[match.end("lead") :]
        elif not is_chinese and " " in lead and not lead.endswith(","):
            text = f"{lead}, {text[match.end('lead') :]}"
        versions = [_END.sub("", text)]
        while index < len(parts) and _continues(text, parts[index], start):
            gap = "" if is_chinese or text.endswith(" ") or parts[index].startswith(" ") else " "
            text += gap + parts[index]
            versions.append(_END.sub("", text))
            index += 1
        yield versions


def _continues(text: str, part: str, start: re.Pattern[str]) -> bool:
    """Return whether a clause belongs to the statement before it."""
    if estimate_tokens(text + part) > MAX_TOKENS:
        return False
    if patterns.SUBORDINATE.match(part):
        return True
    rest = patterns.CONJUNCTION.sub("", part).lstrip()
    if _is_about_same(text, rest):
        return True
    return not start.match(rest) and not patterns.OWN_SUBJECT.match(part.lstrip())


def _is_about_same(text: str, clause: str) -> bool:
    """Return whether the pronoun that begins a clause is the subject "my …" of the statement."""
    pronoun, subject = patterns.PRONOUN_SUBJECT.match(clause), _OWN_SUBJECT.match(text)
    if not pronoun or not subject:
        return False
    is_person = statement_patterns.PERSON_OR_PET.search(subject.group()) is not None
    if pronoun["thing"]:
        return not is_person
    other = WOMAN if pronoun["person"].lower().startswith("he") else MAN
    return is_person and not other.search(subject.group())


def _make_fact(statement: str, name: str | None) -> Fact | None:
    """Return a statement as a fact; None if it does not stand alone or tells nothing."""
    is_chinese = _HAN.search(statement) is not None
    if not _MIN_TOKENS <= estimate_tokens(statement) <= MAX_TOKENS:
        return None
    if patterns.UNFIT.search(statement) or dialogue_patterns.TALK.search(statement):
        return None
    if _is_dangling(statement):
        return None
    finite = patterns.CHINESE_FINITE if is_chinese else patterns.FINITE
    if not finite.search(statement):
        return None
    level = rate(statement)
    text = to_third_person(statement, name)
    if not level or text is None:
        return None
    text = text.replace(",", "，").replace("， ", "，") if is_chinese else text
    return Fact(f"{text}{'。' if is_chinese else '.'}", level, classify(statement))


def rate(statement: str) -> int:
    """Return the level of a statement, 0 to 3; 0 if it is only an opinion."""
    if patterns.MENTAL.search(statement):
        return 0
    level = rate_self_level(statement)
    if patterns.LIFE_EVENT.search(statement):
        return max(level, 2)
    if patterns.MOMENT.search(statement) or patterns.PAST_TENSE.search(statement):
        return min(level, 1)
    return max(level, 2) if patterns.PRESENT.search(statement) else level


def _is_dangling(statement: str) -> bool:
    """Return whether a pronoun has no noun before it in the statement."""
    for pronoun in patterns.PRONOUN.finditer(statement):
        if not patterns.ANTECEDENT.search(statement[: pronoun.start()]):
            return True
    return patterns.DEIXIS.search(statement) is not None


def _complete(query: str, question: str) -> str:
    """Return a short answer as a sentence, with the words of its question; "" if it cannot."""
    answer = _END.sub("", query.strip())
    if not answer or not question or len(answer) > 60 or answer_patterns.NO_ANSWER.search(answer):
        return ""
    words = len(_HAN.findall(answer)) or len(answer.split())
    if words > _MAX_ANSWER or statement_patterns.FIRST_PERSON.search(answer):
        return ""
    last_line = question.strip().splitlines()[-1]
    for pattern, template in answer_patterns.QUESTIONS:
        if (match := pattern.search(last_line)) and (
            not match.groupdict().get("place") or answer_patterns.PLACE.match(answer)
        ):
            if match.groupdict().get("place"):
                answer = answer[0].lower() + answer[1:]
            return template.format(**match.groupdict(), answer=answer)
    return ""


def questions_before(turns: Sequence[Turn]) -> list[str]:
    """Return what the companion said before each of these turns in the same session, or ""."""
    before = [""]
    for earlier, later in pairwise(turns):
        before.append(earlier.response if earlier.session == later.session else "")
    return before
