"""Small memories and probes for the contract, with simple vectors and times around one noon."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta, timezone
from typing import Any

import numpy as np

from memorybank_core.errors import MemoryBankError
from memorybank_core.forgetting import Ebbinghaus
from memorybank_core.protocols import Candidates, Filter, Matrix, MemoryStore, Probe
from memorybank_core.records import Memory, Turn
from memorybank_core.search.terms import TermGroup
from memorybank_core.search.tokenize import tokenize

ADA, BOB = "ada@example.com", "bob"
NOON = datetime(2023, 5, 4, 12, tzinfo=timezone.utc)
LAW = Ebbinghaus()
EAST, NORTH, UP = np.eye(3, dtype=np.float32)[:, None, :]
ALL = Filter(archived=True)
_OF_THE_SEARCH = {"vectors", "terms", "frequencies", "memories", "mean_length"}
ROW_COLUMNS = [name for name in Candidates.__slots__ if name not in _OF_THE_SEARCH]
"""The attributes of `Candidates` that have a row for each memory."""


def turn(
    words: str, *, user: str = ADA, hours: int = 0, session: str | None = None, answer: str = ""
) -> Memory:
    """Return a turn, `hours` after noon of May 4th 2023; its id is its first word."""
    at = NOON + timedelta(hours=hours)
    id, day = words.split()[0], at.date()
    exchange = Turn(words, answer, at, id=id, session=session)
    return Memory(
        id, user, "turn", exchange.text, at, day, session or day.isoformat(), turn=exchange
    )


def event(words: str, *, user: str = ADA, hours: int = 0) -> Memory:
    """Return an event summary, `hours` after noon of May 4th 2023; its id is its first word."""
    at = NOON + timedelta(hours=hours)
    return Memory(words.split()[0], user, "event", words, at, at.date(), at.date().isoformat())


def day(number: int) -> date:
    """Return a day of May 2023."""
    return date(2023, 5, number)


def group_terms(terms: Iterable[str]) -> list[TermGroup]:
    """Return a group of one form for each distinct term, in their order."""
    return [TermGroup((term,)) for term in dict.fromkeys(terms)]


def probe(words: str = "", vector: Matrix = EAST, **changes: Any) -> Probe:
    """Return a probe for words and a vector; `changes` sets other attributes."""
    arguments = {"days": (), "filter": Filter(), "pool": 10, "least": 10, "reach": 0, **changes}
    return Probe(vector=vector[0], terms=group_terms(tokenize(words)), **arguments)


def ids(memories: list[Memory]) -> list[str]:
    """Return the ids, in order."""
    return [memory.id for memory in memories]


def candidates_by_id(store: MemoryStore, user: str, search: Probe) -> dict[str, dict[str, Any]]:
    """Return the columns of the candidates, by memory id and column name."""
    columns = store.candidates(user, search)
    memories = store.fetch(user, columns.key.tolist())
    return {
        memories[key].id: {name: getattr(columns, name)[row].tolist() for name in ROW_COLUMNS}
        for row, key in enumerate(columns.key.tolist())
    }


def assert_raises(error: type[MemoryBankError], call: Callable[[], object]) -> None:
    """Fail unless `call` raises `error`."""
    try:
        call()
    except error:
        return
    raise AssertionError(f"{error.__name__} was not raised")
