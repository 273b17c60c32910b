"""The turn that is stored when its answer is known."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from memorybank_core.context import without_recalled
from memorybank_core.errors import InvalidInputError
from memorybank_core.metadata import UNREMEMBERED_ANSWER, to_read_only
from memorybank_core.record_values import plain_value
from memorybank_core.records import Memory, Turn

if TYPE_CHECKING:
    from .pending_turn import PendingTurn


def make_turn(pending: PendingTurn, query: str, answer: str, remember_answer: bool) -> Turn:
    """Return the turn to store.

    An answer that is not to be remembered, such as one that quotes memories or that a tiny model
    made up, is in the metadata: what searches, recalls and digests turns does not read it there.
    """
    at, id, session, metadata = pending.at, pending.id, pending.session, pending.metadata
    if remember_answer or not query.strip():
        return Turn(query, answer, at, id, session, metadata=metadata)
    kept = {UNREMEMBERED_ANSWER: without_recalled(answer)}
    metadata = to_read_only({**plain_value(metadata), **kept}, "metadata")
    return Turn(query, "", at, id, session, metadata=metadata)


def with_frame_of(stored: Memory, turn: Turn) -> Turn:
    """Return a turn with the time and the speakers of the stored turn that it replaces."""
    old = stored.turn or turn
    return replace(
        turn, at=stored.created_at, user_name=old.user_name, companion_name=old.companion_name
    )


def derive_id(id: str, answer: str) -> str:
    """Return the id of a second turn that answers the message of turn `id`."""
    return f"{id}-{hashlib.sha256(answer.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def require_string(text: object, name: str) -> None:
    """Raise InvalidInputError unless the text of a turn is a string."""
    if not isinstance(text, str):
        raise InvalidInputError(f"the {name} of a turn must be a string, not {type(text).__name__}")
