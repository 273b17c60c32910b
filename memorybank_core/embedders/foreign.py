"""ForeignEmbedder: an embedder of another framework as an `Embedder`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from memorybank_core.errors import EmbedderError
from memorybank_core.forked_processes import limit_threads, set_torch_threads
from memorybank_core.protocols import Matrix, Vector
from memorybank_core.validation import normalize_vectors


class ForeignEmbedder:
    """An embedder made of two functions of another framework.

    Its first call embeds one word, to learn the dimension.

    Args:
        documents: Embeds texts. It may raise any exception and return vectors of any length.
        query: Embeds a query, under the same conditions.
        name: Identifies the vectors.
    """

    def __init__(
        self, documents: Callable[[list[str]], Any], query: Callable[[str], Any], name: str
    ) -> None:
        self._documents, self._query, self.name = documents, query, name
        limit_threads(set_torch_threads)

    @cached_property
    def dimension(self) -> int:
        """The length of the vectors."""
        return len(self._call(self._query, "memory"))

    def embed_documents(self, texts: list[str]) -> Matrix:
        """Return a unit vector for each text: float32, shape (len(texts), dimension)."""
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        return normalize_vectors(self._call(self._documents, texts), len(texts), self.dimension)

    def embed_query(self, text: str) -> Vector:
        """Return the unit vector of a query: float32, shape (dimension,)."""
        vector: Vector = normalize_vectors(self._call(self._query, text), 1, self.dimension)[0]
        return vector

    def __repr__(self) -> str:
        return f"as_embedder({self.name!r})"

    def _call(self, embed: Callable[[Any], Any], text: str | list[str]) -> Any:
        try:
            return embed(text)
        except Exception as error:  # the other framework may raise any exception
            raise EmbedderError(f"{self.name} failed: {type(error).__name__}: {error}") from error
