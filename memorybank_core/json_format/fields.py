"""Single values of the format, checked: each parser raises TypeError or ValueError."""

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
"""When a day's first turn was said, for the format has only days; each next is a minute later."""
DAY_END = time(23, 59)
"""When a day's summary was made."""

_LAST_MINUTE = 898  # of a day's turns, counted from the first: 23:58
_SHOWN = 80  # characters of a value, in a message
_REPR = reprlib.Repr()
_REPR.maxstring = _SHOWN


def user_id_of(key: Any, entry: Any) -> Any:
    """The key without spaces around it, unless the entry says that they belong to the id."""
    id = key.strip() if isinstance(key, str) else key
    own = entry.get("user_id") if isinstance(entry, Mapping) else None
    return own if isinstance(own, str) and own.strip() == id else id


def chosen_users(there: Collection[str], users: Collection[str] | None) -> list[str]:
    """The users asked for, in the order in which they are there.

    Raises:
        InvalidInputError: One of them is not.
    """
    if isinstance(users, str):
        raise InvalidInputError(f"users must be a list of ids, not the string {users!r}")
    wanted = set(there if users is None else users)
    missing = sorted(wanted.difference(there))
    if missing:
        raise InvalidInputError(f"no such users: {', '.join(map(repr, missing))}")
    return [user_id for user_id in there if user_id in wanted]


def turn_time(day: date, index: int, zone: ZoneInfo) -> datetime:
    """When a turn was said that has no time: a minute apart, at the day's end a microsecond."""
    minutes = min(index, _LAST_MINUTE)
    since = timedelta(minutes=minutes, microseconds=index - minutes)
    return (datetime.combine(day, FIRST_TURN, zone) + since).astimezone(timezone.utc)


def utc(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """A clock's time on a day in a zone."""
    return datetime.combine(day, clock, zone).astimezone(timezone.utc)


def iso(moment: datetime | None, zone: ZoneInfo) -> str | None:
    """ISO 8601 with the zone's offset."""
    return None if moment is None else moment.astimezone(zone).isoformat()


def as_datetime(value: Any) -> datetime:
    """A date and time in ISO 8601, with or without an offset."""
    text = as_text(value).strip()
    return datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)


def as_text(value: Any) -> str:
    """A string, torn emoji mended."""
    if not isinstance(value, str):
        raise TypeError(value)
    return without_surrogates(value)


def as_kind(value: Any) -> DigestKind:
    """Either "summary" or "portrait"."""
    kinds = {str(kind): kind for kind in DIGEST_TYPES}
    if as_text(value) not in kinds:
        raise ValueError(value)
    return kinds[value]


def as_strength(value: Any) -> float:
    """A positive finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(value)
    if not 0.0 < float(value) < math.inf:
        raise ValueError(value)
    return float(value)


def as_count(value: Any) -> int:
    """A whole number of 0 or more that SQLite can hold."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(value)
    if not 0 <= value < 2**63:
        raise ValueError(value)
    return value


def as_flag(value: Any) -> bool:
    """True or false, and no number that stands for one."""
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def shortened(value: Any) -> str:
    """A value as a message shows it."""
    text = _REPR.repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
