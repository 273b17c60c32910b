"""Check that searches find what is stored: the index has every memory, and finds some again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from memorybank_core.check_reports import Finding
from memorybank_core.errors import MemoryBankError
from memorybank_core.protocols import Candidates, Filter, MemoryStore, Probe
from memorybank_core.records import Memory
from memorybank_core.search.query_profile import analyze_query

from .rows import UserRows

SAMPLES = 5
"""Maximum number of memories of each user that are searched by their own texts."""

_POOL, _LEAST = 50, 20
_SAME = 0.999  # cosine from which another memory says the same


def report_search(store: MemoryStore, users: Sequence[UserRows]) -> Iterator[Finding]:
    """Yield the findings about the indexes of users, or one for each check that found nothing."""
    findings = [finding for user in users for finding in _check_user(store, user)]
    yield from findings
    checks = {finding.check for finding in findings}
    if "index" not in checks:
        total = sum(user.sound for user in users)
        message = f"the search indexes have all {total:,} sound memories"
        yield Finding("index", "ok", message, code="index_ok", values={"count": total})
    if "search" not in checks:
        count = sum(len(user.samples) for user in users)
        message = f"{count:,} memories were found by their own texts"
        yield Finding("search", "ok", message, code="search_ok", values={"count": count})


def _check_user(store: MemoryStore, user: UserRows) -> Iterator[Finding]:
    missed: list[str] = []
    indexed: int | None = None
    try:
        for key, memory, vector in user.samples:
            candidates = store.candidates(user.user_id, _to_probe(memory, vector))
            indexed = candidates.memories
            if not _has(candidates, key):
                missed.append(memory.id)
    except (MemoryBankError, ValueError, TypeError, OverflowError) as error:
        yield Finding(
            "search",
            "error",
            f"user {user.user_id!r}: a search fails: {error}",
            "Repair the damaged rows of this user first.",
            user_id=user.user_id,
            code="search_fails",
            values={"user": user.user_id, "error": str(error)},
        )
        return
    if indexed is not None and not user.sound <= indexed <= user.total:
        yield Finding(
            "index",
            "error",
            f"user {user.user_id!r}: the search index has {indexed:,} memories, the rows "
            f"{user.total:,}",
            "Run the check with repair: the index is built again.",
            True,
            user.user_id,
            code="index_differs",
            values={"user": user.user_id, "indexed": indexed, "total": user.total},
        )
    if missed:
        yield Finding(
            "search",
            "error",
            f"user {user.user_id!r}: {len(missed)} of {len(user.samples)} memories were not found "
            "by their own texts",
            "Run the check with repair: the index is built again.",
            True,
            user.user_id,
            tuple(missed),
            "search_misses",
            {"user": user.user_id, "missed": len(missed), "searched": len(user.samples)},
        )


def _to_probe(memory: Memory, vector: np.ndarray) -> Probe:
    """Return the probe of a memory's own text and vector."""
    profile = analyze_query(memory.text[:500], memory.day)
    return Probe(
        vector=vector,
        terms=profile.terms,
        days=(),
        filter=Filter(archived=True),
        pool=_POOL,
        least=_LEAST,
        reach=0,
        scripts=profile.scripts,
    )


def _has(candidates: Candidates, key: int) -> bool:
    """Return whether a memory, or another with the same vector, is among the candidates."""
    is_there = bool((candidates.key == key).any())
    return is_there or bool((candidates.similarity >= _SAME).any())
