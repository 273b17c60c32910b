"""Times in the forms that exports have them: ISO 8601, and numbers since 1970."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

_ISO = re.compile(
    r"""\s*(\d{4})-(\d\d)-(\d\d)
    (?:[T\s]\s*(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?
    \s*(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?(?::?\d\d)?)?)?\s*""",
    re.VERBOSE | re.IGNORECASE,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FINEST_SECONDS = 1e11
"""Numbers beyond this, the year 5138 in seconds, are in milliseconds or a finer unit."""


def parse_time(value: Any, zone: tzinfo) -> datetime | None:
    """Return a time in UTC; None if `value` is not a time.

    Args:
        value: ISO 8601, with a space or a "T" and any number of decimals; or a number of seconds,
            milliseconds, microseconds or nanoseconds since 1970, also as a string; or a datetime.
        zone: The time zone of times that name none.
    """
    try:
        if isinstance(value, datetime):
            moment = value
        elif isinstance(value, str) and (match := _ISO.fullmatch(value)):
            moment = _from_match(match)
        elif isinstance(value, (int, float, str)) and not isinstance(value, bool):
            moment = _from_number(float(value))
        else:
            return None
        aware = moment if moment.utcoffset() is not None else moment.replace(tzinfo=zone)
        return aware.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def _from_match(match: re.Match[str]) -> datetime:
    *numbers, decimals, offset = match.groups()
    year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
    micros = int((decimals or "0")[:6].ljust(6, "0"))
    zone = None if offset is None else _parse_offset(offset)
    leap = second == 60  # datetime has no leap seconds
    moment = datetime(year, month, day, hour, minute, second - leap, micros, zone)
    return moment + timedelta(seconds=leap)


def _parse_offset(text: str) -> timezone:
    digits = text.replace(":", "")
    if digits[0] not in "+-":
        return timezone.utc
    hours, minutes, seconds = (int(digits[start : start + 2] or 0) for start in (1, 3, 5))
    offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return timezone(-offset if digits[0] == "-" else offset)


def _from_number(number: float) -> datetime:
    if not math.isfinite(number):
        raise ValueError(number)
    while abs(number) > _FINEST_SECONDS:
        number /= 1000
    return _EPOCH + timedelta(seconds=number)
