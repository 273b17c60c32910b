"""Turns of classic chains between the recall and the answer.

A classic chain loads its memory and saves the turn in two calls that share nothing but the memory
and the user's message. What the first call recalled, the second strengthens.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta, timezone
from typing import Any
from weakref import WeakKeyDictionary

from memorybank_core import MemoryBank, PendingTurn

MAX_TURNS = 1000
"""Maximum number of open turns of a bank; beyond it, the oldest are dropped."""
MAX_AGE = timedelta(hours=1)
"""Age from which an open turn is not the one of a message any more."""

_Key = tuple[str, str | None, str]


class OpenTurns:
    """The open turns of each bank, by user, session and message. Threads may share it.

    They are shared by all memories of a bank, so that one memory may load and another save. They
    hold ids and no recalled text, and are not on disk: if the process ends before the answer, the
    turn was not answered either, and nothing is strengthened.
    """

    def __init__(self) -> None:
        self._turns: WeakKeyDictionary[MemoryBank, OrderedDict[_Key, dict[str, Any]]]
        self._turns = WeakKeyDictionary()
        self._lock = threading.Lock()

    def put(self, turn: PendingTurn) -> None:
        """Keep a turn, in place of an earlier one with the same message."""
        with self._lock:
            turns = self._turns.setdefault(turn.bank, OrderedDict())
            key = (turn.user_id, turn.session, turn.query)
            turns.pop(key, None)
            turns[key] = turn.to_dict()
            while len(turns) > MAX_TURNS:
                turns.popitem(last=False)

    def take(
        self, bank: MemoryBank, user_id: str, session: str | None, query: str
    ) -> PendingTurn | None:
        """Remove and return the turn of a message; None if it was not loaded."""
        with self._lock:
            data = self._turns.get(bank, OrderedDict()).pop((user_id, session, query), None)
        turn = None if data is None else bank.resume_turn(data)
        is_current = turn and datetime.now(timezone.utc) - turn.at <= MAX_AGE
        return turn if is_current else None
