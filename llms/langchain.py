"""A LocalModel as a chat model of LangChain's."""

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

from .framework_base import Asking, answered, awritten, unusable, written
from .generation_request import Answer
from .local_model import LocalModel

if TYPE_CHECKING:
    from langchain_core.language_models import ModelProfile

_ROLES = {SystemMessage: "system", HumanMessage: "user", AIMessage: "assistant"}
_UNSAID = ("reasoning", "thinking")  # blocks that are no part of what was said


class ChatLocalModel(Asking, BaseChatModel):
    """A model on this machine as a chat model of LangChain's.

    `ChatLocalModel.load("path/to/model")` loads one; `ChatLocalModel(host=...)` takes one that
    other faces may share. Fields and their meaning are those of `Asking`; a call may say otherwise:
    `model.invoke("Hi", temperature=0)`. Requests that come at once, those of `batch` among them,
    wait for each other; `host.answers` runs several in one batch. It offers no tools.

    An answer that was cut off is one: its `response_metadata["finish_reason"]` is "length".

    Attributes:
        streaming: Whether `invoke` streams, too, for callbacks that want the pieces.

    Raises:
        ConfigurationError: From a call: a message or an argument cannot be used.
        ContextOverflowError: From a call: the messages are longer than the model reads.
        LLMError: From a call: the model failed, or was closed.
    """

    model_config = ConfigDict(extra="forbid")

    streaming: bool = False

    @property
    def _llm_type(self) -> str:
        return "memorybank-local"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, **self._settings()}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        said = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        return {**said, "ls_provider": "memorybank"}

    def _resolve_model_profile(self) -> ModelProfile:
        return {"max_input_tokens": self.host.context_window, "tool_calling": False}

    def get_token_ids(self, text: str) -> list[int]:
        """The ids of the tokens of `text`, without any that frame a prompt."""
        ids: list[int] = self.host.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def get_num_tokens_from_messages(
        self,
        messages: list[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
    ) -> int:
        """How many tokens the prompt has that `messages` become."""
        if tools:
            raise unusable("tools", self.host)
        return len(self.host.prompt_format.encode(self.host.tokenizer, _plain(messages, self.host)))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        request = self._asked(stop, kwargs)
        return self._result(self.host.answer(_plain(messages, self.host), **request))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        request = self._asked(stop, kwargs)
        return self._result(await answered(self.host, _plain(messages, self.host), **request))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        request = self._asked(stop, kwargs)
        with closing(written(self.host, _plain(messages, self.host), **request)) as pieces:
            for piece in pieces:
                chunk = self._chunk(piece)
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
        request = self._asked(stop, kwargs)
        async with aclosing(awritten(self.host, _plain(messages, self.host), **request)) as pieces:
            async for piece in pieces:
                chunk = self._chunk(piece)
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    def _asked(self, stop: list[str] | None, given: dict[str, Any]) -> dict[str, Any]:
        """A request, without the keyword by which LangChain asks itself to stream."""
        return self._request(stop, {key: it for key, it in given.items() if key != "stream"})

    def _result(self, answer: Answer) -> ChatResult:
        message = AIMessage(
            answer.text, response_metadata=self._told(answer), usage_metadata=_usage(answer)
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _chunk(self, piece: str | Answer) -> ChatGenerationChunk:
        if isinstance(piece, str):
            return ChatGenerationChunk(message=AIMessageChunk(content=piece))
        last = AIMessageChunk(content="", usage_metadata=_usage(piece), chunk_position="last")
        return ChatGenerationChunk(message=last, generation_info=self._told(piece))

    def _told(self, answer: Answer) -> dict[str, Any]:
        return {"model_name": self.model_name, "finish_reason": answer.ending}


def _usage(answer: Answer) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=answer.prompt_tokens,
        output_tokens=answer.tokens,
        total_tokens=answer.prompt_tokens + answer.tokens,
    )


def _plain(messages: Sequence[BaseMessage], host: LocalModel) -> list[dict[str, str]]:
    """Pairs of "role" and "content"."""
    return [{"role": _role(one, host), "content": _text(one, host)} for one in messages]


def _role(message: BaseMessage, host: LocalModel) -> str:
    if isinstance(message, ChatMessage) and message.role in _ROLES.values():
        return str(message.role)
    role = next((role for kind, role in _ROLES.items() if isinstance(message, kind)), None)
    if role is None:
        raise unusable(f"a message of type {message.type!r}", host)
    if getattr(message, "tool_calls", None):
        raise unusable("a message that calls tools", host)
    return role


def _text(message: BaseMessage, host: LocalModel) -> str:
    """What it says, in all its blocks of text."""
    blocks = [] if isinstance(message.content, str) else message.content
    for block in blocks:
        kind = block.get("type") if isinstance(block, dict) else "text"
        if kind != "text" and kind not in _UNSAID:
            raise unusable(f"a block of type {kind!r}", host)
    return str(message.text)
