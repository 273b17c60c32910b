"""CrossEncoderReranker: any cross-encoder of the sentence-transformers package."""

from __future__ import annotations

import numpy as np

from memorybank_core.errors import ConfigurationError, RerankerError
from memorybank_core.forked_processes import ForkLock
from memorybank_core.protocols import Array
from memorybank_core.sentence_transformers import load_model, short_name
from memorybank_core.text import without_surrogates


class CrossEncoderReranker:
    """A sentence-transformers `CrossEncoder`, by its name on the hub or a local path.

    Args:
        model: Name or path. Without a network, download it elsewhere and pass its folder.
        name: Name for messages; by default that of the model or of its folder.
        device: The device it runs on ("cpu", "cuda", "mps"); None lets the package choose.
        batch_size: Number of texts that it reads at a time.

    Raises:
        MissingDependencyError: If sentence-transformers is not installed.
        ConfigurationError: If the model cannot be loaded, or gives more than one score a text.
    """

    def __init__(
        self,
        model: str,
        *,
        name: str | None = None,
        device: str | None = None,
        batch_size: int = 32,
    ) -> None:
        self._model = load_model("CrossEncoder", "reranker", model, device)
        if self._model.num_labels != 1:
            raise ConfigurationError(
                f"the model {model!r} has {self._model.num_labels} labels; a reranker has one"
            )
        self.name = name or f"sentence-transformers:{short_name(model)}"
        self._batch_size, self._lock = batch_size, ForkLock(self.name)

    def score(self, query: str, texts: list[str]) -> Array:
        """Return one score for each text: float64, shape (len(texts),).

        Raises:
            RerankerError: If the model failed, for example because memory ran out.
        """
        pairs = [(without_surrogates(query), without_surrogates(text)) for text in texts]
        with self._lock:
            try:
                scores = self._model.predict(
                    pairs, batch_size=self._batch_size, show_progress_bar=False
                )
            except RuntimeError as error:  # from torch: out of memory, a lost device
                raise RerankerError(f"{self.name} failed: {error}") from error
        return np.asarray(scores, np.float64)
