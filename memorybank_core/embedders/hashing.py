"""HashingEmbedder: words hashed into a vector, without a model or a download."""

from __future__ import annotations

import zlib

import numpy as np

from memorybank_core.protocols import Matrix, Vector
from memorybank_core.search.tokenize import tokenize


class HashingEmbedder:
    """Bag of words: each term of a text adds 1 to the dimension that its checksum selects.

    Texts that share words are similar; synonyms are not. For tests, trials and machines too small
    for a model.

    Args:
        dimension: The length of the vectors.
    """

    def __init__(self, dimension: int = 256) -> None:
        self.dimension = dimension
        self.name = "hashing" if dimension == 256 else f"hashing-{dimension}"

    def embed_documents(self, texts: list[str]) -> Matrix:
        """Return a unit vector for each text: float32, shape (len(texts), dimension)."""
        return np.array([self.embed_query(text) for text in texts], np.float32).reshape(
            len(texts), self.dimension
        )

    def embed_query(self, text: str) -> Vector:
        """Return the unit vector of a query: float32, shape (dimension,)."""
        vector = np.zeros(self.dimension, np.float32)
        for term in tokenize(text) or [""]:
            vector[zlib.crc32(term.encode()) % self.dimension] += 1.0
        result: Vector = vector / np.float32(np.linalg.norm(vector))
        return result


def hashing() -> HashingEmbedder:
    """Return the embedder "hashing", of dimension 256."""
    return HashingEmbedder()
