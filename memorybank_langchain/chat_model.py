"""LangChain chat model that calls a MemoryBank language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    convert_to_openai_messages,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict

from memorybank_core import LLM

from .messages import extract_text


def as_chat_model(llm: LLM) -> BaseChatModel:
    """Wrap a MemoryBank language model, such as `llms.OpenAIChat`, as a LangChain chat model.

    Only text is supported. Answers are streamed if the model has `stream(messages)`. Errors of the
    model are raised unchanged. For a local model use `llms.langchain.ChatLocalModel`.

    Args:
        llm: The language model.
    """
    return _ChatModel(llm=llm)


class _ChatModel(BaseChatModel):
    """Chat model that calls a MemoryBank language model."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    llm: Any

    @property
    def _llm_type(self) -> str:
        return "memorybank"

    @property
    def model_name(self) -> str:
        """Name of the language model."""
        return str(getattr(self.llm, "name", type(self.llm).__name__))

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        max_tokens: int | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        answer = self.llm.complete(_to_dicts(messages), max_tokens=max_tokens, stop=stop)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(str(answer)))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        max_tokens: int | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        if not hasattr(self.llm, "stream"):
            generation = self._generate(messages, stop, max_tokens=max_tokens).generations[0]
            message = AIMessageChunk(content=generation.text, chunk_position="last")
            yield ChatGenerationChunk(message=message)
            return
        stream = self.llm.stream(_to_dicts(messages), max_tokens=max_tokens, stop=stop)
        with closing(stream) as pieces:
            for piece in pieces:
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
                if run_manager:
                    run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk
        yield ChatGenerationChunk(message=AIMessageChunk(content="", chunk_position="last"))


def _to_dicts(messages: Sequence[BaseMessage]) -> list[dict[str, str]]:
    """Return the texts of messages as dictionaries with "role" and "content"."""
    texts = [extract_text(message) for message in messages]
    only_text = [
        message.model_copy(update={"content": text})
        for message, text in zip(messages, texts, strict=True)
    ]
    roles = [message["role"] for message in convert_to_openai_messages(only_text)]
    return [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]
