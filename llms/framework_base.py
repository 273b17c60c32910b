"""What the faces of a LocalModel share: how another framework asks it."""

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

Messages = Sequence[Mapping[str, str]]

_SAMPLING = tuple(Sampling.__dataclass_fields__)
_SETTINGS = ("max_tokens", *_SAMPLING)


class Asking(BaseModel):
    """The fields of a face: the host, and what its requests say where a call says nothing.

    Attributes:
        host: The model.
        max_tokens: Where an answer ends at the latest; see `LocalModel.answer`.
        temperature: See `Sampling`, as for the next five; None leaves it to the host.
        top_p: See there.
        top_k: See there.
        repetition_penalty: See there.
        num_beams: See there.
        seed: See there.
        stop: Strings that end an answer and are no part of it.
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
        """The face of the model in a folder, or of a name on the hub.

        Args:
            folder_or_name: As for `LocalModel.load`.
            options: Fields of this class, or keywords of `LocalModel.load` (`adapter`, `device`,
                `dtype`, `quantization`, ...). A `name` is the host's.

        Raises:
            ConfigurationError: The model cannot be used; says why.
        """
        own = {
            key: options.pop(key) for key in cls.model_fields if key in options.keys() - {"name"}
        }
        return cls(host=LocalModel.load(folder_or_name, **options), **own)

    @model_validator(mode="after")
    def _refuse_what_cannot_work(self) -> Self:
        Sampling(**{name: getattr(self, name) for name in _SAMPLING})
        return self

    @property
    def model_name(self) -> str:
        """The name of the host."""
        return self.host.name

    def _settings(self) -> dict[str, Any]:
        """What requests say unless a call says otherwise."""
        return {name: getattr(self, name) for name in (*_SETTINGS, "stop")}

    def _request(self, stop: Sequence[str] | None, given: Mapping[str, Any]) -> dict[str, Any]:
        """The keywords of `LocalModel.answer`, for a call with `given` keywords."""
        if unknown := sorted(given.keys() - set(_SETTINGS)):
            raise ConfigurationError(
                f"{type(self).__name__} takes no {', '.join(unknown)}: {self.host.name} answers "
                f"text with text. A call may say {', '.join(_SETTINGS)} and stop."
            )
        said = {name: value for name, value in given.items() if value is not None}
        return {**self._settings(), **said, "stop": self.stop if stop is None else stop}


def unusable(what: str, host: LocalModel) -> ConfigurationError:
    """The error for a message that is not text that somebody said."""
    return ConfigurationError(
        f"{host.name} cannot read {what}: it takes text of the system, the user and the assistant. "
        "Leave it out, or say it in words."
    )


def written(host: LocalModel, messages: Messages, **request: Any) -> Generator[str | Answer]:
    """The answer piece by piece, and last the whole."""
    yield (yield from host.write(messages, **request))


async def answered(host: LocalModel, messages: Messages, **request: Any) -> Answer:
    """The answer; cancelling ends the writing after the token at hand."""
    cancelled = threading.Event()
    try:
        return await asyncio.to_thread(host.answer, messages, cancelled=cancelled, **request)
    finally:
        cancelled.set()


async def awritten(host: LocalModel, messages: Messages, **request: Any) -> AsyncGenerator[Any]:
    """Async `written`; cancelling or closing it ends the writing after the token at hand."""
    cancelled = threading.Event()
    pieces = written(host, messages, cancelled=cancelled, **request)
    try:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece
    finally:
        cancelled.set()
