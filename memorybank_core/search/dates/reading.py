"""Reading of the days that a text names."""

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from functools import cache
from itertools import islice

from memorybank_core.search.folding import simplify

from .bounds import Bounded, apply_bound, has_bound, intersect
from .day_range import DayRange
from .mentions import Mention, find_mentions
from .parts import FIRST_DAY, ReferenceDays, resolve, to_days

MAX_RANGES = 100
"""Maximum number of ranges that are read from a text; those of later dates are ignored."""
_LIST = re.compile(r",? (?:and |or )?| ?[和与跟、或,] ?")
_Span = Callable[[], tuple[date, date] | None]


def find_days(
    text: str, *, today: date, span: _Span = lambda: None, date_order: str = "month-first"
) -> tuple[DayRange, ...]:
    """Return the days that `text` names, in the order of their mention, without duplicates.

    An incomplete date means the most recent past: a month and day that are still ahead this year
    belong to last year, and a weekday is the last one before today. A bound such as "before May 4"
    becomes ranges of a week, a month and all days up to the first memory or today. Vague words
    ("recently", 前几天), habits ("every Monday"), impossible dates and years outside 1900 to 2200
    are ignored. Of a long text, the first `MAX_RANGES` ranges count.

    Args:
        text: A question in English, Chinese, or both.
        today: The calendar day of the question in the user's time zone.
        span: Reads the days of the user's first and last memory; called only for bounds, and for
            "our first conversation", "the last time we talked" and the like.
        date_order: "day-first" or "month-first", the reading of 3/4/2025.
    """
    read = _read(text, ReferenceDays(today, cache(span), date_order == "day-first"))
    ranges = dict.fromkeys(days for bounded in read for days in bounded.ranges)
    return tuple(islice(ranges, MAX_RANGES))


def find_named_days(
    text: str, *, today: date, span: _Span = lambda: None, date_order: str = "month-first"
) -> tuple[DayRange, ...]:
    """Return the days that `text` names itself, without days before or after a day it names.

    The arguments are those of `find_days`.
    """
    read = _read(text, ReferenceDays(today, cache(span), date_order == "day-first"))
    ranges = dict.fromkeys(bounded.ranges[0] for bounded in read if bounded.exact)
    return tuple(islice(ranges, MAX_RANGES))


def _read(text: str, reference: ReferenceDays) -> list[Bounded]:
    if not text.isascii():
        text = simplify(unicodedata.normalize("NFKC", text))
    text = " ".join(text.split())
    read: list[Bounded] = []
    ends: list[int] = []
    last: Mention | None = None
    for mention in find_mentions(text, reference):
        bounded = _read_mention(mention, text, reference, _continues_list(last, mention, text))
        if bounded is None:
            continue
        last = mention
        if ends and ends[-1] > bounded.start:  # "the Sunday before May 9": not also last Sunday
            del read[-1], ends[-1]
        between = read and intersect(read[-1], bounded)
        if between:
            read[-1], ends[-1] = between, mention.end
        else:
            read.append(bounded)
            ends.append(mention.end)
    return read


def _continues_list(last: Mention | None, mention: Mention, text: str) -> bool:
    """Return whether a mention follows one of its kind in a list: "on Monday and Tuesday"."""
    if last is None or last.parts.keys() != mention.parts.keys():
        return False
    return _LIST.fullmatch(text, last.end, mention.start) is not None


def _read_mention(
    mention: Mention, text: str, reference: ReferenceDays, in_list: bool
) -> Bounded | None:
    if not mention.parts:
        return None
    if mention.weak and not in_list and not _is_promoted(mention, text):
        return None
    days = resolve(mention.parts, reference.today)
    if days is None:
        return None
    bounded = apply_bound(text, mention.start, mention.end, days, reference.today, reference.span)
    if bounded.side or mention.parts.get("part", FIRST_DAY) >= FIRST_DAY:
        return bounded
    # "early May" may be May 12: the rest of the month is lifted too, but less.
    month = to_days({"year": days.first.year, "month": days.first.month})
    return bounded._replace(ranges=(*bounded.ranges, month)) if month else bounded


def _is_promoted(mention: Mention, text: str) -> bool:
    """Return whether a bound makes a weak mention count: "before May", but not "the 5th try"."""
    return "day" not in mention.parts and has_bound(text, mention.start, mention.end)
