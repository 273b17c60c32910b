"""Transfer of the turns of a source into a bank: in batches, repeatable, without losing a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from memorybank_core.bulk import BATCH, add_advice
from memorybank_core.errors import (
    ConfigurationError,
    FormatError,
    InvalidInputError,
    MemoryBankError,
)
from memorybank_core.ingest import start_fading, store_memories, to_memories
from memorybank_core.metadata import Metadata, require_metadata
from memorybank_core.records import Memory
from memorybank_core.reports import ImportReceipt
from memorybank_core.validation import require_moment, require_user

from .conversations import ImportedTurn, hash_of
from .detection import WITHOUT_USERS, ImportFormat, detect_format, load_format
from .omissions import Omissions
from .selection import Selection, names_users
from .sources import Source

if TYPE_CHECKING:
    from memorybank_core.bank import MemoryBank


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Options of an import; see `MemoryBank.import_from`."""

    user_id: str | None
    select: Collection[str]
    metadata: Metadata
    at: datetime
    now: datetime
    fresh: bool
    dry_run: bool


def make_options(
    source: Source,
    *,
    user_id: str | None,
    select: Collection[str],
    metadata: Mapping[str, Any] | None,
    at: datetime | None,
    fresh: bool,
    dry_run: bool,
    now: datetime | None = None,
) -> ImportOptions:
    """Return checked options.

    Raises:
        InvalidInputError: If one of them is not valid.
    """
    if user_id is not None:
        require_user(user_id)
    if isinstance(select, str):
        raise InvalidInputError(f"select must be a list of strings, not {select!r}")
    moment = require_moment(now)
    undated = require_moment(at, "at") if at else source.modified or moment
    checked = require_metadata(metadata)
    return ImportOptions(user_id, select, checked, undated, moment, fresh, dry_run)


def import_source(
    bank: MemoryBank,
    source: Source,
    format: str | None,
    options: ImportOptions,
    progress: Callable[[int], None] | None = None,
) -> ImportReceipt:
    """Store the turns of a source that the bank does not have.

    Args:
        bank: The bank.
        source: The source.
        format: Name of its format; None to recognize it.
        options: The options.
        progress: Called with the number of turns just read.

    Raises:
        ConfigurationError: If the format is unknown, or the turns have no user.
        FormatError: If the source cannot be read any further; the turns before are kept.
        EmbedderError: If the embedder failed; earlier batches are kept.
        StoreError: If storing failed; earlier batches are kept.
    """
    format = format or detect_format(source)
    reader, omissions = load_format(format), Omissions()
    is_named = format not in WITHOUT_USERS and names_users(reader, source)
    selection = Selection(format, options.user_id, options.select, is_named, omissions)
    transfer = _Transfer(bank, format, options, selection, omissions)
    turns = iter(reader.read(source, omissions))
    try:
        while batch := list(islice(turns, BATCH)):
            transfer.add(batch)
            if progress is not None:
                progress(len(batch))
        _require_format(source, format, reader, transfer)
    except MemoryBankError as error:
        if transfer.added and not options.dry_run and not isinstance(error, ConfigurationError):
            stored = f"{transfer.added:,} turns are stored"
            is_lasting = isinstance(error, FormatError)
            rest = "." if is_lasting else "; import it again to store the others."
            add_advice(error, f"{stored}{rest}")
        raise
    return transfer.receipt()


def _require_format(source: Source, format: str, reader: ImportFormat, transfer: _Transfer) -> None:
    """Raise FormatError if a source has another format than the one that was named."""
    if transfer.read or transfer.omissions.is_by_choice or reader.recognize(source):
        return
    first = f" ({transfer.omissions.faults[0]})" if transfer.omissions.faults else ""
    raise FormatError(
        f"{source.location} has nothing in the format {format!r}{first}: leave out --from, or "
        "format=, to recognize the format"
    )


@dataclass(slots=True)
class _Transfer:
    """State of one import: what was seen, stored and left out."""

    bank: MemoryBank
    format: str
    options: ImportOptions
    selection: Selection
    omissions: Omissions
    read: int = 0
    added: int = 0
    _counts: Counter[str] = field(default_factory=Counter)
    _users: set[str] = field(default_factory=set)
    _seen: set[int] = field(default_factory=set)  # hashes of users and ids
    _repeats: Counter[str] = field(default_factory=Counter)  # of turns without an id
    _span: tuple[datetime, datetime] | None = None

    def add(self, batch: list[ImportedTurn]) -> None:
        """Store the selected turns of a batch, user by user."""
        by_user: dict[str, list[tuple[Memory, bool]]] = {}
        self.read += len(batch)
        for imported in batch:
            user = self.selection.user_of(imported)
            if user is not None and (memory := self._to_memory(imported, user)):
                by_user.setdefault(user, []).append((memory, imported.is_current))
        for user, memories in by_user.items():
            self._users.add(user)
            self._store(user, memories)

    def receipt(self) -> ImportReceipt:
        """Return the counts.

        Raises:
            ConfigurationError: If nothing was selected, although the source has turns.
        """
        self.selection.require_any()
        first, last = self._span or (None, None)
        return ImportReceipt(
            format=self.format,
            added=self.added,
            unchanged=self._counts["unchanged"],
            replaced=self._counts["replaced"],
            users=tuple(sorted(self._users)),
            first=first,
            last=last,
            undated=self._counts["undated"],
            left_out=dict(self.omissions.counts.most_common()),
            faults=tuple(self.omissions.faults),
            dry_run=self.options.dry_run,
        )

    def _to_memory(self, imported: ImportedTurn, user: str) -> Memory | None:
        turn = imported.turn
        if turn.id is None:
            turn = replace(turn, id=self._derive_id(imported, user))
        if turn.at is None:
            self._counts["undated"] += 1
            turn = replace(turn, at=self.options.at)
        try:
            if self.options.metadata:
                both = {**turn.metadata, **self.options.metadata}
                turn = replace(turn, metadata=require_metadata(both))
            memories = to_memories([turn], user, self.options.now, self.bank.timezone)
        except (InvalidInputError, OverflowError) as error:
            self.omissions.add_fault("unreadable turns", str(turn.id), str(error))
            return None
        if not memories:
            self.omissions.add("turns that held only recalled text")
            return None
        return start_fading(memories, self.options.now)[0] if self.options.fresh else memories[0]

    def _derive_id(self, imported: ImportedTurn, user: str) -> str:
        """Return an id made from the first message, so that its answer may come later."""
        turn = imported.turn
        first = ("query", turn.query) if turn.query else ("response", turn.response)
        digest = hash_of(user, turn.session, turn.at, *first)
        self._repeats[digest] += 1
        repeat = f"-{count}" if (count := self._repeats[digest]) > 1 else ""
        return f"{self.format}:{digest}{repeat}"

    def _store(self, user: str, memories: list[tuple[Memory, bool]]) -> None:
        both = {id for memory, _ in memories for id in (memory.id, _other_id(memory))}
        known = self.bank.store.known(user, both)
        new = dict(self._select_new(user, memories, known))
        created = [memory.created_at for memory, _ in memories]
        self._span = min(created + list(self._span or ())), max(created + list(self._span or ()))
        if new and not self.options.dry_run:
            store, embedder = self.bank.store, self.bank.embedder
            store_memories(store, embedder, list(new.values()), user, replace=True)
        replaced = len(new.keys() & known.keys())
        self.added += len(new) - replaced
        self._counts["replaced"] += replaced
        self._counts["unchanged"] += len(memories) - len(new)

    def _select_new(
        self, user: str, memories: list[tuple[Memory, bool]], known: Mapping[str, Memory]
    ) -> Iterator[tuple[str, Memory]]:
        """Yield the memories to write, by id.

        A text that is not there yet and whose id is taken gets another id, unless it continues the
        stored text or the source changes texts under the same id. Then the newer one stays.
        """
        current = dict(known)
        for memory, is_current in memories:
            is_repeated = self._is_repeated(user, memory.id)
            stored = current.get(memory.id)
            if stored is None and is_repeated:  # a dry run has stored nothing
                continue
            if stored is not None and _continues(stored, memory):
                continue  # the same, or without the answer that it has now
            if stored is not None and not _continues(memory, stored):
                if not is_repeated and is_current and stored.created_at > memory.created_at:
                    continue  # an older export
                if is_repeated or not is_current:
                    memory = _with_id(memory, _other_id(memory))
                if memory.id != stored.id and memory.id in current:
                    continue
            current[memory.id] = memory
            yield memory.id, memory

    def _is_repeated(self, user: str, id: str) -> bool:
        """Return whether this import has had an id before."""
        key = hash((user, id))
        is_repeated = key in self._seen
        self._seen.add(key)
        return is_repeated


def _continues(memory: Memory, other: Memory) -> bool:
    """Return whether a memory has the text of another, or the same message with more answers."""
    if memory.text == other.text:
        return True
    longer, shorter = memory.turn, other.turn
    if longer is None or shorter is None or not shorter.query or longer.query != shorter.query:
        return False
    return longer.response.startswith(shorter.response)


def _other_id(memory: Memory) -> str:
    """Return the id of a text whose own id is taken by another text."""
    return f"{memory.id}-{hash_of(memory.text)[:8]}"


def _with_id(memory: Memory, id: str) -> Memory:
    return replace(memory, id=id, turn=memory.turn and replace(memory.turn, id=id))
