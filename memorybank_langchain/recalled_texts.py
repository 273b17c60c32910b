"""Recalled texts of the turns in progress, kept in the process and nowhere else."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from weakref import WeakSet

from memorybank_core.text_caches import clear_on_deletion

MAX_TEXTS = 1000
"""Maximum number of turns whose text is kept; older ones are recalled again when needed."""


class RecalledTexts:
    """The recalled text of each turn in progress, by user and turn; a deletion empties it."""

    def __init__(self) -> None:
        self._texts: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = Lock()
        _ALL.add(self)

    def get(self, user_id: str, turn_id: str) -> str | None:
        """Return the text of a turn; None if it must be recalled again."""
        with self._lock:
            return self._texts.get((user_id, turn_id))

    def put(self, user_id: str, turn_id: str, text: str) -> None:
        """Keep the text of a turn."""
        with self._lock:
            self._texts[user_id, turn_id] = text
            self._texts.move_to_end((user_id, turn_id))
            if len(self._texts) > MAX_TEXTS:
                self._texts.popitem(last=False)

    def clear(self) -> None:
        """Remove all texts."""
        with self._lock:
            self._texts.clear()


_ALL: WeakSet[RecalledTexts] = WeakSet()


def _clear_all() -> None:
    for texts in list(_ALL):
        texts.clear()


clear_on_deletion(_clear_all)
