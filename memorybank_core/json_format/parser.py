"""What is to be stored of a file, and everything that is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timezone
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from memorybank_core.digests.state import DIGEST_TYPES, DigestState, hash_source
from memorybank_core.errors import FormatError, InvalidInputError
from memorybank_core.ingest import to_memories
from memorybank_core.records import Digest, DigestKind, Memory, Turn
from memorybank_core.text import without_surrogates
from memorybank_core.validation import require_user

from .fields import (
    DAY_END,
    FIRST_TURN,
    as_count,
    as_datetime,
    as_flag,
    as_kind,
    as_strength,
    as_text,
    chosen_users,
    shortened,
    turn_time,
    user_id_of,
    utc,
)

T = TypeVar("T")

_FAULTS_SHOWN = 10
_EMPTY: tuple[Any, ...] = (None, "", {})
_EXPECTED = {
    "memory_strength": "a positive finite number",
    "last_recall_date": "a day written YYYY-MM-DD, or a date and time in ISO 8601",
    "time": "a date and time in ISO 8601 with its offset from UTC",
    "recalls": "a whole number of 0 or more",
    "archived_at": "a date and time in ISO 8601",
    "pinned": "true or false",
    "recalled_at": "a list of dates and times in ISO 8601",
    "kind": "summary or portrait",
    "day": "a calendar day written YYYY-MM-DD",
    "made_at": "a date and time in ISO 8601 with its offset from UTC",
}
"""What a field must be, where that is not a string."""
_OVERALL: dict[str, DigestKind] = {"overall_history": "summary", "overall_personality": "portrait"}


class Plan:
    """What is to be stored of one user; notes what is wrong instead of stopping there."""

    def __init__(self, user_id: str, zone: ZoneInfo) -> None:
        self.user_id, self.zone = user_id, zone
        self.faults: list[str] = []
        self.profile: dict[str, Any] = {}
        self.memories: dict[str, Memory] = {}  # by id
        self.digests: dict[tuple[DigestKind, date | None], str] = {}
        self.made: dict[
            tuple[DigestKind, date | None], tuple[str | None, datetime, str | None]
        ] = {}
        self.recalled: dict[str, list[datetime]] = {}  # by id
        self.turns = self.empty = 0
        self._places: dict[str, str] = {}  # where an id was met first

    def read(self, entry: Any) -> None:
        """Takes over a user's whole entry."""
        try:
            require_user(self.user_id)
        except InvalidInputError:
            self._fault("", self.user_id, "a user id: a string, not blank, that UTF-8 can hold")
        entry = self._object("", entry)
        self._read_profile(entry)
        for day, turns in self._days(entry, "history"):
            for index, turn in enumerate(self._list(f"history, {day}", turns)):
                self._read_turn(day, index, turn)
        for day, events in self._days(entry, "summary"):
            for index, event in enumerate(events if isinstance(events, list) else [events]):
                self._read_event(day, index, event)
        for day, text in self._days(entry, "personality"):
            self._read_digest("portrait", day, f"personality, {day}", text)
        for name, kind in _OVERALL.items():
            self._read_digest(kind, None, name, entry.get(name))
        for index, made in enumerate(self._list("digests", entry.get("digests"), "objects")):
            self._read_made(f"digests, {index}", made)
        if isinstance(entry.get("digests"), list):  # ours: a summary that it does not name is none
            unnamed = [key for key in self.digests if key[0] == "summary" and key not in self.made]
            for key in unnamed:
                del self.digests[key]

    def signed(self, now: datetime) -> list[Digest]:
        """The digests, with who made them, when and from what, where the file says.

        Where it does not, they were made from what the file has, by nobody knows whom, `now`.
        """
        state = DigestState(self.user_id, self.memories.values(), ())
        signed: list[Digest] = []
        for (kind, day), text in sorted(self.digests.items(), key=lambda one: one[0][1] is None):
            source = state.source(kind, day)
            default = (None, now, hash_source(source) if source else None)
            digest = DIGEST_TYPES[kind](
                self.user_id, text, day, *self.made.get((kind, day), default)
            )
            state.digests[kind, day] = digest
            signed.append(digest)
        return signed

    def _read_profile(self, entry: Mapping[str, Any]) -> None:
        profile = dict(self._object("meta_information", entry.get("meta_information")))
        name = self._field("", entry, "name", as_text)
        if name:
            profile["name"] = name
        try:
            plain = json.dumps(profile, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            self._fault("meta_information", profile, "values that JSON knows")
        else:
            self.profile = json.loads(without_surrogates(plain))

    def _read_turn(self, day: date, index: int, entry: Any) -> None:
        where = f"history, {day}, turn {index}"
        if not isinstance(entry, Mapping):
            self._fault(where, entry, "an object with query and response")
            return
        query = self._field(where, entry, "query", as_text) or ""
        response = self._field(where, entry, "response", as_text) or ""
        if not (query + response).strip():
            self.empty += 1
            return
        at = self._field(where, entry, "time", self._time) or turn_time(day, index, self.zone)
        if at.astimezone(self.zone).date() != day:
            expected = f"a time on {day} in {self.zone.key}, the time zone of the bank"
            self._fault(f"{where}, time", entry.get("time"), expected)
        turn = Turn(
            query,
            response,
            at,
            self._field(where, entry, "memory_id", as_text) or f"{day}#{index}",
            self._field(where, entry, "session", as_text),
            self._field(where, entry, "user_name", as_text),
            self._field(where, entry, "companion_name", as_text),
        )
        memories = to_memories([turn], self.user_id, at, self.zone)
        if not memories:  # recalled text alone
            self.empty += 1
            return
        self.turns += 1
        self._keep(where, entry, memories[0])

    def _read_event(self, day: date, index: int, entry: Any) -> None:
        name = f"event-{index + 1}" if index else "event"
        where = f"summary, {day}, {name}" if index else f"summary, {day}"
        text = self._content(where, entry)
        if not text.strip():
            return
        entry = entry if isinstance(entry, Mapping) else {}
        event = Memory(
            id=self._field(where, entry, "memory_id", as_text) or f"{day}#{name}",
            user_id=self.user_id,
            kind="event",
            text=text,
            created_at=self._field(where, entry, "time", self._time)
            or utc(day, DAY_END, self.zone),
            day=day,
            session=self._field(where, entry, "session", as_text) or day.isoformat(),
        )
        self._keep(where, entry, event)
        self.digests.setdefault(("summary", day), text)

    def _keep(self, where: str, entry: Mapping[str, Any], memory: Memory) -> None:
        """Notes a memory with its strength and recalls, under an id that must be its own."""
        memory = replace(
            memory,
            strength=self._field(where, entry, "memory_strength", as_strength) or 1.0,
            recalls=self._field(where, entry, "recalls", as_count) or 0,
            archived_at=self._field(where, entry, "archived_at", self._moment),
            pinned=self._field(where, entry, "pinned", as_flag) or False,
        )
        memory = replace(memory, last_recalled_at=self._last_recall(where, entry, memory))
        self.recalled[memory.id] = self._field(where, entry, "recalled_at", self._moments) or []
        other: Memory = self.memories.setdefault(memory.id, memory)
        place = self._places.setdefault(memory.id, where)
        if (other.text, other.day, other.kind) != (memory.text, memory.day, memory.kind):
            expected = f"an id of its own (this is that of another text: {place})"
            self._fault(f"{where}, memory_id", memory.id, expected)

    def _last_recall(self, where: str, entry: Mapping[str, Any], memory: Memory) -> datetime | None:
        found = self._field(where, entry, "last_recall_date", self._day_or_moment)
        if found is None or isinstance(found, datetime):
            return found
        if found == memory.day and memory.strength == 1.0:
            return None  # the original dates a memory like this when it makes it
        return max(utc(found, time.min, self.zone), memory.created_at)

    def _read_digest(self, kind: DigestKind, day: date | None, where: str, entry: Any) -> None:
        text = self._content(where, entry)
        if text.strip():
            self.digests[kind, day] = text

    def _read_made(self, where: str, entry: Any) -> None:
        """Who made a digest, when, and the hash of what it was made from."""
        if not isinstance(entry, Mapping):
            self._fault(where, entry, "an object with kind, day, made_by, made_at and source")
            return
        kind = self._field(where, entry, "kind", as_kind)
        day = self._field(where, entry, "day", lambda value: self._day(as_text(value)))
        made_at = self._field(where, entry, "made_at", self._time)
        made_by = self._field(where, entry, "made_by", as_text)
        source = self._field(where, entry, "source", as_text)
        if kind and made_at:
            self.made[kind, day] = made_by, made_at, source

    def _days(self, entry: Mapping[str, Any], name: str) -> Iterator[tuple[date, Any]]:
        """The days of an object that has a key for each, in its order."""
        seen = set()
        for key, value in self._object(name, entry.get(name)).items():
            try:
                day = self._day(key.strip())
            except (AttributeError, ValueError, OverflowError):
                self._fault(name, key, "a calendar day written YYYY-MM-DD")
                continue
            if day in seen:
                self._fault(name, key, "each day once")
            seen.add(day)
            yield day, value

    def _object(self, where: str, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping) and value not in _EMPTY:
            self._fault(where, value, "an object")
            return {}
        return value or {}

    def _list(self, where: str, value: Any, what: str = "turns") -> Sequence[Any]:
        if not isinstance(value, list) and value not in _EMPTY:
            self._fault(where, value, f"a list of {what}")
            return []
        return value or []

    def _content(self, where: str, value: Any) -> str:
        """A text, bare or in an object."""
        if isinstance(value, Mapping):
            return self._field(where, value, "content", as_text) or ""
        if value is None or isinstance(value, str):
            return without_surrogates(value or "")
        self._fault(where, value, "a string, or an object with content")
        return ""

    def _field(
        self, where: str, entry: Mapping[str, Any], name: str, parse: Callable[[Any], T]
    ) -> T | None:
        """A field's value; None where it is missing, empty or wrong."""
        value = entry.get(name)
        if value is None or value == "":
            return None
        try:
            return parse(value)
        except (TypeError, ValueError, OverflowError):
            expected = _EXPECTED.get(name, "a string")
            self._fault(", ".join(filter(None, (where, name))), value, expected)
            return None

    def _fault(self, where: str, value: Any, expected: str) -> None:
        place = ", ".join(filter(None, (f"user {shortened(self.user_id)}", where)))
        self.faults.append(f"{place}: got {shortened(value)}, expected {expected}")

    def _day(self, text: str) -> date:
        """A day that exists in the zone, in which some have skipped one."""
        day = date.fromisoformat(text)
        clocks = (time.min, FIRST_TURN, DAY_END)
        days = {utc(day, clock, self.zone).astimezone(self.zone).date() for clock in clocks}
        if day.isoformat() != text or days != {day}:
            raise ValueError(text)
        return day

    def _day_or_moment(self, value: Any) -> date:
        try:
            return self._day(as_text(value).strip())
        except ValueError:
            return self._moment(value)

    def _moment(self, value: Any) -> datetime:
        """In UTC; what has no zone is in the bank's, in which it must be writable, too."""
        found = as_datetime(value)
        found = found if found.tzinfo else found.replace(tzinfo=self.zone)
        return found.astimezone(self.zone).astimezone(timezone.utc)

    def _moments(self, value: Any) -> list[datetime]:
        if not isinstance(value, list):
            raise TypeError(value)
        return [self._moment(each) for each in value]

    def _time(self, value: Any) -> datetime:
        if as_datetime(value).tzinfo is None:
            raise ValueError(value)
        return self._moment(value)


def read_plans(
    data: Mapping[str, Any], zone: ZoneInfo, users: Collection[str] | None
) -> list[Plan]:
    """What is to be stored.

    Raises:
        FormatError: Anything is malformed.
    """
    if not isinstance(data, Mapping):
        raise FormatError(f"got {shortened(data)}, expected an object with a key per user")
    ids = [user_id_of(key, entry) for key, entry in data.items()]
    chosen = set(chosen_users(ids, users))
    plans: dict[str, Plan] = {}
    faults: list[str] = []
    for user_id, (key, entry) in zip(ids, data.items(), strict=True):
        if user_id in plans:
            faults.append(
                f"user {shortened(user_id)}: got {shortened(key)}, too, expected each user once"
            )
        elif user_id in chosen:
            plans[user_id] = Plan(user_id, zone)
            plans[user_id].read(entry)
            faults += plans[user_id].faults
    if faults:
        more = len(faults) - _FAULTS_SHOWN
        lines = [*faults[:_FAULTS_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        raise FormatError("\n- ".join(["nothing was imported, for entries are malformed:", *lines]))
    return list(plans.values())
