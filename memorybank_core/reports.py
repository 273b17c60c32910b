"""Receipts, reports and statistics: what the verbs of a bank return besides memories."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from .records import DigestKind, Memory, plain_fields

Reason = Literal["missing", "changed", "extractive"]


@dataclass(frozen=True, slots=True)
class Stale:
    """A digest that the next `summarize` makes.

    Attributes:
        user_id: Whose.
        kind: "summary" or "portrait".
        day: Of which day; None for the overall one.
        reason: "missing"; "changed": what it was made from has; "extractive": a language model
            can make a better one.
    """

    user_id: str
    kind: DigestKind
    day: date | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class FailedDigest:
    """A digest that could not be made, and why; what was there before is there still."""

    user_id: str
    kind: DigestKind
    day: date | None
    error: str


@dataclass(frozen=True, slots=True)
class SummarizeReport:
    """What `summarize` did.

    Attributes:
        digested: Days of which a digest was made.
        skipped: Days that had nothing new.
        failed: The digests that could not be made; the next call tries them again.
        waiting: Digests by a language model that are out of date and were kept, for there was
            no model now to make better ones.
        calls: Calls of the language model.
        tokens: What they took, prompts included; None where the model does not say.
    """

    digested: int
    skipped: int
    failed: tuple[FailedDigest, ...]
    waiting: int
    calls: int
    tokens: int | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return plain_fields(self)


@dataclass(frozen=True, slots=True)
class AddReceipt:
    """What `add` did: the ids of the turns it kept, in their order, and how many were new.

    A turn that held only recalled text is not kept.
    """

    ids: tuple[str, ...]
    added: int
    unchanged: int
    replaced: int


@dataclass(frozen=True, slots=True)
class Fading:
    """A memory on its way out: its retention at a given time and when it crosses the threshold.

    `fades_at` is None when that lies beyond the calendar.
    """

    memory: Memory
    retention: float
    fades_at: datetime | None


@dataclass(frozen=True, slots=True)
class ForgetReport:
    """What `forget` archived, or would archive in a dry run."""

    forgotten: tuple[Fading, ...]
    kept: int
    dry_run: bool


@dataclass(frozen=True, slots=True)
class DeletionReceipt:
    """What a deletion on request removed, and the proof that it is gone.

    Attributes:
        memories: Rows of memories removed.
        vectors: Rows of vectors removed.
        recalls: Rows of the recall history removed.
        digests: Digests removed, because they were made from what was removed.
        remaining: Memories of this user that are left.
        erased: Whether the bytes are gone from the file and its write-ahead log too. False
            where a reader of an old state, other writers or the disk stood in the way: the rows
            are gone all the same, and the next `delete` or `compact` wipes the bytes. A database
            server keeps them until it writes over them, and in its log: there it is False
            wherever anything was deleted.
    """

    user_id: str
    memories: int
    vectors: int
    recalls: int
    digests: int
    remaining: int
    erased: bool


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts over one user, or over the whole bank."""

    users: int
    memories: int
    archived: int
    recalls: int
    first_day: date | None
    last_day: date | None
    file_bytes: int
