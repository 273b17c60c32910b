"""MemoryBank: the façade. Opens a store and offers the verbs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from os import PathLike
from types import TracebackType
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from . import forgetting
from .checks import (
    configuration,
    profile_json,
    require_day,
    require_k,
    require_kind,
    require_memories,
    require_moment,
    require_query,
    require_threshold,
    require_user,
    unit_vectors,
)
from .concurrency import in_thread
from .dates import find_days
from .errors import ConflictError, InvalidInputError
from .forgetting import Ebbinghaus, ForgettingLaw
from .intake import embed_windows, to_memories
from .opening import open_store
from .protocols import LLM, Embedder, Filter, MemoryStore, Probe
from .ranking import Weights, rank
from .records import (
    AddReceipt,
    DeletionReceipt,
    Fading,
    ForgetReport,
    Kind,
    Memory,
    SearchResult,
    Stats,
    Turn,
)
from .text import tokenize, without_surrogates

POOL, LEAST = 50, 20
"""How many candidates each signal of a search brings, at most and at least.

In between it is a quarter of the memories: in a small bank most would be candidates for anything.
"""
THRESHOLD = 0.05
"""Retention below which `forget` archives, unless told otherwise."""


class MemoryBank:
    """Long-term memory for any number of users: remembers, recalls, fades.

    Use `MemoryBank.open`. Every verb names a `user_id` and reads or changes that user's
    memories alone. Each has an async twin (`aadd`, `asearch`, …) with the same arguments. A bank
    may be shared by threads.

    Args:
        store: Where the memories live.
        embedder: Turns text into vectors; the one that wrote the store's.
        llm: A language model for digests; nothing else needs one.
        language: "en" or "zh": the language of prompts and wording. Search needs none.
        timezone: IANA name; a day is a calendar day there.
        law: How memories fade; its name or the law itself.
        weights: How the signals of a search are weighed.

    Raises:
        ConfigurationError: An option cannot be; all faults are named together.
    """

    def __init__(
        self,
        store: MemoryStore,
        embedder: Embedder,
        *,
        llm: LLM | None = None,
        language: str = "en",
        timezone: str = "UTC",
        law: ForgettingLaw | str | None = None,
        weights: Weights | None = None,
    ) -> None:
        self.timezone: ZoneInfo
        self.timezone, self.law = configuration(language, timezone, law or Ebbinghaus())
        self.store, self.embedder, self.llm = store, embedder, llm
        self.language = language
        self.weights = weights or Weights()

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        embedder: str | Embedder | None = None,
        llm: LLM | None = None,
        language: str = "en",
        timezone: str = "UTC",
        law: ForgettingLaw | str | None = None,
        weights: Weights | None = None,
        **store_options: Any,
    ) -> MemoryBank:
        """Opens the bank in the file `path`; makes one where there is none.

        Args:
            path: The file.
            embedder: A name (see `memorybank_core.embedders`) or any `Embedder`; None takes the
                one that wrote the file, or the best that is installed.
            llm: A language model for digests; nothing else needs one.
            language: "en" or "zh".
            timezone: IANA name; a day is a calendar day there.
            law: How memories fade; its name or the law itself.
            weights: How the signals of a search are weighed.
            **store_options: For the store: `cache_bytes`, `busy_timeout`.

        Raises:
            ConfigurationError: An option cannot be.
            StoreError: The file cannot be opened, or is something else.
            EmbedderMismatchError: Another embedder wrote it.
        """
        configuration(language, timezone, law or Ebbinghaus())
        store, chosen = open_store(path, embedder, **store_options)
        options = {"language": language, "timezone": timezone, "law": law, "weights": weights}
        return cls(store, chosen, llm=llm, **options)  # type: ignore[arg-type]

    def close(self) -> None:
        """Closes the store; a second call does nothing."""
        self.store.close()

    def __enter__(self) -> MemoryBank:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Remembering

    def add(
        self,
        turns: Sequence[Turn],
        *,
        user_id: str,
        now: datetime | None = None,
        replace: bool = False,
    ) -> AddReceipt:
        """Remembers turns. When it returns they are on disk, in one transaction.

        A turn whose id and text are known changes nothing, so a call may be repeated.

        Args:
            turns: The turns; without an id, one is made from content and time.
            user_id: Whose memory.
            now: The time of turns that have none; default the present.
            replace: Let a turn take the place of another text of the same id.

        Raises:
            InvalidInputError: A turn or the user id is not what it must be.
            ConflictError: An id is taken by another text and `replace` is False.
            EmbedderError: The embedder gave vectors that cannot be used.
            StoreError: It could not be stored; nothing of this call was.
        """
        require_user(user_id)
        moment = require_moment(now)
        memories = to_memories(turns, user_id, moment, self.timezone)
        return self.add_memories(memories, user_id=user_id, replace=replace)

    def add_memories(
        self,
        memories: Sequence[Memory],
        *,
        user_id: str,
        replace: bool = False,
        recalled: Mapping[str, Sequence[datetime]] | None = None,
    ) -> AddReceipt:
        """Stores whole memories, with their strength and recalls: what an import has.

        Otherwise like `add`. A memory that takes another's place keeps that one's strength.

        Args:
            memories: What to store.
            user_id: Whose memory.
            replace: Let a memory take the place of another text of the same id.
            recalled: By id, when new memories were recalled before (see `recalls`).
        """
        require_user(user_id)
        require_memories(memories, user_id)
        known = self.store.known(user_id, {memory.id for memory in memories})
        new: dict[str, Memory] = {}
        for memory in memories:
            other = new.get(memory.id) or known.get(memory.id)
            if other is None:
                new[memory.id] = memory
            elif other.text != memory.text:
                if not replace:
                    raise ConflictError(
                        f"the id {memory.id!r} of user {user_id!r} is taken by another text; "
                        "pass replace=True to put this one in its place"
                    )
                new[memory.id] = memory
        if new:
            texts = [memory.text for memory in new.values()]
            vectors = embed_windows(texts, self.embedder)
            try:
                self.store.add(
                    user_id, list(new.values()), vectors, replace=replace, recalled=recalled
                )
            except ConflictError:  # another process was quicker: look again
                return self.add_memories(
                    memories, user_id=user_id, replace=replace, recalled=recalled
                )
        replaced = len(new.keys() & known.keys())
        return AddReceipt(
            ids=tuple(memory.id for memory in memories),
            added=len(new) - replaced,
            unchanged=len(memories) - len(new),
            replaced=replaced,
        )

    # Recalling

    def search(
        self,
        query: str,
        *,
        user_id: str,
        k: int = 5,
        now: datetime | None = None,
        since: date | None = None,
        until: date | None = None,
        kind: Kind | None = None,
        session: str | None = None,
        archived: bool = False,
    ) -> list[SearchResult]:
        """The memories that answer `query`, best first. Writes nothing.

        Args:
            query: A question or any words, English, Chinese or mixed; days named in it count.
            user_id: Whose memory.
            k: How many at most, 1 or more.
            now: For relative days and for forgetting; default the present.
            since: No memory of an earlier day.
            until: No memory of a later day.
            kind: "turn" or "event" only.
            session: This conversation only.
            archived: Also what was forgotten.

        Raises:
            InvalidInputError: An argument is not what it must be.
            EmbedderError: The embedder gave a vector that cannot be used.
        """
        require_user(user_id)
        require_query(query)
        require_k(k)
        moment = require_moment(now)
        wanted = _filter(since, until, kind, session, archived)
        probe = self._probe(without_surrogates(query), user_id, k, moment, wanted)
        candidates = self.store.candidates(user_id, probe)
        retention = self._retention(candidates.refreshed, candidates.strength, moment)
        ranking = rank(candidates, retention, k, self.weights)
        keys = [int(candidates.key[row]) for row in ranking.rows]
        memories = self.store.fetch(user_id, keys)
        return [
            SearchResult(
                memory=memories[key],
                score=parts.total,
                parts=parts,
                cosine=float(candidates.similarity[row]),
                retention=float(retention[row]),
            )
            for key, row, parts in zip(keys, ranking.rows, ranking.parts, strict=True)
            if key in memories
        ]

    def reinforce(
        self,
        found: Iterable[SearchResult | Memory | str],
        *,
        user_id: str,
        now: datetime | None = None,
        turn: str | None = None,
    ) -> int:
        """Recalls memories: each grows stronger and starts to fade anew.

        Args:
            found: Results of a search, memories, or ids; each counts once.
            user_id: Whose memory.
            now: When; default the present.
            turn: The id of the turn in which they were recalled; a memory is strengthened only
                once for it, however often this is called.

        Returns:
            How many were strengthened.
        """
        require_user(user_id)
        moment = require_moment(now)
        ids = _ids(found, user_id)
        return self.store.strengthen(user_id, ids, moment, turn, self.law) if ids else 0

    def timeline(
        self,
        *,
        user_id: str,
        since: date | None = None,
        until: date | None = None,
        kind: Kind | None = None,
        session: str | None = None,
        archived: bool = False,
    ) -> list[Memory]:
        """Memories in the order of their time; the arguments are those of `search`."""
        require_user(user_id)
        wanted = _filter(since, until, kind, session, archived)
        return self.store.memories(user_id, wanted)

    def recalls(self, id: str, *, user_id: str) -> list[datetime]:
        """When a memory was recalled, oldest first."""
        require_user(user_id)
        return self.store.recalls(user_id, id)

    # Forgetting

    def forget(
        self,
        *,
        user_id: str,
        now: datetime | None = None,
        threshold: float = THRESHOLD,
        seed: int | None = None,
        dry_run: bool = False,
    ) -> ForgetReport:
        """Archives what has faded. Archived memories are not found, and can be restored.

        Args:
            user_id: Whose memory.
            now: The time by which to judge; default the present.
            threshold: Retention below which a memory is let go, in (0, 1].
            seed: Instead of the threshold, the paper's chance: a memory is let go with
                probability 1 - R. The seed fixes the draws.
            dry_run: Only report what would be.

        Returns:
            What was archived, least retained first, and how many memories are kept.
        """
        require_user(user_id)
        require_threshold(threshold)
        moment = require_moment(now)
        active = self._fading(user_id, moment, threshold)
        gone = [
            fading
            for fading in active
            if forgetting.is_forgotten(fading.memory, fading.retention, threshold, seed)
        ]
        if gone and not dry_run:
            self.store.archive(user_id, [fading.memory.id for fading in gone], moment)
        gone.sort(key=lambda fading: (fading.retention, fading.memory.created_at, fading.memory.id))
        return ForgetReport(tuple(gone), kept=len(active) - len(gone), dry_run=dry_run)

    def forecast(self, by: datetime, *, user_id: str, threshold: float = THRESHOLD) -> list[Fading]:
        """What will have faded by a date if nothing is recalled, the first to fade first."""
        require_user(user_id)
        require_threshold(threshold)
        fading = self._fading(user_id, require_moment(by, "by"), threshold)
        gone = [item for item in fading if item.fades_at and item.retention < threshold]
        return sorted(gone, key=lambda item: (item.fades_at, item.memory.id))

    def restore(
        self,
        found: Iterable[SearchResult | Memory | str],
        *,
        user_id: str,
        now: datetime | None = None,
    ) -> int:
        """Brings forgotten memories back, to fade anew from `now`; returns how many."""
        require_user(user_id)
        ids = _ids(found, user_id)
        return self.store.restore(user_id, ids, require_moment(now)) if ids else 0

    def delete(
        self,
        *,
        user_id: str,
        ids: Collection[str] | None = None,
        day: date | None = None,
    ) -> DeletionReceipt:
        """Erases memories for good: these ids, this day, or everything of the user.

        They are gone from the rows, the vectors, the indexes and the bytes of the file, with
        every digest made from them.

        Returns:
            A receipt with the counts.

        Raises:
            InvalidInputError: Both `ids` and `day` are given, or they are not what they must be.
        """
        require_user(user_id)
        if ids is not None and day is not None:
            raise InvalidInputError("delete takes ids or a day, not both")
        if ids is not None:
            ids = _ids(ids, user_id)
        return self.store.delete(user_id, ids=ids, day=require_day(day, "day"))

    # Looking around

    def users(self) -> list[str]:
        """Every user id, sorted."""
        return list(self.store.users())

    def stats(self, *, user_id: str | None = None) -> Stats:
        """Counts over one user or, without `user_id`, over all."""
        if user_id is not None:
            require_user(user_id)
        return self.store.stats(user_id)

    def profile(self, *, user_id: str) -> dict[str, Any]:
        """What is known of the user beside the dialogue (name, hobbies, …)."""
        require_user(user_id)
        profile: dict[str, Any] = json.loads(self.store.profile(user_id))
        return profile

    def set_profile(self, profile: dict[str, Any], *, user_id: str) -> None:
        """Stores what is known of the user beside the dialogue; any JSON object."""
        require_user(user_id)
        self.store.set_profile(user_id, profile_json(profile))

    def day_of(self, moment: datetime) -> date:
        """The calendar day of a moment in the bank's time zone."""
        return moment.astimezone(self.timezone).date()

    def compact(self) -> bool:
        """Gives back the room of what was deleted, by rewriting the file.

        While it runs it takes twice the file's size of disk. Returns False where a reader of an
        old state was in the way; call it again.
        """
        return self.store.compact()

    # The async twins

    aadd = in_thread(add)
    aadd_memories = in_thread(add_memories)
    asearch = in_thread(search)
    areinforce = in_thread(reinforce)
    atimeline = in_thread(timeline)
    arecalls = in_thread(recalls)
    aforget = in_thread(forget)
    aforecast = in_thread(forecast)
    arestore = in_thread(restore)
    adelete = in_thread(delete)
    ausers = in_thread(users)
    astats = in_thread(stats)
    aprofile = in_thread(profile)
    aset_profile = in_thread(set_profile)
    acompact = in_thread(compact)
    aclose = in_thread(close)

    # Parts of the verbs

    def _probe(self, query: str, user_id: str, k: int, now: datetime, wanted: Filter) -> Probe:
        """What the store needs to know of a question."""
        vector = unit_vectors(self.embedder.embed_query(query), 1, self.embedder.dimension)[0]
        first, last = self.store.span(user_id) or (None, None)
        return Probe(
            vector=vector,
            terms=tokenize(query),
            days=find_days(query, today=self.day_of(now), first_day=first, last_day=last),
            filter=wanted,
            pool=max(POOL, k),
            least=max(LEAST, k),
            reach=self.weights.reach,
        )

    def _retention(self, refreshed: Any, strength: Any, now: datetime) -> Any:
        """R of each candidate, float64 (n,)."""
        days = np.maximum(now.timestamp() - refreshed, 0.0) / forgetting.SECONDS_PER_DAY
        return self.law.retention(days, strength)

    def _fading(self, user_id: str, now: datetime, threshold: float) -> list[Fading]:
        """Every active memory with its retention at `now`."""
        return [
            Fading(
                memory,
                forgetting.retention_of(memory, self.law, now),
                forgetting.fades_at(memory, self.law, threshold),
            )
            for memory in self.store.memories(user_id, Filter())
        ]


def _filter(
    since: date | None, until: date | None, kind: Kind | None, session: str | None, archived: bool
) -> Filter:
    """The filter of these arguments; raises InvalidInputError on what they cannot be."""
    days = require_day(since, "since"), require_day(until, "until")
    return Filter(*days, require_kind(kind), session, archived)


def _ids(found: Iterable[SearchResult | Memory | str], user_id: str) -> list[str]:
    """The distinct ids, in order.

    Raises:
        InvalidInputError: A memory belongs to another user, or there is no list.
    """
    if isinstance(found, (str, Memory, SearchResult)):
        raise InvalidInputError(f"a list of ids or memories is due, not {found!r}")
    ids: dict[str, None] = {}
    for item in found:
        memory = item.memory if isinstance(item, SearchResult) else item
        if isinstance(memory, Memory):
            if memory.user_id != user_id:
                raise InvalidInputError(f"memory {memory.id!r} is of another user")
            memory = memory.id
        if not isinstance(memory, str):
            raise InvalidInputError(f"an id must be a string, not {memory!r}")
        ids[memory] = None
    return list(ids)
