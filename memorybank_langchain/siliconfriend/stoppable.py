"""Wrapper that reads a model in a background thread, so that a stalled answer can be stopped."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig

from memorybank_core import MemoryBankError

from .failures import ModelFailedError, ModelStalledError

_POLL_INTERVAL = 0.05  # seconds between two checks of the stop event


class Stopped(BaseException):  # not an Exception, so that `with_memory` stores the partial answer
    """The answer was stopped on request."""


class StoppableModel(Runnable[Any, Any]):
    """Wrapper of a model; its answers can be stopped at any time, even while it sends nothing.

    Args:
        model: The model to call.
        patience: Seconds without output after which an answer is aborted.
        stop: Event that ends the answer; set it from another thread or a signal handler.

    Raises:
        Stopped: From a call, if `stop` is set.
        LLMError: From a call, if the model fails or sends nothing for `patience` seconds.
    """

    def __init__(self, model: Runnable[Any, Any], patience: float, stop: threading.Event) -> None:
        self._model, self._patience, self._stop = model, patience, stop

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Return the whole answer."""
        answer: Any = None
        for piece in self.stream(input, config, **kwargs):
            answer = piece if answer is None else answer + piece
        return answer

    def stream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        """Stream the answer."""
        reader = _StreamReader(partial(self._model.stream, input, config, **kwargs))
        try:
            while (piece := self._next_piece(reader)) is not None:
                yield piece
        finally:
            reader.cancelled.set()

    def _next_piece(self, reader: _StreamReader) -> Any:
        """Return the next piece; None at the end."""
        deadline = time.monotonic() + self._patience
        while not self._stop.is_set():
            try:
                piece = reader.pieces.get(timeout=min(_POLL_INTERVAL, self._patience))
            except queue.Empty:
                if time.monotonic() >= deadline:
                    raise ModelStalledError(self._patience) from None
                continue
            if isinstance(piece, MemoryBankError):
                raise piece
            if isinstance(piece, Exception):
                raise ModelFailedError(piece) from piece
            return piece
        raise Stopped


class _StreamReader:
    """Background thread that reads one answer into a queue."""

    def __init__(self, open_stream: Callable[[], Any]) -> None:
        self.pieces: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.cancelled = threading.Event()
        self._open_stream = open_stream
        threading.Thread(target=self._read, name="siliconfriend reader", daemon=True).start()

    def _read(self) -> None:
        try:
            with closing(self._open_stream()) as stream:
                for piece in stream:
                    if self.cancelled.is_set():
                        return
                    self.pieces.put(piece)
        except Exception as error:  # noqa: BLE001 - raised again by the consumer
            self.pieces.put(error)
        else:
            self.pieces.put(None)
