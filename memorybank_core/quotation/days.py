"""Days in quotes: what "yesterday" or 明天 meant on the day when it was said."""

from __future__ import annotations

import re
from datetime import date, timedelta

_RELATIVE_DAYS = (
    (-3, re.compile("大前天")),
    (-2, re.compile(r"\bthe day before yesterday\b|(?<!大)前[天晚]", re.IGNORECASE)),
    (2, re.compile(r"\bthe day after tomorrow\b|(?<!大)后天", re.IGNORECASE)),
    (-1, re.compile(r"(?<!before )\b(?:yesterday|last night)\b|昨[天晚]", re.IGNORECASE)),
    (1, re.compile(r"(?<!after )\btomorrow\b|明[天早晚]", re.IGNORECASE)),
    (0, re.compile(r"\b(?:today|tonight|this (?:morning|afternoon|evening))\b|今[天早晚]", re.I)),
)


def resolve_day(quote: str, said_on: date) -> tuple[date, int] | None:
    """Return the day that a relative word of a quote means, and its distance to `said_on` in days.

    None if the quote has no such word, or several that mean different days.
    """
    distances = {distance for distance, pattern in _RELATIVE_DAYS if pattern.search(quote)}
    if len(distances) != 1:
        return None
    (distance,) = distances
    return said_on + timedelta(days=distance), distance
