"""Fakes of the protocols: deterministic, without a model or network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from memorybank_core.protocols import Array, Matrix, Vector


class WordLengthEmbedder:
    """Embedder that returns the lengths of a text's first words: "a big cat" → (1, 3, 3, 0, …).

    The vector is scaled to unit length. A text without words becomes (1, 0, …), so that
    no vector is all zeros.
    """

    name = "word-length"

    def __init__(self, dimension: int = 8) -> None:
        self.dimension = dimension

    def embed_documents(self, texts: list[str]) -> Matrix:
        """Return float32 vectors, shape (len(texts), dimension), rows of unit length."""
        vectors = [self.embed_query(text) for text in texts]
        return np.array(vectors, np.float32).reshape(len(texts), self.dimension)

    def embed_query(self, text: str) -> Vector:
        """Return a float32 vector, shape (dimension,), of unit length."""
        lengths = [len(word) for word in text.split()[: self.dimension]] or [1]
        vector = np.zeros(self.dimension, np.float32)
        vector[: len(lengths)] = lengths
        result: Vector = vector / np.float32(np.linalg.norm(vector))
        return result


class WordOverlapReranker:
    """Reranker that counts the words of the query in a text: "a cat" in "the cat" → 1.

    Attributes:
        asked: The query and the texts of each call.
    """

    name = "word-overlap"

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str]]] = []

    def score(self, query: str, texts: list[str]) -> Array:
        """Return the counts, float64 (len(texts),)."""
        self.asked.append((query, texts))
        words = set(query.lower().split())
        return np.array([len(words.intersection(text.lower().split())) for text in texts], float)


class FakeLLM:
    """Language model that returns prepared answers in order, or calls a function for each.

    Args:
        answers: The answers, or a function that returns the answer to the messages.
        name: Name recorded as the author of digests.
        context_window: Maximum number of tokens of prompt and answer, if it is limited.

    Attributes:
        asked: The messages of each call.
    """

    def __init__(
        self,
        answers: Sequence[str] | Callable[[list[dict[str, str]]], str],
        *,
        name: str = "fake",
        context_window: int | None = None,
    ) -> None:
        self.name, self.context_window = name, context_window
        self._answers = answers
        self.asked: list[list[dict[str, str]]] = []

    def complete(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> str:
        """Return the next answer.

        Raises:
            LookupError: If every answer was returned already.
        """
        copies = [dict(message) for message in messages]
        self.asked.append(copies)
        if callable(self._answers):
            return self._answers(copies)
        if len(self.asked) > len(self._answers):
            raise LookupError(
                f"FakeLLM has {len(self._answers)} answers and was called {len(self.asked)} times; "
                f"the last message was {copies[-1:]}"
            )
        return self._answers[len(self.asked) - 1]
