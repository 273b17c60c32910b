"""From turns to memories: time, day, id and vectors."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from .context import without_recalled
from .errors import EmbedderError, InvalidInputError, MemoryBankError
from .protocols import Embedder, Matrix, Vector
from .records import Memory, Turn
from .text import windows, without_surrogates
from .validation import unit_vectors

_TOLD = ("query", "response", "user_name", "companion_name")


def to_memories(turns: Sequence[Turn], user_id: str, now: datetime, zone: ZoneInfo) -> list[Memory]:
    """The memory of each turn; a turn without a time was said `now`.

    Recalled text is no memory: the blocks that `context` marks are taken out of a turn before its
    id is derived, and a turn of which nothing is left is left out.

    Raises:
        InvalidInputError: `turns` is no list of turns.
    """
    if not isinstance(turns, (list, tuple)):
        raise InvalidInputError(f"turns must be a list of Turn, not {type(turns).__name__}")
    seen: Counter[str] = Counter()
    told = [turn for turn in map(_newly_told, turns) if turn is not None]
    return [_to_memory(turn, user_id, now, zone, seen) for turn in told]


def embed_windows(texts: Sequence[str], embedder: Embedder) -> list[Matrix]:
    """The vectors of each text's windows, float32 (windows, d).

    Raises:
        EmbedderError: The embedder failed, or gave vectors that cannot be used.
    """
    pieces = [windows(text) for text in texts]
    flat = [piece for of_one_text in pieces for piece in of_one_text]
    vectors = unit_vectors(_asked(embedder, "embed_documents", flat), len(flat), embedder.dimension)
    ends = np.cumsum([len(of_one_text) for of_one_text in pieces])
    return np.split(vectors, ends[:-1])


def _newly_told(turn: Turn) -> Turn | None:
    """The turn without what was recalled in it; None where nothing is left."""
    if not isinstance(turn, Turn):
        raise InvalidInputError(f"turns must be Turn records, not {type(turn).__name__}")
    query, response = without_recalled(turn.query), without_recalled(turn.response)
    if (query, response) == (turn.query, turn.response):
        return turn
    return replace(turn, query=query, response=response) if (query + response).strip() else None


def embed_query(text: str, embedder: Embedder) -> Vector:
    """The vector of a question, float32 (d,).

    Raises:
        EmbedderError: The embedder failed, or gave a vector that cannot be used.
    """
    vector: Vector = unit_vectors(_asked(embedder, "embed_query", text), 1, embedder.dimension)[0]
    return vector


def _asked(embedder: Embedder, method: str, told: str | list[str]) -> Any:
    try:
        return getattr(embedder, method)(told)
    except MemoryBankError:
        raise
    except Exception as error:  # a foreign embedder may raise anything
        raise EmbedderError(
            f"the embedder {embedder.name!r} failed: {type(error).__name__}: {error}. Nothing was "
            "stored."
        ) from error


def _to_memory(
    turn: Turn, user_id: str, now: datetime, zone: ZoneInfo, seen: Counter[str]
) -> Memory:
    said_at = (turn.at or now).astimezone(timezone.utc)
    try:
        day = said_at.astimezone(zone).date()
    except OverflowError as error:
        raise InvalidInputError(f"{said_at} lies beyond the calendar in {zone}") from error
    told = {name: getattr(turn, name) for name in _TOLD}
    clean = {name: without_surrogates(words) for name, words in told.items() if words}
    turn = replace(turn, **clean, at=said_at)
    id = turn.id or _derived_id(turn, seen)
    return Memory(
        id=id,
        user_id=user_id,
        kind="turn",
        text=turn.text,
        created_at=said_at,
        day=day,
        session=turn.session or day.isoformat(),
        turn=replace(turn, id=id),
    )


def _derived_id(turn: Turn, seen: Counter[str]) -> str:
    """An id from content and time, so that a repeated call adds nothing twice.

    The same words told twice in one call are two turns: the second gets "-2".
    """
    said_at = turn.at and turn.at.isoformat()
    told = json.dumps([turn.query, turn.response, said_at, turn.session, turn.user_name])
    digest = hashlib.sha256(told.encode()).hexdigest()[:32]
    seen[digest] += 1
    return digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
