"""Check the rows of memories: texts, days, times, vectors and terms. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np

from memorybank_core.check_reports import Finding
from memorybank_core.metadata import from_text
from memorybank_core.protocols.inspection import RawMemory
from memorybank_core.records import KINDS, Memory
from memorybank_core.search.tokenize import tokenize
from memorybank_core.search.traits import find_traits
from memorybank_core.stores.index.bm25 import postings
from memorybank_core.stores.rows import MEMORY_COLUMNS, from_micros, to_memory

VECTOR_FAULTS = (
    "no vector",
    "a vector of the wrong length",
    "a vector with values that are not finite",
    "a vector that is not of unit length",
)
"""Faults that embedding the text again repairs."""
TERMS_FAULT = "terms that are not those of the text"
"""The fault that deriving the terms again repairs."""

_COLUMNS = MEMORY_COLUMNS.split(", ")
_TOLERANCE = 0.01  # of the length of a vector
_MAX_IDS = 5  # in a message


@dataclass(slots=True)
class UserRows:
    """The state of one user's rows.

    Attributes:
        user_id: The user.
        total: Number of memories.
        faults: Ids of the memories that have each fault, by fault.
        future: Ids of the memories that are dated in the future.
        sound: Number of memories that a search can find.
        samples: Some memories that a search can find, with their first vectors.
    """

    user_id: str
    total: int = 0
    faults: dict[str, list[str]] = field(default_factory=dict)
    future: list[str] = field(default_factory=list)
    sound: int = 0
    samples: list[tuple[int, Memory, Any]] = field(default_factory=list)

    def add(self, row: RawMemory, dimension: int, now: datetime, samples: int) -> None:
        """Check a row, and count it."""
        self.total += 1
        faults = find_faults(self.user_id, row, dimension)
        id = str(row.values[0])
        for fault in faults:
            self.faults.setdefault(fault, []).append(id)
        if is_readable(faults):
            memory = to_memory(self.user_id, row.values)
            times = (memory.created_at, memory.last_recalled_at, memory.archived_at)
            if any(time is not None and time > now for time in times):
                self.future.append(id)
            if not faults:
                self.sound += 1
                # Those at powers of two: early and late ones, whatever their number.
                if self.sound & (self.sound - 1) == 0 or len(self.samples) < samples:
                    vector = np.frombuffer(row.vectors or b"", np.float32)[:dimension]
                    self.samples = [*self.samples[-(samples - 1) :], (row.key, memory, vector)]


def is_readable(faults: Iterable[str]) -> bool:
    """Return whether all that was said can be read in spite of these faults."""
    return {*faults} <= {*VECTOR_FAULTS, TERMS_FAULT}


def find_faults(user_id: str, row: RawMemory, dimension: int) -> list[str]:
    """Return the faults of a memory, each as the end of "memories with …".

    Args:
        user_id: The user.
        row: The memory.
        dimension: Length of the embedder's vectors.
    """
    faults = [*_find_value_faults(dict(zip(_COLUMNS, row.values, strict=True)))]
    if not faults:
        try:
            text = to_memory(user_id, row.values).text
        except (ValueError, TypeError, OverflowError) as error:
            faults.append(f"values that cannot be read ({error})")
        else:
            if row.derived is not None and row.derived != _derive(text):
                faults.append(TERMS_FAULT)
    fault = _find_vector_fault(row.vectors, dimension)
    return [*faults, fault] if fault else faults


def _derive(text: str) -> tuple[bytes, int, int]:
    traits = find_traits(text)
    return postings(tokenize(text)), traits.asks, traits.flags


def _find_value_faults(values: dict[str, Any]) -> Iterator[str]:
    texts = ("id", "kind", "session", "day", "query", "response", "user_name", "companion_name")
    if any(isinstance(values[name], bytes) for name in (*texts, "metadata")):
        yield "text that is not UTF-8"
        return
    required = ("id", "kind", "day", "query", "response")
    if any(not isinstance(values[name], str) for name in required):
        yield "a missing text"
        return
    if values["kind"] not in KINDS:
        yield "an unknown kind"
    if not _is_valid(date.fromisoformat, values["day"]):
        yield "a day that is not in the calendar"
    times = (values["created_at"], values["last_recalled_at"], values["archived_at"])
    if values["created_at"] is None or not all(
        time is None or _is_valid(from_micros, time) for time in times
    ):
        yield "a time that is not in the calendar"
    strength = values["strength"]
    if not isinstance(strength, (int, float)) or not (math.isfinite(strength) and strength > 0):
        yield "a strength that is not a positive number"
    if not _is_valid(from_text, values["metadata"]):
        yield "metadata that are not a JSON object"


def _is_valid(parse: Any, value: Any) -> bool:
    try:
        parse(value)
    except (ValueError, TypeError, OverflowError, AttributeError):
        return False
    return True


def _find_vector_fault(blob: Any, dimension: int) -> str | None:
    missing, length, not_finite, not_unit = VECTOR_FAULTS
    if blob is None:
        return missing
    if not isinstance(blob, bytes) or not blob or len(blob) % (4 * dimension):
        return length
    matrix = np.frombuffer(blob, np.float32).reshape(-1, dimension)
    if not np.isfinite(matrix).all():
        return not_finite
    lengths = np.linalg.norm(matrix.astype(np.float64), axis=1)
    return None if (np.abs(lengths - 1.0) <= _TOLERANCE).all() else not_unit


def report_rows(users: Sequence[UserRows]) -> Iterator[Finding]:
    """Yield the findings about damaged rows, or one that nothing was found."""
    for user in users:
        for fault, ids in user.faults.items():
            repairable = is_readable([fault])
            yield Finding(
                "rows",
                "error",
                f"user {user.user_id!r}: {count_memories(len(ids))} with {fault}: {_list(ids)}",
                "Run the check with repair: the text is stored, and the rest is made from it."
                if repairable
                else "The check changes no text: restore these memories from a backup, or delete "
                "them by their ids.",
                repairable,
                user.user_id,
                tuple(ids),
                "rows_damaged" if repairable else "rows_unreadable",
                {"user": user.user_id, "count": len(ids), "fault": fault, "ids": _list(ids)},
            )
    if not any(user.faults for user in users):
        total = sum(user.total for user in users)
        message = f"all {total:,} memories can be read"
        yield Finding("rows", "ok", message, code="rows_ok", values={"count": total})


def report_dates(users: Sequence[UserRows]) -> Iterator[Finding]:
    """Yield the findings about times in the future, or one that nothing was found."""
    for user in users:
        if user.future:
            yield Finding(
                "dates",
                "warning",
                f"user {user.user_id!r}: {count_memories(len(user.future))} dated in the future: "
                f"{_list(user.future)}",
                "Check the clock of the machine that wrote them, or the `at` of imported turns. "
                "They do not fade until then.",
                user_id=user.user_id,
                ids=tuple(user.future),
                code="dates_future",
                values={
                    "user": user.user_id,
                    "count": len(user.future),
                    "ids": _list(user.future),
                },
            )
    if not any(user.future for user in users):
        yield Finding("dates", "ok", "no memory is dated in the future", code="dates_ok")


def count_memories(count: int) -> str:
    """Return a number of memories in words."""
    return "1 memory" if count == 1 else f"{count:,} memories"


def _list(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:_MAX_IDS])
    return f"{shown}, …" if len(ids) > _MAX_IDS else shown
