"""Synchronization of a conversation with the bank: turns of other writers, deletions and resets.

A reset leaves a mark in the metadata of the turns before it, so that it holds for every memory of
the session, without anything stored after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from typing import Any

from memorybank_core import Memory
from memorybank_core.record_values import plain_value
from memorybank_core.turns.same_turn import is_recent

from .conversation import BufferedTurn, ConversationState, to_buffered
from .failures import attempt, failure_reporter
from .open_turn import OpenTurn, TurnOptions

ENDED_KEY = "memorybank_conversation_ended"
"""Key in the metadata of turns before a reset."""
RESUME_TURNS = 100
"""Number of latest turns that are read to resume a conversation."""
_NEW_TURNS = 20
"""Number of turns of other writers that are expected between two calls."""
_NAME_PATTERN = re.compile(r"conversation-[0-9a-f]{12}(?=:)")
_BEGINNING = datetime.min.replace(tzinfo=timezone.utc)


def load(
    state: ConversationState | None,
    read_latest: Callable[[int], Sequence[Memory]],
    options: TurnOptions,
    *,
    only_end: bool = False,
) -> ConversationState:
    """Return the conversation as the bank has it; if the bank fails, as it was.

    A message of the last minutes without an answer, of another memory of the session, is open.
    Turns that wait to be written are part of it.

    Args:
        state: The conversation; None resumes it from the bank.
        read_latest: Returns a number of the session's latest stored turns, oldest first.
        options: The bank.
        only_end: Read only the last turn, if the conversation ends with it.
    """
    bank, user_id = options.bank, options.user_id
    bank.backlog.flush(failure_reporter(user_id))
    read = partial(_load, state, read_latest, options, only_end=only_end)
    return attempt(bank, user_id, "read the conversation", read, state or ConversationState())


def _load(
    state: ConversationState | None,
    read_latest: Callable[[int], Sequence[Memory]],
    options: TurnOptions,
    *,
    only_end: bool,
) -> ConversationState:
    waiting = options.bank.backlog.waiting(options.user_id)  # before the bank is read
    if state is None:
        state = synchronize(ConversationState(), read_latest(RESUME_TURNS))
    elif not only_end or not ends_with(state, read_latest(1)):
        limit = _NEW_TURNS + sum(turn.is_stored for turn in state.turns)
        memories = read_latest(limit)
        if find_unreached(state, memories, limit):  # more new turns than expected
            limit += RESUME_TURNS
            memories = read_latest(limit)
        unreached = find_unreached(state, memories, limit)
        older = options.bank.get(unreached, user_id=options.user_id) if unreached else {}
        state = synchronize(state, memories, waiting.keys() | older.keys())
    return _reopen_last(state, options)


def end_conversation(memories: Sequence[Memory]) -> dict[str, dict[str, Any]]:
    """Return the metadata with the mark of a reset, by id, of the turns of the conversation."""
    return {
        memory.id: plain_value(memory.metadata) | {ENDED_KEY: True}
        for memory in select_conversation(memories)
    }


def select_conversation(memories: Sequence[Memory]) -> list[Memory]:
    """Return the stored turns after the last reset.

    Before 0.1.0, a reset began to prefix the ids of turns with a new name instead.
    """
    start = 1 + max((i for i, m in enumerate(memories) if _is_ended(m)), default=-1)
    names = [_parse_name(memory) for memory in memories]
    name = next((name for name in reversed(names) if name), None)
    return list(memories[max(start, names.index(name) if name else 0) :])


def ends_with(state: ConversationState, memories: Sequence[Memory]) -> bool:
    """Return whether the state knows the last of the session's stored turns."""
    stored = [turn for turn in state.turns if turn.is_stored]
    if not memories:
        return not stored
    last = memories[-1]
    if state.since is not None and last.created_at <= state.since:
        return True
    if _is_ended(last):
        return not stored
    return bool(stored) and stored[-1].equals(last)


def find_unreached(state: ConversationState, memories: Sequence[Memory], limit: int) -> set[str]:
    """Return the ids of stored turns that a reading of `limit` memories may not have reached."""
    if len(memories) < limit:
        return set()
    reached = {memory.id for memory in memories}
    return {
        turn.id
        for turn in state.turns
        if turn.id and turn.is_stored and turn.id not in reached
        if turn.at is None or turn.at <= memories[0].created_at
    }


def synchronize(
    state: ConversationState, memories: Sequence[Memory], older: Collection[str] = ()
) -> ConversationState:
    """Return the conversation as the bank has it.

    Turns of other writers are added in the order of their time, deleted turns and those before a
    reset are removed, and turns that changed are replaced. An open turn stays the last one.

    Args:
        state: The conversation.
        memories: The latest stored turns of the session, oldest first.
        older: Ids of turns that are not among `memories`, because they are older, or wait to be
            written.
    """
    open_turn = state.open_turn
    open_id = open_turn.id if open_turn and open_turn.awaits_answer else None
    stored, current = {memory.id: memory for memory in memories}, select_conversation(memories)
    exist = stored.keys() | set(older)
    ended = stored.keys() - {memory.id for memory in current}
    ended_at = max((stored[id].created_at for id in ended), default=_BEGINNING)

    def is_current(turn: BufferedTurn) -> bool:
        is_ended = turn.id in ended or (turn.at is not None and turn.at <= ended_at)
        return not is_ended or state.is_callers(turn)

    deleted = {turn.id for turn in state.turns if turn.id and turn.is_stored} - exist
    state = state.without(deleted)
    kept = [_updated(turn, stored, open_id) for turn in state.turns if is_current(turn)]
    turns = _sorted([*kept, *_find_new(state, current, open_id)], state, list(stored), open_id)
    if state.open_turn and state.open_turn.id in stored:
        open_turn = state.open_turn.with_metadata(stored[state.open_turn.id].metadata)
        state = state.changed(open_turn=open_turn)
    return state.changed(turns=turns)


def match_stored(state: ConversationState, memories: Sequence[Memory]) -> ConversationState:
    """Return the conversation with ids added to the turns that the bank stores already."""
    stored = {(m.turn.query, m.turn.response): m for m in memories if m.turn}

    def match(turn: BufferedTurn) -> BufferedTurn:
        memory = stored.get((turn.query, turn.response))
        update = {"id": memory.id, "at": memory.created_at} if memory else {}
        return turn.model_copy(update=update)

    return state.changed(turns=[match(turn) for turn in state.turns])


def find_open(memories: Sequence[Memory], options: TurnOptions) -> OpenTurn | None:
    """Return the last of these turns if it is a message of the last minutes without an answer."""
    last = memories[-1] if memories else None
    if last is None or last.turn is None or last.turn.response or _is_ended(last):
        return None
    recent = is_recent(last.created_at, datetime.now(timezone.utc))
    return OpenTurn.of_stored(last, options) if recent else None


def _reopen_last(state: ConversationState, options: TurnOptions) -> ConversationState:
    """Return the conversation with its last turn open, if that is a recent message."""
    last = state.turns[-1] if state.turns else None
    is_other_open = state.open_turn is not None and state.open_turn.phase != "answered"
    if last is None or last.id is None or is_other_open or not (last.is_stored and last.is_open):
        return state
    if last.at is None or not is_recent(last.at, datetime.now(timezone.utc)):
        return state
    stored = options.bank.get([last.id], user_id=options.user_id)
    return state.changed(open_turn=find_open(list(stored.values()), options))


def _find_new(
    state: ConversationState, current: Sequence[Memory], open_id: str | None
) -> list[BufferedTurn]:
    """Return the turns of other writers: those after the first known turn and after `since`."""
    known = {turn.id for turn in state.turns} | {open_id}
    first = next((i for i, memory in enumerate(current) if memory.id in known), 0)
    return [
        to_buffered(memory)
        for memory in current[first:]
        if memory.id not in known and state.is_part(memory)
    ]


def _updated(turn: BufferedTurn, stored: Mapping[str, Memory], open_id: str | None) -> BufferedTurn:
    """Return the turn as it is stored; the open turn is not changed by other writers."""
    memory = stored.get(turn.id or "")
    if memory is None or turn.id == open_id or turn.equals(memory):
        return turn
    return to_buffered(memory)


def _sorted(
    turns: Sequence[BufferedTurn],
    state: ConversationState,
    order: Sequence[str],
    open_id: str | None,
) -> list[BufferedTurn]:
    """Return the caller's turns in the given order, then the others by time, the open one last."""
    position = {id: i for i, id in enumerate(order)}

    def sort_key(turn: BufferedTurn) -> tuple[bool, bool, datetime, int]:
        is_open = open_id is not None and turn.id == open_id
        if state.is_callers(turn):
            return is_open, False, _BEGINNING, 0
        return is_open, True, turn.at or _BEGINNING, position.get(turn.id or "", -1)

    return sorted(turns, key=sort_key)


def _is_ended(memory: Memory) -> bool:
    return bool(memory.metadata.get(ENDED_KEY))


def _parse_name(memory: Memory) -> str | None:
    match = _NAME_PATTERN.match(memory.id)
    return match[0] if match else None
