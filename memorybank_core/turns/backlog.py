"""Turns that could not be stored, kept in memory until the store is back.

An application that passes `on_failure` to `begin_turn` goes on without its memory when the bank
fails. An outage then costs one short wait: it opens a circuit breaker, and for `OPEN_SECONDS` calls
fail at once, without the store. The turns of that time are written by the first later turn that
reaches the store.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from memorybank_core.concurrency import limited_wait
from memorybank_core.errors import (
    EmbedderUnavailableError,
    MemoryBankError,
    StoreBusyError,
    StoreUnavailableError,
)
from memorybank_core.forked_processes import call_in_child
from memorybank_core.logs import describe_error, get_logger
from memorybank_core.records import Turn

R = TypeVar("R")

OnFailure = Callable[[str, MemoryBankError], object]
"""Called with what could not be done, such as "recall", and the error."""

MAX_WAIT = 2.0
"""Maximum seconds that one call of the store waits for a connection or a lock."""
OPEN_SECONDS = 10.0
"""Seconds for which the circuit breaker stays open after an outage."""
MAX_TURNS, MAX_CHARACTERS = 1000, 10_000_000
"""Maximum number and total length of the turns that wait."""
_MAX_ATTEMPTS = 5
"""Maximum number of attempts at a turn that fails while the store works."""
_OUTAGES = (StoreUnavailableError, StoreBusyError, EmbedderUnavailableError)
_logger = get_logger(__name__)


@dataclass(slots=True)
class WaitingTurn:
    """A turn that waits to be written.

    Attributes:
        turn: The turn, with its id and time; without an answer if only its message waits.
        write: Writes it; a repeated call does no harm.
        day: Day of its message.
        attempts: Number of failed attempts.
    """

    turn: Turn
    write: Callable[[], object]
    day: date
    attempts: int = 0

    @property
    def session(self) -> str:
        """Name of its conversation."""
        return self.turn.session or self.day.isoformat()

    @property
    def length(self) -> int:
        """Its number of characters."""
        return len(self.turn.query) + len(self.turn.answer)


_Waiting = dict[tuple[str, str], WaitingTurn]


class TurnBacklog:
    """The turns of one bank that wait to be written, by user and id, oldest first."""

    def __init__(self) -> None:
        self._waiting: _Waiting = {}
        self._make_locks()
        self._open_until = 0.0
        self._outage: MemoryBankError = StoreUnavailableError("the store was not called yet")
        call_in_child(self._leave_to_parent)
        weakref.finalize(self, _report_lost, self._waiting, "the process ended, or the bank closed")

    def attempt(
        self, action: str, call: Callable[[], R], default: R, on_failure: OnFailure | None
    ) -> R:
        """Return the result of `call`, or `default` if it fails or the circuit breaker is open.

        Args:
            action: What the call does, for `on_failure`.
            call: The call.
            default: Result of a call that failed.
            on_failure: Called with the error; None raises it instead.
        """
        if on_failure is None:
            return call()
        try:
            if time.monotonic() < self._open_until:
                raise self._outage
            with limited_wait(MAX_WAIT):
                return call()
        except MemoryBankError as error:
            self._open_on_outage(error)
            _report(on_failure, action, error)
            return default

    def keep(self, user_id: str, turn: Turn, *, write: Callable[[], object], day: date) -> None:
        """Keep a turn until it can be written; a later version of it replaces an earlier one.

        Beyond the limits, the oldest turns are lost, and an error is logged.

        Args:
            user_id: The user.
            turn: The turn, with its id and time.
            write: Writes it; a repeated call does no harm.
            day: Day of its message.
        """
        lost: _Waiting = {}
        with self._lock:
            self._waiting[user_id, str(turn.id)] = WaitingTurn(turn, write, day)
            total = sum(item.length for item in self._waiting.values())
            while len(self._waiting) > 1 and (
                len(self._waiting) > MAX_TURNS or total > MAX_CHARACTERS
            ):
                oldest = next(iter(self._waiting))
                lost[oldest] = self._waiting.pop(oldest)
                total -= lost[oldest].length
        _report_lost(lost, "too many turns wait to be stored")

    def waiting(self, user_id: str) -> dict[str, WaitingTurn]:
        """Return a user's turns that wait to be written, by id, oldest first."""
        with self._lock:
            return {id: turn for (user, id), turn in self._waiting.items() if user == user_id}

    def flush(self, on_failure: OnFailure) -> None:
        """Write the waiting turns, unless another thread does or the circuit breaker is open.

        It waits while waiting turns are deleted, so that none is written after its deletion.
        """
        if not self._waiting or time.monotonic() < self._open_until:
            return
        if not self._flushing.acquire(blocking=False):
            return
        try:
            for key, turn in list(self._waiting.items()):
                if not self._writing.acquire(timeout=MAX_WAIT):
                    return
                try:
                    if self._waiting.get(key) is turn:  # neither deleted nor replaced meanwhile
                        with limited_wait(MAX_WAIT):
                            turn.write()
                except MemoryBankError as error:
                    if not self._record_failure(key, turn, error, on_failure):
                        return
                else:
                    self._remove(key, turn)
                finally:
                    self._writing.release()
        finally:
            self._flushing.release()

    @contextmanager
    def deletion(
        self, user_id: str, ids: Collection[str] | None, day: date | None
    ) -> Iterator[None]:
        """Delete turns of a user in the block, then discard those that wait to be written.

        If the user has any, nothing that waits is written meanwhile.
        """
        with self._writing if self.waiting(user_id) else nullcontext():
            yield
            self.discard(user_id, ids, day)

    def discard(
        self, user_id: str, ids: Collection[str] | None = None, day: date | None = None
    ) -> None:
        """Discard waiting turns of a user that were deleted: by ids, by day, or all."""
        with self._lock:
            for key, turn in list(self._waiting.items()):
                is_meant = (ids is None or key[1] in ids) and day in (None, turn.day)
                if key[0] == user_id and is_meant:
                    del self._waiting[key]

    def close(self) -> None:
        """Write what waits, if the store can be reached."""
        self._open_until = 0.0
        self.flush(_ignore)

    def _leave_to_parent(self) -> None:
        """In a forked child: discard the turns that wait, because the parent writes them."""
        self._make_locks()
        self._waiting.clear()

    def _make_locks(self) -> None:
        self._lock, self._flushing = threading.RLock(), threading.Lock()
        self._writing = threading.RLock()  # `on_failure` may delete turns

    def _record_failure(
        self,
        key: tuple[str, str],
        turn: WaitingTurn,
        error: MemoryBankError,
        on_failure: OnFailure,
    ) -> bool:
        """Record a failed attempt; return whether the next turn should be tried."""
        self._open_on_outage(error)
        _report(on_failure, "store a turn of an outage", error)
        turn.attempts += not isinstance(error, _OUTAGES)
        if turn.attempts >= _MAX_ATTEMPTS:
            self._remove(key, turn)
            _report_lost({key: turn}, describe_error(error))
        return not isinstance(error, _OUTAGES)

    def _remove(self, key: tuple[str, str], turn: WaitingTurn) -> None:
        with self._lock:
            if self._waiting.get(key) is turn:  # otherwise a later version waits
                del self._waiting[key]

    def _open_on_outage(self, error: MemoryBankError) -> None:
        """Open the circuit breaker if the error is an outage."""
        if isinstance(error, _OUTAGES) and error is not self._outage:
            self._outage, self._open_until = error, time.monotonic() + OPEN_SECONDS


def _report(on_failure: OnFailure, action: str, error: MemoryBankError) -> None:
    """Call `on_failure`, whose own failure must not stop the application either."""
    try:
        on_failure(action, error)
    except Exception as failure:  # a callback of the application may raise any exception
        failure.__context__ = None  # the error that it was called with may quote a text
        _logger.exception("on_failure raised an error while it was called for %r", action)


def _report_lost(lost: _Waiting, reason: str) -> None:
    users = len({user_id for user_id, _ in lost})
    if lost:
        _logger.error("turns not stored: %d (users: %d): %s", len(lost), users, reason)


def _ignore(action: str, error: MemoryBankError) -> None:
    """Do nothing: `close` reports what is lost."""
