"""A turn of a LlamaIndex conversation from its recall until it is answered, as plain JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from typing import Any, Literal, Protocol
from uuid import uuid4

from pydantic import BaseModel, Field, SerializerFunctionWrapHandler, model_serializer

from memorybank_core import Memory, MemoryBank
from memorybank_core.context import Shown
from memorybank_core.record_values import plain_value
from memorybank_core.turns.pending_turn import PendingTurn
from memorybank_core.turns.same_turn import is_recent
from memorybank_core.turns.waiting_turns import find_waiting

from .failures import attempt, failure_reporter

Phase = Literal["upcoming", "begun", "answered"]
"""Progress of a turn: before the user's message is put, before the answer, and after it."""


class TurnOptions(Protocol):
    """Options of the memory and of the block that each turn needs."""

    @property
    def bank(self) -> MemoryBank:
        """The bank."""
        ...

    user_id: str
    k: int | None
    max_tokens: int
    min_relevance: float
    tokenizer: Any
    metadata: dict[str, Any]
    where: dict[str, Any] | None


class OpenTurn(BaseModel):
    """A turn with what was recalled for it.

    Attributes:
        pending: The turn as `PendingTurn.to_dict` returns it.
        phase: "upcoming" before the user's message is put, then "begun", then "answered".
        block: The recalled text for the prompt; None if it must be recalled. It is not serialized
            after the answer.
        ids: Ids of the memories in `block`.
        digests: Hash of the portrait and the summary at the time of the recall.
    """

    pending: dict[str, Any]
    phase: Phase = "begun"
    block: str | None = None
    ids: list[str] = Field(default_factory=list)
    digests: str = ""

    @property
    def id(self) -> str:
        """Id of the turn."""
        return str(self.pending["id"])

    @property
    def query(self) -> str:
        """The user's message."""
        return str(self.pending["query"])

    @property
    def awaits_answer(self) -> bool:
        """Return whether an answer completes the turn."""
        return self.phase == "begun"

    @model_serializer(mode="wrap")
    def _serialize(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        return data | {"block": None} if self.phase == "answered" else data

    @classmethod
    def begin(
        cls,
        options: TurnOptions,
        session: str | None,
        query: str,
        shown: Shown,
        *,
        phase: Phase,
    ) -> OpenTurn:
        """Recall memories for a message and, if `phase` is "begun", store the message.

        An "answered" turn only recalls: nothing is stored or strengthened for it.

        Args:
            options: The bank and the options of the recall.
            session: The conversation.
            query: The user's message.
            shown: What the prompt contains already.
            phase: The phase of the new turn.
        """
        read = partial(_hash_digests, options)  # read first: a later change then shows
        digests = attempt(options.bank, options.user_id, "read the digests", read, "")
        turn = options.bank.begin_turn(
            query,
            user_id=options.user_id,
            session=session,
            shown=shown,
            k=options.k,
            max_tokens=options.max_tokens,
            tokenizer=options.tokenizer,
            min_relevance=options.min_relevance,
            metadata=options.metadata,
            where=options.where,
            remember=phase != "answered",
            pending=phase == "begun",
            on_failure=failure_reporter(options.user_id),
        )
        return cls(
            pending=turn.to_dict(),
            phase=phase,
            block=turn.context.text,
            ids=list(turn.context.ids),
            digests=digests,
        )

    @classmethod
    def store(cls, options: TurnOptions, session: str | None, query: str) -> OpenTurn:
        """Store a user's message without recalling anything yet."""
        turn = PendingTurn(
            options.bank,
            uuid4().hex,
            options.user_id,
            session,
            query,
            datetime.now(timezone.utc),
            metadata=options.metadata,
            on_failure=failure_reporter(options.user_id),
        )
        turn = find_waiting(turn) or turn
        return cls(pending=turn.store_message().to_dict())

    @classmethod
    def of_stored(cls, memory: Memory, options: TurnOptions) -> OpenTurn:
        """Return the turn of a stored message without an answer."""
        query = memory.turn.query if memory.turn else ""
        turn = PendingTurn(
            options.bank,
            memory.id,
            options.user_id,
            memory.session,
            query,
            memory.created_at,
            metadata=memory.metadata,
            is_stored=True,
        )
        return cls(pending=turn.to_dict())

    def is_of(self, query: str) -> bool:
        """Return whether this is the text of the turn's message."""
        return self.query.strip() == query.strip()

    def is_upcoming(self, query: str) -> bool:
        """Return whether this is the turn of a message that was not put yet."""
        return self.phase == "upcoming" and self.is_of(query)

    def is_repeated_by(self, query: str, now: datetime) -> bool:
        """Return whether a message is that of this turn: put after its recall, or put again."""
        is_same = self.phase == "begun" and self.is_of(query)
        at = datetime.fromisoformat(self.pending["at"])
        return self.is_upcoming(query) or (is_same and is_recent(at, now))

    def store_message(self, options: TurnOptions) -> OpenTurn:
        """Store the user's message if it is not stored, and return the begun turn."""
        turn = self._resume(options).store_message()
        return self.model_copy(update={"pending": turn.to_dict(), "phase": "begun"})

    def complete(self, options: TurnOptions, answer: str) -> tuple[OpenTurn, str | None]:
        """Store the answer and strengthen what was recalled.

        Returns:
            The answered turn, and the id under which it is stored: another one if another writer
            stored another answer meanwhile, and None if the message was deleted meanwhile.
        """
        receipt = self._resume(options).complete(answer)
        id = receipt.ids[0] if receipt.ids else None
        if id is None and self.id in options.bank.backlog.waiting(options.user_id):
            id = self.id
        update = {"phase": "answered", "pending": self.pending | {"id": id or self.id}}
        return self.model_copy(update=update), id

    def with_metadata(self, metadata: Mapping[str, Any]) -> OpenTurn:
        """Return the turn with the metadata that the bank stores."""
        return self.model_copy(
            update={"pending": self.pending | {"metadata": plain_value(metadata)}}
        )

    def refreshed(self, options: TurnOptions, session: str | None, shown: Shown = ()) -> OpenTurn:
        """Return the turn; recall again if what it recalled is not stored any more."""
        check = partial(self._shows_only_stored, options)
        action = "look up recalled memories"
        if self.block is not None and attempt(options.bank, options.user_id, action, check, True):
            return self
        shown = [*shown, self.id]
        new = OpenTurn.begin(options, session, self.query, shown, phase="answered")
        pending = self.pending | {"reinforced": new.pending["reinforced"]}
        return new.model_copy(update={"pending": pending, "phase": self.phase})

    def _resume(self, options: TurnOptions) -> PendingTurn:
        on_failure = failure_reporter(options.user_id)
        return options.bank.resume_turn(self.pending, on_failure=on_failure)

    def _shows_only_stored(self, options: TurnOptions) -> bool:
        """Return whether the bank still has the memories and the digests in the block."""
        if self.ids and len(options.bank.get(self.ids, user_id=options.user_id)) < len(self.ids):
            return False
        return self.digests == _hash_digests(options)


def _hash_digests(options: TurnOptions) -> str:
    """Return a hash of the overall portrait and summary; "" if a prompt has none."""
    digests = [] if options.where else options.bank.store.digests(options.user_id, days=False)
    texts: Sequence[str] = [digest.text for digest in digests]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest() if texts else ""
