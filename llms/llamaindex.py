"""A LocalModel as a language model of LlamaIndex's."""

from __future__ import annotations

from collections.abc import Sequence
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

from .framework_base import Asking, answered, awritten, unusable, written
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
_CALLS = ("tool_calls", "function_call")


class LocalLLM(Asking, LLM):
    """A model on this machine as a language model of LlamaIndex's.

    `LocalLLM.load("path/to/model")` loads one; `LocalLLM(host=...)` takes one that other faces may
    share. Fields and their meaning are those of `Asking`; a call may say otherwise:
    `llm.chat(messages, temperature=0)`. A completion is the answer to a conversation of one
    message. Requests that come at once wait for each other. It calls no functions.

    An answer that was cut off is one: its `raw["finish_reason"]` is "length". How many tokens it
    took is in `raw["usage"]` and in `additional_kwargs`.

    Raises:
        ConfigurationError: From a call: a message or an argument cannot be used.
        ContextOverflowError: From a call: the messages are longer than the model reads.
        LLMError: From a call: the model failed, or was closed.
    """

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def class_name(cls) -> str:
        """The name of the class, by which LlamaIndex serializes."""
        return "LocalLLM"

    @property
    def metadata(self) -> LLMMetadata:
        """What LlamaIndex plans its prompts by."""
        return LLMMetadata(
            context_window=self.host.context_window,
            num_output=self.max_tokens or LLMMetadata().num_output,
            is_chat_model=True,
            model_name=self.model_name,
        )

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return self._chat(messages, kwargs)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return chat_response_to_completion_response(self._chat(_asking(prompt), kwargs))

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return await self._achat(messages, kwargs)

    @llm_completion_callback()
    async def acomplete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponse:
        return chat_response_to_completion_response(await self._achat(_asking(prompt), kwargs))

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        return self._stream(messages, kwargs)

    @llm_completion_callback()
    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        return stream_chat_response_to_completion_response(self._stream(_asking(prompt), kwargs))

    @llm_chat_callback()
    async def astream_chat(
        self, messages: Sequence[ChatMessage], **kwargs: Any
    ) -> ChatResponseAsyncGen:
        return self._astream(messages, kwargs)

    @llm_completion_callback()
    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        return astream_chat_response_to_completion_response(self._astream(_asking(prompt), kwargs))

    def _chat(self, messages: Sequence[ChatMessage], given: dict[str, Any]) -> ChatResponse:
        plain, request = _plain(messages, self.host), self._asked(given)
        return self._whole(self.host.answer(plain, **request))

    async def _achat(self, messages: Sequence[ChatMessage], given: dict[str, Any]) -> ChatResponse:
        plain, request = _plain(messages, self.host), self._asked(given)
        return self._whole(await answered(self.host, plain, **request))

    def _stream(self, messages: Sequence[ChatMessage], given: dict[str, Any]) -> ChatResponseGen:
        plain, request = _plain(messages, self.host), self._asked(given)
        text = ""
        with closing(written(self.host, plain, **request)) as pieces:
            for piece in pieces:
                text += piece if isinstance(piece, str) else ""
                yield self._part(text, piece)

    async def _astream(
        self, messages: Sequence[ChatMessage], given: dict[str, Any]
    ) -> ChatResponseAsyncGen:
        plain, request = _plain(messages, self.host), self._asked(given)
        text = ""
        async with aclosing(awritten(self.host, plain, **request)) as pieces:
            async for piece in pieces:
                text += piece if isinstance(piece, str) else ""
                yield self._part(text, piece)

    def _asked(self, given: dict[str, Any]) -> dict[str, Any]:
        """A request; LlamaIndex has `stop` among the keywords of a call."""
        rest = {**given}
        return self._request(rest.pop("stop", None), rest)

    def _part(self, text: str, piece: str | Answer) -> ChatResponse:
        """What is written so far, and last the whole."""
        if not isinstance(piece, str):
            return self._whole(piece, delta="")
        return ChatResponse(message=_said(text), delta=piece)

    def _whole(self, answer: Answer, delta: str | None = None) -> ChatResponse:
        usage = {
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.tokens,
            "total_tokens": answer.prompt_tokens + answer.tokens,
        }
        raw = {"model": self.model_name, "finish_reason": answer.ending, "usage": usage}
        return ChatResponse(
            message=_said(answer.text), raw=raw, delta=delta, additional_kwargs={**usage}
        )


def _asking(prompt: str) -> list[ChatMessage]:
    return [ChatMessage(prompt, role=MessageRole.USER)]


def _said(text: str) -> ChatMessage:
    return ChatMessage(text, role=MessageRole.ASSISTANT)


def _plain(messages: Sequence[ChatMessage], host: LocalModel) -> list[dict[str, str]]:
    """Pairs of "role" and "content"."""
    return [{"role": _role(one, host), "content": _text(one, host)} for one in messages]


def _role(message: ChatMessage, host: LocalModel) -> str:
    if message.role not in _ROLES:
        raise unusable(f"a message of the {message.role.value}", host)
    if any(message.additional_kwargs.get(key) for key in _CALLS):
        raise unusable("a message that calls tools", host)
    return _ROLES[message.role]


def _text(message: ChatMessage, host: LocalModel) -> str:
    """What it says, in all its blocks of text."""
    for block in message.blocks:
        if not isinstance(block, (TextBlock, ThinkingBlock)):
            raise unusable(f"a {type(block).__name__}", host)
    return message.content or ""
