"""EmbedderPlaceholder: name and dimension of an embedder that is not loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from memorybank_core.errors import EmbedderError


@dataclass(frozen=True, slots=True)
class EmbedderPlaceholder:
    """Name and dimension of the embedder that wrote a bank, for operations that embed nothing.

    Attributes:
        name: The name of the embedder.
        dimension: The length of its vectors.
    """

    name: str
    dimension: int

    def embed_documents(self, texts: list[str]) -> NoReturn:
        """Raise EmbedderError: a placeholder embeds nothing."""
        raise EmbedderError(f"the embedder {self.name!r} was not loaded")

    def embed_query(self, text: str) -> NoReturn:
        """Raise EmbedderError: a placeholder embeds nothing."""
        raise EmbedderError(f"the embedder {self.name!r} was not loaded")
