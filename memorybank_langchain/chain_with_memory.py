"""A chain whose turns are stored, and whose input contains recalled memories."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any

from langchain_core.runnables import ConfigurableFieldSpec, Runnable, RunnableConfig
from langchain_core.runnables.config import patch_config
from langchain_core.runnables.utils import get_unique_config_specs

from .answers import AnswerText
from .recall import BegunTurn, InputRecaller
from .run_config import CONTEXT_KEY, TURN_KEY, resolve_session


class ChainWithMemory(Runnable[Any, Any]):
    """A chain with memory; see `with_memory`."""

    def __init__(
        self,
        chain: Runnable[Any, Any],
        recaller: InputRecaller,
        keys: tuple[str, str | None, str],
        session: str | None,
        remember_answers: bool = True,
    ) -> None:
        self.name = "with_memory"
        self._chain, self._recaller, self._session = chain, recaller, session
        self._answer_options: dict[str, Any] = {"remember_answer": remember_answers}
        self._memory_key, self._history_key, self._output_key = keys

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """Keys of `config["configurable"]` that a call reads, and those of the chain."""
        own = [] if self._session else [_SESSION_SPEC]
        if self._recaller.user_id is None:
            own.append(_user_spec(self._recaller.user_id_key))
        known = {spec.id for spec in self._chain.config_specs}
        new = [spec for spec in own if spec.id not in known]
        return get_unique_config_specs([*self._chain.config_specs, *new])

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Call the chain with recalled memories, and store the turn."""
        call: Any = self._invoke  # LangChain passes its config by name, which its types lack
        return self._call_with_config(call, input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Async `invoke`."""
        call: Any = self._ainvoke
        return await self._acall_with_config(call, input, config, **kwargs)

    def stream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any | None
    ) -> Iterator[Any]:
        """Stream the chain's answer; the turn is stored at its end."""
        call: Any = self._stream
        return self._transform_stream_with_config(iter([input]), call, config, **kwargs)

    def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any | None
    ) -> AsyncIterator[Any]:
        """Async `stream`."""
        call: Any = self._astream
        return self._atransform_stream_with_config(_as_stream(input), call, config, **kwargs)

    def _invoke(self, input: Any, config: RunnableConfig, **kwargs: Any) -> Any:
        begun, values, config = self._begin(input, config)
        answer = self._chain.invoke(values, config, **kwargs)
        begun.turn.complete(self._extract_text(values, [answer]), **self._answer_options)
        return answer

    async def _ainvoke(self, input: Any, config: RunnableConfig, **kwargs: Any) -> Any:
        begun, values, config = await asyncio.to_thread(self._begin, input, config)
        answer = await self._chain.ainvoke(values, config, **kwargs)
        text = self._extract_text(values, [answer])
        await begun.turn.acomplete(text, **self._answer_options)
        return answer

    def _stream(
        self, inputs: Iterator[Any], config: RunnableConfig, **kwargs: Any
    ) -> Iterator[Any]:
        (input,) = inputs
        begun, values, config = self._begin(input, config)
        chunks: list[Any] = []
        try:
            for chunk in self._chain.stream(values, config, **kwargs):
                chunks.append(chunk)
                yield chunk
        except Exception:
            raise  # the partial text of a failed chain is not an answer
        except BaseException:  # the reader stopped
            self._complete_early(begun, values, chunks)
            raise
        begun.turn.complete(self._extract_text(values, chunks), **self._answer_options)

    async def _astream(
        self, inputs: AsyncIterator[Any], config: RunnableConfig, **kwargs: Any
    ) -> AsyncIterator[Any]:
        input = await anext(inputs)
        begun, values, config = await asyncio.to_thread(self._begin, input, config)
        chunks: list[Any] = []
        try:
            async for chunk in self._chain.astream(values, config, **kwargs):
                chunks.append(chunk)
                yield chunk
        except Exception:
            raise
        except BaseException:  # the reader stopped, or the task was cancelled
            await _run_to_its_end(partial(self._complete_early, begun, values, chunks))
            raise
        text = self._extract_text(values, chunks)
        await begun.turn.acomplete(text, **self._answer_options)

    def _begin(
        self, input: Any, config: RunnableConfig
    ) -> tuple[BegunTurn, dict[str, Any], RunnableConfig]:
        """Begin the turn; return it, the chain's input and the chain's config."""
        begun = self._recaller.begin(input, config, resolve_session(self._session, config))
        values = {**begun.values, self._memory_key: begun.turn.context.text}
        if self._history_key:
            values[self._history_key] = begun.latest
        turn = {TURN_KEY: begun.turn.id, CONTEXT_KEY: begun.turn.context}
        configurable = {**config.get("configurable", {}), **turn}
        return begun, values, patch_config(config, configurable=configurable)

    def _complete_early(
        self, begun: BegunTurn, values: dict[str, Any], chunks: Sequence[Any]
    ) -> None:
        if text := self._extract_text(values, chunks):
            begun.turn.complete(text, **self._answer_options)

    def _extract_text(self, values: dict[str, Any], chunks: Sequence[Any]) -> str:
        answer = AnswerText(self._output_key, values)
        for chunk in chunks:
            answer.add(chunk)
        return answer.text


async def _as_stream(input: Any) -> AsyncIterator[Any]:
    yield input


async def _run_to_its_end(function: Callable[[], object]) -> None:
    """Run `function` in a thread, to its end even if this task is cancelled again."""
    loop = asyncio.get_running_loop()
    await asyncio.shield(loop.run_in_executor(None, copy_context().run, function))


_SESSION_SPEC = (
    ConfigurableFieldSpec(  # as in RunnableWithMessageHistory, so that both fit together
        id="session_id",
        annotation=str,
        name="Session ID",
        description="Unique identifier for a session.",
        default="",
        is_shared=True,
    )
)


def _user_spec(key: str) -> ConfigurableFieldSpec:
    return ConfigurableFieldSpec(  # as in LangChain's example of a history of users
        id=key,
        annotation=str,
        name="User ID",
        description="Unique identifier for the user.",
        default="",
        is_shared=True,
    )
