"""Interfaces of embedders, rerankers and language models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
"""float32, shape (d,)."""
Matrix = npt.NDArray[np.float32]
"""float32, shape (n, d)."""
Array = npt.NDArray[Any]
"""A numpy array of any type."""


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors of unit length.

    It may also have a `batch_size`: the maximum number of texts that it embeds in one call. Longer
    lists are split.
    """

    @property
    def name(self) -> str:
        """Name of the vector space: embedders with the same name must return the same vectors."""
        ...

    @property
    def dimension(self) -> int:
        """Length d of every vector."""
        ...

    def embed_documents(self, texts: list[str]) -> Matrix:
        """Return float32 vectors, shape (len(texts), d), rows of unit length."""
        ...

    def embed_query(self, text: str) -> Vector:
        """Return a float32 vector, shape (d,), of unit length."""
        ...


@runtime_checkable
class Reranker(Protocol):
    """Scores how well texts answer a query, by reading both together.

    A bank that has one passes it the best results of each search. Several threads may call it.
    """

    @property
    def name(self) -> str:
        """Name of the model, for messages."""
        ...

    def score(self, query: str, texts: list[str]) -> Array:
        """Return one finite number for each text, shape (len(texts),); higher answers better.

        Only differences between the scores of one call matter, on any scale.
        """
        ...


class LLM(Protocol):
    """A language model that answers a conversation.

    It may also have a `name` (a string, recorded as the author of its digests), a `context_window`
    (the maximum number of tokens of prompt and answer together) and `count_tokens(text) -> int`.
    """

    def complete(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> str:
        """Return the whole answer to `messages`, pairs of "role" and "content".

        Returns:
            The text; a `Completion` if the number of tokens is known.

        Raises:
            ContextOverflowError: If the messages exceed the context window.
            AnswerError: If the answer is empty, a refusal, or was cut off.
            LLMError: If the model failed otherwise.
        """
        ...


class Completion(str):
    """An answer with its number of tokens.

    Attributes:
        tokens: Tokens of prompt and answer together; None if unknown.
    """

    __slots__ = ("tokens",)

    def __new__(cls, text: str, tokens: int | None = None) -> Completion:
        """Create an answer."""
        answer = super().__new__(cls, text)
        answer.tokens = tokens
        return answer

    tokens: int | None
