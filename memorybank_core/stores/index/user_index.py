"""Search index of one user's memories: vectors, BM25 and the columns that ranking needs.

It is a cache, built from the store's rows, and can be dropped at any time. Memories have positions
0..n-1 by sequence number. A memory has one or more vectors, one per window of its text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.ma  # np.unique loads it on first use, which would delay a search

from memorybank_core.protocols import Array, Candidates, Filter, Probe
from memorybank_core.records import KINDS
from memorybank_core.search.terms import TermGroup
from memorybank_core.search.traits import SCRIPTS
from memorybank_core.stores.rules import candidates_per_signal, named_span_lengths, named_speaker

from .arrays import GrowingArray, largest_of_groups
from .batch import IndexBatch, StateBatch, recode
from .bm25 import LexicalIndex
from .conversations import ConversationOrder
from .metadata_index import MetadataIndex
from .script_means import ScriptMeans, script_groups
from .vectors import Products, VectorIndex, inner_products

COLUMNS = {
    "key": np.int64,
    "created": np.float64,
    "refreshed": np.float64,
    "strength": np.float64,
    "day": np.int32,
    "session": np.int32,
    "speaker": np.int32,
    "first": np.int32,
    "flags": np.uint16,
    "asks": np.uint8,
    "kind": np.uint8,
    "utterances": np.uint8,
    "archived": np.bool_,
}
"""The columns of a memory; times in seconds since 1970, `first` is its first vector, and names are
codes."""

_CHUNK = 1_024  # memories whose vectors are float32 at the same time while they are dropped
_NAME_BYTES = 150  # of a name and its code, about

UNKNOWN = -2
"""The code of a session or speaker that no memory has."""


class UserIndex:
    """Search index that finds the candidates for a probe among one user's memories."""

    def __init__(self, dimension: int) -> None:
        self.version = 0
        self.dimension = dimension
        self._vectors = VectorIndex(dimension)
        self._lexical = LexicalIndex()
        self._conversations = ConversationOrder()
        self._columns = {name: GrowingArray(dtype) for name, dtype in COLUMNS.items()}
        self._owner = GrowingArray(np.int32)  # vector -> its memory's position
        self._means = ScriptMeans(dimension)
        self._sessions: dict[str, int] = {}
        self._speakers: dict[str, int] = {}
        self._metadata = MetadataIndex()

    def __len__(self) -> int:
        return len(self._columns["key"])

    @property
    def nbytes(self) -> int:
        """Size of the index in bytes."""
        columns = sum(column.nbytes for column in (*self._columns.values(), self._owner))
        names = _NAME_BYTES * (len(self._sessions) + len(self._speakers))
        parts = self._vectors.nbytes + self._lexical.nbytes + self._conversations.nbytes
        return columns + names + parts + self._means.nbytes + self._metadata.nbytes

    @property
    def last_key(self) -> int:
        """Sequence number of the memory written last, or 0."""
        return int(self._values("key")[-1]) if len(self) else 0

    def reserve(self, size: int) -> None:
        """Make room for `size` memories in all, so that loading them in parts copies nothing."""
        self._vectors.reserve(size)
        for array in (*self._columns.values(), self._owner):
            array.reserve(size)

    def extend(self, batch: IndexBatch) -> None:
        """Add memories, in the order of their sequence numbers, in the state of new ones.

        Raises:
            ValueError: If some are damaged (or another of `damage.READ_ERRORS`); none was added.
        """
        if not len(batch):
            return
        batch.require_intact()
        ends = np.cumsum(batch.windows)
        created = batch.created / 1e6
        values = {
            "key": batch.key,
            "created": created,
            "refreshed": created,
            "strength": np.ones(len(batch)),
            "day": batch.day,
            "session": recode(batch.session, batch.sessions, self._sessions),
            "speaker": recode(batch.speaker, batch.speakers, self._speakers),
            "first": len(self._owner) + ends - batch.windows,
            "flags": batch.flags,
            "asks": batch.asks,
            "kind": batch.kind,
            "utterances": batch.utterances,
            "archived": np.zeros(len(batch), bool),
        }
        positions = np.arange(len(self), len(self) + len(batch))
        self._metadata.extend(batch.metadata, batch.metadata_texts, len(self))
        for name, column in self._columns.items():
            column.extend(values[name])
        self._owner.extend(np.repeat(positions, batch.windows))
        self._vectors.extend(batch.vectors)
        self._means.add(batch.vectors, batch.windows, batch.flags)
        self._lexical.extend(batch.postings, batch.terms)

    def truncate(self, key: int) -> None:
        """Drop the memory with this sequence number and all later ones."""
        size = int(np.searchsorted(self._values("key"), key))
        if size == len(self):
            return
        vectors = int(self._values("first")[size])
        for start in range(size, len(self), _CHUNK):
            part = np.arange(start, min(start + _CHUNK, len(self)))
            rows, counts = self._vector_rows(part)
            dropped = self._vectors.take(rows)
            self._means.remove(dropped, counts, self._values("flags")[part])
        self._vectors.truncate(vectors)
        self._owner.truncate(vectors)
        self._lexical.truncate(size)
        self._conversations.truncate(size)
        self._metadata.truncate(size)
        for column in self._columns.values():
            column.truncate(size)
        self._drop_unused_names()

    def update(self, states: StateBatch) -> None:
        """Update the state of indexed memories; of others it is ignored."""
        keys = self._values("key")
        positions = np.searchsorted(keys, states.key)
        known = positions < np.searchsorted(keys, states.key, "right")
        positions = positions[known]
        created = self._values("created")[positions]
        self._values("refreshed")[positions] = np.maximum(states.refreshed[known], created)
        self._values("strength")[positions] = states.strength[known]
        self._values("archived")[positions] = states.archived[known]

    def candidates(self, probe: Probe) -> Candidates:
        """Return the candidates for a probe.

        These are the best memories by each signal, among all memories and among those of the days
        that the query names, and the nearest of each script, with their neighbours in the
        conversation.
        """
        self._conversations.refresh(*map(self._values, ("session", "created", "utterances")))
        allowed = self._filter_mask(probe.filter)
        centred = self._means.centre(probe.vector, probe.scripts)
        products, lexical = self._vectors.products(centred), self._lexical.query(probe.terms)
        pooled = np.zeros(len(self), bool)
        size = candidates_per_signal(probe.least, probe.pool, len(self))
        for group in self._script_groups(allowed):
            group_size = candidates_per_signal(
                probe.least, probe.pool, int(np.count_nonzero(group))
            )
            pooled[self._find_nearest(products, group_size, group)] = True
        for mask in self._searched(probe, allowed):
            pooled[lexical.best(size, mask)] = True
            pooled[self._find_nearest(products, size, mask)] = True
        chosen = self._add_neighbours(pooled, probe.reach, allowed)
        is_pooled = pooled.take(chosen)
        speaker = self._find_named_speaker(probe.terms)
        rows, counts = self._vector_rows(chosen)
        matrix = self._vectors.take(rows)
        similarity, best = largest_of_groups(inner_products(matrix, probe.vector), counts)
        flags = self._values("flags").take(chosen)
        groups = script_groups(flags if counts is None else np.repeat(flags, counts))
        cosines = self._means.cosines(matrix, groups, centred)
        return Candidates(
            key=self._values("key").take(chosen),
            similarity=similarity,
            centred=largest_of_groups(cosines, counts)[0],
            counts=lexical.counts(chosen),
            length=self._lexical.lengths.take(chosen).astype(np.float64),
            pooled=is_pooled,
            named=named_span_lengths(self._values("day").take(chosen), probe.days),
            spoken=self._values("speaker").take(chosen) == speaker,
            session=self._values("session").take(chosen).astype(np.int64),
            place=self._conversations.places(chosen).astype(np.int64),
            created=self._values("created").take(chosen),
            refreshed=self._values("refreshed").take(chosen),
            strength=self._values("strength").take(chosen),
            asks=self._values("asks").take(chosen),
            flags=flags,
            vectors=matrix.take(best[is_pooled], 0),
            terms=lexical.groups,
            frequencies=lexical.frequencies,
            memories=len(self),
            mean_length=self._lexical.mean_length,
        )

    def _drop_unused_names(self) -> None:
        """Drop the names of sessions and speakers that no memory has."""
        sessions, speakers = tuple(self._sessions), tuple(self._speakers)
        self._sessions, self._speakers = {}, {}
        session, speaker = self._values("session"), self._values("speaker")
        session[:] = recode(session, sessions, self._sessions)
        speaker[:] = recode(speaker, speakers, self._speakers)

    def _values(self, name: str) -> Array:
        return self._columns[name].values

    def _searched(self, probe: Probe, allowed: Array | None) -> list[Array | None]:
        """Return the masks to search with: the filter alone, and with the days of the query."""
        named = named_span_lengths(self._values("day"), probe.days) > 0 if probe.days else None
        if named is None or not named.any():
            return [allowed]
        return [allowed, named if allowed is None else named & allowed]

    def _script_groups(self, allowed: Array | None) -> list[Array]:
        """Return the masks of the memories in each script, rare ones first; [] if all are in one.

        Embedders separate languages more than topics: without this, a query would hardly find a
        memory in another language.
        """
        if len(self._means.scripts) < 2:
            return []
        flags = self._values("flags")
        if allowed is not None:
            flags = flags * allowed
        groups = [mask for script in SCRIPTS if (mask := flags & script > 0).any()]
        return sorted(groups, key=np.count_nonzero) if len(groups) > 1 else []

    def _filter_mask(self, filter: Filter) -> Array | None:
        """Return a mask of the memories that satisfy the filter, bool (n,), or None if all do."""
        conditions = []
        if not filter.archived and self._values("archived").any():
            conditions.append(~self._values("archived"))
        if filter.since is not None:
            conditions.append(self._values("day") >= filter.since.toordinal())
        if filter.until is not None:
            conditions.append(self._values("day") <= filter.until.toordinal())
        if filter.kind is not None:
            conditions.append(self._values("kind") == KINDS.index(filter.kind))
        if filter.session is not None:
            code = self._sessions.get(filter.session, UNKNOWN)
            conditions.append(self._values("session") == code)
        if filter.where is not None:
            conditions.append(self._values("kind") == KINDS.index("turn"))
            conditions.append(self._metadata.select(filter.where, len(self)))
        allowed: Array | None = np.logical_and.reduce(conditions) if conditions else None
        return allowed

    def _find_named_speaker(self, terms: Sequence[TermGroup]) -> int:
        """Return the code of the only speaker named by these query terms, or UNKNOWN."""
        forms = (form for group in terms for form in group.forms)
        name = named_speaker(forms, self._speakers)
        return UNKNOWN if name is None else self._speakers[name]

    def _find_nearest(self, products: Products, size: int, allowed: Array | None) -> Array:
        """Return the positions of the memories whose vectors are nearest to the query's."""
        if len(self._owner) == len(self):
            return products.nearest(size, allowed)
        owner, count = self._owner.values, size
        if allowed is not None:
            allowed = allowed[owner]
        while True:  # many windows may belong to few memories
            vectors = products.nearest(count, allowed)
            positions: Array = np.unique(owner[vectors])
            if len(positions) >= size or len(vectors) < count:
                return positions
            count *= 2

    def _add_neighbours(self, pooled: Array, reach: int, allowed: Array | None) -> Array:
        """Return the pooled positions and their neighbours, conversation by conversation."""
        session = self._values("session")
        chosen = self._conversations.with_neighbours(np.flatnonzero(pooled), reach, session)
        return chosen if allowed is None else chosen[allowed.take(chosen)]

    def _vector_rows(self, chosen: Array) -> tuple[Array, Array | None]:
        """Return the row numbers of the vectors of these memories, and how many each has.

        The row numbers come memory by memory. The counts are None if each memory has one vector.
        """
        if len(self._owner) == len(self) or not len(chosen):
            return chosen, None
        first = self._values("first")
        following = np.minimum(chosen + 1, len(self) - 1)
        ends = np.where(following > chosen, first[following], len(self._owner))
        counts = ends - first[chosen]
        starts = np.cumsum(counts) - counts
        return np.repeat(first[chosen] - starts, counts) + np.arange(counts.sum()), counts
