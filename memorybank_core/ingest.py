"""Ingest: conversion of turns to memories with time, day and id, and their storage with vectors."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as replace_fields
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from .bulk import batch_size, split
from .context import without_recalled
from .errors import ConflictError, EmbedderError, MemoryBankError
from .observation import call_observed_embedder
from .protocols import Embedder, Matrix, MemoryStore, Vector
from .records import Memory, Turn
from .reports import AddReceipt
from .search.long_queries import select_windows
from .text import split_windows, without_surrogates
from .validation import normalize_vectors, require_memories, resolve_day

_TEXT_FIELDS = ("query", "response", "user_name", "companion_name")


def to_memories(turns: Sequence[Turn], user_id: str, now: datetime, zone: ZoneInfo) -> list[Memory]:
    """Convert turns to memories; a turn without a time gets the time `now`.

    Blocks that `context` wrote are removed from a turn before its id is derived, so that recalled
    text is never stored as a new memory. A turn that held nothing else is skipped.
    """
    counts: Counter[str] = Counter()
    stripped = (_strip_recalled(turn) for turn in turns)
    return [_to_memory(turn, user_id, now, zone, counts) for turn in stripped if turn is not None]


def start_fading(memories: Sequence[Memory], now: datetime) -> list[Memory]:
    """Return memories whose forgetting starts at `now`, unless they are newer or were recalled."""
    return [
        replace_fields(memory, last_recalled_at=now) if memory.refreshed_at < now else memory
        for memory in memories
    ]


def store_memories(
    store: MemoryStore,
    embedder: Embedder,
    memories: Sequence[Memory],
    user_id: str,
    *,
    replace: bool = False,
    recalled: Mapping[str, Sequence[datetime]] | None = None,
    expected: Mapping[str, str] | None = None,
    embed_pending: Callable[[str], Vector] | None = None,
) -> AddReceipt:
    """Embed and store new memories and, with `replace`, memories with a changed text.

    Args:
        store: The store.
        embedder: Embeds the texts.
        memories: The memories.
        user_id: The user.
        replace: Whether a memory replaces a stored one with the same id and another text.
        recalled: Times of earlier recalls of new memories, by id.
        expected: Texts that stored memories must still have when the call writes, by id; "" of one
            that must not be stored yet.
        embed_pending: Embeds the last turn as a query if it has no response; None embeds it as a
            document.

    Raises:
        InvalidInputError: If a memory is incomplete or belongs to another user.
        ConflictError: If a stored memory has the same id and another text, and `replace` is
            False, or if a memory does not have its `expected` text.
        EmbedderError: If the embedder failed or returned vectors that cannot be used.
    """
    require_memories(memories, user_id)
    vectors: dict[str, Matrix] = {}  # by text: a second attempt embeds nothing again
    while True:
        known = store.known(user_id, {memory.id for memory in memories})
        new = _select_new(memories, known, user_id, replace=replace)
        if not new:
            break
        matrices = _embed_texts(list(new.values()), vectors, embedder, embed_pending)
        try:
            options: dict[str, Any] = {"recalled": recalled, "expected": expected}
            store.add(user_id, list(new.values()), matrices, replace=replace, **options)
            break
        except ConflictError:
            if expected:
                raise
            continue  # another process stored one of the ids first: compare again
    replaced = len(new.keys() & known.keys())
    updated = _update_metadata(store, memories, known, user_id, replace=replace)
    return AddReceipt(
        ids=tuple(memory.id for memory in memories),
        added=len(new) - replaced,
        unchanged=len(memories) - len(new) - updated,
        replaced=replaced,
        updated=updated,
    )


def _select_new(
    memories: Sequence[Memory], known: Mapping[str, Memory], user_id: str, *, replace: bool
) -> dict[str, Memory]:
    """Return the memories to write, by id, without those that are already stored unchanged."""
    new: dict[str, Memory] = {}
    for memory in memories:
        existing = new.get(memory.id) or known.get(memory.id)
        if existing is not None and existing.text == memory.text:
            continue
        if existing is not None and not replace:
            raise ConflictError(
                f"the id {memory.id!r} of user {user_id!r} is taken by another text; pass "
                "replace=True to replace that text"
            )
        new[memory.id] = memory
    return new


def _update_metadata(
    store: MemoryStore,
    memories: Sequence[Memory],
    known: Mapping[str, Memory],
    user_id: str,
    *,
    replace: bool,
) -> int:
    """Replace the metadata of memories that are stored with the same text; return how many.

    Without `replace`, a memory without metadata does not remove the stored ones.
    """
    updated = {
        memory.id: memory.metadata
        for memory in memories
        if memory.id in known and known[memory.id].text == memory.text
        if memory.metadata != known[memory.id].metadata and (replace or memory.metadata)
    }
    return store.set_metadata(user_id, updated) if updated else 0


def _embed_texts(
    memories: Sequence[Memory],
    vectors: dict[str, Matrix],
    embedder: Embedder,
    embed_pending: Callable[[str], Vector] | None,
) -> list[Matrix]:
    """Return the vectors of each memory; add those of new documents to `vectors`, by text."""
    *documents, last = memories
    pending = embed_pending(last.text) if embed_pending and _is_pending(last) else None
    if pending is None:
        documents.append(last)
    texts = [text for text in dict.fromkeys(m.text for m in documents) if text not in vectors]
    vectors.update(zip(texts, embed_windows(texts, embedder), strict=True))
    matrices = [vectors[memory.text] for memory in documents]
    return matrices if pending is None else [*matrices, pending[None]]


def _is_pending(memory: Memory) -> bool:
    """Return whether a memory is only the user's message."""
    return memory.turn is not None and memory.turn.query == memory.text


def embed_windows(texts: Sequence[str], embedder: Embedder) -> list[Matrix]:
    """Return the vectors of each text's windows, float32 (windows, d).

    Raises:
        EmbedderError: If the embedder failed or returned vectors that cannot be used.
    """
    if not texts:
        return []
    windows_of_texts = [split_windows(text) for text in texts]
    flat = [window for text_windows in windows_of_texts for window in text_windows]
    vectors = [
        normalize_vectors(
            _call_embedder(embedder, "embed_documents", windows), len(windows), embedder.dimension
        )
        for windows in split(flat, batch_size(embedder, len(flat)))
    ]
    ends = np.cumsum([len(text_windows) for text_windows in windows_of_texts])
    return np.split(np.concatenate(vectors), ends[:-1])


def embed_query(text: str, embedder: Embedder) -> Vector:
    """Return the vector of a query, float32 (d,): of a long one, the mean of its windows' vectors.

    Raises:
        EmbedderError: If the embedder failed or returned a vector that cannot be used.
    """
    vectors = [
        normalize_vectors(_call_embedder(embedder, "embed_query", window), 1, embedder.dimension)[0]
        for window in select_windows(text)
    ]
    mean = np.mean(vectors, axis=0) if len(vectors) > 1 else vectors[0]
    vector: Vector = normalize_vectors(mean, 1, embedder.dimension)[0]
    return vector


def _call_embedder(embedder: Embedder, method: str, text: str | list[str]) -> Any:
    try:
        return call_observed_embedder(embedder, method, text)
    except MemoryBankError:
        raise
    except Exception as error:  # an embedder of another package may raise any exception
        raise EmbedderError(
            f"the embedder {embedder.name!r} failed: {type(error).__name__}: {error}. Nothing was "
            "stored."
        ) from error


def _strip_recalled(turn: Turn) -> Turn | None:
    """Return the turn without recalled blocks, or None if nothing remains."""
    query, response = without_recalled(turn.query), without_recalled(turn.response)
    if (query, response) == (turn.query, turn.response):
        return turn
    if not (query + response).strip():
        return None
    return replace_fields(turn, query=query, response=response)


def _to_memory(
    turn: Turn, user_id: str, now: datetime, zone: ZoneInfo, counts: Counter[str]
) -> Memory:
    created_at = (turn.at or now).astimezone(timezone.utc)
    day = resolve_day(created_at, zone)
    texts = {name: getattr(turn, name) for name in _TEXT_FIELDS}
    clean: dict[str, Any] = {name: without_surrogates(text) for name, text in texts.items() if text}
    turn = replace_fields(turn, **clean, at=created_at)
    id = turn.id or _derive_id(turn, counts)
    return Memory(
        id=id,
        user_id=user_id,
        kind="turn",
        text=turn.text,
        created_at=created_at,
        day=day,
        session=turn.session or day.isoformat(),
        turn=replace_fields(turn, id=id),
    )


def _derive_id(turn: Turn, counts: Counter[str]) -> str:
    """Return an id made from content and time, so that a repeated call adds nothing twice.

    Equal turns within one call are different turns: the second gets the suffix "-2".
    """
    at = turn.at and turn.at.isoformat()
    content = json.dumps([turn.query, turn.response, at, turn.session, turn.user_name])
    digest = hashlib.sha256(content.encode()).hexdigest()[:32]
    counts[digest] += 1
    return digest if counts[digest] == 1 else f"{digest}-{counts[digest]}"
