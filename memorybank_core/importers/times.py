"""Times in the forms that exports and logs have them: dates, and numbers since 1970."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from typing import Any

_OFFSET = r"(?P<offset>Z|UTC|GMT|[+-]\d\d(?::?\d\d)?(?::?\d\d)?)?"
_DATE = re.compile(
    rf"""(?P<year>\d{{4}})\s*[-/.]\s*(?P<month>\d\d?)\s*[-/.]\s*(?P<day>\d\d?)
    (?:\s*(?:T|\s)\s*(?P<am>上午)?(?P<pm>下午)?\s*(?P<hour>\d\d?)
        :(?P<minute>\d\d?)?(?::(?P<second>\d\d?)(?:[.,](?P<decimals>\d+))?)?:?
        \s*(?:(?P<AM>AM)|(?P<PM>PM))?\s*{_OFFSET})?""",
    re.VERBOSE | re.IGNORECASE,
)
_COMPACT = re.compile(
    rf"""(?P<year>(?:19[7-9]|20\d)\d)(?P<month>\d\d)(?P<day>\d\d)
    (?:[T_\s]?(?P<hour>\d\d)(?P<minute>\d\d)(?:(?P<second>\d\d)(?:[.,](?P<decimals>\d+))?)?
        {_OFFSET})?""",
    re.VERBOSE | re.IGNORECASE,
)
_MAIL = re.compile(
    r"(?:[a-z]{3},\s*)?\d\d?\s+[a-z]{3}\s+\d{4}\s+\d\d?:\d\d(?::\d\d)?(?:\s+\S+)?", re.IGNORECASE
)
"""The form of RFC 5322, which mail and HTTP use; the parser of the library accepts much more."""
_CHINESE = str.maketrans(
    {
        **dict.fromkeys("年月", "-"),
        **dict.fromkeys("日号號", " "),
        **dict.fromkeys("时時点點分：", ":"),
        "秒": "",
    }
)
_WEEKDAY = re.compile(r"(?:星期|周|週)[一二三四五六日天]")
_MAX_LENGTH = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FEWEST_SECONDS = 1e8
"""Numbers below this, the year 1973 in seconds, are not times but positions or durations."""
_FINEST_SECONDS = 1e11
"""Numbers beyond this, the year 5138 in seconds, are in milliseconds or a finer unit."""


def parse_time(value: Any, zone: tzinfo) -> datetime | None:
    """Return a time in UTC; None if `value` is not a time.

    Args:
        value: A date with or without a time of day: ISO 8601 with any number of decimals, also
            "20240504", "2024/5/4 6:30 PM" or "2024年5月4日 18:30"; the form of mail headers; a
            number of seconds, milliseconds, microseconds or nanoseconds since 1970, also as a
            string; or a datetime.
        zone: The time zone of times that name none.
    """
    try:
        moment = _parse(value)
        if moment is None:
            return None
        aware = moment if moment.utcoffset() is not None else moment.replace(tzinfo=zone)
        return aware.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def _parse(value: Any) -> datetime | None:
    """Return a time, with or without a zone; None or ValueError if `value` is not a time."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    text = str(value).strip()
    if len(text) > _MAX_LENGTH:
        return None
    if match := _COMPACT.fullmatch(text):
        return _from_match(match)
    if isinstance(value, (int, float)):
        return _from_number(value)
    plain = _WEEKDAY.sub(" ", text).translate(_CHINESE).strip()
    if match := _DATE.fullmatch(plain):
        return _from_match(match)
    return parsedate_to_datetime(text) if _MAIL.fullmatch(text) else _from_number(float(text))


def _from_match(match: re.Match[str]) -> datetime:
    parts = match.groupdict()
    names = ("year", "month", "day", "hour", "minute", "second")
    year, month, day, hour, minute, second = (int(parts[name] or 0) for name in names)
    is_morning, is_afternoon = (
        bool(parts.get(word) or parts.get(word.upper())) for word in ("am", "pm")
    )
    if is_morning or is_afternoon:
        if not 1 <= hour <= 12:
            raise ValueError(match[0])
        hour = hour % 12 + 12 * is_afternoon
    micros = int((parts["decimals"] or "0")[:6].ljust(6, "0"))
    zone = None if parts["offset"] is None else _parse_offset(parts["offset"])
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
    if not math.isfinite(number) or abs(number) < _FEWEST_SECONDS:
        raise ValueError(number)
    while abs(number) > _FINEST_SECONDS:
        number /= 1000
    return _EPOCH + timedelta(seconds=number)
