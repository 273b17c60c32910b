"""Export a bank to the original MemoryBank's JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

from memorybank_core.bank import MemoryBank
from memorybank_core.bulk import BATCH
from memorybank_core.conditions import require_where
from memorybank_core.digests.state import digest_kind
from memorybank_core.metadata import Metadata
from memorybank_core.moving import read_memories
from memorybank_core.record_values import plain_value
from memorybank_core.records import Change, Digest, Memory, Portrait, Summary

from .fields import format_time, select_users
from .items import BANK_KEY, SETTINGS, export_items
from .settings import export_settings


def export_json(
    bank: MemoryBank,
    *,
    users: Collection[str] | None = None,
    where: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the contents of `bank`, including archived memories, in the original's JSON format.

    Only vectors are left out; an import computes them again.

    Args:
        bank: The bank; times are written in its time zone.
        users: Ids of the users to export; None for all. Items, such as those of a LangGraph store,
            and the settings that the bank keeps belong to no user and are exported only with None.
        where: Conditions on the metadata of turns, as in `MemoryBank.search`. Only the turns that
            satisfy them are exported, without summaries, portraits and changes, which are made from
            all, and without items.

    Raises:
        InvalidInputError: If one of `users` is not in the bank, or `where` is not valid.
    """
    user_ids, condition = select_users(bank.users(), users), require_where(where)
    data = {user_id: _export_user(bank, user_id, condition) for user_id in user_ids}
    if users is None and not condition:
        entry = export_items(bank.store.items, bank.timezone, datetime.now(timezone.utc))
        if settings := export_settings(bank):
            entry = {BANK_KEY: {**entry.get(BANK_KEY, {}), SETTINGS: settings}}
        data |= entry
    return data


def _export_user(bank: MemoryBank, user_id: str, where: Metadata | None) -> dict[str, Any]:
    """Return a user's entry, with all keys of the original."""
    history: dict[str, list[Any]] = {}
    summary: dict[str, list[Any]] = {}
    memories = bank.timeline(user_id=user_id, archived=True, where=where)
    recalls = _read_recalls(bank, user_id) if any(memory.recalls for memory in memories) else {}
    for memory in memories:
        entry = _export_memory(memory, recalls.get(memory.id, ()), bank.timezone)
        if memory.turn is None:
            summary.setdefault(str(memory.day), []).append(entry)
        else:  # memory.day may be from another time zone, with which the bank was opened earlier
            history.setdefault(str(bank.day_of(memory.created_at)), []).append(entry)
    profile = bank.profile(user_id=user_id)
    digests = [] if where else bank.digests(user_id=user_id)
    changes = [] if where else bank.store.changes(user_id)
    portraits = {digest.day: digest.text for digest in digests if isinstance(digest, Portrait)}
    summaries = {digest.day: digest.text for digest in digests if isinstance(digest, Summary)}
    name = profile.get("name")
    return {
        **({} if user_id == user_id.strip() else {"user_id": user_id}),
        "name": name if isinstance(name, str) else "",
        "summary": {
            day: entries if entries[1:] else entries[0] for day, entries in sorted(summary.items())
        },
        "personality": {str(day): text for day, text in portraits.items() if day},
        "overall_history": summaries.get(None, ""),
        "overall_personality": portraits.get(None, ""),
        "history": history,
        "meta_information": profile,
        "digests": [_export_provenance(digest, summary, bank.timezone) for digest in digests],
        **(
            {"changes": [_export_change(item, bank.timezone) for item in changes]}
            if changes
            else {}
        ),
    }


def _export_change(change: Change, zone: ZoneInfo) -> dict[str, str | None]:
    """Return the entry of a change."""
    return {**change.to_dict(), "made_at": format_time(change.made_at, zone)}


def _read_recalls(
    bank: MemoryBank, user_id: str
) -> dict[str, Sequence[tuple[datetime, str | None]]]:
    """Return time and turn of each recall, by the id of the memory."""
    return {
        row.memory.id: row.recalls
        for stored in read_memories(bank.store, user_id, BATCH)
        for row in stored
        if row.recalls
    }


def _export_provenance(
    digest: Digest, events: Mapping[str, Sequence[Any]], zone: ZoneInfo
) -> dict[str, str | None]:
    """Return the entry of a digest's author, time and source.

    The text of a day's summary is that of the day's first event; another text is in the entry.
    """
    first = next(iter(events.get(str(digest.day), ())), {"content": None})
    is_other = isinstance(digest, Summary) and digest.day and digest.text != first["content"]
    return {
        "kind": digest_kind(digest),
        "day": digest.day.isoformat() if digest.day else None,
        "made_by": digest.made_by,
        "made_at": format_time(digest.made_at, zone),
        "source": digest.source,
        **({"text": digest.text} if is_other else {}),
    }


def _export_memory(
    memory: Memory, recalls: Sequence[tuple[datetime, str | None]], zone: ZoneInfo
) -> dict[str, Any]:
    """Return the entry of a turn or a daily summary, with its state."""
    turn, strength = memory.turn, memory.strength
    content: dict[str, Any] = {"content": memory.text, "session": memory.session}
    if turn is not None:
        names = ("query", "response", "session", "user_name", "companion_name")
        content = {name: getattr(turn, name) for name in names}
    elif memory.session == str(memory.day):
        del content["session"]
    entry = {
        **content,
        "memory_strength": int(strength) if strength.is_integer() else strength,
        "last_recall_date": format_time(memory.last_recalled_at, zone),
        "memory_id": memory.id,
        "time": format_time(memory.created_at, zone),
        "recalls": memory.recalls or None,
        "recalled_at": [format_time(time, zone) for time, _ in recalls] or None,
        "recalled_by": [turn for _, turn in recalls] if any(turn for _, turn in recalls) else None,
        "archived_at": format_time(memory.archived_at, zone),
        "pinned": memory.pinned or None,
        "metadata": plain_value(memory.metadata) or None,
    }
    return {name: value for name, value in entry.items() if value is not None}
