"""Read the values of a user's entry, and collect all faults instead of raising the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timezone
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from memorybank_core.errors import FormatError
from memorybank_core.text import without_surrogates

from .fields import DAY_END, FIRST_TURN, parse_datetime, parse_text, short_repr, to_utc

T = TypeVar("T")

_EMPTY: tuple[Any, ...] = (None, "", {})
_EXPECTED = {
    "memory_strength": "a positive finite number",
    "last_recall_date": "a day written YYYY-MM-DD, or a date and time in ISO 8601",
    "time": "a date and time in ISO 8601 with its offset from UTC",
    "recalls": "a whole number of 0 or more",
    "archived_at": "a date and time in ISO 8601",
    "pinned": "true or false",
    "recalled_at": "a list of dates and times in ISO 8601",
    "recalled_by": "a list of the ids of turns, or null, one for each of recalled_at",
    "namespace": "a list of strings",
    "created_at": "a date and time in ISO 8601 with its offset from UTC",
    "updated_at": "a date and time in ISO 8601 with its offset from UTC",
    "ttl": "a positive finite number",
    "fields": "a list of strings",
    "kind": "summary or portrait",
    "day": "a calendar day written YYYY-MM-DD",
    "metadata": "an object of JSON values with non-empty keys, of at most 16 KB",
    "made_at": "a date and time in ISO 8601 with its offset from UTC",
}
"""Expected values of the fields that are not strings, for messages."""


_MAX_FAULTS = 10  # maximum number of faults in a message


def require_no_faults(faults: Sequence[str]) -> None:
    """Raise FormatError if there are faults; the message names up to ten."""
    if not faults:
        return
    more = len(faults) - _MAX_FAULTS
    lines = [*faults[:_MAX_FAULTS], *([f"and {more} more"] if more > 0 else [])]
    heading = "nothing was imported because entries are malformed:"
    raise FormatError("\n- ".join([heading, *lines]))


class EntryReader:
    """Reader of the values in one user's entry.

    Args:
        user_id: The user, as messages name them.
        zone: The bank's time zone.

    Attributes:
        faults: A message for each malformed value.
    """

    def __init__(self, user_id: str, zone: ZoneInfo) -> None:
        self.user_id, self.zone = user_id, zone
        self.faults: list[str] = []

    def add_fault(self, where: str, value: Any, expected: str) -> None:
        """Record that the value at `where` is not as expected."""
        place = ", ".join(filter(None, (f"user {short_repr(self.user_id)}", where)))
        self.faults.append(self.describe(place, value, expected))

    @staticmethod
    def describe(place: str, value: Any, expected: str) -> str:
        """Return the message of a fault."""
        return f"{place}: got {short_repr(value)}, expected {expected}"

    def read_object(self, where: str, value: Any) -> Mapping[str, Any]:
        """Return an object; {} if the value is empty or malformed."""
        if not isinstance(value, Mapping) and value not in _EMPTY:
            self.add_fault(where, value, "an object")
            return {}
        return value or {}

    def read_list(self, where: str, value: Any, content: str = "turns") -> Sequence[Any]:
        """Return a list; [] if the value is empty or malformed."""
        if not isinstance(value, list) and value not in _EMPTY:
            self.add_fault(where, value, f"a list of {content}")
            return []
        return value or []

    def read_days(self, entry: Mapping[str, Any], name: str) -> Iterator[tuple[date, Any]]:
        """Yield the days and values of an object with a key per day, in its order."""
        seen = set()
        for key, value in self.read_object(name, entry.get(name)).items():
            try:
                day = self.parse_day(key.strip())
            except (AttributeError, ValueError, OverflowError):
                self.add_fault(name, key, "a calendar day written YYYY-MM-DD")
                continue
            if day in seen:
                self.add_fault(name, key, "each day once")
            seen.add(day)
            yield day, value

    def read_content(self, where: str, value: Any) -> str:
        """Return a text, which may be given as {"content": text}; "" if empty or malformed."""
        if isinstance(value, Mapping):
            return self.read_field(where, value, "content", parse_text) or ""
        if value is None or isinstance(value, str):
            return without_surrogates(value or "")
        self.add_fault(where, value, "a string, or an object with content")
        return ""

    def read_field(
        self, where: str, entry: Mapping[str, Any], name: str, parse: Callable[[Any], T]
    ) -> T | None:
        """Return a field's parsed value; None if it is missing, empty or malformed."""
        value = entry.get(name)
        if value is None or value == "":
            return None
        try:
            return parse(value)
        except (TypeError, ValueError, OverflowError):
            expected = _EXPECTED.get(name, "a string")
            self.add_fault(", ".join(filter(None, (where, name))), value, expected)
            return None

    def parse_day(self, value: Any) -> date:
        """Parse a day that exists in the bank's time zone; some zones have skipped days."""
        text = parse_text(value)
        day = date.fromisoformat(text)
        times = (time.min, FIRST_TURN, DAY_END)
        days = {
            to_utc(day, local_time, self.zone).astimezone(self.zone).date() for local_time in times
        }
        if day.isoformat() != text or days != {day}:
            raise ValueError(text)
        return day

    def parse_day_or_moment(self, value: Any) -> date:
        """Parse a day, or a date and time."""
        try:
            return self.parse_day(parse_text(value).strip())
        except ValueError:
            return self.parse_moment(value)

    def parse_moment(self, value: Any) -> datetime:
        """Parse a date and time into UTC; without an offset, it is in the bank's zone."""
        moment = parse_datetime(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=self.zone)
        # an export converts it to the bank's zone, which must not leave the range of datetime
        return moment.astimezone(self.zone).astimezone(timezone.utc)

    def parse_moments(self, value: Any) -> list[datetime]:
        """Parse a list of dates and times."""
        if not isinstance(value, list):
            raise TypeError(value)
        return [self.parse_moment(item) for item in value]

    def parse_time(self, value: Any) -> datetime:
        """Parse a date and time with an offset into UTC."""
        if parse_datetime(value).tzinfo is None:
            raise ValueError(value)
        return self.parse_moment(value)
