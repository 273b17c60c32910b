"""Reading in spite of damaged rows, after a disk error or a program that changed the tables.

A damaged row costs one memory, not the bank: whatever reads rows leaves it out and logs that once.
Rows are converted together, as if none were damaged. Only if that fails are they converted one by
one, or in halves: intact rows cost nothing.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from memorybank_core.logs import get_logger
from memorybank_core.protocols import Array

R = TypeVar("R")
S = TypeVar("S")

READ_ERRORS = (
    ValueError,  # also texts that are not JSON, days that are not in the calendar
    TypeError,
    OverflowError,
    AttributeError,
    LookupError,
    RecursionError,
    struct.error,
)
"""The errors of converting a damaged row."""

_MOST_REPORTED = 10_000
_OWNER = re.compile(r" of (?:user )?(?=['\"])")
"""Words before the user of a row, who is not named in a log."""
_reported: set[tuple[str, str]] = set()

_logger = get_logger(__name__)


def report_damage(location: str, row: str) -> None:
    """Log that a damaged row was left out, once in this process.

    Args:
        location: The path or URL of the bank.
        row: What the row is, such as "the memory 'a' of user 'ada'"; nothing of its text.
    """
    if (location, row) not in _reported and len(_reported) < _MOST_REPORTED:
        _reported.add((location, row))
        name = _OWNER.split(row, 1)[0]
        _logger.warning(
            "%s: %s is damaged and was left out. Run: memorybank doctor %s",
            location,
            name,
            location,
        )


def are_finite(values: Array) -> bool:
    """Return whether the values of a float32 array (n,) are finite; faster than `np.isfinite`."""
    return bool(np.isfinite(np.dot(values, values)))


def memory_name(user_id: object, id: object) -> str:
    """Return how a report names a memory."""
    return f"the memory {id!r} of user {user_id!r}"


def convert_intact(
    rows: Iterable[R], convert: Callable[[R], S], report: Callable[[R], None]
) -> Iterator[S]:
    """Yield the converted rows, without those that are damaged.

    Args:
        rows: The rows.
        convert: Converts one; raises one of `READ_ERRORS` if it is damaged.
        report: Called with each damaged row.
    """
    for row in rows:
        try:
            converted = convert(row)
        except READ_ERRORS:
            report(row)
        else:
            yield converted


def convert_all(
    rows: Sequence[R], convert: Callable[[R], S], report: Callable[[R], None]
) -> list[S]:
    """Return the converted rows, without those that are damaged; see `convert_intact`."""
    try:
        return [convert(row) for row in rows]
    except READ_ERRORS:
        return list(convert_intact(rows, convert, report))


def convert_parts(
    rows: Sequence[R], convert: Callable[[Sequence[R]], None], report: Callable[[R], None]
) -> None:
    """Convert rows together, or if some are damaged, in parts without those.

    Args:
        rows: The rows.
        convert: Converts some of them, at least one; if it raises one of `READ_ERRORS`, it must not
            have changed anything.
        report: Called with each damaged row.
    """
    if not rows:
        return
    try:
        convert(rows)
    except READ_ERRORS:
        if len(rows) == 1:
            report(rows[0])
            return
        middle = len(rows) // 2
        convert_parts(rows[:middle], convert, report)
        convert_parts(rows[middle:], convert, report)
