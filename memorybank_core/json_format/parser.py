"""Parse and check the original's JSON: memories, digests and profiles."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from memorybank_core.digests.state import DIGEST_TYPES, DigestState, digest_kind, hash_source
from memorybank_core.errors import FormatError, InvalidInputError
from memorybank_core.ingest import to_memories
from memorybank_core.metadata import NO_METADATA, require_metadata
from memorybank_core.records import Change, Digest, DigestKind, Memory, Turn
from memorybank_core.text import without_surrogates
from memorybank_core.validation import require_user

from .fields import (
    DAY_END,
    default_turn_time,
    parse_count,
    parse_flag,
    parse_kind,
    parse_positive,
    parse_text,
    parse_turn_ids,
    resolve_user_id,
    select_users,
    short_repr,
    to_utc,
)
from .items import users_of
from .reader import EntryReader, require_no_faults

_OVERALL: dict[str, DigestKind] = {"overall_history": "summary", "overall_personality": "portrait"}


class UserEntry(EntryReader):
    """One user's entry, parsed into memories, digests and a profile.

    Args:
        user_id: The user.
        zone: The bank's time zone.

    Attributes:
        faults: A message for each malformed value.
        profile: The user's profile.
        memories: Turns and daily summaries by id.
        recalls: Time and turn of each recall of each memory, by its id.
        changes: The recorded changes.
        turns: Number of turns.
        empty: Number of turns skipped because they contain no text.
    """

    def __init__(self, user_id: str, zone: ZoneInfo) -> None:
        super().__init__(user_id, zone)
        self.profile: dict[str, Any] = {}
        self.memories: dict[str, Memory] = {}
        self.recalls: dict[str, list[tuple[datetime, str | None]]] = {}
        self.changes: list[Change] = []
        self.turns = self.empty = 0
        self._digests: dict[tuple[DigestKind, date | None], str] = {}
        self._provenance: dict[
            tuple[DigestKind, date | None], tuple[str | None, datetime, str | None]
        ] = {}
        self._first_uses: dict[str, str] = {}  # the place of the first memory with each id

    def parse(self, entry: Any) -> None:
        """Parse the user's entry into the attributes; malformed values are added to `faults`."""
        try:
            require_user(self.user_id)
        except InvalidInputError:
            self.add_fault("", self.user_id, "a user id: a non-blank string in valid UTF-8")
        entry = self.read_object("", entry)
        self._parse_profile(entry)
        for day, turns in self.read_days(entry, "history"):
            for index, turn in enumerate(self.read_list(f"history, {day}", turns)):
                self._parse_turn(day, index, turn)
        for day, events in self.read_days(entry, "summary"):
            for index, event in enumerate(events if isinstance(events, list) else [events]):
                self._parse_event(day, index, event)
        for day, text in self.read_days(entry, "personality"):
            self._parse_digest("portrait", day, f"personality, {day}", text)
        for name, kind in _OVERALL.items():
            self._parse_digest(kind, None, name, entry.get(name))
        provenance = self.read_list("digests", entry.get("digests"), "objects")
        for index, item in enumerate(provenance):
            self._parse_provenance(f"digests, {index}", item)
        for index, item in enumerate(self.read_list("changes", entry.get("changes"), "objects")):
            self._parse_change(f"changes, {index}", item)
        if isinstance(entry.get("digests"), list):
            # an export lists every digest, so an event that is not listed has no summary
            for key in list(self._digests):
                if key[0] == "summary" and key not in self._provenance:
                    del self._digests[key]

    def has_provenance(self, digest: Digest) -> bool:
        """Return whether the entry tells author, time and source of a digest."""
        return (digest_kind(digest), digest.day) in self._provenance

    def make_digests(self, now: datetime) -> list[Digest]:
        """Return the digests with their author, time and source.

        By default the author is unknown, the time is `now`, and the source is what the file
        contains: the day's turns or the days' digests.
        """
        state = DigestState(self.user_id, self.memories.values(), ())
        digests: list[Digest] = []
        for (kind, day), text in sorted(self._digests.items(), key=lambda item: item[0][1] is None):
            source = state.source(kind, day)
            default = (None, now, hash_source(source) if source else None)
            provenance = self._provenance.get((kind, day), default)
            digest = DIGEST_TYPES[kind](self.user_id, text, day, *provenance)
            state.digests[kind, day] = digest
            digests.append(digest)
        return digests

    def _parse_profile(self, entry: Mapping[str, Any]) -> None:
        meta = entry.get("meta_information")
        profile = dict(self.read_object("meta_information", meta))
        name = self.read_field("", entry, "name", parse_text)
        if name:
            profile["name"] = name
        try:
            text = json.dumps(profile, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            self.add_fault("meta_information", profile, "values that JSON can represent")
        else:
            self.profile = json.loads(without_surrogates(text))

    def _parse_turn(self, day: date, index: int, entry: Any) -> None:
        where = f"history, {day}, turn {index}"
        if not isinstance(entry, Mapping):
            self.add_fault(where, entry, "an object with query and response")
            return
        query = self.read_field(where, entry, "query", parse_text) or ""
        response = self.read_field(where, entry, "response", parse_text) or ""
        if not (query + response).strip():
            self.empty += 1
            return
        explicit_time = self.read_field(where, entry, "time", self.parse_time)
        at = explicit_time or default_turn_time(day, index, self.zone)
        if at.astimezone(self.zone).date() != day:
            expected = f"a time on {day} in {self.zone.key}, the time zone of the bank"
            self.add_fault(f"{where}, time", entry.get("time"), expected)
        turn = Turn(
            query,
            response,
            at,
            self.read_field(where, entry, "memory_id", parse_text) or f"{day}#{index}",
            self.read_field(where, entry, "session", parse_text),
            self.read_field(where, entry, "user_name", parse_text),
            self.read_field(where, entry, "companion_name", parse_text),
            self.read_field(where, entry, "metadata", require_metadata) or NO_METADATA,
        )
        memories = to_memories([turn], self.user_id, at, self.zone)
        if not memories:  # the turn contains only recalled text
            self.empty += 1
            return
        self.turns += 1
        self._add_memory(where, entry, memories[0])

    def _parse_event(self, day: date, index: int, entry: Any) -> None:
        name = f"event-{index + 1}" if index else "event"
        where = f"summary, {day}, {name}" if index else f"summary, {day}"
        text = self.read_content(where, entry)
        if not text.strip():
            return
        entry = entry if isinstance(entry, Mapping) else {}
        created_at = self.read_field(where, entry, "time", self.parse_time)
        event = Memory(
            id=self.read_field(where, entry, "memory_id", parse_text) or f"{day}#{name}",
            user_id=self.user_id,
            kind="event",
            text=text,
            created_at=created_at or to_utc(day, DAY_END, self.zone),
            day=day,
            session=self.read_field(where, entry, "session", parse_text) or day.isoformat(),
        )
        self._add_memory(where, entry, event)
        self._digests.setdefault(("summary", day), text)

    def _add_memory(self, where: str, entry: Mapping[str, Any], memory: Memory) -> None:
        """Add a memory with its strength and recalls; a duplicate id is a fault."""
        memory = replace(
            memory,
            strength=self.read_field(where, entry, "memory_strength", parse_positive) or 1.0,
            recalls=self.read_field(where, entry, "recalls", parse_count) or 0,
            archived_at=self.read_field(where, entry, "archived_at", self.parse_moment),
            pinned=self.read_field(where, entry, "pinned", parse_flag) or False,
        )
        memory = replace(memory, last_recalled_at=self._parse_last_recall(where, entry, memory))
        self.recalls[memory.id] = self._parse_recalls(where, entry)
        other: Memory = self.memories.setdefault(memory.id, memory)
        first_use = self._first_uses.setdefault(memory.id, where)
        if (other.text, other.day, other.kind) != (memory.text, memory.day, memory.kind):
            expected = f"a unique id (also used by {first_use})"
            self.add_fault(f"{where}, memory_id", memory.id, expected)

    def _parse_recalls(
        self, where: str, entry: Mapping[str, Any]
    ) -> list[tuple[datetime, str | None]]:
        """Return time and turn of each recall."""
        times = self.read_field(where, entry, "recalled_at", self.parse_moments) or []
        turns = self.read_field(where, entry, "recalled_by", parse_turn_ids) or [None] * len(times)
        if len(turns) != len(times):
            expected = f"one id or null for each of the {len(times)} times of recalled_at"
            self.add_fault(f"{where}, recalled_by", turns, expected)
        return list(zip(times, turns, strict=False))

    def _parse_last_recall(
        self, where: str, entry: Mapping[str, Any], memory: Memory
    ) -> datetime | None:
        """Return the time of the last recall; None if the memory was never recalled."""
        recall = self.read_field(where, entry, "last_recall_date", self.parse_day_or_moment)
        if recall is None or isinstance(recall, datetime):
            return recall
        if recall == memory.day and memory.strength == 1.0:
            return None  # the original sets this date when it creates a memory
        return max(to_utc(recall, time.min, self.zone), memory.created_at)

    def _parse_digest(self, kind: DigestKind, day: date | None, where: str, entry: Any) -> None:
        text = self.read_content(where, entry)
        if text.strip():
            self._digests[kind, day] = text

    def _parse_provenance(self, where: str, entry: Any) -> None:
        """Parse the author and time of a digest, and the hash of its source."""
        if not isinstance(entry, Mapping):
            self.add_fault(where, entry, "an object with kind, day, made_by, made_at and source")
            return
        kind = self.read_field(where, entry, "kind", parse_kind)
        day = self.read_field(where, entry, "day", self.parse_day)
        made_at = self.read_field(where, entry, "made_at", self.parse_time)
        made_by = self.read_field(where, entry, "made_by", parse_text)
        source = self.read_field(where, entry, "source", parse_text)
        text = self.read_field(where, entry, "text", parse_text)
        if kind and made_at:
            self._provenance[kind, day] = made_by, made_at, source
            if text:  # that of a summary which is not the event of its day
                self._digests[kind, day] = text

    def _parse_change(self, where: str, entry: Any) -> None:
        if not isinstance(entry, Mapping):
            self.add_fault(where, entry, "an object with newer, older, made_by and made_at")
            return
        made_at = self.read_field(where, entry, "made_at", self.parse_time)
        newer, older, made_by = (
            self.read_field(where, entry, name, parse_text)
            for name in ("newer", "older", "made_by")
        )
        if newer and made_at:
            self.changes.append(Change(newer, older, made_by or "", made_at))


def parse_entries(
    data: Mapping[str, Any], zone: ZoneInfo, users: Collection[str] | None
) -> list[UserEntry]:
    """Parse the entries of `users`, or all if None.

    Args:
        data: The JSON, as `load` returns it.
        zone: The bank's time zone.
        users: Ids of the users.

    Raises:
        FormatError: If an entry is malformed; the message names up to ten faults.
        InvalidInputError: If one of `users` is not in `data`.
    """
    if not isinstance(data, Mapping):
        raise FormatError(f"got {short_repr(data)}, expected an object with a key per user")
    users_data = users_of(data)
    ids = [resolve_user_id(key, value) for key, value in users_data.items()]
    selected = set(select_users(ids, users))
    entries: dict[str, UserEntry] = {}
    faults: list[str] = []
    for user_id, (key, value) in zip(ids, users_data.items(), strict=True):
        if user_id in entries:
            duplicate = f"got {short_repr(key)} as well, expected each user once"
            faults.append(f"user {short_repr(user_id)}: {duplicate}")
        elif user_id in selected:
            entries[user_id] = UserEntry(user_id, zone)
            entries[user_id].parse(value)
            faults += entries[user_id].faults
    require_no_faults(faults)
    return list(entries.values())
