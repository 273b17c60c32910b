"""An embedder that prevents ties, which each store may order differently."""

import zlib

import numpy as np

from memorybank_core import HashingEmbedder


class NoTiesEmbedder(HashingEmbedder):
    """Adds noise to the bags of words, so that no two scores are equal."""

    def embed_documents(self, texts):
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text):
        noise = np.random.default_rng(zlib.crc32(text.encode())).normal(0, 0.05, self.dimension)
        vector = super().embed_query(text) + noise
        return (vector / np.linalg.norm(vector)).astype(np.float32)
