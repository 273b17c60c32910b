"""Find the statements in an English or Chinese utterance, and rate how much they reveal.

A statement is a verbatim piece of the text without the small talk around it, such as "Hi,",
"好的，" or "…, what do you think?". The patterns are in
`dialogue_patterns` and `statement_patterns`.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Literal, NamedTuple

from memorybank_core.text import CJK, clip, estimate_tokens, split_sentences

from . import dialogue_patterns, statement_patterns

FULL_WEIGHT_TOKENS = 12
"""Minimum length of a statement of full weight, in estimated tokens."""
MAX_JOINED_TOKENS = 45
"""Maximum length of a sentence joined with one that refers back to it, in estimated tokens."""

_MAX_MATCHED = 400  # characters of a sentence that are matched; quotes are always shorter
_MAX_GREETING = 60  # characters of a clause that are matched as a greeting
_MAX_STARTS = 50  # statements of a turn that are tried as the beginning of a quote

_COMMA = re.compile(rf"(?<=[，；])|(?<=[,;])(?=[\s{CJK}])")
_DANGLING = " ,，;；、:：-—"
_LETTER = re.compile(r"[^\W\d_]")


class StatementSpan(NamedTuple):
    """Position and rating of a statement in a text.

    Attributes:
        start: Index of its first character.
        end: Index after its last character.
        weight: How much it says about what happened, in (0, 1].
        role: "standalone", "dependent" on the sentence before ("It was great.") or "talk" with
            the companion ("Thank you!").
    """

    start: int
    end: int
    weight: float
    role: Literal["standalone", "dependent", "talk"]


def find_statements(text: str) -> list[StatementSpan]:
    """Return the statements in `text`, in order, without questions and greetings."""
    spans: list[StatementSpan] = []
    position = 0
    for sentence in split_sentences(text):
        begin = text.index(sentence, position)
        position = begin + len(sentence)
        if not (piece := _strip_talk(sentence)):
            continue
        span = _rate(piece, text.index(piece, begin))
        joined = _join_dependent(text, spans[-1], span) if spans else None
        if joined:
            spans[-1] = joined
        else:
            spans.append(span)
    return spans


def select_excerpt(text: str, limit: float) -> str:
    """Return the most informative excerpt of `text`, of about `limit` estimated tokens.

    It consists of the adjacent statements with the highest total weight. If there are no
    statements, it is the beginning of the text.
    """
    spans = find_statements(text)
    if not spans:
        return clip(text, limit)
    starts = sorted(range(len(spans)), key=lambda i: -spans[i].weight)[:_MAX_STARTS]
    best, best_weight = spans[starts[0]], 0.0
    for i in sorted(starts):
        first = last = spans[i]
        weight = 0.0
        for following in islice(spans, i, None) if first.role == "standalone" else ():
            if following != first and not _can_follow(text, first, last, following, limit):
                break
            weight, last = weight + following.weight, following
        if weight > best_weight:
            best, best_weight = first._replace(end=last.end), weight
    return clip(text[best.start : best.end], limit)


def length_weight(text: str) -> float:
    """Return a weight in (0, 1] by length alone; it is 1 from `FULL_WEIGHT_TOKENS` on."""
    return min(1.0, max(estimate_tokens(text), 1.0) / FULL_WEIGHT_TOKENS)


def _strip_talk(sentence: str) -> str:
    """Return the statement in `sentence`, or "" if it is only a question or small talk."""
    parts = _COMMA.split(sentence)
    first, last = 0, len(parts)
    if dialogue_patterns.QUESTION.search(sentence):
        while last > 1 and dialogue_patterns.ADDRESS.fullmatch(parts[last - 1]):
            last -= 1
        asking = dialogue_patterns.ASKING
        questions = (i for i, part in enumerate(parts[:last]) if asking.search(part))
        last = min(next(questions, last), last - 1)
    while last > 1 and dialogue_patterns.TALK.search(parts[last - 1]):
        last -= 1
    while first < last and dialogue_patterns.OPENING.fullmatch(parts[first][:_MAX_GREETING]):
        first += 1
    while 0 < first < last and dialogue_patterns.ADDRESS.fullmatch(parts[first]):
        first += 1
    piece = "".join(parts[first:last]).strip()
    if link := dialogue_patterns.LINK.match(piece):
        piece = piece[link.end() :]
    is_cut = last < len(parts)
    if is_cut:
        piece = piece.rstrip(_DANGLING)
    return piece if _is_statement(piece, is_cut) else ""


def _is_statement(piece: str, is_cut: bool) -> bool:
    """Return whether `piece` has content and its main clause was not cut off."""
    if not _LETTER.search(piece) or dialogue_patterns.FILLER.fullmatch(piece):
        return False
    is_fragment = statement_patterns.SUBORDINATE.search(piece) or estimate_tokens(piece) < 3
    return not (is_cut and is_fragment)


def _rate(piece: str, start: int) -> StatementSpan:
    """Rate the statement `piece`, which begins at index `start` of its text."""
    end, piece = start + len(piece), piece[:_MAX_MATCHED]
    weight = length_weight(piece)
    is_vague = weight < 1.0 and dialogue_patterns.VAGUE.search(piece)
    if is_vague or dialogue_patterns.TALK.search(piece):
        return StatementSpan(start, end, 0.1 * weight, "talk")
    is_dependent = bool(statement_patterns.BACK_REFERENCE.search(piece))
    factors = (
        (0.3, is_dependent),
        (0.4, statement_patterns.PROMISE.search(piece)),
        (0.6, statement_patterns.SECOND_PERSON.search(piece)),
        (0.7, not statement_patterns.FIRST_PERSON.search(piece)),
        (0.7, not statement_patterns.TIME.search(piece)),
    )
    for factor, applies in factors:
        weight *= factor if applies else 1.0
    return StatementSpan(start, end, weight, "dependent" if is_dependent else "standalone")


def rate_self_level(piece: str) -> int:
    """Return how much `piece` reveals about its speaker.

    0 is nothing, 1 an action or opinion, 2 a feeling, plan or habit, 3 a lasting trait or taste.
    """
    if statement_patterns.OPINION.search(piece):
        return 1
    if statement_patterns.SECOND_PERSON.search(piece):
        return 0
    levels = statement_patterns.SELF_LEVELS
    return next((level for level, pattern in levels if pattern.search(piece)), 0)


def _can_follow(
    text: str, first: StatementSpan, last: StatementSpan, following: StatementSpan, limit: float
) -> bool:
    """Return whether the quote from `first` to `last` can be extended by `following`."""
    fits = estimate_tokens(text[first.start : following.end]) <= limit
    return fits and following.role != "talk" and _are_adjacent(text, last, following)


def _join_dependent(text: str, before: StatementSpan, after: StatementSpan) -> StatementSpan | None:
    """Return both statements as one if the later depends on the earlier and both are short."""
    if after.role == "dependent" and _can_follow(text, before, before, after, MAX_JOINED_TOKENS):
        return before._replace(end=after.end) if before.role == "standalone" else None
    return None


def _are_adjacent(text: str, left: StatementSpan, right: StatementSpan) -> bool:
    """Return whether only whitespace on one line separates two statements of `text`."""
    gap = text[left.end : right.start]
    return not gap.strip() and len(f"{gap}.".splitlines()) == 1
