"""Pending turns that wait in memory for the store: kept in an outage, and found by a retry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from memorybank_core.records import Turn

from .backlog import WaitingTurn
from .same_turn import is_recent, session_of

if TYPE_CHECKING:
    from .pending_turn import PendingTurn


def find_waiting(turn: PendingTurn) -> PendingTurn | None:
    """Return the turn that this turn repeats among those that wait to be written in an outage."""
    if turn.is_identified or not turn.remember:
        return None
    session, waiting = session_of(turn), turn.bank.backlog.waiting(turn.user_id)
    last = next((w.turn for w in reversed(waiting.values()) if w.session == session), None)
    if last is None or last.answer or last.at is None or last.id is None:
        return None
    if last.query != turn.query or last.metadata != turn.metadata:
        return None
    return replace(turn, id=last.id, at=last.at) if is_recent(last.at, turn.at) else None


def keep_message(turn: PendingTurn, write: Callable[[], object]) -> None:
    """Keep the message of a turn, unless it waits already, perhaps with its answer.

    Args:
        turn: The turn.
        write: Writes the message; a repeated call does no harm.
    """
    waiting = _find_own(turn)
    if waiting is None or waiting.turn.query != turn.query:
        _keep(turn, write, turn.query, "")


def keep_answer(turn: PendingTurn, write: Callable[[], object], query: str, answer: str) -> None:
    """Keep a turn with its answer; without one, what waits of it already is kept.

    Args:
        turn: The turn.
        write: Writes the turn; a repeated call does no harm.
        query: The user's message.
        answer: The answer.
    """
    if answer.strip() or _find_own(turn) is None:
        _keep(turn, write, query, answer)


def _keep(turn: PendingTurn, write: Callable[[], object], query: str, answer: str) -> None:
    if not (query + answer).strip():
        return
    kept = Turn(query, answer, turn.at, turn.id, turn.session, metadata=turn.metadata)
    turn.bank.backlog.keep(turn.user_id, kept, write=write, day=turn.bank.day_of(turn.at))


def _find_own(turn: PendingTurn) -> WaitingTurn | None:
    """Return what of this turn waits to be written."""
    return turn.bank.backlog.waiting(turn.user_id).get(turn.id)
