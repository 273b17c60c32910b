"""A range of calendar days."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class DayRange:
    """The days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """The number of days."""
        return (self.last - self.first).days + 1

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last
