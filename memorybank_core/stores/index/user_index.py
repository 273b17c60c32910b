"""Search index of one user's memories: FAISS, BM25 and the columns that ranking needs.

It is a cache, built from the store's rows, and can be dropped at any time. Memories have positions
0..n-1 in the order of writing. A memory has one or more vectors, one per window of its text.
"""

from __future__ import annotations

from collections.abc import Sequence

import faiss
import numpy as np
import numpy.ma  # np.unique loads it on first use, which would delay a search

from memorybank_core.protocols import Array, Candidates, Filter, Matrix, Probe
from memorybank_core.records import KINDS
from memorybank_core.stores.rules import candidates_per_signal, named_span_lengths, named_speaker

from .batch import IndexBatch, StateBatch, recode
from .bm25 import LexicalIndex

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
"""The columns of a memory; `day` is a proleptic ordinal, names are codes."""

UNKNOWN = -2
"""The code of a session or speaker that no memory has."""


class UserIndex:
    """Search index that finds the candidates for a probe among one user's memories."""

    def __init__(self, dimension: int) -> None:
        self.version = 0
        self.dimension = dimension
        self._faiss = faiss.IndexFlatIP(dimension)
        self._lexical = LexicalIndex()
        self._rows = np.zeros(0, ROW)
        self._first = np.zeros(0, np.int64)  # position -> its first vector
        self._owner = np.zeros(0, np.int64)  # vector -> its memory's position
        self._sessions: dict[str, int] = {}
        self._speakers: dict[str, int] = {}
        self._order = np.zeros(0, np.int64)  # positions, by session, then by time
        self._rank = np.zeros(0, np.int64)  # position -> its index in `_order`
        self._place = np.zeros(0, np.int64)  # index in `_order` -> utterances up to there

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def nbytes(self) -> int:
        """Size of the index in bytes."""
        arrays = (self._rows, self._first, self._owner, self._order, self._rank, self._place)
        vectors = self._faiss.ntotal * self._faiss.d * 4
        return vectors + self._lexical.nbytes + sum(array.nbytes for array in arrays)

    @property
    def last_key(self) -> int:
        """Key of the memory written last, or 0."""
        return int(self._rows["key"][-1]) if len(self) else 0

    def extend(self, batch: IndexBatch) -> None:
        """Add memories, in the order of their keys, in the state of new ones."""
        if not len(batch):
            return
        start, counts = len(self), batch.windows.astype(np.int64)
        first = len(self._owner) + np.cumsum(counts) - counts
        self._faiss.add(batch.vectors)
        self._lexical.extend(batch.postings, batch.terms)
        self._owner = np.append(
            self._owner, np.repeat(np.arange(start, start + len(batch)), counts)
        )
        self._first = np.append(self._first, first)
        self._rows = np.append(self._rows, self._to_rows(batch))
        self._insert_into_order(start)

    def truncate(self, key: int) -> None:
        """Drop the memory with this key and all later ones."""
        size = int(np.searchsorted(self._rows["key"], key))
        if size == len(self):
            return
        vectors = int(self._first[size])
        self._faiss.remove_ids(faiss.IDSelectorRange(vectors, self._faiss.ntotal))
        self._lexical.truncate(size)
        self._owner, self._first = self._owner[:vectors], self._first[:size]
        self._rows = self._rows[:size]
        self._order = self._order[self._order < size]
        self._compute_places()

    def update(self, states: StateBatch) -> None:
        """Update the state of indexed memories."""
        positions = np.searchsorted(self._rows["key"], states.key)
        for name in ("refreshed", "strength", "archived"):
            self._rows[name][positions] = getattr(states, name)

    def candidates(self, probe: Probe) -> Candidates:
        """Return the candidates for a probe.

        These are the best memories by each signal, among all memories and among those of the days
        that the query names, with their neighbours in the conversation.
        """
        allowed = self._filter_mask(probe.filter)
        lexical = self._lexical.scores(probe.terms)
        named = named_span_lengths(self._rows["day"], probe.days)
        pooled = np.zeros(len(self), bool)
        pooled[self._pool_best(probe, lexical, allowed)] = True
        if named.any():
            within = named > 0 if allowed is None else (named > 0) & allowed
            pooled[self._pool_best(probe, lexical, within)] = True
        chosen = self._add_neighbours(np.flatnonzero(pooled), probe.reach, allowed)
        rows = self._rows[chosen]
        return Candidates(
            key=rows["key"],
            similarity=self._compute_similarity(probe, chosen),
            lexical=lexical[chosen].astype(np.float64),
            pooled=pooled[chosen],
            named=named[chosen],
            spoken=rows["speaker"] == self._find_named_speaker(probe.terms),
            session=rows["session"].astype(np.int64),
            place=self._place[self._rank[chosen]],
            created=rows["created"],
            refreshed=rows["refreshed"],
            strength=rows["strength"],
        )

    def _to_rows(self, batch: IndexBatch) -> Array:
        """Return the rows of a batch; new sessions and speakers get new codes."""
        rows = np.zeros(len(batch), ROW)
        for name in ("key", "day", "kind", "utterances"):
            rows[name] = getattr(batch, name)
        rows["created"] = rows["refreshed"] = batch.created / 1e6
        rows["strength"] = 1.0
        rows["session"] = recode(batch.session, batch.sessions, self._sessions)
        rows["speaker"] = recode(batch.speaker, batch.speakers, self._speakers)
        return rows

    def _insert_into_order(self, start: int) -> None:
        """Insert the memories from position `start` on into the order of the conversations."""
        new = self._sort_positions(start)
        if start and self._sort_key(new[0]) < self._sort_key(self._order[-1]):
            self._order = self._sort_positions(0)
        else:  # they continue the last conversation: the usual case
            self._order = np.append(self._order, new)
        self._compute_places()

    def _compute_places(self) -> None:
        """Compute rank and place of every memory from `_order`."""
        self._rank = np.empty_like(self._order)
        self._rank[self._order] = np.arange(len(self._order))
        self._place = np.cumsum(self._rows["utterances"][self._order], dtype=np.int64)

    def _sort_positions(self, start: int) -> Array:
        """Return the positions from `start` on, by session, then by time."""
        rows = self._rows[start:]
        return np.lexsort((rows["key"], rows["created"], rows["session"])) + start

    def _sort_key(self, position: int) -> tuple[int, float]:
        row = self._rows[position]
        return int(row["session"]), float(row["created"])

    def _filter_mask(self, filter: Filter) -> Array | None:
        """Return a mask of the memories that satisfy the filter, bool (n,), or None if all do."""
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

    def _find_named_speaker(self, terms: Sequence[str]) -> int:
        """Return the code of the only speaker named by these query terms, or UNKNOWN."""
        name = named_speaker(terms, self._speakers)
        return UNKNOWN if name is None else self._speakers[name]

    def _pool_best(self, probe: Probe, lexical: Array, allowed: Array | None) -> Array:
        """Return the best positions by similarity and the best by BM25, the same number of each."""
        size = candidates_per_signal(probe.least, probe.pool, len(self))
        if allowed is not None:
            lexical = np.where(allowed, lexical, 0.0)
        matching = np.flatnonzero(lexical)
        if len(matching) > size:
            scores = lexical[matching]
            limit = np.partition(scores, -size)[-size]
            matching = np.append(matching[scores > limit], matching[scores == limit])[:size]
        return np.append(self._find_nearest(probe, allowed), matching)

    def _find_nearest(self, probe: Probe, allowed: Array | None) -> Array:
        """Return the positions of the memories whose vectors are nearest to the query's."""
        if not len(self):
            return np.zeros(0, np.int64)
        parameters = None
        if allowed is not None:
            bits = np.packbits(allowed[self._owner], bitorder="little")
            selector = faiss.IDSelectorBitmap(len(self._owner), faiss.swig_ptr(bits))
            parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        size = candidates_per_signal(probe.least, probe.pool, len(self))
        count = min(size, len(self._owner))
        while True:  # many windows may belong to few memories
            _, indices = self._faiss.search(probe.vector[None, :], count, params=parameters)
            vectors = indices[0][indices[0] >= 0]
            positions: Array = np.unique(self._owner[vectors])
            if len(positions) >= size or count == len(self._owner) or len(vectors) < count:
                return positions
            count = min(2 * count, len(self._owner))

    def _add_neighbours(self, pooled: Array, reach: int, allowed: Array | None) -> Array:
        """Return the pooled positions and their neighbours, at most `reach` utterances away."""
        ranks = self._rank[pooled][:, None]
        around = np.clip(ranks + np.arange(-reach, reach + 1), 0, max(len(self) - 1, 0))
        near, session = self._order[around], self._rows["session"]
        same = (session[near] == session[pooled][:, None]) & (session[near] >= 0)
        same &= np.abs(self._place[around] - self._place[ranks]) <= reach
        chosen = np.zeros(len(self), bool)
        chosen[pooled] = True
        chosen[near[same]] = True
        return np.flatnonzero(chosen if allowed is None else chosen & allowed)

    def _compute_similarity(self, probe: Probe, chosen: Array) -> Array:
        """Return the cosine of each chosen memory's best window, float64."""
        if not len(chosen):
            return np.zeros(0, np.float64)
        ends = np.append(self._first[1:], len(self._owner))
        counts = ends[chosen] - self._first[chosen]
        starts = np.cumsum(counts) - counts
        rows = np.repeat(self._first[chosen] - starts, counts) + np.arange(counts.sum())
        vectors = _view_vectors(self._faiss)[rows]
        return np.maximum.reduceat(vectors @ probe.vector, starts).astype(np.float64)


def _view_vectors(index: faiss.IndexFlatIP) -> Matrix:
    """Return the vectors of a flat index, (n, d), as a view: valid until the next `add`."""
    view: Matrix = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    return view.reshape(index.ntotal, index.d)
