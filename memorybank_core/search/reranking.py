"""Reranking: a slower model reads the query with each of the best results and scores it.

Its scores are standardized over the results that it read (mean 0, deviation 1) and added, with a
weight, as one more part of the score. If the model fails, the results keep their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from memorybank_core.errors import RerankerError
from memorybank_core.logs import describe_error, get_logger
from memorybank_core.protocols import Array, Candidates, MemoryStore, Reranker
from memorybank_core.records import Memory, SearchResult

from .repeats import add_part

MAX_RERANKED = 30
"""Maximum number of results that the reranker reads: the best ones without it."""
MAX_PRECEDING = 300
"""Maximum number of characters of the preceding memory that a text for the reranker begins with."""

_logger = get_logger(__name__)


def rerank(
    reranker: Reranker,
    query: str,
    results: Sequence[SearchResult],
    preceding: Mapping[str, Memory],
    weight: float,
) -> list[SearchResult]:
    """Return the results with the reranker's part in their scores, best first.

    The reranker reads the first `MAX_RERANKED` results. The others get the lowest part of
    these, and so stay after them. If the reranker fails, the error is logged with `logging` and the
    results are returned as they are.

    Args:
        reranker: The reranker.
        query: The query.
        results: The results of a search, best first.
        preceding: For ids of results, the memory before it in its conversation.
        weight: The weight of the reranker's standardized score.
    """
    texts = [
        _with_preceding(result.memory, preceding.get(result.memory.id))
        for result in results[:MAX_RERANKED]
    ]
    if not texts:
        return []
    try:
        scores = score_texts(reranker, query, texts)
    except RerankerError as error:
        _logger.warning("The search continues without the reranker: %s", describe_error(error))
        return list(results)
    read = weight * _standardize(scores)
    parts = np.append(read, np.full(len(results) - len(texts), read.min()))
    rescored = [
        add_part(result, "reranker", part)
        for result, part in zip(results, parts.tolist(), strict=True)
    ]
    return sorted(rescored, key=lambda result: -result.score)


def score_texts(reranker: Reranker, query: str, texts: list[str]) -> Array:
    """Return the reranker's scores, float64 (n,).

    Raises:
        RerankerError: If the reranker failed, or returned anything but n finite numbers.
    """
    name = getattr(reranker, "name", type(reranker).__name__)
    try:
        scores = np.asarray(reranker.score(query, texts), np.float64)
    except RerankerError:
        raise
    except Exception as error:  # a reranker of another package may raise any exception
        raise RerankerError(
            f"the reranker {name!r} failed: {type(error).__name__}: {error}"
        ) from error
    if scores.shape != (len(texts),):
        raise RerankerError(
            f"the reranker {name!r} returned scores of shape {scores.shape} for {len(texts)} texts"
        )
    if not np.isfinite(scores).all():
        raise RerankerError(f"the reranker {name!r} returned scores that are not finite")
    return scores


def fetch_preceding(
    store: MemoryStore,
    user_id: str,
    candidates: Candidates,
    rows: Sequence[int],
    memories: Mapping[int, Memory],
) -> dict[str, Memory]:
    """Return, by the ids of the best memories, the memory before each in its conversation.

    Only single utterances get one: they often answer what was said before, as "Yes, on Friday"
    does. A memory without a predecessor among the candidates gets none.

    Args:
        store: The store of the memories.
        user_id: The user.
        candidates: The candidates; neighbours of the good ones are among them.
        rows: The rows of the best candidates.
        memories: Their memories, by key.
    """
    before = _find_preceding(candidates)
    keys = {
        key: int(candidates.key[before[row]])
        for row, key in zip(rows, candidates.key[rows].tolist(), strict=True)
        if before[row] >= 0 and key in memories and _is_utterance(memories[key])
    }
    preceding = store.fetch(user_id, sorted(set(keys.values())))
    return {memories[key].id: preceding[other] for key, other in keys.items() if other in preceding}


def _find_preceding(candidates: Candidates) -> Array:
    """Return the row of the candidate before each in its conversation, or -1: int64 (n,)."""
    session = candidates.session
    before = np.full(len(session), -1)
    follows = np.flatnonzero((session[1:] == session[:-1]) & (session[1:] >= 0)) + 1
    before[follows] = follows - 1
    return before


def _is_utterance(memory: Memory) -> bool:
    """Return whether a memory is what one speaker said, without an answer."""
    turn = memory.turn
    return turn is not None and not (turn.query.strip() and turn.response.strip())


def _with_preceding(memory: Memory, preceding: Memory | None) -> str:
    """Return the text for the reranker, after the end of the preceding memory if there is one."""
    if preceding is None:
        return memory.text
    return f"{preceding.text[-MAX_PRECEDING:]}\n{memory.text}"


def _standardize(scores: Array) -> Array:
    """Return scores with mean 0 and deviation 1; zeros if all are equal."""
    deviation = scores.std()
    result: Array = (scores - scores.mean()) / deviation if deviation > 1e-9 else scores * 0.0
    return result
