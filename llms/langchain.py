"""LangChain chat model that wraps a LocalModel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any

from memorybank_core.errors import MissingDependencyError

try:
    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.language_models import BaseChatModel, LangSmithParams
    from langchain_core.messages import (
        AIMessage,
        AIMessageChunk,
        BaseMessage,
        ChatMessage,
        HumanMessage,
        SystemMessage,
    )
    from langchain_core.messages.ai import UsageMetadata
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
    from langchain_core.tools import BaseTool
    from pydantic import ConfigDict
except ModuleNotFoundError as error:
    raise MissingDependencyError.of("langchain-core", "langchain") from error

from .framework_base import (
    FrameworkModel,
    answer_async,
    stream_answer,
    stream_answer_async,
    unsupported_content,
)
from .generation_request import Answer
from .local_model import LocalModel

if TYPE_CHECKING:
    from langchain_core.language_models import ModelProfile

_ROLES = {SystemMessage: "system", HumanMessage: "user", AIMessage: "assistant"}
_IGNORED_BLOCKS = ("reasoning", "thinking")  # not part of the message's text


class ChatLocalModel(FrameworkModel, BaseChatModel):
    """LangChain chat model that runs on this machine.

    `ChatLocalModel.load("path/to/model")` loads a model; `ChatLocalModel(host=...)` wraps a
    `LocalModel` that is loaded already. Its fields are those of `FrameworkModel`; a call may
    override them: `model.invoke("Hi", temperature=0)`. Concurrent requests, including those of
    `batch`, run one after the other; `host.answers` runs several in one batch. Tools are not
    supported.

    An answer that was cut off is not an error: its `response_metadata["finish_reason"]` is
    "length".

    Attributes:
        streaming: Whether `invoke` also streams, for callbacks that need the pieces.

    Raises:
        ConfigurationError: From a call: if a message or an argument is invalid.
        ContextOverflowError: From a call: if the messages exceed the context window.
        LLMError: From a call: if the model failed, or was closed.
    """

    model_config = ConfigDict(extra="forbid")

    streaming: bool = False

    @property
    def _llm_type(self) -> str:
        return "memorybank-local"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, **self._default_options()}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        return {**params, "ls_provider": "memorybank"}

    def _resolve_model_profile(self) -> ModelProfile:
        return {"max_input_tokens": self.host.context_window, "tool_calling": False}

    def get_token_ids(self, text: str) -> list[int]:
        """Return the token ids of `text`, without those of a prompt format."""
        ids: list[int] = self.host.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def get_num_tokens_from_messages(
        self,
        messages: list[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
    ) -> int:
        """Return the number of tokens of the prompt for `messages`.

        Raises:
            ConfigurationError: If there are tools, or a message is invalid.
        """
        if tools:
            raise unsupported_content("tools", self.host)
        conversation = _convert_messages(messages, self.host)
        return len(self.host.prompt_format.encode(self.host.tokenizer, conversation))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        conversation = _convert_messages(messages, self.host)
        options = self._call_options(stop, kwargs)
        return self._make_result(self.host.answer(conversation, **options))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        conversation = _convert_messages(messages, self.host)
        options = self._call_options(stop, kwargs)
        return self._make_result(await answer_async(self.host, conversation, **options))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        conversation = _convert_messages(messages, self.host)
        options = self._call_options(stop, kwargs)
        with closing(stream_answer(self.host, conversation, **options)) as pieces:
            for piece in pieces:
                chunk = self._make_chunk(piece)
                if run_manager:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        conversation = _convert_messages(messages, self.host)
        options = self._call_options(stop, kwargs)
        async with aclosing(stream_answer_async(self.host, conversation, **options)) as pieces:
            async for piece in pieces:
                chunk = self._make_chunk(piece)
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    def _call_options(self, stop: list[str] | None, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options of a call, without LangChain's internal keyword `stream`."""
        options = {name: value for name, value in options.items() if name != "stream"}
        return self._answer_options(stop, options)

    def _make_result(self, answer: Answer) -> ChatResult:
        message = AIMessage(
            answer.text,
            response_metadata=self._response_metadata(answer),
            usage_metadata=_make_usage(answer),
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _make_chunk(self, piece: str | Answer) -> ChatGenerationChunk:
        if isinstance(piece, str):
            return ChatGenerationChunk(message=AIMessageChunk(content=piece))
        last = AIMessageChunk(content="", usage_metadata=_make_usage(piece), chunk_position="last")
        return ChatGenerationChunk(message=last, generation_info=self._response_metadata(piece))

    def _response_metadata(self, answer: Answer) -> dict[str, Any]:
        return {"model_name": self.model_name, "finish_reason": answer.ending}


def _make_usage(answer: Answer) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=answer.prompt_tokens,
        output_tokens=answer.tokens,
        total_tokens=answer.prompt_tokens + answer.tokens,
    )


def _convert_messages(messages: Sequence[BaseMessage], host: LocalModel) -> list[dict[str, str]]:
    """Return the messages as dictionaries with "role" and "content"."""
    return [
        {"role": _convert_role(message, host), "content": _extract_text(message, host)}
        for message in messages
    ]


def _convert_role(message: BaseMessage, host: LocalModel) -> str:
    if isinstance(message, ChatMessage) and message.role in _ROLES.values():
        return str(message.role)
    role = next((role for kind, role in _ROLES.items() if isinstance(message, kind)), None)
    if role is None:
        raise unsupported_content(f"a message of type {message.type!r}", host)
    if getattr(message, "tool_calls", None):
        raise unsupported_content("a message that calls tools", host)
    return role


def _extract_text(message: BaseMessage, host: LocalModel) -> str:
    """Return the text of all blocks."""
    blocks = [] if isinstance(message.content, str) else message.content
    for block in blocks:
        kind = block.get("type") if isinstance(block, dict) else "text"
        if kind != "text" and kind not in _IGNORED_BLOCKS:
            raise unsupported_content(f"a block of type {kind!r}", host)
    return str(message.text)
