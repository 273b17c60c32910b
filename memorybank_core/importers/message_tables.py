"""Tables of a database with a message in JSON in each row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from .content import parse_text
from .conversations import Message
from .omissions import Omissions
from .sources import Source
from .times import parse_time

ToMessage = Callable[[Any, datetime | None, str, str, Omissions], Message | None]
"""Makes a message of its data, its time, its place, the fault of its JSON, and the omissions."""


def read_sessions(
    rows: Iterable[Sequence[Any]],
    table: str,
    source: Source,
    to_message: ToMessage,
    omissions: Omissions,
) -> Iterator[tuple[Any, Iterator[Message | None]]]:
    """Yield the session and the messages of each conversation, which are read before the next one.

    Args:
        rows: (session, number, JSON of the message, time) of each row, ordered by session.
        table: Name of the table.
        source: The source.
        to_message: Makes a message; None if the row has none.
        omissions: Counts what is left out.
    """
    for session, group in groupby(rows, itemgetter(0)):
        yield session, _read_rows(group, table, source, to_message, omissions)


def _read_rows(
    rows: Iterable[Sequence[Any]],
    table: str,
    source: Source,
    to_message: ToMessage,
    omissions: Omissions,
) -> Iterator[Message | None]:
    for _, number, text, time in rows:
        data, fault = parse_text(text)
        place = f"{table}, message {number}"
        yield to_message(data, parse_time(time, source.zone), place, fault, omissions)
