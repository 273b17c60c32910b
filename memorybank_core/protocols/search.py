"""Input and output of `MemoryStore.candidates`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from memorybank_core.metadata import Metadata
from memorybank_core.records import Kind
from memorybank_core.search.dates import DayRange
from memorybank_core.search.terms import TermGroup

from .models import Array, Matrix, Vector


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that memories of a search or a listing must satisfy; None means any.

    Attributes:
        since: The first day.
        until: The last day.
        kind: "turn" or "event".
        session: The conversation.
        archived: Whether archived memories are included.
        where: Conditions on the metadata, from `conditions.require_where`. Only turns satisfy
            them, as event summaries have no metadata.
    """

    since: date | None = None
    until: date | None = None
    kind: Kind | None = None
    session: str | None = None
    archived: bool = False
    where: Metadata | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """The input of `MemoryStore.candidates`: an analyzed query.

    Attributes:
        vector: The query's embedding, float32 (d,).
        terms: The query's terms, whose forms are those of `search.tokenize.tokenize`.
        days: The days that the query names.
        filter: The conditions that candidates must satisfy.
        pool: Maximum number of candidates of each signal.
        least: Minimum number; in between, a signal contributes a quarter of the user's memories.
        reach: Maximum distance of a neighbour in the conversation, in utterances.
        scripts: The scripts that the query is written in (see `search.traits`).
    """

    vector: Vector
    terms: Sequence[TermGroup]
    days: Sequence[DayRange]
    filter: Filter
    pool: int
    least: int
    reach: int
    scripts: int = 0


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates for a probe: columns of length n, and statistics.

    Their order is that of their sessions, and within a session that of their places.

    Attributes:
        key: int64; sequence number, the argument of `MemoryStore.fetch`.
        similarity: float64; cosine to the query, the best of the memory's windows.
        centred: float64; the same after the mean vector of their script has been subtracted from
            the query and from the memory.
        counts: float32 (n, g); how often each memory has a term of `terms`.
        length: float64; number of terms of the memory.
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
        asks: uint8; see `Traits`.
        flags: uint16; see `Traits`.
        vectors: float32 (p, d); the best window of each pooled row, in the order of the rows.
        terms: The g terms that were counted: those of the probe, or the near forms found instead.
        frequencies: int64 (g,); number of the user's memories that have each term.
        memories: Number of the user's memories.
        mean_length: Mean number of terms of the user's memories.
    """

    key: Array
    similarity: Array
    centred: Array
    counts: Array
    length: Array
    pooled: Array
    named: Array
    spoken: Array
    session: Array
    place: Array
    created: Array
    refreshed: Array
    strength: Array
    asks: Array
    flags: Array
    vectors: Matrix
    terms: Sequence[TermGroup]
    frequencies: Array
    memories: int
    mean_length: float
