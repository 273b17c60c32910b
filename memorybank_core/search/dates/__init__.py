"""Dates in a query: the days that it names, in English and in Chinese.

A query is read in four steps. `*_patterns` hold a table each: regular expressions that read one
way of writing a date into *parts* (`parts`). `mentions` merges adjacent parts ("last year" +
"May 4") and joins two into a range ("from May 4 to May 9"). `parts` completes dates that lack a
year or a month. `bounds` applies the words around a date: "before", "since", "the day after", 之前.
"""

from .day_range import DayRange
from .order import DATE_ORDERS, choose_date_order
from .reading import find_days, find_named_days

__all__ = ["DATE_ORDERS", "DayRange", "choose_date_order", "find_days", "find_named_days"]
