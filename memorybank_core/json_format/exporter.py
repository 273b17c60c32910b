"""From a bank into the original's JSON."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from memorybank_core.bank import MemoryBank
from memorybank_core.digests.state import digest_kind
from memorybank_core.records import Digest, Memory, Portrait, Summary

from .fields import chosen_users, iso


def export_json(bank: MemoryBank, *, users: Collection[str] | None = None) -> dict[str, Any]:
    """What the bank holds, archived memories included, in the original's JSON.

    Args:
        bank: Where from; times are written in its time zone.
        users: The ids of the users to export; default all.

    Raises:
        InvalidInputError: There is no such user.
    """
    chosen = chosen_users(bank.users(), users)
    return {user_id: _exported_user(bank, user_id) for user_id in chosen}


def _exported_user(bank: MemoryBank, user_id: str) -> dict[str, Any]:
    """A user's entry, with every key that the original's have."""
    history: dict[str, list[Any]] = {}
    summary: dict[str, list[Any]] = {}
    for memory in bank.timeline(user_id=user_id, archived=True):
        recalled = bank.recalls(memory.id, user_id=user_id) if memory.recalls else []
        entry = _exported(memory, recalled, bank.timezone)
        if memory.turn is None:
            summary.setdefault(str(memory.day), []).append(entry)
        else:  # not memory.day: a bank once opened in another zone must be importable, too
            history.setdefault(str(bank.day_of(memory.created_at)), []).append(entry)
    profile, digests = bank.profile(user_id=user_id), bank.store.digests(user_id)
    portraits = {one.day: one.text for one in digests if isinstance(one, Portrait)}
    summaries = {one.day: one.text for one in digests if isinstance(one, Summary)}
    name = profile.get("name")
    return {
        **({} if user_id == user_id.strip() else {"user_id": user_id}),
        "name": name if isinstance(name, str) else "",
        "summary": {day: all if all[1:] else all[0] for day, all in sorted(summary.items())},
        "personality": {str(day): text for day, text in portraits.items() if day},
        "overall_history": summaries.get(None, ""),
        "overall_personality": portraits.get(None, ""),
        "history": history,
        "meta_information": profile,
        "digests": [_signature(one, bank.timezone) for one in digests],
    }


def _signature(digest: Digest, zone: ZoneInfo) -> dict[str, str | None]:
    """Who made a digest, when, and from what."""
    return {
        "kind": digest_kind(digest),
        "day": digest.day.isoformat() if digest.day else None,
        "made_by": digest.made_by,
        "made_at": iso(digest.made_at, zone),
        "source": digest.source,
    }


def _exported(memory: Memory, recalled: list[datetime], zone: ZoneInfo) -> dict[str, Any]:
    """A turn or a daily summary, with its state."""
    turn, strength = memory.turn, memory.strength
    said: dict[str, Any] = {"content": memory.text, "session": memory.session}
    if turn is not None:
        names = ("query", "response", "session", "user_name", "companion_name")
        said = {name: getattr(turn, name) for name in names}
    elif memory.session == str(memory.day):
        del said["session"]
    entry = {
        **said,
        "memory_strength": int(strength) if strength.is_integer() else strength,
        "last_recall_date": iso(memory.last_recalled_at, zone),
        "memory_id": memory.id,
        "time": iso(memory.created_at, zone),
        "recalls": memory.recalls or None,
        "recalled_at": [iso(at, zone) for at in recalled] or None,
        "archived_at": iso(memory.archived_at, zone),
        "pinned": memory.pinned or None,
    }
    return {name: value for name, value in entry.items() if value is not None}
