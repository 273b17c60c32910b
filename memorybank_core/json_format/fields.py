"""Parse and format single values; every parser raises TypeError or ValueError."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Collection, Mapping
from datetime import date, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from memorybank_core.digests.state import DIGEST_TYPES
from memorybank_core.errors import InvalidInputError
from memorybank_core.records import DigestKind
from memorybank_core.text import without_surrogates

FIRST_TURN = time(9)
"""Time of a day's first turn, since the format has only days; the others follow by the minute."""
DAY_END = time(23, 59)
"""Time of a day's summary."""

_LAST_MINUTE = 898  # from the first turn of a day to 23:58
_MAX_SHOWN = 80  # characters of a value in a message
_REPR = reprlib.Repr()
_REPR.maxstring = _MAX_SHOWN


def resolve_user_id(key: Any, entry: Any) -> Any:
    """Return the key without spaces around it, unless the entry's own "user_id" has them."""
    id = key.strip() if isinstance(key, str) else key
    own = entry.get("user_id") if isinstance(entry, Mapping) else None
    return own if isinstance(own, str) and own.strip() == id else id


def select_users(existing: Collection[str], users: Collection[str] | None) -> list[str]:
    """Return `users`, by default all, in the order of `existing`.

    Raises:
        InvalidInputError: If a user does not exist.
    """
    if isinstance(users, str):
        raise InvalidInputError(f"users must be a list of ids, not the string {users!r}")
    selected = set(existing if users is None else users)
    missing = sorted(selected.difference(existing))
    if missing:
        raise InvalidInputError(f"no such users: {', '.join(map(repr, missing))}")
    return [user_id for user_id in existing if user_id in selected]


def default_turn_time(day: date, index: int, zone: ZoneInfo) -> datetime:
    """Return a time for a turn without one: one minute apart, near midnight one microsecond."""
    minutes = min(index, _LAST_MINUTE)
    offset = timedelta(minutes=minutes, microseconds=index - minutes)
    return (datetime.combine(day, FIRST_TURN, zone) + offset).astimezone(timezone.utc)


def to_utc(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return the UTC time of a local day and time in `zone`."""
    return datetime.combine(day, clock, zone).astimezone(timezone.utc)


def format_time(moment: datetime | None, zone: ZoneInfo) -> str | None:
    """Return `moment` in ISO 8601, with the offset of `zone`."""
    return None if moment is None else moment.astimezone(zone).isoformat()


def parse_datetime(value: Any) -> datetime:
    """Parse a date and time in ISO 8601, with or without an offset."""
    text = parse_text(value).strip()
    return datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)


def parse_text(value: Any) -> str:
    """Return a string with lone surrogates replaced."""
    if not isinstance(value, str):
        raise TypeError(value)
    return without_surrogates(value)


def parse_kind(value: Any) -> DigestKind:
    """Return "summary" or "portrait"."""
    kinds = {str(kind): kind for kind in DIGEST_TYPES}
    if parse_text(value) not in kinds:
        raise ValueError(value)
    return kinds[value]


def parse_strength(value: Any) -> float:
    """Return a positive finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(value)
    if not 0.0 < float(value) < math.inf:
        raise ValueError(value)
    return float(value)


def parse_count(value: Any) -> int:
    """Return an integer of 0 or more that SQLite can store."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(value)
    if not 0 <= value < 2**63:
        raise ValueError(value)
    return value


def parse_flag(value: Any) -> bool:
    """Return True or False; numbers are not accepted."""
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def shorten(value: Any) -> str:
    """Return the repr of `value`, shortened for a message."""
    text = _REPR.repr(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"
