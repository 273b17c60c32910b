"""OpenAIEmbedder: an embedding model behind OpenAI's API, or any server with the same interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from memorybank_core.embedders.options import parse_options, positive_int, write_options
from memorybank_core.embedders.prefixes import Prefixes, prefixes_of
from memorybank_core.errors import ConfigurationError, EmbedderError
from memorybank_core.protocols import Matrix, Vector
from memorybank_core.text import without_surrogates
from memorybank_core.validation import normalize_vectors

from .chat_completion import get_nested
from .connection import NO_KEY, Connection
from .embedding_errors import RequestTooLargeError, translate_embedding_error
from .ollama import ollama_url
from .server_errors import request_errors

_DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
"""Dimensions of OpenAI's models; another model is asked for one vector."""
_BATCH, _SMALL_BATCH = 256, 32
"""Texts of a request to OpenAI (at most 2,048), and to other servers, which often take only 32."""
_LEAST = 16
"""Characters of a text that is not split further."""
_PROBE = "memory"
_OPTIONS: Mapping[str, Callable[[str], Any]] = {
    "base_url": str,
    "dimensions": positive_int,
    "document_prefix": str,
    "query_prefix": str,
}


class OpenAIEmbedder:
    """An embedding model of OpenAI or of a server with the same interface.

    Such servers are Ollama, vLLM, llama.cpp, text-embeddings-inference and others. A request that
    fails temporarily (time-outs, broken connections, status 408, 409, 429 and 5xx) is retried,
    after the delay that the server requests or with exponential backoff. If a server refuses a
    request as too large, it is sent in parts; the vector of a text that is too long is the mean of
    those of its parts. Thread-safe. Texts are sent to the server, and neither texts nor the key
    are logged or part of an error.

    Args:
        model: The model's name at the server.
        dimensions: Length of the vectors, for a model that can shorten them; None for its own.
        api_key: None for OPENAI_API_KEY in the environment. Servers other than OpenAI's may not
            need a key.
        base_url: The server's address, such as "http://localhost:8000/v1"; None for
            OPENAI_BASE_URL in the environment, or OpenAI.
        query_prefix: Text before each query; None for that of the model's family, if it is known.
        document_prefix: Text before each document; None likewise.
        batch_size: Maximum number of texts of a request; None for 256 with OpenAI, else 32.
        timeout: Seconds without data after which a request fails.
        max_retries: Number of times that a failed request is sent again.
        client: A client with the interface of `openai.OpenAI`, such as `openai.AzureOpenAI`. It
            has its own key, address, time-out and retries, and its owner closes it.
        name: The name that the bank stores; None for "openai:MODEL" with the options that change
            the vectors, and with `base_url` if it is passed here. Pass the stored name if the
            server has moved.

    Raises:
        MissingDependencyError: If the package `openai` is not installed.
        ConfigurationError: If the endpoint is OpenAI's and there is no key, or an argument is not
            valid.
    """

    def __init__(
        self,
        model: str,
        *,
        dimensions: int | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        query_prefix: str | None = None,
        document_prefix: str | None = None,
        batch_size: int | None = None,
        timeout: float = 30.0,
        max_retries: int = 4,
        client: Any = None,
        name: str | None = None,
    ) -> None:
        if not model:
            raise ConfigurationError("write the name of a model: openai:text-embedding-3-small")
        for value in (dimensions, batch_size):
            if value is not None and value < 1:
                raise ConfigurationError(
                    f"dimensions and batch_size must be 1 or more, not {value}"
                )
        self._model, self._requested = model, dimensions
        self._connection = Connection(
            model,
            method="embeddings.create",
            api_key=api_key,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            client=client,
        )
        known = prefixes_of(model)
        self._prefixes = Prefixes(
            known.query if query_prefix is None else query_prefix,
            known.document if document_prefix is None else document_prefix,
        )
        is_openai = self._connection.is_openai
        # without a format, the openai package asks for base64, which other servers may not have
        self._options = {} if is_openai else {"encoding_format": "float"}
        self.batch_size = batch_size or (_BATCH if is_openai else _SMALL_BATCH)
        self._dimension = dimensions or (_DIMENSIONS.get(model) if is_openai else None)
        self.name = name or write_options(
            f"openai:{model}",
            {
                "base_url": base_url and self._connection.endpoint.base_url,
                "dimensions": dimensions,
                "document_prefix": document_prefix,
                "query_prefix": query_prefix,
            },
        )

    @classmethod
    def from_name(cls, name: str) -> OpenAIEmbedder:
        """Return the embedder of a model with options: "text-embedding-3-small?dimensions=512".

        Args:
            name: Name of the model, then "?" and the options base_url, dimensions,
                document_prefix and query_prefix.

        Raises:
            ConfigurationError: If an option is not valid, or the model cannot be used.
        """
        model, options = parse_options(name, _OPTIONS)
        return cls(model, **options)

    @property
    def dimension(self) -> int:
        """The length of the vectors; a server's own model is asked for one vector first.

        Raises:
            EmbedderError: If the server failed.
        """
        if self._dimension is None:
            self._dimension = len(self._request([_PROBE])[0])
        return self._dimension

    def assume_dimension(self, dimension: int) -> None:
        """Take the dimension that a bank has stored, so that it can be opened without the server.

        Vectors of another length are refused later.
        """
        if self._dimension is None:
            self._dimension = dimension

    def embed_documents(self, texts: list[str]) -> Matrix:
        """Return a unit vector for each text: float32, shape (len(texts), dimension).

        Raises:
            EmbedderUnavailableError: If the server cannot be reached, or refuses for now.
            EmbedderError: If it failed otherwise, or returned vectors that cannot be used.
        """
        batches = range(0, len(texts), self.batch_size)
        parts = [
            self._embed(texts[start : start + self.batch_size], self._prefixes.document)
            for start in batches
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)

    def embed_query(self, text: str) -> Vector:
        """Return the unit vector of a query: float32, shape (dimension,).

        Raises the same errors as `embed_documents`.
        """
        vector: Vector = self._embed([text], self._prefixes.query)[0]
        return vector

    def close(self) -> None:
        """Close the connections, but not those of an external client; a later call reconnects."""
        self._connection.close()

    def __repr__(self) -> str:
        return f"OpenAIEmbedder({self.name!r}, base_url={self._connection.endpoint.base_url!r})"

    def _embed(self, texts: Sequence[str], prefix: str) -> Matrix:
        """Return the unit vectors of texts; send them in parts if they are too many or too long."""
        try:
            vectors = self._request([_clean(f"{prefix}{text}") for text in texts])
            return normalize_vectors(vectors, len(texts), self.dimension)
        except RequestTooLargeError:
            if len(texts) == 1 and len(texts[0]) < 2 * _LEAST:
                raise
        if len(texts) > 1:
            middle = len(texts) // 2
            parts = [self._embed(half, prefix) for half in (texts[:middle], texts[middle:])]
            return np.concatenate(parts)
        text = texts[0]
        middle = len(text) // 2
        halves = self._embed([text[:middle], text[middle:]], prefix)
        return normalize_vectors(halves.mean(axis=0), 1, self.dimension)

    def _request(self, texts: Sequence[str]) -> Any:
        """Return the server's vectors of texts, in their order."""
        options: dict[str, Any] = dict(self._options)
        if self._requested is not None:
            options["dimensions"] = self._requested
        try:
            response = self._connection.call(model=self._model, input=list(texts), **options)
            return self._parse(response, len(texts))
        except request_errors() as error:
            translated = translate_embedding_error(error, self._connection.endpoint, texts)
            raise translated from translated.__cause__

    def _parse(self, response: Any, count: int) -> list[Any]:
        """Return the vectors of a response by their index; raise EmbedderError if some are missing.

        Other servers than OpenAI's may send any answer.
        """
        items = getattr(response, "data", None)
        count_received = len(items) if isinstance(items, list) else "no"
        if not isinstance(items, list) or len(items) != count:
            raise EmbedderError(
                f"{self._connection.endpoint} returned {count_received} vectors for {count} texts. "
                "Nothing was stored."
            )
        by_index = {getattr(item, "index", None): item for item in items}
        if by_index.keys() == set(range(count)):
            items = [by_index[index] for index in range(count)]
        return [get_nested(item, "embedding") for item in items]


def load_ollama(name: str) -> OpenAIEmbedder:
    """Return the embedder of a model of Ollama, at OLLAMA_HOST or on this machine.

    Args:
        name: Name of the model, then "?" and the options dimensions, document_prefix and
            query_prefix.

    Raises:
        MissingDependencyError: If the package `openai` is not installed.
        ConfigurationError: If OLLAMA_HOST or an option is not valid.
    """
    known = {option: convert for option, convert in _OPTIONS.items() if option != "base_url"}
    model, options = parse_options(name, known)
    own_name = write_options(f"ollama:{model}", options)
    return OpenAIEmbedder(model, base_url=ollama_url(), api_key=NO_KEY, name=own_name, **options)


def _clean(text: str) -> str:
    """Return a text that every server accepts: not blank, and valid in UTF-8."""
    clean = without_surrogates(text).replace("\0", " ")
    return clean if clean.strip() else "."
