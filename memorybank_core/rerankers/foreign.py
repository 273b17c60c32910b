"""ForeignReranker: a reranker of another framework as a `Reranker`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from memorybank_core.errors import RerankerError
from memorybank_core.forked_processes import limit_threads, set_torch_threads
from memorybank_core.protocols import Array


class ForeignReranker:
    """A reranker made of a function of another framework.

    Args:
        score: Returns one number for each text. It may raise any exception.
        name: Name for messages.
    """

    def __init__(self, score: Callable[[str, list[str]], Any], name: str) -> None:
        self._score, self.name = score, name
        limit_threads(set_torch_threads)

    def score(self, query: str, texts: list[str]) -> Array:
        """Return one score for each text: float64, shape (len(texts),).

        Raises:
            RerankerError: If the other framework failed.
        """
        if not texts:
            return np.empty(0)
        try:
            return np.asarray(self._score(query, texts), np.float64)
        except Exception as error:  # the other framework may raise any exception
            raise RerankerError(f"{self.name} failed: {type(error).__name__}: {error}") from error

    def __repr__(self) -> str:
        return f"as_reranker({self.name!r})"


def scores_of_order(order: Iterable[tuple[int, float | None]], count: int) -> Array:
    """Return the scores of texts of which another framework returned the best, in order.

    Frameworks return a sorted, often shortened list. If its scores differ, they are used;
    otherwise the positions are. A text that was left out gets the lowest score of the others, or
    less than it if positions are used.

    Args:
        order: The positions of the returned texts in the list given, each with its score; best
            first.
        count: Number n of texts given.

    Returns:
        Array: float64 (n,).
    """
    rows, values = zip(*order, strict=True) if (order := list(order)) else ((), ())
    known = [value for value in values if value is not None]
    if len(known) < len(values) or len(set(known)) < 2:
        known = [float(count - position) for position in range(len(rows))]
        lowest = 0.0
    else:
        lowest = min(known)
    scores = np.full(count, lowest)
    scores[list(rows)] = known
    return scores
