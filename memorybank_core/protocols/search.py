"""Input and output of `MemoryStore.candidates`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from memorybank_core.records import Kind
from memorybank_core.search.dates import DayRange

from .models import Array, Vector


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that memories of a search or a listing must satisfy; None means any."""

    since: date | None = None
    until: date | None = None
    kind: Kind | None = None
    session: str | None = None
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """The input of `MemoryStore.candidates`: an analysed query.

    Attributes:
        vector: The query's embedding, float32 (d,).
        terms: The query's terms, from `search.tokenize.tokenize`.
        days: The days that the query names.
        filter: The conditions that candidates must satisfy.
        pool: Maximum number of candidates of each signal.
        least: Minimum number; in between, a signal contributes a quarter of the user's memories.
        reach: Maximum distance of a neighbour in the conversation, in utterances.
    """

    vector: Vector
    terms: Sequence[str]
    days: Sequence[DayRange]
    filter: Filter
    pool: int
    least: int
    reach: int


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates for a probe: columns of equal length n, in no particular order.

    Attributes:
        key: int64; the argument of `MemoryStore.fetch`, in the order of writing.
        similarity: float64; cosine to the query, the best of the memory's windows.
        lexical: float64; BM25 with this user's term statistics.
        pooled: bool; whether a signal found it; otherwise it is a neighbour of such a memory.
        named: int64; length in days of the shortest span that the query names and that contains
            its day, or 0.
        spoken: bool; whether it was said by the one speaker that the query names.
        session: int64; equal within one conversation, negative for an event summary.
        place: int64; its position in its conversation, counted in utterances.
        created: float64; seconds since 1970.
        refreshed: float64; the later of creation and last recall, seconds since 1970; infinite if
            pinned.
        strength: float64; S of the law of forgetting.
    """

    key: Array
    similarity: Array
    lexical: Array
    pooled: Array
    named: Array
    spoken: Array
    session: Array
    place: Array
    created: Array
    refreshed: Array
    strength: Array
