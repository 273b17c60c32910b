"""Deletions that wait for some seconds, in which they can be undone.

Nothing that was erased is ever restored: a deletion is delayed instead. It runs after
`UNDO_SECONDS`, and at once before the next message, when the user signs in or out, and when the
page or the program ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from memorybank_core import MemoryBankError
from memorybank_core.logs import describe_error, get_logger

UNDO_SECONDS = 10.0
"""Time in which a deletion can be undone."""

_LOG = get_logger(__name__)


class PendingDeletion:
    """One deletion that has not run yet.

    Args:
        user_id: User whose memories are deleted.
        delete: Deletes them, and returns a message about the result.
        ids: Ids of the memories, not to be shown meanwhile; None for all.
    """

    def __init__(self, user_id: str, delete: Callable[[], str], ids: frozenset[str] | None) -> None:
        self.user_id, self.ids = user_id, ids
        self._delete, self._lock = delete, threading.RLock()
        self._message, self._is_undone = "", False
        self._start_timer()

    def _start_timer(self) -> None:
        self._timer = threading.Timer(UNDO_SECONDS, self._finish_later)
        self._timer.daemon = True
        self._timer.start()

    @property
    def message(self) -> str:
        """Message about the result; "" if the deletion has not run."""
        return self._message

    @property
    def is_pending(self) -> bool:
        """True until the deletion runs or is undone."""
        return not self._message and not self._is_undone

    def hides(self, memory_id: str) -> bool:
        """Return whether a memory is not to be shown because it will be deleted."""
        return self.is_pending and (self.ids is None or memory_id in self.ids)

    @property
    def hides_everything(self) -> bool:
        """True while the deletion of everything is pending."""
        return self.is_pending and self.ids is None

    def undo(self) -> bool:
        """Cancel the deletion; return False if it has run already."""
        with self._lock:
            self._timer.cancel()
            self._is_undone = not self._message
            return self._is_undone

    def finish(self) -> str:
        """Delete now, unless undone or done before; return the message about the result.

        Raises:
            StoreError: If the memories cannot be deleted now. The deletion stays pending.
        """
        with self._lock:
            if self.is_pending:
                self._message = self._delete()
            self._timer.cancel()
            return self._message

    def _finish_later(self) -> None:
        """Delete after the delay, and try again after the same time where that fails."""
        try:
            self.finish()
        except MemoryBankError as error:
            _LOG.warning(
                "a deletion is tried again in %g seconds: %s", UNDO_SECONDS, describe_error(error)
            )
            self._start_timer()


class PendingDeletions:
    """The pending deletions of all users of a page."""

    def __init__(self) -> None:
        self._pending: list[PendingDeletion] = []
        self._lock = threading.Lock()

    def add(
        self, user_id: str, delete: Callable[[], str], ids: frozenset[str] | None
    ) -> PendingDeletion:
        """Start a deletion; the user's earlier one runs now."""
        self.finish(user_id)
        deletion = PendingDeletion(user_id, delete, ids)
        with self._lock:
            self._pending.append(deletion)
        return deletion

    def finish(self, user_id: str | None = None) -> None:
        """Run the pending deletions of a user now; None means of all users."""
        with self._lock:
            self._pending = [deletion for deletion in self._pending if deletion.is_pending]
            pending = list(self._pending)
        for deletion in pending:
            if user_id is None or deletion.user_id == user_id:
                deletion.finish()
