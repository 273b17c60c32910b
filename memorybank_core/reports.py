"""Receipts, reports and statistics: the results of a bank's methods other than memories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from .notebook import ShownAsTable
from .record_values import plain_fields
from .records import Change, DigestKind, Memory

Reason = Literal["missing", "changed", "extractive"]


@dataclass(frozen=True, slots=True)
class Stale(ShownAsTable):
    """A missing or outdated digest, which the next `summarize` makes.

    Attributes:
        user_id: The user.
        kind: "summary" or "portrait".
        day: The day; None for the overall digest.
        reason: "missing"; "changed" if its turns have changed since; "extractive" if it was made
            without a language model and one is available now.
    """

    user_id: str
    kind: DigestKind
    day: date | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class FailedDigest(ShownAsTable):
    """A digest that could not be made. The previous digest is kept.

    Attributes:
        user_id: The user.
        kind: "summary" or "portrait".
        day: The day; None for the overall digest.
        error: The message of the error.
    """

    user_id: str
    kind: DigestKind
    day: date | None
    error: str


@dataclass(frozen=True, slots=True)
class SummarizeReport(ShownAsTable):
    """Result of `summarize`.

    Attributes:
        digested: Number of days for which a digest was made.
        skipped: Number of days without changes.
        failed: Digests that could not be made; the next call tries again.
        waiting: Number of outdated digests of a language model that were kept because no model
            was available to replace them.
        calls: Number of calls of the language model.
        tokens: Tokens used by these calls, prompts included; None if the model does not report
            them.
    """

    digested: int
    skipped: int
    failed: tuple[FailedDigest, ...]
    waiting: int
    calls: int
    tokens: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return plain_fields(self)


@dataclass(frozen=True, slots=True)
class FailedReading(ShownAsTable):
    """Turns of a day that could not be read; the next `find_changes` reads them again.

    Attributes:
        user_id: The user.
        day: The day.
        turns: Number of turns.
        error: The message of the error.
    """

    user_id: str
    day: date
    turns: int
    error: str


@dataclass(frozen=True, slots=True)
class ChangeReport(ShownAsTable):
    """Result of `find_changes`.

    Attributes:
        recorded: The changes that were recorded.
        read: Number of turns that were read.
        failed: Turns whose reading failed; nothing was recorded of them.
        calls: Number of calls of the language model.
        tokens: Tokens used by these calls, prompts included; None if the model does not report
            them.
    """

    recorded: tuple[Change, ...]
    read: int
    failed: tuple[FailedReading, ...]
    calls: int
    tokens: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return plain_fields(self)


@dataclass(frozen=True, slots=True)
class AddReceipt(ShownAsTable):
    """Result of `add`.

    Attributes:
        ids: Ids of the turns in their order, without turns that held only recalled text.
        added: Number of new memories.
        unchanged: Number of turns that were stored already.
        replaced: Number of memories whose text was replaced.
        updated: Number of memories whose text was stored already and whose metadata was replaced.
    """

    ids: tuple[str, ...]
    added: int
    unchanged: int
    replaced: int
    updated: int = 0


@dataclass(frozen=True, slots=True)
class ImportReceipt(ShownAsTable):
    """Result of `import_from`.

    Attributes:
        format: Name of the format of the source.
        added: Number of new turns.
        unchanged: Number of turns that the bank already had.
        replaced: Number of turns whose text was replaced by a newer one, such as the same message
            with its answer.
        users: The users whose turns were read, sorted.
        first: Time of the earliest turn, in UTC; None without turns.
        last: Time of the latest turn.
        undated: Number of turns for which the source has no time.
        left_out: Number of things that were left out, by what they are, most frequent first.
        faults: Place and reason of the first things that could not be read.
        dry_run: Whether nothing was written.
    """

    format: str
    added: int
    unchanged: int
    replaced: int
    users: tuple[str, ...]
    first: datetime | None
    last: datetime | None
    undated: int
    left_out: Mapping[str, int]
    faults: tuple[str, ...]
    dry_run: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return plain_fields(self)


@dataclass(frozen=True, slots=True)
class Fading(ShownAsTable):
    """A memory with its retention at a certain time.

    Attributes:
        memory: The memory.
        retention: R of the law of forgetting at that time, in [0, 1].
        fades_at: Time at which retention falls to the threshold; None for never, or beyond the
            calendar.
    """

    memory: Memory
    retention: float
    fades_at: datetime | None


@dataclass(frozen=True, slots=True)
class ForgetReport(ShownAsTable):
    """Result of `forget`.

    Attributes:
        forgotten: The memories archived, or that would be archived without `dry_run`.
        kept: Number of memories that stay active.
        dry_run: Whether nothing was written.
    """

    forgotten: tuple[Fading, ...]
    kept: int
    dry_run: bool


@dataclass(frozen=True, slots=True)
class DeletionReceipt(ShownAsTable):
    """Result of `delete`: the number of rows removed, and whether their bytes are erased.

    Attributes:
        user_id: The user.
        memories: Memories removed.
        vectors: Vectors removed.
        recalls: Entries of the recall history removed.
        digests: Digests removed because they were made from removed memories.
        remaining: Memories of this user that remain.
        erased: Whether the bytes are also erased from the file and its write-ahead log. False if
            a reader of an older state, another writer or the disk prevented that: the rows are
            removed regardless, and the next `delete` or `compact` erases the bytes. Also False
            after every deletion in a database: the server keeps the bytes until it overwrites
            them, and longer in its log.
    """

    user_id: str
    memories: int
    vectors: int
    recalls: int
    digests: int
    remaining: int
    erased: bool


@dataclass(frozen=True, slots=True)
class ConfigurationReport(ShownAsTable):
    """Result of `configure`.

    Attributes:
        moved: Number of turns that are on another day now.
        stale: Number of stale digests of the bank, which the next `summarize` makes again.
    """

    moved: int
    stale: int


@dataclass(frozen=True, slots=True)
class ExpiryReport(ShownAsTable):
    """Result of `expire` for one user.

    Attributes:
        user_id: The user.
        ids: Ids of the memories that are older than the limit, oldest first.
        receipt: The counts of what was erased; None if nothing was, as in a dry run.
    """

    user_id: str
    ids: tuple[str, ...]
    receipt: DeletionReceipt | None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return plain_fields(self)


@dataclass(frozen=True, slots=True)
class Stats(ShownAsTable):
    """Counts for one user, or for the whole bank.

    Attributes:
        users: Number of users.
        memories: Number of memories, archived ones included.
        archived: Number of archived memories.
        recalls: Number of recalls.
        first_day: Day of the first memory; None without memories.
        last_day: Day of the last memory; None without memories.
        file_bytes: Size of the whole file or database, in bytes.
    """

    users: int
    memories: int
    archived: int
    recalls: int
    first_day: date | None
    last_day: date | None
    file_bytes: int
