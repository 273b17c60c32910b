"""LlamaIndex language model that wraps a LocalModel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any

from memorybank_core.errors import MissingDependencyError

try:
    from llama_index.core.base.llms.generic_utils import (
        astream_chat_response_to_completion_response,
        chat_response_to_completion_response,
        stream_chat_response_to_completion_response,
    )
    from llama_index.core.base.llms.types import (
        ChatMessage,
        ChatResponse,
        ChatResponseAsyncGen,
        ChatResponseGen,
        CompletionResponse,
        CompletionResponseAsyncGen,
        CompletionResponseGen,
        LLMMetadata,
        MessageRole,
        TextBlock,
        ThinkingBlock,
    )
    from llama_index.core.bridge.pydantic import ConfigDict
    from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
    from llama_index.core.llms.llm import LLM
except ModuleNotFoundError as error:
    raise MissingDependencyError.of("llama-index-core", "llamaindex") from error

from .framework_base import (
    FrameworkModel,
    answer_async,
    stream_answer,
    stream_answer_async,
    unsupported_content,
)
from .generation_request import Answer
from .local_model import LocalModel

_ROLES = {
    MessageRole.SYSTEM: "system",
    MessageRole.DEVELOPER: "system",
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
}
_TOOL_CALL_KEYS = ("tool_calls", "function_call")


class LocalLLM(FrameworkModel, LLM):
    """LlamaIndex language model that runs on this machine.

    `LocalLLM.load("path/to/model")` loads a model; `LocalLLM(host=...)` wraps a `LocalModel` that
    is loaded already. Its fields are those of `FrameworkModel`; a call may override them:
    `llm.chat(messages, temperature=0)`. A completion is the answer to a conversation of one
    message. Concurrent requests run one after the other. Function calls are not supported.

    An answer that was cut off is not an error: its `raw["finish_reason"]` is "length". The number
    of tokens is in `raw["usage"]` and in `additional_kwargs`.

    Raises:
        ConfigurationError: From a call: if a message or an argument is invalid.
        ContextOverflowError: From a call: if the messages exceed the context window.
        LLMError: From a call: if the model failed, or was closed.
    """

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serializes the class."""
        return "LocalLLM"

    @property
    def metadata(self) -> LLMMetadata:
        """The context window and other properties, which LlamaIndex uses to size its prompts."""
        return LLMMetadata(
            context_window=self.host.context_window,
            num_output=self.max_tokens or LLMMetadata().num_output,
            is_chat_model=True,
            model_name=self.model_name,
        )

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Return the answer to a conversation."""
        return self._chat(messages, kwargs)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Return the answer to `prompt`."""
        return chat_response_to_completion_response(self._chat(_as_messages(prompt), kwargs))

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Async `chat`."""
        return await self._achat(messages, kwargs)

    @llm_completion_callback()
    async def acomplete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponse:
        """Async `complete`."""
        return chat_response_to_completion_response(await self._achat(_as_messages(prompt), kwargs))

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Yield the answer to a conversation as it grows."""
        return self._stream(messages, kwargs)

    @llm_completion_callback()
    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        """Yield the answer to `prompt` as it grows."""
        return stream_chat_response_to_completion_response(
            self._stream(_as_messages(prompt), kwargs)
        )

    @llm_chat_callback()
    async def astream_chat(
        self, messages: Sequence[ChatMessage], **kwargs: Any
    ) -> ChatResponseAsyncGen:
        """Async `stream_chat`."""
        return self._astream(messages, kwargs)

    @llm_completion_callback()
    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        """Async `stream_complete`."""
        return astream_chat_response_to_completion_response(
            self._astream(_as_messages(prompt), kwargs)
        )

    def _chat(self, messages: Sequence[ChatMessage], options: Mapping[str, Any]) -> ChatResponse:
        converted, options = _convert_messages(messages, self.host), self._call_options(options)
        return self._make_response(self.host.answer(converted, **options))

    async def _achat(
        self, messages: Sequence[ChatMessage], options: Mapping[str, Any]
    ) -> ChatResponse:
        converted, options = _convert_messages(messages, self.host), self._call_options(options)
        return self._make_response(await answer_async(self.host, converted, **options))

    def _stream(
        self, messages: Sequence[ChatMessage], options: Mapping[str, Any]
    ) -> ChatResponseGen:
        converted, options = _convert_messages(messages, self.host), self._call_options(options)
        text = ""
        with closing(stream_answer(self.host, converted, **options)) as pieces:
            for piece in pieces:
                text += piece if isinstance(piece, str) else ""
                yield self._make_partial_response(text, piece)

    async def _astream(
        self, messages: Sequence[ChatMessage], options: Mapping[str, Any]
    ) -> ChatResponseAsyncGen:
        converted, options = _convert_messages(messages, self.host), self._call_options(options)
        text = ""
        async with aclosing(stream_answer_async(self.host, converted, **options)) as pieces:
            async for piece in pieces:
                text += piece if isinstance(piece, str) else ""
                yield self._make_partial_response(text, piece)

    def _call_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of a call, which include `stop`."""
        remaining = dict(options)
        return self._answer_options(remaining.pop("stop", None), remaining)

    def _make_partial_response(self, text: str, piece: str | Answer) -> ChatResponse:
        """Return the text so far with its newest piece, or the whole answer at the end."""
        if not isinstance(piece, str):
            return self._make_response(piece, delta="")
        return ChatResponse(message=_assistant_message(text), delta=piece)

    def _make_response(self, answer: Answer, delta: str | None = None) -> ChatResponse:
        usage = {
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.tokens,
            "total_tokens": answer.prompt_tokens + answer.tokens,
        }
        raw = {"model": self.model_name, "finish_reason": answer.ending, "usage": usage}
        return ChatResponse(
            message=_assistant_message(answer.text),
            raw=raw,
            delta=delta,
            additional_kwargs={**usage},
        )


def _as_messages(prompt: str) -> list[ChatMessage]:
    return [ChatMessage(prompt, role=MessageRole.USER)]


def _assistant_message(text: str) -> ChatMessage:
    return ChatMessage(text, role=MessageRole.ASSISTANT)


def _convert_messages(messages: Sequence[ChatMessage], host: LocalModel) -> list[dict[str, str]]:
    """Return the messages as dictionaries with "role" and "content"."""
    return [
        {"role": _convert_role(message, host), "content": _extract_text(message, host)}
        for message in messages
    ]


def _convert_role(message: ChatMessage, host: LocalModel) -> str:
    if message.role not in _ROLES:
        raise unsupported_content(f"a message of the role {message.role.value!r}", host)
    if any(message.additional_kwargs.get(key) for key in _TOOL_CALL_KEYS):
        raise unsupported_content("a message that calls tools", host)
    return _ROLES[message.role]


def _extract_text(message: ChatMessage, host: LocalModel) -> str:
    """Return the text of all blocks."""
    for block in message.blocks:
        if not isinstance(block, (TextBlock, ThinkingBlock)):
            raise unsupported_content(f"a {type(block).__name__}", host)
    return message.content or ""
