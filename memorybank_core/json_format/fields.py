"""Parse and format single values; parsers raise TypeError or ValueError on malformed values."""

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
"""Default time of a day's first turn; each following turn is one minute later."""
DAY_END = time(23, 59)
"""Default time of a day's summary."""
ITEMS = "items"
"""Key of the items of a bank, in the entry that belongs to no user."""

_LAST_MINUTE = 898  # minutes from FIRST_TURN to 23:58
_MAX_SHOWN = 80  # characters of a value in a message
_REPR = reprlib.Repr()
_REPR.maxstring = _MAX_SHOWN


def resolve_user_id(key: Any, entry: Any) -> Any:
    """Return a user's id: the key without spaces around it, or the same id with spaces.

    An id with spaces around it is in the entry's "user_id".
    """
    id = key.strip() if isinstance(key, str) else key
    exact_id = entry.get("user_id") if isinstance(entry, Mapping) else None
    return exact_id if isinstance(exact_id, str) and exact_id.strip() == id else id


def select_users(existing: Collection[str], users: Collection[str] | None) -> list[str]:
    """Return `users`, or all if None, in the order of `existing`.

    Raises:
        InvalidInputError: If one of `users` is not in `existing`.
    """
    if isinstance(users, str):
        raise InvalidInputError(f"users must be a list of ids, not the string {users!r}")
    selected = set(existing if users is None else users)
    missing = sorted(selected.difference(existing))
    if missing:
        raise InvalidInputError(f"no such users: {', '.join(map(repr, missing))}")
    return [user_id for user_id in existing if user_id in selected]


def default_turn_time(day: date, index: int, zone: ZoneInfo) -> datetime:
    """Return the default time, in UTC, of the turn at `index` of a day.

    Turns are one minute apart; from 23:58 on, one microsecond.
    """
    minutes = min(index, _LAST_MINUTE)
    offset = timedelta(minutes=minutes, microseconds=index - minutes)
    return (datetime.combine(day, FIRST_TURN, zone) + offset).astimezone(timezone.utc)


def to_utc(day: date, local_time: time, zone: ZoneInfo) -> datetime:
    """Return the UTC time of a local day and time in `zone`."""
    return datetime.combine(day, local_time, zone).astimezone(timezone.utc)


def format_time(moment: datetime | None, zone: ZoneInfo) -> str | None:
    """Return `moment` in ISO 8601 with the offset of `zone`; None if it is None."""
    return None if moment is None else moment.astimezone(zone).isoformat()


def parse_datetime(value: Any) -> datetime:
    """Parse a date and time in ISO 8601, with or without an offset."""
    text = parse_text(value).strip()
    return datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)


def parse_text(value: Any) -> str:
    """Parse a string, and replace lone surrogates in it."""
    if not isinstance(value, str):
        raise TypeError(value)
    return without_surrogates(value)


def parse_kind(value: Any) -> DigestKind:
    """Parse "summary" or "portrait"."""
    kinds = {str(kind): kind for kind in DIGEST_TYPES}
    if parse_text(value) not in kinds:
        raise ValueError(value)
    return kinds[value]


def parse_strings(value: Any) -> list[str]:
    """Parse a list of strings."""
    if not isinstance(value, list):
        raise TypeError(value)
    return [parse_text(item) for item in value]


def parse_turn_ids(value: Any) -> list[str | None]:
    """Parse a list of the ids of turns, in which null is for none."""
    if not isinstance(value, list):
        raise TypeError(value)
    return [None if item is None else parse_text(item) for item in value]


def parse_positive(value: Any) -> float:
    """Parse a positive finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(value)
    if not 0.0 < float(value) < math.inf:
        raise ValueError(value)
    return float(value)


def parse_count(value: Any) -> int:
    """Parse an integer of 0 or more that SQLite can store."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(value)
    if not 0 <= value < 2**63:
        raise ValueError(value)
    return value


def parse_flag(value: Any) -> bool:
    """Parse true or false; numbers are not accepted."""
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def short_repr(value: Any) -> str:
    """Return the repr of `value`, shortened for a message."""
    text = _REPR.repr(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"
