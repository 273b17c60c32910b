"""Base class of the LangChain and LlamaIndex models that wrap a LocalModel."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from memorybank_core.errors import ConfigurationError

from .generation_request import Answer
from .local_model import LocalModel
from .sampling import Sampling

if TYPE_CHECKING:
    from typing_extensions import Self

    from .prompt_formats.messages import Messages

_SAMPLING_FIELDS = tuple(Sampling.__dataclass_fields__)
_CALL_OPTIONS = ("max_tokens", *_SAMPLING_FIELDS)


class FrameworkModel(BaseModel):
    """Fields of a framework's model: the local model, and defaults for the options of a call.

    Attributes:
        host: The local model, which other framework models may share.
        max_tokens: Maximum number of tokens of an answer; see `LocalModel.answer`.
        temperature: See `Sampling`, like the next five fields; None for the host's default.
        top_p: See `Sampling`.
        top_k: See `Sampling`.
        repetition_penalty: See `Sampling`.
        num_beams: See `Sampling`.
        seed: See `Sampling`.
        stop: Strings that end an answer and do not belong to it.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    host: LocalModel = Field(exclude=True)
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    num_beams: int | None = None
    seed: int | None = None
    stop: list[str] | None = None

    @classmethod
    def load(cls, folder_or_name: str | PathLike[str], **options: Any) -> Self:
        """Load a model from a folder or the hub.

        Args:
            folder_or_name: As for `LocalModel.load`.
            options: Fields of this class, or keywords of `LocalModel.load` (`adapter`, `device`,
                `dtype`, `quantization`, ...). `name` is passed to `LocalModel.load`.

        Raises:
            ConfigurationError: If the model cannot be used.
        """
        names = cls.model_fields.keys() & options.keys() - {"name"}
        fields = {name: options.pop(name) for name in names}
        return cls(host=LocalModel.load(folder_or_name, **options), **fields)

    @model_validator(mode="after")
    def _validate_sampling(self) -> Self:
        Sampling(**{name: getattr(self, name) for name in _SAMPLING_FIELDS})
        return self

    @property
    def model_name(self) -> str:
        """The name of the host."""
        return self.host.name

    def _default_options(self) -> dict[str, Any]:
        """Return the options of a call that passes no options."""
        return {name: getattr(self, name) for name in (*_CALL_OPTIONS, "stop")}

    def _answer_options(
        self, stop: Sequence[str] | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the keywords of `LocalModel.answer` for a call with `options`."""
        if unknown := sorted(options.keys() - set(_CALL_OPTIONS)):
            raise ConfigurationError(
                f"{type(self).__name__} does not support {', '.join(unknown)}: {self.host.name} "
                f"only reads and writes text. The options of a call are {', '.join(_CALL_OPTIONS)} "
                "and stop."
            )
        overrides = {name: value for name, value in options.items() if value is not None}
        stop = self.stop if stop is None else stop
        return {**self._default_options(), **overrides, "stop": stop}


def unsupported_content(content: str, host: LocalModel) -> ConfigurationError:
    """Return the error for a message with content that a local model does not support."""
    return ConfigurationError(
        f"{host.name} does not support {content}: it only reads text of the system, the user and "
        "the assistant. Omit it, or describe it in words."
    )


def stream_answer(
    host: LocalModel, messages: Messages, **options: Any
) -> Generator[str | Answer, None, None]:
    """Yield the answer piece by piece, and finally the whole `Answer`."""
    yield (yield from host.write(messages, **options))


async def answer_async(host: LocalModel, messages: Messages, **options: Any) -> Answer:
    """Return the answer; cancellation ends generation after the current token."""
    cancelled = threading.Event()
    try:
        return await asyncio.to_thread(host.answer, messages, cancelled=cancelled, **options)
    finally:
        cancelled.set()


async def stream_answer_async(
    host: LocalModel, messages: Messages, **options: Any
) -> AsyncGenerator[str | Answer, None]:
    """Async `stream_answer`; cancellation or closing ends generation after the current token."""
    cancelled = threading.Event()
    pieces = stream_answer(host, messages, cancelled=cancelled, **options)
    try:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece
    finally:
        cancelled.set()
