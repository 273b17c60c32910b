"""Iteration over text that another thread produces."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator


def iterate_in_thread(
    produce: Callable[[Callable[[str], None]], None], cancelled: threading.Event, *, name: str
) -> Generator[str, None, None]:
    """Run a function in a thread and yield the pieces of text that it produces.

    Closing the generator sets `cancelled` and waits for the thread. An exception in the thread is
    raised from the generator.

    Args:
        produce: Function that calls its argument with each piece.
        cancelled: Set to make `produce` stop early.
        name: Name of the thread.
    """
    pieces: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            produce(pieces.put)
            pieces.put(None)
        except BaseException as error:  # noqa: BLE001 - raised again in the consumer
            pieces.put(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        while (piece := pieces.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    except BaseException:  # including GeneratorExit
        cancelled.set()
        raise
    finally:
        thread.join()
