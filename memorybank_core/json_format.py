"""The original MemoryBank's memory JSON, in and out.

{user: {"name", "summary", "personality", "overall_history", "overall_personality",
        "history": {"2023-04-27": [{"query", "response"}, …]}, "meta_information"}}

It is taken as it comes: stray spaces around users and days, values missing, null or empty, a
text bare or as {"content": text}. A turn or a summary may bring its "memory_strength",
"last_recall_date" and "memory_id". What the original has no place for stands in keys of our own,
which it ignores: "time", "session", "user_name", "companion_name", "recalls", "archived_at" and,
for an id with spaces around it, "user_id"; a second summary of one day makes a list of the two.
So a bank that is exported and imported comes out the same, but for who made its digests and when.
"""

from __future__ import annotations

import json
import math
import os
import reprlib
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, time, timedelta, timezone
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from .bank import MemoryBank
from .checks import require_moment, require_user
from .errors import ConflictError, FormatError, InvalidInputError, StoreWriteError
from .intake import to_memories
from .records import Digest, Memory, Portrait, Summary, Turn
from .text import without_surrogates

T = TypeVar("T")

FIRST_TURN = time(9)
"""When a day's first turn was said, for the format has only days; each next is a minute later."""
DAY_END = time(23, 59)
"""When a day's summary was made."""
BATCH = 256
"""How many memories are stored in one transaction."""

_LAST_MINUTE = 898  # of a day's turns, counted from the first: 23:58
_FAULTS_SHOWN = 10
_EMPTY: tuple[Any, ...] = (None, "", {})
_EXPECTED = {
    "memory_strength": "a positive finite number",
    "last_recall_date": "a day written YYYY-MM-DD, or a date and time in ISO 8601",
    "time": "a date and time in ISO 8601 with its offset from UTC",
    "recalls": "a whole number of 0 or more",
    "archived_at": "a date and time in ISO 8601",
}
"""What a field must be, where that is not a string."""
_SHOWN = 80  # characters of a value, in a message
_REPR = reprlib.Repr()
_REPR.maxstring = _SHOWN


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What `import_json` did.

    Attributes:
        users: Users that were read.
        turns: Turns added.
        unchanged: Turns that were there already.
        events: Daily summaries added.
        digests: Portraits and overall summaries stored, new or with a new text.
        empty: Turns left out because nobody said anything in them.
    """

    users: int = 0
    turns: int = 0
    unchanged: int = 0
    events: int = 0
    digests: int = 0
    empty: int = 0


def load(path: str | PathLike[str]) -> dict[str, Any]:
    """The object in the JSON file `path`, its entries unchecked.

    Raises:
        FormatError: It cannot be read, is no JSON (says where), or no object.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        data = json.loads(text, object_pairs_hook=_distinct)
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise FormatError(f"{path} is no JSON: {error.msg} ({place})") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} cannot be taken as JSON in UTF-8: {error}") from error
    if not isinstance(data, dict):
        raise FormatError(f"{path}: got {_short(data)}, expected an object with a key per user")
    return data


def dump(data: Mapping[str, Any], path: str | PathLike[str]) -> None:
    """Writes `data` as JSON in UTF-8, whole or not at all, readable by its owner only.

    Raises:
        StoreWriteError: It cannot be written; a file that was there is as it was.
    """
    text = without_surrogates(json.dumps(data, ensure_ascii=False, indent=1)) + "\n"
    try:
        target = Path(path).resolve()  # what a link points at is replaced, not the link
        if target.exists() and not target.is_file():
            raise StoreWriteError(f"cannot write {path}: that is no file. Choose another path.")
        _replace(target, text.encode())
    except OSError as error:
        raise StoreWriteError(
            f"cannot write {path}: {error.strerror}. Choose a folder that exists and is writable."
        ) from error


def count_turns(data: Mapping[str, Any], *, users: Collection[str] | None = None) -> int:
    """How many turns `import_json` will report to `progress`; malformed entries count for none."""
    return sum(
        any(str(turn.get(name) or "").strip() for name in ("query", "response"))
        for key, entry in data.items()
        if isinstance(entry, Mapping) and (users is None or _user_id(key, entry) in users)
        if isinstance(history := entry.get("history"), Mapping)
        for turns in history.values()
        if isinstance(turns, list)
        for turn in turns
        if isinstance(turn, Mapping)
    )


def import_json(
    bank: MemoryBank,
    data: Mapping[str, Any],
    *,
    users: Collection[str] | None = None,
    now: datetime | None = None,
    progress: Callable[[int], None] | None = None,
    batch: int = BATCH,
) -> ImportReport:
    """Stores what the original's JSON holds. What the bank knows already it leaves as it is.

    Everything is checked before anything is stored. Interrupted later, it can be called again.

    Args:
        bank: Where to; its time zone is that of the days.
        data: The parsed JSON, as `load` gives it.
        users: The ids of the users to read, without spaces around them; default all. Others
            are not looked at.
        now: When the digests were made; default the present.
        progress: Called with how many turns were just stored, or found to be there.
        batch: How many memories are stored in one transaction.

    Raises:
        FormatError: Entries are malformed; names up to ten. Nothing was imported.
        ConflictError: The bank has another text under an id. Nothing was imported.
        InvalidInputError: An argument is not what it must be.
        EmbedderError: The embedder gave vectors that cannot be used.
        StoreError: It could not be stored; the transactions before it were.
    """
    moment = require_moment(now)
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise InvalidInputError(f"batch must be a whole number of 1 or more, not {batch!r}")
    plans = _read(data, bank.timezone, users)
    known = [_known(bank, plan) for plan in plans]
    reports = [
        _store(bank, plan, ids, moment, batch, progress or (lambda _: None))
        for plan, ids in zip(plans, known, strict=True)
    ]
    names = [field.name for field in fields(ImportReport)]
    return ImportReport(*(sum(getattr(one, name) for one in reports) for name in names))


def export_json(bank: MemoryBank, *, users: Collection[str] | None = None) -> dict[str, Any]:
    """What the bank holds, archived memories included, in the original's JSON.

    Args:
        bank: Where from; times are written in its time zone.
        users: The ids of the users to export; default all.

    Raises:
        InvalidInputError: There is no such user.
    """
    chosen = _chosen(bank.users(), users)
    return {user_id: _exported_user(bank, user_id) for user_id in chosen}


class _Plan:
    """What is to be stored of one user; notes what is wrong instead of stopping there."""

    def __init__(self, user_id: str, zone: ZoneInfo) -> None:
        self.user_id, self.zone = user_id, zone
        self.faults: list[str] = []
        self.profile: dict[str, Any] = {}
        self.memories: dict[str, Memory] = {}  # by id
        self.digests: list[tuple[type[Digest], date | None, str]] = []
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
            self._read_digest(Portrait, day, f"personality, {day}", text)
        for name, kind in (("overall_history", Summary), ("overall_personality", Portrait)):
            self._read_digest(kind, None, name, entry.get(name))

    def _read_profile(self, entry: Mapping[str, Any]) -> None:
        profile = dict(self._object("meta_information", entry.get("meta_information")))
        name = self._field("", entry, "name", _text)
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
        query = self._field(where, entry, "query", _text) or ""
        response = self._field(where, entry, "response", _text) or ""
        if not (query + response).strip():
            self.empty += 1
            return
        at = self._field(where, entry, "time", self._time) or _turn_time(day, index, self.zone)
        if at.astimezone(self.zone).date() != day:
            expected = f"a time on {day} in {self.zone.key}, the time zone of the bank"
            self._fault(f"{where}, time", entry.get("time"), expected)
        turn = Turn(
            query,
            response,
            at,
            self._field(where, entry, "memory_id", _text) or f"{day}#{index}",
            self._field(where, entry, "session", _text),
            self._field(where, entry, "user_name", _text),
            self._field(where, entry, "companion_name", _text),
        )
        self.turns += 1
        memory = to_memories([turn], self.user_id, at, self.zone)[0]
        self._keep(where, entry, memory)

    def _read_event(self, day: date, index: int, entry: Any) -> None:
        name = f"event-{index + 1}" if index else "event"
        where = f"summary, {day}, {name}" if index else f"summary, {day}"
        text = self._content(where, entry)
        if not text.strip():
            return
        entry = entry if isinstance(entry, Mapping) else {}
        event = Memory(
            id=self._field(where, entry, "memory_id", _text) or f"{day}#{name}",
            user_id=self.user_id,
            kind="event",
            text=text,
            created_at=self._field(where, entry, "time", self._time)
            or _utc(day, DAY_END, self.zone),
            day=day,
            session=self._field(where, entry, "session", _text) or day.isoformat(),
        )
        self._keep(where, entry, event)

    def _keep(self, where: str, entry: Mapping[str, Any], memory: Memory) -> None:
        """Notes a memory with its strength and recalls, under an id that must be its own."""
        memory = replace(
            memory,
            strength=self._field(where, entry, "memory_strength", _strength) or 1.0,
            recalls=self._field(where, entry, "recalls", _count) or 0,
            archived_at=self._field(where, entry, "archived_at", self._moment),
        )
        memory = replace(memory, last_recalled_at=self._last_recall(where, entry, memory))
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
        return max(_utc(found, time.min, self.zone), memory.created_at)

    def _read_digest(self, kind: type[Digest], day: date | None, where: str, entry: Any) -> None:
        text = self._content(where, entry)
        if text.strip():
            self.digests.append((kind, day, text))

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

    def _list(self, where: str, value: Any) -> Sequence[Any]:
        if not isinstance(value, list) and value not in _EMPTY:
            self._fault(where, value, "a list of turns")
            return []
        return value or []

    def _content(self, where: str, value: Any) -> str:
        """A text, bare or in an object."""
        if isinstance(value, Mapping):
            return self._field(where, value, "content", _text) or ""
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
        place = ", ".join(filter(None, (f"user {_short(self.user_id)}", where)))
        self.faults.append(f"{place}: got {_short(value)}, expected {expected}")

    def _day(self, text: str) -> date:
        """A day that exists in the zone, in which some have skipped one."""
        day = date.fromisoformat(text)
        clocks = (time.min, FIRST_TURN, DAY_END)
        days = {_utc(day, clock, self.zone).astimezone(self.zone).date() for clock in clocks}
        if day.isoformat() != text or days != {day}:
            raise ValueError(text)
        return day

    def _day_or_moment(self, value: Any) -> date:
        try:
            return self._day(_text(value).strip())
        except ValueError:
            return self._moment(value)

    def _moment(self, value: Any) -> datetime:
        """In UTC; what has no zone is in the bank's, in which it must be writable, too."""
        found = _from_iso(value)
        found = found if found.tzinfo else found.replace(tzinfo=self.zone)
        return found.astimezone(self.zone).astimezone(timezone.utc)

    def _time(self, value: Any) -> datetime:
        if _from_iso(value).tzinfo is None:
            raise ValueError(value)
        return self._moment(value)


def _read(data: Mapping[str, Any], zone: ZoneInfo, users: Collection[str] | None) -> list[_Plan]:
    """What is to be stored.

    Raises:
        FormatError: Anything is malformed.
    """
    if not isinstance(data, Mapping):
        raise FormatError(f"got {_short(data)}, expected an object with a key per user")
    ids = [_user_id(key, entry) for key, entry in data.items()]
    chosen = set(_chosen(ids, users))
    plans: dict[str, _Plan] = {}
    faults: list[str] = []
    for user_id, (key, entry) in zip(ids, data.items(), strict=True):
        if user_id in plans:
            faults.append(
                f"user {_short(user_id)}: got {_short(key)}, too, expected each user once"
            )
        elif user_id in chosen:
            plans[user_id] = _Plan(user_id, zone)
            plans[user_id].read(entry)
            faults += plans[user_id].faults
    if faults:
        more = len(faults) - _FAULTS_SHOWN
        lines = [*faults[:_FAULTS_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        raise FormatError("\n- ".join(["nothing was imported, for entries are malformed:", *lines]))
    return list(plans.values())


def _known(bank: MemoryBank, plan: _Plan) -> set[str]:
    """Those ids that the bank has already.

    Raises:
        ConflictError: With another text.
    """
    known = bank.store.known(plan.user_id, plan.memories.keys())
    for id, memory in known.items():
        if memory.text != plan.memories[id].text:
            raise ConflictError(
                f"nothing was imported: the bank has another text under the id {id!r} of user "
                f"{plan.user_id!r}, {_short(memory.text)}. Give the entry a memory_id of its own."
            )
    return set(known)


def _store(
    bank: MemoryBank,
    plan: _Plan,
    known: set[str],
    now: datetime,
    batch: int,
    progress: Callable[[int], None],
) -> ImportReport:
    """Stores what is new of a user, the earliest first."""
    before = bank.profile(user_id=plan.user_id)
    profile = {**before, **plan.profile}
    if profile != before or not plan.memories:
        bank.set_profile(profile, user_id=plan.user_id)
    new = [memory for id, memory in plan.memories.items() if id not in known]
    new.sort(key=lambda memory: memory.created_at)
    turns = _turns_in(new)
    if plan.turns > turns:
        progress(plan.turns - turns)
    for start in range(0, len(new), batch):
        part = new[start : start + batch]
        bank.add_memories(part, user_id=plan.user_id)
        if _turns_in(part):
            progress(_turns_in(part))
    return ImportReport(
        users=1,
        turns=turns,
        unchanged=plan.turns - turns,
        events=len(new) - turns,
        digests=_store_digests(bank, plan, now),
        empty=plan.empty,
    )


def _store_digests(bank: MemoryBank, plan: _Plan, now: datetime) -> int:
    """Stores the digests whose text is new; returns how many."""
    user_id = plan.user_id
    known = {(type(one), one.day, one.text) for one in bank.store.digests(user_id)}
    new = [
        kind(user_id, text, day, None, now)
        for kind, day, text in plan.digests
        if (kind, day, text) not in known
    ]
    if new:
        bank.store.set_digests(user_id, new)
    return len(new)


def _exported_user(bank: MemoryBank, user_id: str) -> dict[str, Any]:
    """A user's entry, with every key that the original's have."""
    history: dict[str, list[Any]] = {}
    summary: dict[str, list[Any]] = {}
    for memory in bank.timeline(user_id=user_id, archived=True):
        entry = _exported(memory, bank.timezone)
        if memory.turn is None:
            summary.setdefault(str(memory.day), []).append(entry)
        else:  # not memory.day: a bank once opened in another zone must be importable, too
            history.setdefault(str(bank.day_of(memory.created_at)), []).append(entry)
    profile, digests = bank.profile(user_id=user_id), bank.store.digests(user_id)
    portraits = {one.day: one.text for one in digests if isinstance(one, Portrait)}
    summaries = {one.day: one.text for one in digests if isinstance(one, Summary)}
    name = profile.get("name")
    return {
        **({} if user_id == user_id.strip() else {"user_id": user_id}),
        "name": name if isinstance(name, str) else "",
        "summary": {day: all if all[1:] else all[0] for day, all in sorted(summary.items())},
        "personality": {str(day): text for day, text in portraits.items() if day},
        "overall_history": summaries.get(None, ""),
        "overall_personality": portraits.get(None, ""),
        "history": history,
        "meta_information": profile,
    }


def _exported(memory: Memory, zone: ZoneInfo) -> dict[str, Any]:
    """A turn or a daily summary, with its state."""
    turn, strength = memory.turn, memory.strength
    said: dict[str, Any] = {"content": memory.text, "session": memory.session}
    if turn is not None:
        names = ("query", "response", "session", "user_name", "companion_name")
        said = {name: getattr(turn, name) for name in names}
    elif memory.session == str(memory.day):
        del said["session"]
    entry = {
        **said,
        "memory_strength": int(strength) if strength.is_integer() else strength,
        "last_recall_date": _iso(memory.last_recalled_at, zone),
        "memory_id": memory.id,
        "time": _iso(memory.created_at, zone),
        "recalls": memory.recalls or None,
        "archived_at": _iso(memory.archived_at, zone),
    }
    return {name: value for name, value in entry.items() if value is not None}


def _chosen(there: Collection[str], users: Collection[str] | None) -> list[str]:
    """The users asked for, in the order in which they are there.

    Raises:
        InvalidInputError: One of them is not.
    """
    if isinstance(users, str):
        raise InvalidInputError(f"users must be a list of ids, not the string {users!r}")
    wanted = set(there if users is None else users)
    missing = sorted(wanted.difference(there))
    if missing:
        raise InvalidInputError(f"no such users: {', '.join(map(repr, missing))}")
    return [user_id for user_id in there if user_id in wanted]


def _user_id(key: Any, entry: Any) -> Any:
    """The key without spaces around it, unless the entry says that they belong to the id."""
    id = key.strip() if isinstance(key, str) else key
    own = entry.get("user_id") if isinstance(entry, Mapping) else None
    return own if isinstance(own, str) and own.strip() == id else id


def _turn_time(day: date, index: int, zone: ZoneInfo) -> datetime:
    """When a turn was said that has no time: a minute apart, at the day's end a microsecond."""
    minutes = min(index, _LAST_MINUTE)
    since = timedelta(minutes=minutes, microseconds=index - minutes)
    return (datetime.combine(day, FIRST_TURN, zone) + since).astimezone(timezone.utc)


def _utc(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, zone).astimezone(timezone.utc)


def _iso(moment: datetime | None, zone: ZoneInfo) -> str | None:
    return None if moment is None else moment.astimezone(zone).isoformat()


def _from_iso(value: Any) -> datetime:
    text = _text(value).strip()
    return datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return without_surrogates(value)


def _strength(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(value)
    if not 0.0 < float(value) < math.inf:
        raise ValueError(value)
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(value)
    if not 0 <= value < 2**63:
        raise ValueError(value)
    return value


def _turns_in(memories: Iterable[Memory]) -> int:
    return sum(memory.kind == "turn" for memory in memories)


def _short(value: Any) -> str:
    text = _REPR.repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, which must not lose a value to a second one of the same key."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


def _replace(target: Path, content: bytes) -> None:
    """Puts a file with `content` in the place of `target`, in one step."""
    file, name = tempfile.mkstemp(dir=target.parent, prefix=".memorybank-", suffix=".json")
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink()
        raise
