"""Statements: the subjects and values in a user's words, and cues that something changed.

The rules use general vocabulary of English and Chinese, and no model. The last statements that were
read are kept, since searches find the same memories again and again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from memorybank_core.text import CJK, is_question, split_sentences
from memorybank_core.text_caches import cache_by_text

from .change_patterns import (
    ADDITION,
    CHANGE,
    CHINESE_IGNORED,
    CHINESE_VERB,
    CORRECTION,
    END,
    IGNORED,
    NAMED,
    NOW,
    PAST_TIME,
    PERSON_ROLES,
    RESIDENCE,
    ROLE_NAMES,
    SELF,
    SINGLE_VALUED,
    STATE,
    VALUE,
    VERB,
)
from .tokenize import tokenize

_CLAUSE = re.compile(
    r"[,;:，；：。.!！()（）]+(?:\s+|$|(?=[^\d\s]))|\s(?:and|but|so|because|since|while)\s"
)
_HAN = re.compile(f"[{CJK}]")
_HAN_PAIR = re.compile(f"[{CJK}]{{2}}")
_WORD = re.compile(rf"[^\W{CJK}]+(?:[-:.][^\W{CJK}]+)*")
_MIN_SHARED_TERMS = 0.15
"""Minimum share of the shorter text's terms that statements about the same thing have in common."""
_MIN_FURTHER_WORDS = 3
"""Minimum number of further words of a replaced statement that says more than what was replaced."""
SELF_SUBJECT = frozenset(("i",))
"""The subject of clauses about the speaker."""


@dataclass(frozen=True, slots=True)
class StatementProfile:
    """The content of the stating sentences of a text.

    Attributes:
        terms: The terms of the text that carry a topic.
        values: Its numbers, times and days.
        subjects: What each clause is about: its words before the verb.
        roles: The roles of the persons that it mentions: relatives, neighbours, colleagues.
        frames: The values of clauses that state one value, by the rest of the clause.
        cue_terms: The terms of the sentences that say that something changed, ended or was wrong.
        corrects: Whether it says that an earlier statement was wrong.
        changes: Whether it says that something changed.
        ends: Whether it says that something ended.
        is_now: Whether it says how something is now.
        adds: Whether it adds to a list.
        is_about_residence: Whether it is about where someone lives.
    """

    terms: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    subjects: frozenset[frozenset[str]] = frozenset()
    roles: frozenset[str] = frozenset()
    frames: frozenset[tuple[frozenset[str], frozenset[str]]] = frozenset()
    cue_terms: frozenset[str] = frozenset()
    corrects: bool = False
    changes: bool = False
    ends: bool = False
    is_now: bool = False
    adds: bool = False
    is_about_residence: bool = False


@cache_by_text(4_096)
def analyze_statement(text: str) -> StatementProfile | None:
    """Return the profile of what a text states, or None if it only asks."""
    sentences = [sentence for sentence in split_sentences(text) if not is_question(sentence)]
    if not sentences:
        return None
    stated = " ".join(sentences)
    clauses = [clause for clause in _CLAUSE.split(stated) if clause and clause.strip()]
    cues = [s for s in sentences if any(p.search(s) for p in (CORRECTION, CHANGE, END, NOW))]
    return StatementProfile(
        terms=_terms(stated),
        values=frozenset(match.lower() for match in VALUE.findall(stated)),
        subjects=frozenset(filter(None, map(_find_subject, clauses))),
        roles=frozenset(ROLE_NAMES[m.lower()] for m in PERSON_ROLES.findall(stated)),
        frames=frozenset(_find_frames(clauses)),
        cue_terms=_terms(" ".join(cues)),
        corrects=CORRECTION.search(stated) is not None,
        changes=CHANGE.search(stated) is not None,
        ends=END.search(stated) is not None,
        is_now=NOW.search(stated) is not None,
        adds=ADDITION.search(stated) is not None,
        is_about_residence=RESIDENCE.search(stated) is not None,
    )


@cache_by_text(4_096)
def may_replace(text: str) -> bool:
    """Return False for a text whose statement replaces no other: it has no cue and no value."""
    stated = " ".join(split_sentences(text))
    return any(pattern.search(stated) for pattern in (VALUE, CORRECTION, CHANGE, END, NOW, NAMED))


def replaces(older: StatementProfile, newer: StatementProfile) -> bool:
    """Return whether `newer` states another value for the same attribute of the same subject."""
    if older.roles and newer.roles and older.roles.isdisjoint(newer.roles):
        return False
    if _states_other_value(older, newer):
        return True
    is_change = newer.corrects or newer.changes or newer.ends
    if not (is_change or newer.is_now) or (newer.adds and not is_change):
        return False
    shared = _count(older.terms & newer.cue_terms)
    enough = max(0.6, _MIN_SHARED_TERMS * min(_count(older.terms), _count(newer.cue_terms)))
    if newer.corrects and (shared >= 2 * enough or older.values & newer.values):
        return True
    if newer.ends and shared >= enough and SELF_SUBJECT in newer.subjects:
        return True
    if not older.subjects or not newer.subjects:
        return is_change and shared >= 2 * enough
    if not _same_subject(older, newer):
        return False
    if is_change:
        same = older.subjects & newer.subjects - {SELF_SUBJECT}
        is_move = older.is_about_residence and newer.is_about_residence
        return shared >= enough or bool(same) or is_move
    return shared >= min(2 * enough, _count(older.terms) / 2, _count(newer.cue_terms) / 2)


def has_more(older: StatementProfile, newer: StatementProfile) -> bool:
    """Return whether `older` says more than what `newer` repeats or replaces."""
    further = older.terms - newer.terms - _terms(" ".join(older.values))
    words = sum(0.5 if _HAN.match(term) else 1.0 for term in further if not _HAN_PAIR.match(term))
    return words + max(len(older.values) - len(newer.values), 0) >= _MIN_FURTHER_WORDS


def _count(terms: frozenset[str]) -> float:
    """Return the number of terms; a single Chinese character counts a third."""
    return sum(1.0 if len(term) > 1 or term.isascii() else 1 / 3 for term in terms)


def _states_other_value(older: StatementProfile, newer: StatementProfile) -> bool:
    """Return whether a clause of both differs in nothing but its value."""
    values = dict(older.frames)
    return any(frame in values and values[frame] != value for frame, value in newer.frames)


def _same_subject(older: StatementProfile, newer: StatementProfile) -> bool:
    """Return whether a clause of one is about what a clause of the other is about."""
    for first in older.subjects:
        for second in newer.subjects:
            if first <= second or second <= first:
                return True
    newer_words = newer.terms.union(*newer.subjects)
    older_words = older.terms.union(*older.subjects)
    return any(s <= newer_words for s in older.subjects if s != SELF_SUBJECT) or any(
        s <= older_words for s in newer.subjects if s != SELF_SUBJECT
    )


def _terms(text: str) -> frozenset[str]:
    return frozenset(tokenize(text)) - IGNORED


def _find_subject(clause: str) -> frozenset[str]:
    """Return the words of a clause before its verb; "i" for the speaker, empty if unknown."""
    if _HAN.search(clause):
        clause = CHINESE_IGNORED.sub("", VALUE.sub("", clause))
        verb = CHINESE_VERB.search(clause)
        before = clause[: verb.start()] if verb else ""
        subject = frozenset(before) - IGNORED
        return subject or (SELF_SUBJECT if "我" in before else frozenset())
    verb = VERB.search(clause)
    if verb is None:
        return frozenset()
    words = [word.lower() for word in _WORD.findall(clause[: verb.start()])]
    subject = frozenset(tokenize(" ".join(words))) - IGNORED
    if subject:
        return subject
    return SELF_SUBJECT if SELF.intersection(words) else frozenset()


def _find_frames(clauses: list[str]) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """Yield the frame and the value of each clause that states one value of something."""
    for clause in clauses:
        if PAST_TIME.search(clause):
            continue
        values = frozenset(value.lower() for value in VALUE.findall(clause))
        rest = frozenset(tokenize(VALUE.sub(" ", clause))) - IGNORED
        if values and rest and (STATE.search(clause) or SINGLE_VALUED.search(clause)):
            yield rest, values
        if named := NAMED.search(clause):
            yield frozenset(tokenize(named["of"])) - IGNORED, frozenset((named["name"].lower(),))
