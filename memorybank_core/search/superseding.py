"""Superseding: the newest statement about a thing ranks before those that it replaced.

A pure function of search results. Nothing is dropped: an older statement keeps its memory, follows
the newest one directly, and refers to it by `superseded_by`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from memorybank_core.protocols import Array, Candidates
from memorybank_core.records import Memory, SearchResult, SupersededBy

from .repeats import add_part
from .statement_analysis import StatementProfile, analyze_statement, has_more, may_replace, replaces
from .traits import HAN

_MIN_COSINE = 0.25
"""Minimum cosine of memories that may say the same thing, without the mean of the candidates."""
_MAX_LENGTH = 300
"""Maximum length of a turn that replaces or is replaced, in characters: longer ones say more."""
_MAX_CORRECTED_LENGTH, _MAX_CORRECTION_DELAY = 2_000, timedelta(days=2)
"""Maximum length of a turn that a correction within this time replaces, in characters."""
_ZERO_VECTORS = 5
"""Number of zero vectors in each mean (shrinkage), which keep the mean of few candidates small."""
_MAX_COMPARED = 15
"""Maximum number of results that are compared, best first: others hardly answer the query."""
_PAST = re.compile(
    r"\b(?:used to|previous(?:ly)?|former(?:ly)?|original(?:ly)?|at first|back then|earlier"
    r"|(?<!how )old|before|history)\b"
    r"|以前|之前|原来|原先|曾经|最早|最初|起初|过去|那时|当时|历史|[变改]了",
    re.IGNORECASE,
)
_PAST_TENSE = re.compile(r"\b(?:did|was|were|had)\b", re.IGNORECASE)


def asks_past(query: str) -> bool:
    """Return whether a query asks how something was before, so that no statement is outdated."""
    return _PAST.search(query) is not None


def keep_current(results: Sequence[SearchResult]) -> list[SearchResult]:
    """Return the results that belong in a prompt.

    A statement whose newer one is there too is left out, unless it says more than what the newer
    one replaces, and so is a question that was not answered: they cost tokens and mislead a model.
    """
    memories = {result.memory.id: result.memory for result in results}
    return [
        result
        for result in results
        if result.parts.answer >= 0
        and (
            result.superseded_by is None
            or result.superseded_by.id not in memories
            or _says_more(result.memory, memories[result.superseded_by.id])
        )
    ]


def order_changes(
    results: Sequence[SearchResult], similarity: Array, query: str
) -> list[SearchResult]:
    """Return the results with each chain of statements in the place of its best, newest first.

    Args:
        results: The results, best first.
        similarity: float (m, m), how near in meaning the best m are (see `compare_results`).
        query: The query. If it asks in the past tense, only corrections replace a statement: what
            has changed since was true at that time, even if a language model recorded the change.
    """
    only_corrections = _PAST_TENSE.search(query) is not None
    newer = _find_newer(results, similarity, only_corrections)
    if not only_corrections:
        newer |= _find_recorded(results)
    if not newer:
        return list(results)
    chains: dict[int, list[int]] = {}
    for older in newer:
        chains.setdefault(_follow(newer, older), []).append(older)
    moved = {row for newest, olders in chains.items() for row in (newest, *olders)}
    starts = {min(newest, *olders): newest for newest, olders in chains.items()}
    ordered = []
    for row, result in enumerate(results):
        if row in starts:
            newest = starts[row]
            ordered += _order_chain(results, row, newest, sorted(chains[newest]))
        elif row not in moved:
            ordered.append(result)
    return ordered


def compare_results(candidates: Candidates, rows: Sequence[int]) -> Array:
    """Return the similarity of the best of these rows to each other; 0 if one is not pooled.

    From each vector, the mean of the candidates in the same script is subtracted: what all texts of
    a language have in common would outweigh what they say.
    """
    chosen, pooled = np.array(rows[:_MAX_COMPARED], int), candidates.pooled
    place = (np.cumsum(pooled) - 1).take(chosen)
    group = (candidates.flags & HAN > 0).astype(np.intp)
    members = np.equal.outer((0, 1), group.compress(pooled)).astype(np.float32)
    means = (members @ candidates.vectors) / (members.sum(axis=1, keepdims=True) + _ZERO_VECTORS)
    vectors = candidates.vectors.take(place, 0) - means.take(group.take(chosen), 0)
    vectors *= pooled.take(chosen)[:, None]
    similarity: Array = vectors @ vectors.T
    lengths = np.maximum(np.sqrt(similarity.diagonal()), 1e-9)
    similarity /= np.multiply.outer(lengths, lengths)
    return similarity


def _find_newer(
    results: Sequence[SearchResult], similarity: Array, only_corrections: bool
) -> dict[int, int]:
    """Return the row of the next newer statement of each result that has one."""
    following: dict[int, int] = {}
    for older, newer in np.argwhere(similarity >= _MIN_COSINE).tolist():
        if older >= newer:
            continue
        if results[older].memory.created_at > results[newer].memory.created_at:
            older, newer = newer, older
        if _replaces(results[older].memory, results[newer].memory, only_corrections) and (
            older not in following
            or results[newer].memory.created_at < results[following[older]].memory.created_at
        ):
            following[older] = newer
    return following


def _find_recorded(results: Sequence[SearchResult]) -> dict[int, int]:
    """Return the row of the next newer statement of each result for which one is recorded."""
    following: dict[int, int] = {}
    if not any(result.memory.replaced_by for result in results):  # the usual case
        return following
    rows = {result.memory.id: row for row, result in enumerate(results)}
    for row, result in enumerate(results):
        newer = [
            (results[rows[id]].memory.created_at, rows[id])
            for id in result.memory.replaced_by
            if id in rows and results[rows[id]].memory.created_at > result.memory.created_at
        ]
        if newer:
            following[row] = min(newer)[1]
    return following


def _replaces(older: Memory, newer: Memory, only_corrections: bool) -> bool:
    if older.turn is None or newer.turn is None or older.created_at == newer.created_at:
        return False
    if older.turn.user_name != newer.turn.user_name:
        return False
    text = newer.turn.query
    if len(text) > _MAX_LENGTH or not may_replace(text):  # few may: this spares reading both
        return False
    second = _read(newer, _MAX_LENGTH)
    if second is None or (only_corrections and not second.corrects):
        return False
    is_soon = newer.created_at - older.created_at <= _MAX_CORRECTION_DELAY
    first = _read(older, _MAX_CORRECTED_LENGTH if second.corrects and is_soon else _MAX_LENGTH)
    if first is None:
        return False
    return replaces(first, second)


def _says_more(older: Memory, newer: Memory) -> bool:
    first, second = _read(older, _MAX_CORRECTED_LENGTH), _read(newer, _MAX_CORRECTED_LENGTH)
    return first is not None and second is not None and has_more(first, second)


def _read(memory: Memory, max_length: int) -> StatementProfile | None:
    text = memory.turn.query if memory.turn else ""
    return analyze_statement(text) if 0 < len(text) <= max_length else None


def _follow(newer: dict[int, int], row: int) -> int:
    """Return the newest statement of the chain."""
    while row in newer:
        row = newer[row]
    return row


def _order_chain(
    results: Sequence[SearchResult], best: int, newest: int, olders: Sequence[int]
) -> list[SearchResult]:
    """Return the newest result in the place of the best of its chain, then the older ones."""
    score, memory = results[best].score, results[newest].memory
    mark = SupersededBy(memory.id, memory.day)
    lifted = add_part(results[newest], "change", score - results[newest].score)
    relevance = max(results[row].relevance for row in (newest, *olders))
    ordered = [replace(lifted, relevance=relevance)]
    for row in olders:
        lowered = add_part(results[row], "change", score - results[row].score)
        ordered.append(replace(lowered, superseded_by=mark))
    return ordered
