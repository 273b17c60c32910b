"""A model that another thread reads, so that nobody waits for one that stalls."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig

from memorybank_core import LLMError, MemoryBankError

_LOOK = 0.05  # seconds after which a reader looks whether the rest is still wanted


class Stopped(BaseException):  # no Exception: what came before it is an answer
    """Nobody wants the rest of an answer."""


class StoppableModel(Runnable[Any, Any]):
    """A model whose answers can be stopped at any moment, even while it says nothing.

    Args:
        model: What answers.
        patience: Seconds without a piece of the answer after which it is given up.
        stop: Set by another thread or a signal handler, it ends the answer.

    Raises:
        Stopped: From a call: `stop` was set.
        LLMError: From a call: the model failed, or said nothing for as long as `patience`.
    """

    def __init__(self, model: Runnable[Any, Any], patience: float, stop: threading.Event) -> None:
        self._model, self._patience, self._stop = model, patience, stop

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        whole: Any = None
        for piece in self.stream(input, config, **kwargs):
            whole = piece if whole is None else whole + piece
        return whole

    def stream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        reading = _StreamReader(self._model, (input, config, kwargs))
        try:
            while (piece := self._next(reading)) is not None:
                yield piece
        finally:
            reading.unwanted.set()

    def _next(self, reading: _StreamReader) -> Any:
        """The next piece; None at the end."""
        until = time.monotonic() + self._patience
        while not self._stop.is_set():
            try:
                piece = reading.pieces.get(timeout=min(_LOOK, self._patience))
            except queue.Empty:
                if time.monotonic() >= until:
                    raise LLMError(
                        f"the model said nothing for {self._patience:g} seconds"
                    ) from None
                continue
            if isinstance(piece, MemoryBankError):
                raise piece
            if isinstance(piece, Exception):
                raise LLMError(f"the model failed: {type(piece).__name__}: {piece}") from piece
            return piece
        raise Stopped


class _StreamReader:
    """One answer and the thread that reads it."""

    def __init__(self, model: Runnable[Any, Any], asked: tuple[Any, Any, dict[str, Any]]) -> None:
        self.pieces: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.unwanted = threading.Event()
        self._model, self._asked = model, asked
        threading.Thread(target=self._read, name="siliconfriend reads", daemon=True).start()

    def _read(self) -> None:
        input, config, settings = self._asked
        try:
            stream: Any = self._model.stream(input, config, **settings)
            with closing(stream):
                for piece in stream:
                    if self.unwanted.is_set():
                        return
                    self.pieces.put(piece)
        except Exception as error:  # noqa: BLE001 - raised again where the answer is read
            self.pieces.put(error)
        else:
            self.pieces.put(None)
