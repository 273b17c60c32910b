"""State of one user's digests: their sources, and which are missing or stale. Pure.

A day's digests are made from its turns, the overall digests from the days' digests of the same
kind. Each digest records a hash of its source, so that a changed turn marks everything derived
from it as stale.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import chain, count

from memorybank_core.records import Digest, DigestKind, Memory, Portrait, Summary
from memorybank_core.reports import Reason, Stale

DIGEST_TYPES: dict[DigestKind, type[Summary] | type[Portrait]] = {
    "summary": Summary,
    "portrait": Portrait,
}
"""Record class of each kind of digest."""

Source = Sequence[Memory | Digest]
"""The turns, or the days' digests, that a digest is made from."""


def digest_kind(digest: Digest) -> DigestKind:
    """Return the kind of a digest."""
    return "portrait" if isinstance(digest, Portrait) else "summary"


def hash_source(source: Source) -> str:
    """Return the SHA-256 hash, in hex, of the texts and times in `source`."""
    content = json.dumps([_fields_to_hash(item) for item in source], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


class DigestState:
    """One user's digests and their sources.

    Args:
        user_id: The user.
        memories: All memories of the user, archived ones included.
        digests: All digests of the user.

    Attributes:
        digests: The digests by kind and day; a day's event counts as its summary.
        turns: The memories of turns by day, in order of time.
        events: The event memory of each day.
    """

    def __init__(self, user_id: str, memories: Iterable[Memory], digests: Iterable[Digest]) -> None:
        self.user_id = user_id
        self.digests: dict[tuple[DigestKind, date | None], Digest] = {}
        self.turns: dict[date, list[Memory]] = defaultdict(list)
        self.events: dict[date, Memory] = {}
        for memory in sorted(memories, key=lambda memory: memory.created_at):
            if memory.kind == "turn":
                self.turns[memory.day].append(memory)
            elif memory.day not in self.events:
                self.events[memory.day] = memory
                summary = Summary(user_id, memory.text, memory.day, None, memory.created_at)
                self.digests["summary", memory.day] = summary  # a stored digest replaces it
        for digest in digests:
            self.digests[digest_kind(digest), digest.day] = digest

    @property
    def days(self) -> list[date]:
        """The days that have turns, in order."""
        return sorted(self.turns)

    def source(self, kind: DigestKind, day: date | None) -> Source:
        """Return the source of a digest: a day's turns, or the digests of all days."""
        if day is not None:
            return self.turns.get(day, [])
        days = sorted(key[1] for key in self.digests if key[0] == kind and key[1] is not None)
        return [self.digests[kind, day] for day in days]

    def stale_reason(self, kind: DigestKind, day: date | None, *, has_model: bool) -> Reason | None:
        """Return why a digest must be made; None if it is up to date or has no source.

        Args:
            kind: "summary" or "portrait".
            day: The day; None for the overall digest.
            has_model: Whether a language model can replace extractive digests.
        """
        source, digest = self.source(kind, day), self.digests.get((kind, day))
        if not source:
            return None
        if digest is None:
            return "missing"
        if digest.source != hash_source(source):
            return "changed"
        return "extractive" if has_model and digest.is_extractive else None

    @property
    def waiting(self) -> int:
        """Number of stale digests that only a language model may replace."""
        return sum(
            self.stale_reason(kind, day, has_model=False) == "changed" and not digest.is_extractive
            for (kind, day), digest in self.digests.items()
        )

    def event_memory(self, summary: Digest) -> Memory:
        """Return the searchable memory of a day's summary, dated to the last turn of the day.

        It keeps its id, which is new at first: storing it must replace no turn.

        Raises:
            ValueError: If `summary` is the overall summary.
        """
        day = summary.day
        if day is None:
            raise ValueError("only a day's summary has an event memory")
        id = self.events[day].id if day in self.events else self._find_free_id(f"{day}#event")
        created_at = self.turns[day][-1].created_at
        return Memory(id, self.user_id, "event", summary.text, created_at, day, day.isoformat())

    def _find_free_id(self, id: str) -> str:
        """Return an id, with a number if a memory has it; ids of turns are the caller's."""
        memories = chain(self.events.values(), *self.turns.values())
        taken = {memory.id for memory in memories}
        numbered = chain([id], (f"{id}-{number}" for number in count(2)))
        return next(candidate for candidate in numbered if candidate not in taken)

    def find_stale(self, *, has_model: bool) -> Iterator[Stale]:
        """Yield every digest that must be made, days before the overall digests."""
        for kind in DIGEST_TYPES:
            reasons = {day: self.stale_reason(kind, day, has_model=has_model) for day in self.days}
            for day, reason in reasons.items():
                if reason:
                    yield Stale(self.user_id, kind, day, reason)
            overall = self.stale_reason(kind, None, has_model=has_model)
            if overall is None and any(reasons.values()):
                overall = "changed" if (kind, None) in self.digests else "missing"
            if overall:
                yield Stale(self.user_id, kind, None, overall)


def _fields_to_hash(item: Memory | Digest) -> list[str | None]:
    if not isinstance(item, Memory):
        return [str(item.day), item.text]
    turn = item.turn
    names = (turn.user_name, turn.companion_name) if turn else ()
    texts = (turn.query, turn.response) if turn else (item.text,)
    return [item.created_at.isoformat(), *names, *texts]
