"""Embedders of other frameworks behind `Embedder`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from memorybank_core.errors import EmbedderError
from memorybank_core.protocols import Matrix, Vector
from memorybank_core.validation import unit_vectors


class ForeignEmbedder:
    """An embedder that asks a foreign one, first when its `dimension` is asked for.

    Args:
        documents: Embeds texts. Both may raise anything, and give vectors of any length.
        query: Embeds a question.
        name: Identifies the vectors.
    """

    def __init__(
        self, documents: Callable[[list[str]], Any], query: Callable[[str], Any], name: str
    ) -> None:
        self._documents, self._query, self.name = documents, query, name

    @cached_property
    def dimension(self) -> int:
        return len(self._asked(self._query, "memory"))

    def embed_documents(self, texts: list[str]) -> Matrix:
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        return unit_vectors(self._asked(self._documents, texts), len(texts), self.dimension)

    def embed_query(self, text: str) -> Vector:
        vector: Vector = unit_vectors(self._asked(self._query, text), 1, self.dimension)[0]
        return vector

    def __repr__(self) -> str:
        return f"as_embedder({self.name!r})"

    def _asked(self, embed: Callable[[Any], Any], told: str | list[str]) -> Any:
        try:
            return embed(told)
        except Exception as error:  # a foreign model may raise whatever it likes
            raise EmbedderError(f"{self.name} failed: {type(error).__name__}: {error}") from error
