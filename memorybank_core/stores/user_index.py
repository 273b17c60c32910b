"""One user's memories in memory: FAISS, BM25 and the columns that ranking needs.

A cache, built from the store's rows and thrown away at will. Memories have positions 0..n-1 in
the order of writing; a memory owns one or more vectors, one a window of its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import faiss
import numpy as np
import numpy.ma  # np.unique loads it when first called: no search should wait for that

from memorybank_core.protocols import Array, Candidates, Filter, Matrix, Probe
from memorybank_core.records import KINDS

from .bm25 import LexicalIndex
from .rules import named_span_lengths, named_speaker, pool_size

ROW = np.dtype(
    [
        ("key", "i8"),
        ("created", "f8"),
        ("refreshed", "f8"),
        ("strength", "f8"),
        ("day", "i4"),
        ("session", "i4"),
        ("speaker", "i4"),
        ("kind", "u1"),
        ("utterances", "u1"),
        ("archived", "?"),
    ]
)
"""What the index knows of a memory; `day` is a proleptic ordinal, names are codes."""

NONE = -1
"""The session of an event summary, the speaker of an exchange: there is no single one."""
UNKNOWN = -2
"""The code of a session or speaker that no memory has."""


@dataclass(frozen=True, slots=True)
class IndexedMemory:
    """A row for the index: the columns of `ROW`, with names instead of their codes."""

    key: int
    created: float
    refreshed: float
    strength: float
    day: int
    session: str
    speaker: str | None
    kind: str
    utterances: int
    archived: bool


class UserIndex:
    """Finds the candidates for a probe among one user's memories."""

    def __init__(self, dimension: int) -> None:
        self.version = 0
        self._faiss = faiss.IndexFlatIP(dimension)
        self._lexical = LexicalIndex()
        self._rows = np.zeros(0, ROW)
        self._first = np.zeros(0, np.int64)  # position -> its first vector
        self._owner = np.zeros(0, np.int64)  # vector -> its memory's position
        self._sessions: dict[str, int] = {}
        self._speakers: dict[str, int] = {}
        self._order = np.zeros(0, np.int64)  # positions, by session, then by time
        self._rank = np.zeros(0, np.int64)  # position -> its place in `_order`
        self._place = np.zeros(0, np.int64)  # the utterance at which each of `_order` stands

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def nbytes(self) -> int:
        """Bytes that the index holds."""
        arrays = (self._rows, self._first, self._owner, self._order, self._rank, self._place)
        vectors = self._faiss.ntotal * self._faiss.d * 4
        return vectors + self._lexical.nbytes + sum(array.nbytes for array in arrays)

    @property
    def last_key(self) -> int:
        """The key of the memory written last, or 0."""
        return int(self._rows["key"][-1]) if len(self) else 0

    def extend(
        self, memories: Sequence[IndexedMemory], vectors: Sequence[Matrix], terms: Sequence[bytes]
    ) -> None:
        """Adds memories, in the order of their keys, with their vectors and their postings."""
        if not memories:
            return
        counts = np.array([len(matrix) for matrix in vectors], np.int64)
        first = len(self._owner) + np.cumsum(counts) - counts
        positions = np.arange(len(self), len(self) + len(memories))
        self._faiss.add(np.concatenate(list(vectors)).astype(np.float32, copy=False))
        self._lexical.extend(terms)
        self._owner = np.append(self._owner, np.repeat(positions, counts))
        self._first = np.append(self._first, first)
        self._rows = np.append(self._rows, self._encode(memories))
        self._arrange(int(positions[0]))

    def truncate(self, key: int) -> None:
        """Drops the memories from this key on."""
        size = int(np.searchsorted(self._rows["key"], key))
        if size == len(self):
            return
        vectors = int(self._first[size])
        self._faiss.remove_ids(faiss.IDSelectorRange(vectors, self._faiss.ntotal))
        self._lexical.truncate(size)
        self._owner, self._first = self._owner[:vectors], self._first[:size]
        self._rows = self._rows[:size]
        self._order = self._order[self._order < size]
        self._place_all()

    def update(self, memories: Sequence[IndexedMemory]) -> None:
        """Takes over what changed in memories that are indexed already."""
        if memories:
            at = np.searchsorted(self._rows["key"], [memory.key for memory in memories])
            self._rows[at] = self._encode(memories)

    def candidates(self, probe: Probe) -> Candidates:
        """The memories that either signal or a named day brings, with their neighbours."""
        allowed = self._allowed(probe.filter)
        lexical = self._lexical.scores(probe.terms)
        named = named_span_lengths(self._rows["day"], probe.days)
        pooled = np.zeros(len(self), bool)
        pooled[self._pool(probe, lexical, allowed)] = True
        if named.any():
            within = named > 0 if allowed is None else (named > 0) & allowed
            pooled[self._pool(probe, lexical, within)] = True
        chosen = self._with_neighbours(np.flatnonzero(pooled), probe.reach, allowed)
        rows = self._rows[chosen]
        return Candidates(
            key=rows["key"],
            similarity=self._similarity(probe, chosen),
            lexical=lexical[chosen].astype(np.float64),
            pooled=pooled[chosen],
            named=named[chosen],
            spoken=rows["speaker"] == self._named_speaker(probe.terms),
            session=rows["session"].astype(np.int64),
            place=self._place[self._rank[chosen]],
            created=rows["created"],
            refreshed=rows["refreshed"],
            strength=rows["strength"],
        )

    def _encode(self, memories: Sequence[IndexedMemory]) -> Array:
        """Records as rows; a session is given its code where it is first seen."""
        rows = np.zeros(len(memories), ROW)
        for name in ("key", "created", "refreshed", "strength", "day", "utterances", "archived"):
            rows[name] = [getattr(memory, name) for memory in memories]
        rows["kind"] = [KINDS.index(memory.kind) for memory in memories]
        rows["session"] = [
            self._sessions.setdefault(memory.session, len(self._sessions))
            if memory.kind == "turn"
            else NONE
            for memory in memories
        ]
        rows["speaker"] = [
            self._speakers.setdefault(memory.speaker, len(self._speakers))
            if memory.speaker
            else NONE
            for memory in memories
        ]
        return rows

    def _arrange(self, start: int) -> None:
        """Puts the memories from position `start` on in the order of their conversations."""
        new = self._sorted(start)
        if start and self._stands(new[0]) < self._stands(self._order[-1]):
            self._order = self._sorted(0)
        else:  # they go on where the last conversation stopped, as they nearly always do
            self._order = np.append(self._order, new)
        self._place_all()

    def _place_all(self) -> None:
        """Notes where in their conversations the memories stand, once they are in order."""
        self._rank = np.empty_like(self._order)
        self._rank[self._order] = np.arange(len(self._order))
        self._place = np.cumsum(self._rows["utterances"][self._order], dtype=np.int64)

    def _sorted(self, start: int) -> Array:
        """Positions from `start` on, by session, then by time."""
        rows = self._rows[start:]
        return np.lexsort((rows["key"], rows["created"], rows["session"])) + start

    def _stands(self, position: int) -> tuple[int, float]:
        row = self._rows[position]
        return int(row["session"]), float(row["created"])

    def _allowed(self, filter: Filter) -> Array | None:
        """Which memories the filter lets through, bool (n,); None where it lets all."""
        conditions = []
        if not filter.archived and self._rows["archived"].any():
            conditions.append(~self._rows["archived"])
        if filter.since is not None:
            conditions.append(self._rows["day"] >= filter.since.toordinal())
        if filter.until is not None:
            conditions.append(self._rows["day"] <= filter.until.toordinal())
        if filter.kind is not None:
            conditions.append(self._rows["kind"] == KINDS.index(filter.kind))
        if filter.session is not None:
            code = self._sessions.get(filter.session, UNKNOWN)
            conditions.append(self._rows["session"] == code)
        allowed: Array | None = np.logical_and.reduce(conditions) if conditions else None
        return allowed

    def _named_speaker(self, terms: Sequence[str]) -> int:
        """Return the code of the one speaker that a query of these terms names, or UNKNOWN."""
        name = named_speaker(terms, self._speakers)
        return UNKNOWN if name is None else self._speakers[name]

    def _pool(self, probe: Probe, lexical: Array, allowed: Array | None) -> Array:
        """The best positions by similarity and the best by BM25, as many of each."""
        size = pool_size(probe.least, probe.pool, len(self))
        if allowed is not None:
            lexical = np.where(allowed, lexical, 0.0)
        matching = np.flatnonzero(lexical)
        if len(matching) > size:
            found = lexical[matching]
            bar = np.partition(found, -size)[-size]
            matching = np.append(matching[found > bar], matching[found == bar])[:size]
        return np.append(self._nearest(probe, allowed), matching)

    def _nearest(self, probe: Probe, allowed: Array | None) -> Array:
        """Positions of the vectors nearest to the query's."""
        if not len(self):
            return np.zeros(0, np.int64)
        parameters = None
        if allowed is not None:
            bits = np.packbits(allowed[self._owner], bitorder="little")
            selector = faiss.IDSelectorBitmap(len(self._owner), faiss.swig_ptr(bits))
            parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        size = pool_size(probe.least, probe.pool, len(self))
        count = min(size, len(self._owner))
        while True:  # many windows may belong to few memories
            _, found = self._faiss.search(probe.vector[None, :], count, params=parameters)
            vectors = found[0][found[0] >= 0]
            positions: Array = np.unique(self._owner[vectors])
            if len(positions) >= size or count == len(self._owner) or len(vectors) < count:
                return positions
            count = min(2 * count, len(self._owner))

    def _with_neighbours(self, pooled: Array, reach: int, allowed: Array | None) -> Array:
        """The pooled positions and those within `reach` utterances in the same conversation."""
        at = self._rank[pooled][:, None]
        around = np.clip(at + np.arange(-reach, reach + 1), 0, max(len(self) - 1, 0))
        near, session = self._order[around], self._rows["session"]
        same = (session[near] == session[pooled][:, None]) & (session[near] >= 0)
        same &= np.abs(self._place[around] - self._place[at]) <= reach
        chosen = np.zeros(len(self), bool)
        chosen[pooled] = True
        chosen[near[same]] = True
        return np.flatnonzero(chosen if allowed is None else chosen & allowed)

    def _similarity(self, probe: Probe, chosen: Array) -> Array:
        """The cosine of each chosen memory's best window, float64."""
        if not len(chosen):
            return np.zeros(0, np.float64)
        ends = np.append(self._first[1:], len(self._owner))
        counts = ends[chosen] - self._first[chosen]
        starts = np.cumsum(counts) - counts
        rows = np.repeat(self._first[chosen] - starts, counts) + np.arange(counts.sum())
        vectors = _stored(self._faiss)[rows]
        return np.maximum.reduceat(vectors @ probe.vector, starts).astype(np.float64)


def _stored(index: faiss.IndexFlatIP) -> Matrix:
    """The vectors of a flat index, (n, d), without a copy: valid until the next `add`."""
    view: Matrix = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    return view.reshape(index.ntotal, index.d)
