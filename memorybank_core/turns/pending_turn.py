"""A turn in two halves: `begin_turn` recalls and stores the message, `complete` does the rest.

Both halves can be repeated, after a crash, a retry or a replay, without storing or strengthening
anything twice. Between them, the turn is plain JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from memorybank_core.concurrency import in_thread
from memorybank_core.context import Context, Shown, without_recalled
from memorybank_core.errors import ConflictError, InvalidInputError
from memorybank_core.metadata import no_metadata, require_metadata
from memorybank_core.observation import observed
from memorybank_core.operations import COMPLETE_TURN
from memorybank_core.record_values import plain_value, require_aware
from memorybank_core.records import Memory, Turn
from memorybank_core.reports import AddReceipt
from memorybank_core.validation import require_moment, require_user

from .answered_turn import derive_id, make_turn, require_string, with_frame_of
from .backlog import OnFailure
from .same_turn import find_other, find_retried
from .waiting_turns import find_waiting, keep_answer, keep_message

if TYPE_CHECKING:
    from memorybank_core.bank import MemoryBank

_ATTEMPTS = 5
"""Maximum number of attempts to store an answer while other writers change the turn."""
_NO_CONTEXT = Context("", 0)
_NOTHING_STORED = AddReceipt(ids=(), added=0, unchanged=0, replaced=0)


@dataclass(frozen=True, slots=True)
class PendingTurn:
    """A turn that awaits its answer, made by `MemoryBank.begin_turn`.

    Attributes:
        bank: The bank.
        id: Id of the turn.
        user_id: The user.
        session: The conversation; None means one conversation per day.
        query: The user's message, without recalled text.
        at: Time of the message.
        context: The recalled context for the prompt; empty in a resumed turn.
        reinforced: Ids of the memories that `complete` strengthens.
        metadata: Metadata of the turn.
        is_stored: Whether the message is stored already.
        is_identified: Whether the id certainly means this turn: it is stable across replays, or is
            stored already. Another answer then replaces the stored one; else it is a second turn.
        remember: Whether `complete` stores and strengthens anything.
        on_failure: Called if the bank fails, instead of an error.
    """

    bank: MemoryBank = field(repr=False, compare=False)
    id: str
    user_id: str
    session: str | None
    query: str
    at: datetime
    context: Context = _NO_CONTEXT
    reinforced: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=no_metadata)
    is_stored: bool = False
    is_identified: bool = False
    remember: bool = True
    on_failure: OnFailure | None = field(default=None, repr=False, compare=False)

    def store_message(self) -> PendingTurn:
        """Store the message of a turn that was begun with `pending=False`, unless it is stored.

        Returns:
            The turn as it is then.

        Raises:
            EmbedderError: If the embedder failed or returned vectors that cannot be used.
            StoreError: If the store failed. With `on_failure`, the message waits in memory instead.
        """
        if self.is_stored or not self.remember or not self.query.strip():
            return self
        write = partial(_store_message, self)
        action = "store the user's message"
        turn = self.bank.backlog.attempt(action, write, self, self.on_failure)
        if not turn.is_stored:
            keep_message(self, write)
        return turn

    @observed("complete_turn", COMPLETE_TURN)
    def complete(
        self,
        answer: str,
        *,
        query: str | None = None,
        now: datetime | None = None,
        remember_answer: bool = True,
    ) -> AddReceipt:
        """Store the answer, then strengthen the memories recalled for the turn, once.

        A repeated call with the same answer changes nothing. If another writer, such as a second
        browser tab, has completed the turn with another answer, this one is stored as a second
        turn, unless it continues the stored one or the turn `is_identified`. If another writer has
        stored the same turn, or the message was deleted in the meantime, nothing is stored.

        Args:
            answer: The answer; "" leaves the stored message without one.
            query: The user's message if it was edited in the meantime.
            now: Time of the recall; default the present.
            remember_answer: Whether the answer becomes part of the memory. False keeps it for the
                history only (`Turn.answer`): it is not searched, recalled or digested.

        Returns:
            The receipt of the stored turn; without ids if nothing was stored.

        Raises:
            InvalidInputError: If an argument is not valid.
            EmbedderError: If the embedder failed or returned vectors that cannot be used.
            StoreError: If the store failed. Call this again later. With `on_failure`, nothing is
                raised if the bank fails: the turn waits in memory until the store is back.
        """
        require_string(answer, "answer")
        if not self.remember:
            return _NOTHING_STORED
        query = self.query if query is None else without_recalled(query)
        write = partial(self._complete, query, answer, require_moment(now), remember_answer)
        if self.on_failure is not None:
            if answer.strip():  # stored with its message, which may wait
                self.bank.backlog.discard(self.user_id, {self.id})
            self.bank.backlog.flush(self.on_failure)
        receipt = self.bank.backlog.attempt("store the turn", write, None, self.on_failure)
        if receipt is None:
            keep_answer(self, write, query, answer)
        return receipt or _NOTHING_STORED

    acomplete = in_thread(complete)

    def _complete(
        self, query: str, answer: str, now: datetime, remember_answer: bool
    ) -> AddReceipt | None:
        turn = make_turn(self, query, answer, remember_answer) if answer.strip() else None
        receipt = self._store(turn) if turn else _NOTHING_STORED
        self.bank.reinforce(self.reinforced, user_id=self.user_id, turn=self.id, now=now)
        return receipt

    def _store(self, turn: Turn) -> AddReceipt:
        """Store the turn with its answer; try again if another writer changes it meanwhile."""
        for _ in range(_ATTEMPTS - 1):
            with suppress(ConflictError):
                return self._store_once(turn)
        return self._store_once(turn)

    def _store_once(self, turn: Turn) -> AddReceipt:
        stored = self.bank.get([self.id], user_id=self.user_id).get(self.id)
        if stored is None and self.is_stored:
            return _NOTHING_STORED  # deleted in the meantime
        if stored is None and (other := find_other(self, turn.query, turn.response)):
            return AddReceipt(ids=(other.id,), added=0, unchanged=1, replaced=0)
        old: dict[str, str] = {}
        if not self._may_replace(stored, turn.answer):
            turn = replace(turn, id=derive_id(self.id, turn.answer))
        elif stored:
            turn, old = with_frame_of(stored, turn), {self.id: stored.text}
        return self.bank.add([turn], user_id=self.user_id, replace=bool(old), expected=old)

    def _may_replace(self, stored: Memory | None, answer: str) -> bool:
        """Return whether the answer belongs to the stored turn."""
        response = stored.turn.response if stored and stored.turn else ""
        return self.is_identified or without_recalled(answer).startswith(response)

    def to_dict(self) -> dict[str, Any]:
        """Return the turn as plain JSON values, without the text of the context."""
        return {
            "id": self.id,
            "user_id": self.user_id,
            "session": self.session,
            "query": self.query,
            "at": self.at.isoformat(),
            "reinforced": list(self.reinforced),
            "metadata": plain_value(self.metadata),
            "is_stored": self.is_stored,
            "is_identified": self.is_identified,
            "remember": self.remember,
        }


_TRANSIENT = ("bank", "context", "on_failure")
_FIELDS = tuple(name for name in PendingTurn.__dataclass_fields__ if name not in _TRANSIENT)


def begin_turn(
    bank: MemoryBank,
    query: str,
    *,
    user_id: str,
    session: str | None,
    shown: Shown,
    id: str | None,
    id_is_stable: bool,
    now: datetime,
    metadata: Mapping[str, Any],
    remember: bool,
    pending: bool,
    on_failure: OnFailure | None,
    **recall_options: Any,
) -> PendingTurn:
    """Recall memories for a message, then store it; see `MemoryBank.begin_turn`.

    The message is stored after the recall, so that the search need not index it.
    """
    require_string(query, "query")
    query = without_recalled(query)
    turn = PendingTurn(
        bank,
        id or uuid4().hex,
        user_id,
        session,
        query,
        now,
        metadata=metadata,
        is_identified=id is not None and id_is_stable,
        remember=remember,
        on_failure=on_failure,
    )
    if on_failure is not None:
        bank.backlog.flush(on_failure)
        turn = find_waiting(turn) or turn
    is_new = id is None or turn.id != id
    recall = partial(_recall, turn, shown, recall_options, is_new=is_new)
    turn = bank.backlog.attempt("recall", recall, turn, on_failure)
    return turn.store_message() if pending else turn


def resume_turn(
    bank: MemoryBank, data: Mapping[str, Any], on_failure: OnFailure | None
) -> PendingTurn:
    """Return the turn that `to_dict` was called on; see `MemoryBank.resume_turn`."""
    try:
        values = {name: data[name] for name in _FIELDS}
        values["at"] = require_aware(datetime.fromisoformat(values["at"]), "at")
        values["reinforced"] = tuple(values["reinforced"])
        values["metadata"] = require_metadata(values["metadata"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"this is not a pending turn as PendingTurn.to_dict returns it: {error!r}"
        ) from error
    require_user(values["user_id"])
    return PendingTurn(bank, **values, on_failure=on_failure)


def _recall(
    turn: PendingTurn, shown: Shown, options: Mapping[str, Any], *, is_new: bool
) -> PendingTurn:
    """Return the turn with its context and, if it is a retry, the id of the stored one.

    Args:
        turn: The turn.
        shown: What the prompt holds already.
        options: Options of `MemoryBank.context`.
        is_new: Whether the turn's id is not one that the caller passed.
    """
    if turn.remember and not turn.is_identified:
        if not is_new and turn.bank.get([turn.id], user_id=turn.user_id):
            turn = replace(turn, is_identified=True)
        else:
            turn = find_retried(turn) or turn
    context = turn.bank.context(
        turn.query if turn.query.strip() else None,
        user_id=turn.user_id,
        now=turn.at,
        without=[*shown, turn.id],
        **options,
    )
    return replace(turn, context=context, reinforced=context.best_ids)


def _store_message(turn: PendingTurn) -> PendingTurn:
    """Store the message of a turn; an edited message replaces the stored one and its answer."""
    new = Turn(turn.query, "", turn.at, turn.id, turn.session, metadata=turn.metadata)
    options: dict[str, Any] = {"user_id": turn.user_id, "pending": True}
    try:
        is_new = turn.bank.add([new], **options).added > 0
    except ConflictError:  # a replay of an answered turn, or an edited message
        is_new = False
    stored = None if is_new else turn.bank.get([turn.id], user_id=turn.user_id).get(turn.id)
    if stored and stored.turn:
        turn = replace(turn, at=stored.created_at)
        if stored.turn.query != turn.query:
            turn.bank.add([replace(new, at=turn.at)], replace=True, **options)
    return replace(turn, is_stored=True)
