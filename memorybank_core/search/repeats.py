"""Repetition: repeated statements become one result, and unanswered questions give way.

Pure functions of search results. A question that was asked before resembles the query more than
its answer does. If it was not answered then, the turn carries no information, and ranks after the
results that do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from memorybank_core.records import Memory, SearchResult, Turn
from memorybank_core.text import split_sentences
from memorybank_core.text_caches import cache_by_text

from .answers import ASKING_WORD, asks, is_answer
from .relevance import raise_relevance
from .tokenize import tokenize

_ABOUT_ASKING = re.compile(
    r"\b(?:did|have|had) (?:i|we) (?:ever |already )?ask(?:ed)?\b|\bi (?:already )?asked\b"
    r"|问过|我(?:之前|以前|上次)?问",
    re.IGNORECASE,
)
_MAX_ACKNOWLEDGEMENT = 80
"""Maximum length of a response that adds nothing to the statement before it, in characters."""
_MAX_LENGTH = 1_000
"""Maximum length of a turn that is compared with others, in characters."""
_PUNCTUATION = re.compile(r"[\W_]+")


def lower_unanswered(results: Sequence[SearchResult], query: str) -> list[SearchResult]:
    """Move turns that only asked what the query asks, without an answer, behind all others.

    Args:
        results: The results, best first.
        query: The query. If it is about what was asked before, nothing moves.

    Returns:
        The results in their new order. The part `answer` of those that moved is negative, and
        their relevance 0. That of the others rises, as their distance to the best score shrinks.
    """
    if _ABOUT_ASKING.search(query):
        return list(results)
    unanswered = [_is_unanswered(result.memory.turn, query) for result in results]
    if not any(unanswered) or all(unanswered):
        return list(results)
    pairs = list(zip(results, unanswered, strict=True))
    kept = [result for result, is_lowered in pairs if not is_lowered]
    distance = max(results[0].score - kept[0].score, 0.0)
    kept = [
        replace(result, relevance=raise_relevance(result.relevance, distance)) for result in kept
    ]
    penalty = kept[-1].score - results[0].score - 1.0
    lowered = [add_part(result, "answer", penalty) for result, is_lowered in pairs if is_lowered]
    return kept + [replace(result, relevance=0.0) for result in lowered]


def merge_repeats(results: Sequence[SearchResult]) -> list[SearchResult]:
    """Merge results that say the same thing into one, which counts them.

    The newest is shown, in the place and with the score of the best; its `times` and `last_said`
    tell how often and when it was said last.

    Args:
        results: The results, best first.
    """
    starts = [_start(result.memory) for result in results]
    counts = Counter(starts)
    groups: dict[object, list[SearchResult]] = {}
    for result, start in zip(results, starts, strict=True):
        key = _repeat_key(result.memory) if counts[start] > 1 else result.memory.id
        groups.setdefault(key, []).append(result)
    if len(groups) == len(results):
        return list(results)
    return [_merge(group) if len(group) > 1 else group[0] for group in groups.values()]


def add_part(result: SearchResult, name: str, value: float) -> SearchResult:
    """Return the result with `value` added to a part of its score."""
    parts = replace(result.parts, **{name: getattr(result.parts, name) + value})
    return replace(result, parts=parts, score=parts.total)


@cache_by_text(4_096)
def _may_ask(text: str) -> bool:
    """Return whether a text has a mark of a question, or a word of one and no mark at its end."""
    if "?" in text or "？" in text or "吗" in text or "呢" in text:
        return True
    return text[-1:].isalnum() and ASKING_WORD.search(text) is not None


def _is_unanswered(turn: Turn | None, query: str) -> bool:
    """Return whether the turn asked what the query asks, and its response does not answer.

    A turn that also states something is judged by what resembles the query more: its question or
    its statement.
    """
    unanswered = _find_unanswered(turn.query, turn.response) if turn else None
    if unanswered is None:
        return False
    asking, stating = unanswered
    terms = frozenset(tokenize(query))
    if turn and not turn.response.strip():  # another utterance may answer
        return not stating and asking <= terms
    return not stating or len(terms & asking) >= len(terms & stating)


@cache_by_text(4_096)
def _find_unanswered(query: str, response: str) -> tuple[frozenset[str], frozenset[str]] | None:
    """Return the terms of what a turn asks and of what it states; None if it is answered."""
    if not _may_ask(query):
        return None
    sentences = split_sentences(query)
    asking = [sentence for sentence in sentences if asks(sentence)]
    if not asking or is_answer(response, query):  # in this order: few texts ask
        return None
    stating = [sentence for sentence in sentences if not asks(sentence)]
    return _terms(asking), _terms(stating)


def _terms(sentences: Sequence[str]) -> frozenset[str]:
    return frozenset(tokenize(" ".join(sentences)))


def _start(memory: Memory) -> str:
    """Return the first characters, which are equal for memories that say the same thing."""
    return memory.turn.query.lstrip()[:4].casefold() if memory.turn else memory.id


def _repeat_key(memory: Memory) -> object:
    """Return a key that is equal for memories that say the same thing; unique for others."""
    turn = memory.turn
    if turn is None or len(memory.text) > _MAX_LENGTH:
        return memory.id
    query, response = _normalize(turn.query), turn.response
    if _may_ask(turn.query):
        answer = "" if _find_unanswered(turn.query, response) else _normalize(response)
    else:
        answer = "" if len(response) <= _MAX_ACKNOWLEDGEMENT else _normalize(response)
    if not query:
        answer = _normalize(response)
    return (turn.user_name, query, answer)


@cache_by_text(4_096)
def _normalize(text: str) -> str:
    return _PUNCTUATION.sub(" ", text.casefold()).strip()


def _merge(group: Sequence[SearchResult]) -> SearchResult:
    """Merge results, best first, that say the same thing."""
    newest = max(group, key=lambda result: (result.memory.created_at, result.memory.id))
    gain = group[0].score - newest.score
    return replace(
        add_part(newest, "change", gain) if gain else newest,
        relevance=max(result.relevance for result in group),
        times=sum(result.times for result in group),
        last_said=newest.last_said,
    )
