"""Erasure of one conversation, including its turns that wait to be written in an outage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from memorybank_core.conditions import matches

if TYPE_CHECKING:
    from memorybank_core.bank import MemoryBank


def delete_conversation(
    bank: MemoryBank, *, user_id: str, session: str | None, where: Mapping[str, Any] | None
) -> None:
    """Erase the turns of a conversation, archived ones too, and the digests of their days.

    Args:
        bank: The bank.
        user_id: The user.
        session: The conversation; None for all.
        where: Conditions on the metadata of the turns; None for all.

    Raises:
        StoreError: If the store failed.
    """
    waiting = bank.backlog.waiting(user_id)  # before the bank is read: it may be written meanwhile
    ids = {
        id
        for id, item in waiting.items()
        if session in (None, item.session) and matches(item.turn.metadata, where or {})
    }
    stored = bank.timeline(
        user_id=user_id, session=session, kind="turn", archived=True, where=where
    )
    if ids := ids | {memory.id for memory in stored}:
        bank.delete(user_id=user_id, ids=ids)
