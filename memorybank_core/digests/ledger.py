"""The ledger: what each digest was made from, and which digests are due. Pure.

A day's digests are made from its turns, the overall ones from the days' digests of their kind.
Each bears the hash of that (its `source`), so that a change of a turn shows in all that was
derived from it.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from memorybank_core.records import Digest, DigestKind, Memory, Portrait, Summary
from memorybank_core.reports import Reason, Stale

RECORDS: dict[DigestKind, type[Summary] | type[Portrait]] = {
    "summary": Summary,
    "portrait": Portrait,
}

Source = Sequence[Memory | Digest]
"""What a digest is made from: turns, or digests of days."""


def kind_of(digest: Digest) -> DigestKind:
    """The kind of a digest."""
    return "portrait" if isinstance(digest, Portrait) else "summary"


def hash_of(source: Source) -> str:
    """SHA-256, in hex, over the words and times that a digest is made from."""
    told = json.dumps([_told(piece) for piece in source], ensure_ascii=False)
    return hashlib.sha256(told.encode()).hexdigest()


class Ledger:
    """One user's digests, beside what they are made from.

    Args:
        user_id: Whose.
        memories: Everything that the user has, archived memories too.
        digests: Every digest of the user.
    """

    def __init__(self, user_id: str, memories: Iterable[Memory], digests: Iterable[Digest]) -> None:
        self.user_id = user_id
        self.known: dict[tuple[DigestKind, date | None], Digest] = {}
        self.turns: dict[date, list[Memory]] = defaultdict(list)
        self.events: dict[date, Memory] = {}
        for memory in sorted(memories, key=lambda memory: memory.created_at):
            if memory.kind == "turn":
                self.turns[memory.day].append(memory)
            elif memory.day not in self.events:
                self.events[memory.day] = memory
                summary = Summary(user_id, memory.text, memory.day, None, memory.created_at)
                self.known["summary", memory.day] = summary  # unless the digests know more of it
        for digest in digests:
            self.known[kind_of(digest), digest.day] = digest

    @property
    def days(self) -> list[date]:
        """The days that have turns, in order."""
        return sorted(self.turns)

    def source(self, kind: DigestKind, day: date | None) -> Source:
        """What the digest is made from: a day's turns, or the digests of all days."""
        if day is not None:
            return self.turns.get(day, [])
        days = sorted(of for one, of in self.known if one == kind and of is not None)
        return [self.known[kind, of] for of in days]

    def reason(self, kind: DigestKind, day: date | None, *, has_model: bool) -> Reason | None:
        """Why the digest is to be made; None where it is not."""
        source, known = self.source(kind, day), self.known.get((kind, day))
        if not source:
            return None
        if known is None:
            return "missing"
        if known.source != hash_of(source):
            return "changed"
        return "extractive" if has_model and known.is_extractive else None

    @property
    def waiting(self) -> int:
        """How many digests by a language model are out of date: only a model replaces them."""
        return sum(
            self.reason(kind, day, has_model=False) == "changed" and not known.is_extractive
            for (kind, day), known in self.known.items()
        )

    def event(self, summary: Digest) -> Memory:
        """The memory by which a day's summary is found, as old as the last turn of the day."""
        day = summary.day
        if day is None:
            raise ValueError("only a day's summary is an event")
        id = self.events[day].id if day in self.events else f"{day}#event"
        said_at = self.turns[day][-1].created_at
        return Memory(id, self.user_id, "event", summary.text, said_at, day, day.isoformat())

    def stale(self, *, has_model: bool) -> Iterator[Stale]:
        """Everything that is to be made, the days before what is made from them."""
        for kind in RECORDS:
            reasons = {day: self.reason(kind, day, has_model=has_model) for day in self.days}
            for day, reason in reasons.items():
                if reason:
                    yield Stale(self.user_id, kind, day, reason)
            overall = self.reason(kind, None, has_model=has_model)
            if overall is None and any(reasons.values()):
                overall = "changed" if (kind, None) in self.known else "missing"
            if overall:
                yield Stale(self.user_id, kind, None, overall)


def _told(piece: Memory | Digest) -> list[str | None]:
    if not isinstance(piece, Memory):
        return [str(piece.day), piece.text]
    turn = piece.turn
    names = (turn.user_name, turn.companion_name) if turn else ()
    said = (turn.query, turn.response) if turn else (piece.text,)
    return [piece.created_at.isoformat(), *names, *said]
