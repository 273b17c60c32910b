"""Checks of the ids of memories that commands take."""

from __future__ import annotations

from collections.abc import Sequence

from memorybank_core.bank import MemoryBank
from memorybank_core.errors import InvalidInputError


def find_missing(bank: MemoryBank, ids: Sequence[str], user: str) -> list[str]:
    """Return the ids that no memory of the user has."""
    known = bank.get(ids, user_id=user) if ids else {}
    return [id for id in dict.fromkeys(ids) if id not in known]


def require_known(bank: MemoryBank, ids: Sequence[str], user: str) -> None:
    """Raise InvalidInputError if an id is that of no memory; nothing was changed yet."""
    if missing := find_missing(bank, ids, user):
        raise not_found(missing, user)


def not_found(ids: Sequence[str], user: str) -> InvalidInputError:
    """Return the error for ids that no memory of the user has."""
    return InvalidInputError(f"no memory of the user {user!r} has the id {', '.join(ids)}")
