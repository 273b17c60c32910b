"""Recall for a call of `get`: once a turn, however often an agent calls it."""

from __future__ import annotations

from memorybank_core.context import Shown

from .conversation import ConversationState
from .open_turn import OpenTurn, Phase, TurnOptions


def recall(
    state: ConversationState,
    query: str,
    options: TurnOptions,
    session: str | None,
    shown: Shown,
    *,
    is_last: bool,
) -> tuple[ConversationState, str]:
    """Return the conversation with the recall for a query, and the text for the prompt.

    Args:
        state: The conversation.
        query: The query.
        options: The bank and the options of the recall.
        session: Name of the conversation in the bank.
        shown: What the prompt contains already.
        is_last: Whether the query is the message of the last turn; otherwise its message was not
            put yet.
    """
    turn, last = state.open_turn, state.turns[-1] if is_last else None
    if turn and (turn.id == last.id if last else turn.is_upcoming(query)):
        turn = turn.refreshed(options, session, shown)
        return state.changed(open_turn=turn), turn.block or ""
    awaits_answer = turn is not None and turn.awaits_answer
    is_new = last is None and bool(query.strip()) and not awaits_answer
    phase: Phase = "upcoming" if is_new else "answered"
    new = OpenTurn.begin(options, session, query, shown, phase=phase)
    if last:
        new = new.model_copy(update={"pending": new.pending | {"id": last.id}})
    state = state if awaits_answer else state.changed(open_turn=new)
    return state, new.block or ""
