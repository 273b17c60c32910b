"""Rules that every store follows: pure functions of data that the store has read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from memorybank_core.errors import ConflictError, EmbedderMismatchError
from memorybank_core.protocols import Array
from memorybank_core.records import Digest, Memory
from memorybank_core.search.dates import DayRange
from memorybank_core.search.tokenize import tokenize

POOL_DIVISOR = 4
"""Each signal contributes one memory in four, within the limits of the probe."""


_SETTING_PREFIX = "setting."
"""Prefix of the names of settings, among the other properties of a bank."""
FINGERPRINT = "fingerprint"
"""Name of the setting that belongs to the embedder; see `memorybank_core.fingerprint`."""


@dataclass(frozen=True, slots=True)
class ExpectedEmbedder:
    """The embedder that a store was opened with.

    Attributes:
        location: The path or URL of the bank, for the error.
        name: Name of the embedder.
        dimension: Length of its vectors.
    """

    location: str
    name: str
    dimension: int

    def require(self, name: str, dimension: int) -> None:
        """Check that this embedder wrote the bank.

        Raises:
            EmbedderMismatchError: If an embedder of another name or dimension wrote it.
        """
        if (name, dimension) != (self.name, self.dimension):
            raise EmbedderMismatchError(
                f"{self.location} was written by the embedder {name!r} (dimension {dimension}), "
                f"not by {self.name!r} ({self.dimension}). Open it with embedder={name!r}, or "
                f"embed its memories again: memorybank reembed {self.location} "
                f"--embedder {self.name}"
            )


def property_name(setting: str) -> str:
    """Return the name under which a store keeps a setting among the properties of a bank."""
    return f"{_SETTING_PREFIX}{setting}"


def select_settings(properties: Iterable[Sequence[str]]) -> dict[str, str]:
    """Return the settings among the properties of a bank, pairs of name and value."""
    return {
        name.removeprefix(_SETTING_PREFIX): value
        for name, value in properties
        if name.startswith(_SETTING_PREFIX)
    }


def require_unchanged(
    user_id: str,
    made_from: Sequence[Memory | Digest],
    memories: Iterable[Memory],
    digests: Iterable[Digest],
) -> None:
    """Check that the sources of new digests are still stored as they were read.

    Args:
        user_id: The user, for the error.
        made_from: The memories and digests that the new digests were made from.
        memories: The stored memories with the ids of those in `made_from`.
        digests: The stored digests of the user.

    Raises:
        ConflictError: If one of `made_from` is missing or has another text.
    """
    texts = {source.id: source.text for source in made_from if isinstance(source, Memory)}
    sources = {_identity(source) for source in made_from if not isinstance(source, Memory)}
    stored_texts = {memory.id: memory.text for memory in memories}
    if stored_texts != texts or not sources <= {_identity(digest) for digest in digests}:
        raise ConflictError(
            f"sources of the digests of user {user_id!r} were deleted or changed in the meantime; "
            "make the digests again"
        )


def require_free(user_id: str, taken: Collection[str]) -> None:
    """Raise ConflictError if the user has memories with some of the ids of new ones."""
    if taken:
        raise ConflictError(f"user {user_id!r} already has memories with the ids {sorted(taken)}")


def require_no_turns(user_id: str, turns: Collection[str]) -> None:
    """Raise ConflictError if turns have some of the ids of new event summaries."""
    if turns:
        raise ConflictError(
            f"user {user_id!r} has turns with the ids {sorted(turns)}, which no summary replaces; "
            "make the digests again"
        )


def require_expected(
    user_id: str, expected: Mapping[str, str], stored: Mapping[str, Memory]
) -> None:
    """Check that memories are stored with the texts that a caller has read.

    Args:
        user_id: The user, for the error.
        expected: The texts that the memories must have, by id; "" of one that must not be stored.
        stored: The stored memories with these ids.

    Raises:
        ConflictError: If a memory is missing or has another text.
    """
    texts = {id: memory.text for id, memory in stored.items()}
    changed = sorted(id for id, text in expected.items() if texts.get(id, "") != text)
    if changed:
        raise ConflictError(
            f"the memories {changed} of user {user_id!r} were deleted or changed in the meantime"
        )


def _identity(digest: Digest) -> tuple[type, date | None, str]:
    return type(digest), digest.day, digest.text


def digests_to_delete(
    deleted: Collection[tuple[str, str]],
    deleted_day: date | None,
    digests: Iterable[tuple[str, str]],
) -> set[tuple[str, str]]:
    """Return the digests to delete because they were derived from deleted memories.

    Deleting a turn deletes the digests of its day and the overall ones. Deleting an event summary
    deletes the summary of its day and the overall summary. Deleting a day deletes its digests even
    if it has no memories.

    Args:
        deleted: Kind and day of every deleted memory.
        deleted_day: The day, if a whole day is deleted.
        digests: Kind and day of every digest of the user; the day of an overall one is "".

    Returns:
        Kind and day of each digest to delete.
    """
    digests = set(digests)
    turn_days = {day for kind, day in deleted if kind == "turn"}
    if deleted_day:
        turn_days.add(str(deleted_day))
    event_days = {day for kind, day in deleted if kind == "event"} - turn_days
    to_delete = {(kind, day) for kind, day in digests if day in turn_days}
    if to_delete or (turn_days and deleted):
        to_delete |= {(kind, day) for kind, day in digests if not day}
    if event_days:
        to_delete |= {("summary", day) for day in (*event_days, "")} & digests
    return to_delete


def candidates_per_signal(smallest: int, largest: int, count: int) -> int:
    """Return how many of `count` memories each signal contributes to the candidates."""
    return min(largest, max(smallest, count // POOL_DIVISOR))


def sole_speaker(
    query: str, response: str, user_name: str | None, companion_name: str | None
) -> str | None:
    """Return the name of the only speaker of a turn; None if both spoke, or it is unnamed."""
    if query and response:
        return None
    return (user_name if query else companion_name) or None


def utterance_count(query: str, response: str) -> int:
    """Return the number of utterances of a turn."""
    return 2 if query and response else 1


def named_speaker(terms: Iterable[str], speakers: Iterable[str]) -> str | None:
    """Return the speaker whom these query terms, in their order, are about, or None.

    Of two speakers that are named, it is the first ("What did Ann tell Bob?"). If their names are
    adjacent ("Ann and Bob"), the query is about neither.
    """
    places = {term: place for place, term in reversed(list(enumerate(terms)))}
    named = [
        (min(positions), max(positions), name)
        for name in speakers
        if (positions := [places.get(part, -1) for part in tokenize(name)]) and min(positions) >= 0
    ]
    if not named:
        return None
    (_, end, name), *later = sorted(named)
    return None if any(start <= end + 1 for start, _, _ in later) else name


def named_span_lengths(days: Array, spans: Sequence[DayRange]) -> Array:
    """Return the length in days of the shortest span that contains each day, or 0; int64 (n,).

    Args:
        days: Proleptic ordinals, shape (n,).
        spans: The spans that a query names.
    """
    lengths = np.zeros(len(days), np.int64)
    for span in sorted(spans, key=lambda span: -span.days):
        within = (days >= span.first.toordinal()) & (days <= span.last.toordinal())
        lengths[within] = span.days
    return lengths
