"""Find the stored turn that a pending turn repeats, or that another writer stored for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from memorybank_core.context import without_recalled
from memorybank_core.records import Memory

if TYPE_CHECKING:
    from .pending_turn import PendingTurn

RETRY_WINDOW = timedelta(minutes=5)
"""Time within which an equal message after one without an answer is a retry of the same turn."""


def is_recent(moment: datetime, now: datetime) -> bool:
    """Return whether a message of this time may still be retried."""
    return timedelta(0) <= now - moment <= RETRY_WINDOW


def find_retried(turn: PendingTurn) -> PendingTurn | None:
    """Return the stored turn that this turn repeats: the last of its session, without an answer."""
    last = _find_last(turn)
    if last is None or last.turn is None or last.metadata != turn.metadata:
        return None
    if last.turn.response or last.turn.query != turn.query:
        return None
    if not is_recent(last.created_at, turn.at):
        return None
    return replace(turn, id=last.id, at=last.created_at, is_stored=True)


def find_other(turn: PendingTurn, query: str, answer: str) -> Memory | None:
    """Return the memory in which another writer of the session stored this turn meanwhile."""
    last = None if turn.is_identified else _find_last(turn)
    if last is None or last.turn is None or last.created_at < turn.at:
        return None
    is_same = (last.turn.query, last.turn.response) == (query, without_recalled(answer))
    return last if is_same else None


def _find_last(turn: PendingTurn) -> Memory | None:
    """Return the last stored turn of the session of `turn`."""
    options: dict[str, Any] = {"session": session_of(turn), "kind": "turn", "last": 1}
    return next(iter(turn.bank.timeline(user_id=turn.user_id, **options)), None)


def session_of(turn: PendingTurn) -> str:
    """Return the name of the conversation of a turn, as the bank stores it."""
    return turn.session or turn.bank.day_of(turn.at).isoformat()
