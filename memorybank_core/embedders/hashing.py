"""HashingEmbedder: words hashed into a vector. No model, no download, no meaning beyond words."""

from __future__ import annotations

import zlib

import numpy as np

from memorybank_core.protocols import Matrix, Vector
from memorybank_core.search.tokenize import tokenize


class HashingEmbedder:
    """Each term of a text adds 1 to the number that its checksum points at.

    Texts with the same words are near each other; synonyms are not. For tests, trials and
    machines on which no model fits.
    """

    def __init__(self, dimension: int = 256) -> None:
        self.dimension = dimension
        self.name = "hashing" if dimension == 256 else f"hashing-{dimension}"

    def embed_documents(self, texts: list[str]) -> Matrix:
        """float32, shape (len(texts), dimension), rows of unit length."""
        return np.array([self.embed_query(text) for text in texts], np.float32).reshape(
            len(texts), self.dimension
        )

    def embed_query(self, text: str) -> Vector:
        """float32, shape (dimension,), unit length."""
        vector = np.zeros(self.dimension, np.float32)
        for term in tokenize(text) or [""]:
            vector[zlib.crc32(term.encode()) % self.dimension] += 1.0
        result: Vector = vector / np.float32(np.linalg.norm(vector))
        return result


def hashing() -> HashingEmbedder:
    """Return the embedder "hashing", of dimension 256."""
    return HashingEmbedder()
