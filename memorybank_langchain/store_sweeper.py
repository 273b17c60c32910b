"""Thread that removes expired items from disk at regular intervals."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from memorybank_core.errors import MemoryBankError, StoreClosedError
from memorybank_core.logs import describe_error, get_logger

logger = get_logger(__name__)


class Sweeper:
    """Calls a function at regular intervals, in a thread that does not keep the process alive.

    Args:
        sweep: Removes what has expired. If it fails, the next interval tries again, except if the
            store was closed: then the thread stops.
    """

    def __init__(self, sweep: Callable[[], object]) -> None:
        self._sweep = sweep
        self._lock = threading.Lock()
        self._running: tuple[threading.Thread, threading.Event, Future[None]] | None = None

    def start(self, minutes: float) -> Future[None]:
        """Start the thread, unless it runs; return a future that is done when it has stopped."""
        with self._lock:
            if self._running and self._running[0].is_alive():
                return self._running[2]
            stop, done = threading.Event(), Future[None]()
            done.add_done_callback(lambda _: stop.set())
            thread = threading.Thread(
                target=_run, args=(self._sweep, minutes * 60, stop, done), daemon=True
            )
            thread.name = "ttl-sweeper"
            self._running = thread, stop, done
            thread.start()
            return done

    def stop(self, timeout: float | None = None) -> bool:
        """Stop the thread, wait for it at most `timeout` seconds; return whether it has stopped."""
        with self._lock:
            if self._running is None:
                return True
            thread, stop, _ = self._running
        stop.set()
        thread.join(timeout)
        return not thread.is_alive()

    def __del__(self) -> None:
        if self._running:
            self._running[1].set()


def finished() -> Future[None]:
    """Return a future that is done."""
    future = Future[None]()
    future.set_result(None)
    return future


def _run(
    sweep: Callable[[], object], seconds: float, stop: threading.Event, done: Future[None]
) -> None:
    while not stop.wait(seconds):
        try:
            sweep()
        except StoreClosedError:
            break
        except MemoryBankError as error:
            reason = describe_error(error)
            logger.error("expired items could not be removed, but by the next sweep: %s", reason)
    if not done.cancelled():
        done.set_result(None)
