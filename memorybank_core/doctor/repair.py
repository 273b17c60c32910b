"""Repair what can be rebuilt from rows: vectors, terms and search indexes. No memory is deleted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memorybank_core.check_reports import Finding
from memorybank_core.errors import EmbedderError
from memorybank_core.ingest import embed_windows
from memorybank_core.protocols import Embedder
from memorybank_core.protocols.inspection import RebuiltMemory, StoreInspector
from memorybank_core.protocols.models import Matrix
from memorybank_core.stores.rows import to_memory

from .rows import VECTOR_FAULTS, count_memories, find_faults, is_readable


def repair_users(
    inspector: StoreInspector, embedder: Embedder, findings: Sequence[Finding]
) -> list[str]:
    """Repair the rows and indexes of users; return what was repaired.

    Args:
        inspector: The inspector of the store.
        embedder: Embeds the texts of memories whose vectors are damaged.
        findings: The findings of the checks "rows", "index" and "search".
    """
    repaired = []
    of_rows = {f.user_id for f in findings if f.repairable and f.check == "rows"}
    for user_id in sorted(filter(None, of_rows)):
        try:
            if count := _rebuild(inspector, embedder, user_id):
                repaired.append(f"user {user_id!r}: vectors or terms of {count_memories(count)}")
        except EmbedderError as error:
            repaired.append(f"user {user_id!r}: not repaired: {error}")
    of_index = {f.user_id for f in findings if f.repairable and f.check in ("index", "search")}
    indexes = sorted(filter(None, of_index))
    inspector.reindex(indexes)
    return [*repaired, *(f"user {user_id!r}: the search index" for user_id in indexes)]


def _rebuild(inspector: StoreInspector, embedder: Embedder, user_id: str) -> int:
    """Embed damaged vectors again and derive terms again; return of how many memories."""
    dimension = embedder.dimension
    rows = [(row, find_faults(user_id, row, dimension)) for row in inspector.rows(user_id)]
    rows = [(row, faults) for row, faults in rows if is_readable(faults)]
    texts = [
        to_memory(user_id, row.values).text
        for row, faults in rows
        if not {*faults}.isdisjoint(VECTOR_FAULTS)
    ]
    embedded = iter(embed_windows(texts, embedder))
    memories = []
    for row, faults in rows:
        vectors: Matrix
        if {*faults}.isdisjoint(VECTOR_FAULTS):
            vectors = np.frombuffer(row.vectors or b"", np.float32).reshape(-1, dimension)
        else:
            vectors = next(embedded)
        memory = to_memory(user_id, row.values)
        memories.append(RebuiltMemory(row.key, memory, vectors, is_changed=bool(faults)))
    return inspector.rebuild(user_id, memories)
