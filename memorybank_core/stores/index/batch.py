"""Batches of memories as columns: what a store gives to a `UserIndex`.

Names of sessions and speakers, and metadata, are codes: positions in a tuple of names, or of JSON
texts, that the batch carries.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from memorybank_core.metadata import to_text
from memorybank_core.protocols import Array, Matrix
from memorybank_core.records import KINDS, Memory
from memorybank_core.search.tokenize import tokenize
from memorybank_core.search.traits import find_traits
from memorybank_core.stores.damage import are_finite
from memorybank_core.stores.rows import to_micros
from memorybank_core.stores.rules import sole_speaker, utterance_count

from .bm25 import POSTING, postings

NONE = -1
"""The code of a memory without a session (an event summary), one speaker or metadata."""

CODED = {"session": "sessions", "speaker": "speakers", "metadata": "metadata_texts"}
"""The columns of codes, with the names that they refer to."""
_BY_MEMORY = (*"key created day kind utterances asks flags windows terms".split(), *CODED)
"""The columns that have one value for each memory."""


@dataclass(frozen=True, slots=True)
class IndexBatch:
    """Columns of n memories by sequence number; postings and vectors are concatenated.

    Attributes:
        key: int64; sequence number.
        created: int64; microseconds since 1970.
        day: int32; proleptic ordinal.
        kind: uint8; position in `KINDS`.
        utterances: uint8; 2 if both spoke, else 1.
        session: int32; position in `sessions`, or `NONE`.
        speaker: int32; position in `speakers`, or `NONE`.
        asks: uint8; see `Traits`.
        flags: uint16; see `Traits`.
        metadata: int32; position in `metadata_texts`, or `NONE`.
        windows: int32; number of vectors.
        terms: int32; number of postings.
        postings: `POSTING`, shape (sum of `terms`,).
        vectors: float32, shape (sum of `windows`, d).
        sessions: Names of sessions; not every one need occur.
        speakers: Names of speakers; not every one need occur.
        metadata_texts: Metadata as JSON (`metadata.to_text`); not every one need occur.
    """

    key: Array
    created: Array
    day: Array
    kind: Array
    utterances: Array
    session: Array
    speaker: Array
    asks: Array
    flags: Array
    metadata: Array
    windows: Array
    terms: Array
    postings: Array
    vectors: Matrix
    sessions: tuple[str, ...]
    speakers: tuple[str, ...]
    metadata_texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.key)

    def require_intact(self) -> None:
        """Raise ValueError if a vector is missing or not finite."""
        vectors = self.vectors.reshape(-1)
        if not self.windows.all() or len(self.vectors) != self.windows.sum():
            raise ValueError("a memory has no vector")
        if not are_finite(vectors):
            raise ValueError("a vector is not finite")

    def select(self, mask: Array) -> IndexBatch:
        """Return the batch of the memories where `mask`, bool (n,), is true."""
        columns = {name: getattr(self, name)[mask] for name in _BY_MEMORY}
        return IndexBatch(
            **columns,
            postings=self.postings[np.repeat(mask, self.terms)],
            vectors=self.vectors[np.repeat(mask, self.windows)],
            **{names: getattr(self, names) for names in CODED.values()},
        )


@dataclass(frozen=True, slots=True)
class StateBatch:
    """State of n memories: what recalling, archiving and pinning change.

    Attributes:
        key: int64; sequence number.
        refreshed: float64; the last recall, in seconds since 1970; infinite if pinned. Before the
            creation, it counts as the creation.
        strength: float64; S of the law of forgetting.
        archived: bool.
    """

    key: Array
    refreshed: Array
    strength: Array
    archived: Array

    def __len__(self) -> int:
        return len(self.key)

    def __post_init__(self) -> None:
        """Raise ValueError if a strength is not a finite number."""
        if not np.isfinite(self.strength).all():
            raise ValueError("a strength is not finite")


def to_batch(
    memories: Sequence[Memory], matrices: Sequence[Matrix], keys: Sequence[int]
) -> IndexBatch:
    """Return the batch of at least one memory, in the order of their sequence numbers.

    Args:
        memories: The memories.
        matrices: The vectors of each memory's windows, float32 (windows, d).
        keys: The sequence number of each memory, ascending.
    """
    turns = [memory.turn for memory in memories]
    session, sessions = encode(m.session if m.kind == "turn" else None for m in memories)
    speaker, speakers = encode(
        sole_speaker(turn.query, turn.response, turn.user_name, turn.companion_name)
        if turn
        else None
        for turn in turns
    )
    traits = [find_traits(memory.text) for memory in memories]
    metadata, metadata_texts = encode(to_text(memory.metadata) for memory in memories)
    entries = [postings(tokenize(memory.text)) for memory in memories]
    return IndexBatch(
        key=np.array(keys, np.int64),
        created=np.array([to_micros(memory.created_at) for memory in memories], np.int64),
        day=np.array([memory.day.toordinal() for memory in memories], np.int32),
        kind=np.array([KINDS.index(memory.kind) for memory in memories], np.uint8),
        utterances=np.array(
            [utterance_count(turn.query, turn.response) if turn else 1 for turn in turns], np.uint8
        ),
        session=session,
        speaker=speaker,
        asks=np.array([trait.asks for trait in traits], np.uint8),
        flags=np.array([trait.flags for trait in traits], np.uint16),
        metadata=metadata,
        windows=np.array([len(matrix) for matrix in matrices], np.int32),
        terms=np.array([len(blob) // POSTING.itemsize for blob in entries], np.int32),
        postings=np.frombuffer(b"".join(entries), POSTING),
        vectors=np.concatenate(list(matrices)).astype(np.float32, copy=False),
        sessions=sessions,
        speakers=speakers,
        metadata_texts=metadata_texts,
    )


def concatenate(batches: Sequence[IndexBatch]) -> IndexBatch:
    """Return one batch of at least one batch, in this order."""
    if len(batches) == 1:
        return batches[0]
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(batch, name) for batch in batches])
        for name in (*_BY_MEMORY, "postings", "vectors")
    }
    for name, names in CODED.items():
        known: dict[str, int] = {}
        codes = [recode(getattr(b, name), getattr(b, names), known) for b in batches]
        joined |= {name: np.concatenate(codes), names: tuple(known)}
    return IndexBatch(**joined)


def encode(names: Iterable[str | None]) -> tuple[Array, tuple[str, ...]]:
    """Return the code of each name, int32 (n,), and the names; no name has the code `NONE`."""
    known: dict[str, int] = {}
    codes = [known.setdefault(name, len(known)) if name else NONE for name in names]
    return np.array(codes, np.int32), tuple(known)


def recode(codes: Array, names: Sequence[str], known: dict[str, int]) -> Array:
    """Return `codes`, positions in `names`, as the codes of `known`, which gains missing names.

    A new name gets the next free number.
    """
    used = np.unique(codes[codes >= 0])
    table = np.full(len(names) + 1, NONE, np.int32)  # the last entry is that of NONE
    for code in used.tolist():
        table[code] = known.setdefault(names[code], len(known))
    recoded: Array = table[codes]
    return recoded
