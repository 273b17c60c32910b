"""A stand-in for an embedder, where nothing is embedded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from memorybank_core.errors import EmbedderError


@dataclass(frozen=True, slots=True)
class Unloaded:
    """The name and dimension of the embedder that wrote a bank, and nothing that embeds.

    Attributes:
        name: Its name.
        dimension: The length of its vectors.
    """

    name: str
    dimension: int

    def embed_documents(self, texts: list[str]) -> NoReturn:
        """Raises EmbedderError."""
        raise EmbedderError(f"the embedder {self.name!r} was not loaded")

    def embed_query(self, text: str) -> NoReturn:
        """Raises EmbedderError."""
        raise EmbedderError(f"the embedder {self.name!r} was not loaded")
