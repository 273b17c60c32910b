"""The embedder of the comparison as LangChain's `Embeddings`, for the systems that take one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from langchain_core.embeddings import Embeddings

from compare.protocol import Embedder


class LangChainEmbeddings(Embeddings):
    """Passes texts on."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._is_storing = False

    @contextlib.contextmanager
    def storing(self) -> Iterator[None]:
        """Embed as a document what is passed to `embed_query`, for systems that mix them up."""
        self._is_storing = True
        try:
            yield
        finally:
            self._is_storing = False

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for each text."""
        return self._embedder.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        if self._is_storing:
            return self._embedder.embed_documents([text])[0]
        return self._embedder.embed_query(text)
