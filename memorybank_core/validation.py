"""Validation of arguments: each error names the wrong value and what is expected instead."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from .conditions import require_where
from .errors import ConfigurationError, EmbedderError, InvalidInputError
from .protocols import LLM, Filter, Matrix
from .record_values import require_aware
from .records import KINDS, Kind, Memory, SearchResult
from .text import without_surrogates

LANGUAGES = ("en", "zh")
"""Languages of prompts and wording."""


def require_user(user_id: str) -> None:
    """Raise InvalidInputError unless `user_id` is a non-empty string that can be stored."""
    if not isinstance(user_id, str) or not user_id.strip():
        raise InvalidInputError(f"user_id must be a non-empty string, not {user_id!r}")
    if "\0" in user_id or without_surrogates(user_id) != user_id:
        raise InvalidInputError(f"user_id {user_id!r} contains a character that cannot be stored")


def to_user_id(value: Any) -> str:
    """Return a user's id as text; integers and UUIDs stand for their text.

    Raises:
        InvalidInputError: If it is neither, nor a non-empty string.
    """
    if isinstance(value, UUID) or (isinstance(value, int) and not isinstance(value, bool)):
        value = str(value)
    require_user(value)
    return str(value)


def require_query(query: str, name: str = "query") -> None:
    """Raise InvalidInputError unless `query` is a non-empty string."""
    if not isinstance(query, str) or not query.strip():
        raise InvalidInputError(f"{name} must be a non-empty string, not {query!r}")


def require_count(count: int, name: str = "k") -> None:
    """Raise InvalidInputError unless `count` is a whole number of 1 or more."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InvalidInputError(f"{name} must be a whole number of 1 or more, not {count!r}")


def require_kind(kind: Kind | None) -> Kind | None:
    """Return `kind`; raise InvalidInputError if it is unknown."""
    if kind is not None and kind not in KINDS:
        raise InvalidInputError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    return kind


def require_day(day: date | None, name: str) -> date | None:
    """Return `day`; raise InvalidInputError if it is a datetime or another type."""
    if day is not None and (not isinstance(day, date) or isinstance(day, datetime)):
        raise InvalidInputError(
            f"{name} must be a datetime.date, not {day!r}; use bank.day_of(moment)"
        )
    return day


def build_filter(
    since: date | None,
    until: date | None,
    kind: Kind | None,
    session: str | None,
    archived: bool,
    where: Mapping[str, Any] | None = None,
) -> Filter:
    """Return a filter with these values; raise InvalidInputError if a value is not valid."""
    days = require_day(since, "since"), require_day(until, "until")
    return Filter(*days, require_kind(kind), session, archived, require_where(where))


def limit_until(until: date | None, day: date, today: date) -> date | None:
    """Return the last day to search at a day; one in the past does not know what came later."""
    require_day(until, "until")
    if day >= today:
        return until
    return day if until is None else min(day, until)


def collect_ids(memories: Iterable[SearchResult | Memory | str], user_id: str) -> list[str]:
    """Return the distinct ids of search results, memories or ids, in their order.

    Raises:
        InvalidInputError: If a memory belongs to another user, or `memories` is not an iterable
            of these.
    """
    if isinstance(memories, (str, Memory, SearchResult)):
        raise InvalidInputError(f"expected a list of ids or memories, not {memories!r}")
    ids: dict[str, None] = {}
    for item in memories:
        memory = item.memory if isinstance(item, SearchResult) else item
        if isinstance(memory, Memory):
            if memory.user_id != user_id:
                raise InvalidInputError(f"memory {memory.id!r} belongs to {memory.user_id!r}")
            memory = memory.id
        if not isinstance(memory, str):
            raise InvalidInputError(f"an id must be a string, not {memory!r}")
        ids[memory] = None
    return list(ids)


def require_language(language: str) -> str:
    """Return `language`; raise InvalidInputError if it is not supported."""
    if language not in LANGUAGES:
        raise InvalidInputError(f"language must be one of {', '.join(LANGUAGES)}, not {language!r}")
    return language


def require_llm(llm: LLM | None) -> LLM | None:
    """Return `llm`; raise ConfigurationError if it has no method `complete`."""
    if llm is not None and not callable(getattr(llm, "complete", None)):
        raise ConfigurationError(
            f"llm must have a method complete(messages); {type(llm).__name__} has none. To use a "
            "function as a language model, wrap it in llms.as_llm"
        )
    return llm


def require_threshold(threshold: float) -> None:
    """Raise InvalidInputError unless the threshold is in (0, 1]."""
    if not isinstance(threshold, (int, float)) or not 0.0 < threshold <= 1.0:
        raise InvalidInputError(f"threshold must be in (0, 1], not {threshold!r}")


def require_relevance(relevance: float) -> None:
    """Raise InvalidInputError unless a minimum relevance is in [0, 1]."""
    if not isinstance(relevance, (int, float)) or not 0.0 <= relevance <= 1.0:
        raise InvalidInputError(f"min_relevance must be in [0, 1], not {relevance!r}")


def require_memories(memories: Sequence[Memory], user_id: str) -> None:
    """Raise InvalidInputError unless `memories` are all complete and belong to this user."""
    for memory in memories:
        if not isinstance(memory, Memory):
            raise InvalidInputError(f"memories must be Memory records, not {memory!r}")
        if memory.user_id != user_id:
            raise InvalidInputError(f"memory {memory.id!r} belongs to {memory.user_id!r}")
        if not memory.text.strip() or (memory.kind == "turn") != (memory.turn is not None):
            raise InvalidInputError(
                f"memory {memory.id!r} must have a text, and a turn if its kind is 'turn'"
            )
        require_kind(memory.kind)
        for name in ("created_at", "last_recalled_at", "archived_at"):
            if getattr(memory, name) is not None:
                require_aware(getattr(memory, name), f"Memory.{name}")


def dump_profile(profile: dict[str, Any]) -> str:
    """Return `profile` as JSON; raise InvalidInputError unless it is a JSON object."""
    if not isinstance(profile, dict):
        raise InvalidInputError(f"profile must be a JSON object, not {profile!r}")
    try:
        plain = json.dumps(profile, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"profile must be a JSON object: {error}") from error
    return without_surrogates(plain)


def require_moment(moment: datetime | None, name: str = "now") -> datetime:
    """Return `moment` in UTC, or the present for None; raise InvalidInputError if it is naive."""
    return datetime.now(timezone.utc) if moment is None else require_aware(moment, name)


def resolve_day(moment: datetime, zone: ZoneInfo) -> date:
    """Return the calendar day of a moment in a time zone.

    Raises:
        InvalidInputError: If the day is beyond the calendar there.
    """
    try:
        return moment.astimezone(zone).date()
    except OverflowError as error:
        raise InvalidInputError(f"{moment} is beyond the calendar in {zone}") from error


def resolve_age(older_than: timedelta | datetime, now: datetime) -> datetime:
    """Return the time that `older_than` means: itself, or `now` minus an age.

    Raises:
        InvalidInputError: If it is neither, is naive, negative or beyond the calendar.
    """
    if isinstance(older_than, datetime):
        return require_aware(older_than, "older_than")
    if not isinstance(older_than, timedelta) or older_than < timedelta(0):
        raise InvalidInputError(
            f"older_than must be a datetime, or a timedelta of 0 or more, not {older_than!r}"
        )
    try:
        return now - older_than
    except OverflowError as error:
        raise InvalidInputError(f"older_than={older_than} is beyond the calendar") from error


def find_zone(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name; raise ConfigurationError if it is unknown."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise ConfigurationError(
            f"timezone must be an IANA name such as 'Asia/Shanghai', not {name!r}"
        ) from None


def normalize_vectors(vectors: Matrix, count: int, dimension: int) -> Matrix:
    """Return `vectors` as float32 (count, dimension), scaled to unit length.

    Raises:
        EmbedderError: If they have another shape, or contain NaN, infinity or a vector of zeros.
    """
    try:
        matrix = np.asarray(vectors, np.float32)
    except (TypeError, ValueError) as error:
        raise EmbedderError(
            f"the embedder returned values that are not numbers: {error}. Nothing was stored."
        ) from error
    if count == 1 and matrix.ndim == 1:
        matrix = matrix[None, :]
    if matrix.shape != (count, dimension):
        raise EmbedderError(
            f"the embedder returned an array of shape {matrix.shape} for {count} texts; "
            f"expected ({count}, {dimension}). Nothing was stored."
        )
    lengths = np.linalg.norm(matrix, axis=1)
    for row, length in enumerate(lengths.tolist()):
        if not math.isfinite(length) or length == 0.0:
            raise EmbedderError(
                f"the embedder returned a vector that is all zeros or not finite "
                f"(text {row + 1} of {count}). Nothing was stored."
            )
    if np.abs(lengths - 1.0).max(initial=0.0) > 1e-3:
        matrix = matrix / lengths[:, None]
    return matrix
