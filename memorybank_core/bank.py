"""MemoryBank: the one class through which an application uses its memory.

Its methods check their arguments and call plain functions: `ingest`, `search.pipeline`,
`forgetting`, `digests` and the store do the work.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from .arguments import explain_arguments, explained_options
from .check_reports import CheckReport
from .concurrency import in_thread
from .conditions import require_where
from .configuration import Settings, apply_settings, change_settings, validate_settings
from .context import (
    CONTEXT_TOKENS,
    MIN_RELEVANCE,
    Context,
    Shown,
    ShownMemories,
    Tokenizer,
    compose,
    compute_signals,
    find_missing_days,
    memories_within,
    require_max_tokens,
    token_counter,
)
from .context.passages import texts_of
from .days import move_turns
from .deleted_texts import MAX_MEMORIES, DeletedTexts
from .digests import changes as change_finder
from .digests.runner import load_digest_state, make_digests
from .embedders import resolve_embedder
from .embedders.query_cache import QueryCache
from .errors import ConfigurationError, InvalidInputError
from .fingerprint import check_fingerprint
from .forgetting import THRESHOLD, ForgettingLaw, forecast_fading, select_forgotten
from .ingest import embed_query, start_fading, store_memories, to_memories
from .llm.prompts import PROMPTS, Prompts
from .messages import TurnInput, to_turns
from .metadata import require_metadata
from .notebook import Listing
from .operations import observe_operations
from .protocols import LLM, Embedder, Filter, MemoryStore, Reranker, StateChange, Vector
from .records import Change, Digest, Kind, Memory, Portrait, SearchResult, Summary
from .registry import load_llm, open_store
from .reports import (
    AddReceipt,
    ChangeReport,
    ConfigurationReport,
    DeletionReceipt,
    ExpiryReport,
    Fading,
    ForgetReport,
    ImportReceipt,
    Stale,
    Stats,
    SummarizeReport,
)
from .rerankers import resolve_reranker
from .search.dates import DayRange, choose_date_order
from .search.pipeline import search_memories
from .search.ranking import Weights
from .stores.rules import ExpectedEmbedder
from .text_caches import clear_text_caches
from .turns import pending_turn
from .turns.backlog import OnFailure, TurnBacklog
from .turns.pending_turn import PendingTurn
from .validation import (
    build_filter,
    collect_ids,
    dump_profile,
    limit_until,
    require_count,
    require_day,
    require_language,
    require_llm,
    require_moment,
    require_query,
    require_relevance,
    require_threshold,
    require_user,
    resolve_age,
    resolve_day,
)

if TYPE_CHECKING:
    from .plots import History

__all__ = ["CONTEXT_TOKENS", "THRESHOLD", "MemoryBank"]

CONCURRENCY = 4
"""Default number of digests made at the same time."""

_MAX_OLDER = 30
"""Maximum number of turns that a language model compares with one turn."""
_MOST_SHOWN = 200
"""Maximum number of memories that are searched in place of those that the prompt shows."""

Progress = Callable[[int], None]
"""Called with the number of digests just made, or of turns just read."""


@observe_operations
@explain_arguments
class MemoryBank:
    """Long-term memory for any number of users: stores, searches, digests and forgets.

    Open one with `MemoryBank.open`. Every method that takes a `user_id` reads or changes that
    user's memories only. Each method has an async twin (`aadd`, `asearch`, …) with the same
    arguments. Threads may share a bank, and so do copies: `copy.deepcopy(bank)` is `bank`. A bank
    cannot be pickled.

    Args:
        store: The store of the memories.
        embedder: The embedder that wrote the store's vectors.
        llm: A language model or its name. Only digests and `find_changes` use it.
        language: "en" or "zh", the language of prompts and wording. Search works in both. Default
            the kept one; see `configure`.
        timezone: IANA name of the time zone; a day is a calendar day there. Default the kept one.
        date_order: "day-first" or "month-first", the reading of 3/4/2025 in a question; default by
            language and time zone.
        law: The law of forgetting or its name; default the kept one.
        weights: The weights of the search signals.
        prompts: The prompts of digests; default `PROMPTS[language]`.
        reranker: A model that scores the best results of each search again, or its name.

    Raises:
        ConfigurationError: If an option is not valid; the message lists every fault.
    """

    def __init__(
        self,
        store: MemoryStore,
        embedder: Embedder,
        *,
        llm: LLM | str | None = None,
        language: str | None = None,
        timezone: str | None = None,
        date_order: str | None = None,
        law: ForgettingLaw | str | None = None,
        weights: Weights | None = None,
        prompts: Prompts | None = None,
        reranker: Reranker | str | None = None,
    ) -> None:
        validate_settings(language, timezone, law, date_order)
        self.store = store
        self.embedder = embedder
        self._date_order = date_order
        self._use(apply_settings(store, language=language, timezone=timezone, law=law))
        self._query_cache = QueryCache(embed_query)
        self.backlog = TurnBacklog()
        self.deleted_texts = DeletedTexts()
        self.llm = require_llm(load_llm(llm) if isinstance(llm, str) else llm)
        self.weights = weights or Weights()
        self.prompts = prompts
        self.reranker = resolve_reranker(reranker)

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        embedder: str | Embedder | None = None,
        llm: LLM | str | None = None,
        language: str | None = None,
        timezone: str | None = None,
        date_order: str | None = None,
        law: ForgettingLaw | str | None = None,
        weights: Weights | None = None,
        prompts: Prompts | None = None,
        reranker: Reranker | str | None = None,
        **store_options: Any,
    ) -> MemoryBank:
        """Open the bank at `path`, and create it if it does not exist.

        Args:
            path: A file, or the URL of a PostgreSQL database, which many machines
                can share: "postgresql://user@host/database".
            embedder: A name (see `memorybank_core.embedders`) or any `Embedder`. By default, the
                embedder that wrote the bank; for a new bank, the best one installed.
            llm: A language model, or its name such as "openai:gpt-4o-mini" (see `llms`). Only
                digests and `find_changes` use it.
            language: "en" or "zh". The bank keeps language, time zone and law: the first opening
                chooses them, by default "en", "UTC" and `Ebbinghaus()`, and every later one takes
                the kept ones if it names no others. `configure` changes them.
            timezone: IANA name of the time zone; a day is a calendar day there. A bank that keeps
                another one uses its own, with a `SettingsWarning`.
            date_order: "day-first" or "month-first", the reading of 3/4/2025 in a question; by
                default the month is first if `language` is "zh", in UTC, and in the time zones of
                the United States, the Philippines and East Asia.
            law: The law of forgetting or its name. If the bank keeps another law or language, the
                named one is used until the bank is closed, with a `SettingsWarning`.
            weights: The weights of the search signals.
            prompts: The prompts of digests; default `PROMPTS[language]`.
            reranker: A model that scores the best results of each search again, or its name, such
                as "sentence-transformers:BAAI/bge-reranker-v2-m3". If it fails, the search
                continues without it.
            **store_options: `readonly`, to open the bank for reading only; other options of a
                `LocalStore` (`cache_bytes`, `busy_timeout`) or `PostgresStore`.

        Raises:
            ConfigurationError: If an option is not valid.
            MissingDependencyError: If the database driver is not installed.
            StoreError: If the file or database cannot be opened, or is not a memory bank.
            EmbedderMismatchError: If another embedder wrote the bank.
        """
        validate_settings(language, timezone, law, date_order)
        llm = require_llm(load_llm(llm) if isinstance(llm, str) else llm)
        reranker = resolve_reranker(reranker)
        loaded_embedder = resolve_embedder(embedder, path)
        with explained_options(cls.open, store_options):
            store = open_store(path, loaded_embedder, **store_options)
        try:
            return cls(
                store,
                loaded_embedder,
                llm=llm,
                language=language,
                timezone=timezone,
                date_order=date_order,
                law=law,
                weights=weights,
                prompts=prompts,
                reranker=reranker,
            )
        except BaseException:
            store.close()
            raise

    @property
    def embedder(self) -> Embedder:
        """The embedder; only one that returns the same vectors can replace it.

        Raises:
            EmbedderMismatchError: On assignment, if its name, its dimension or its vectors differ
                from those of the embedder that wrote the bank. Use `reembed` to change it.
        """
        return self._embedder

    @embedder.setter
    def embedder(self, embedder: Embedder) -> None:
        location = str(getattr(self.store, "path", "the bank"))
        if known := getattr(self, "_embedder", None):
            expected = ExpectedEmbedder(location, embedder.name, embedder.dimension)
            expected.require(known.name, known.dimension)
        check_fingerprint(self.store, embedder, location)
        self._embedder = embedder

    def configure(
        self,
        *,
        timezone: str | None = None,
        law: ForgettingLaw | str | None = None,
        language: str | None = None,
    ) -> ConfigurationReport:
        """Change settings that the bank keeps; those that are None stay as they are.

        With `timezone`, every turn is stored again on its day there, even if the bank keeps this
        time zone already. The digests of days that gained or lost turns become stale, and the next
        `summarize` makes them again. The strengths of memories stay as they are under another law.
        Other processes that have the bank open use its former settings until they open it again.

        Args:
            timezone: IANA name of the time zone; a day is a calendar day there.
            law: The law of forgetting or its name.
            language: "en" or "zh", the language of prompts and wording.

        Returns:
            The number of turns that are on another day now, and of stale digests.

        Raises:
            ConfigurationError: If a setting is not valid; nothing is changed then.
            ConflictError: If another process changed turns meanwhile; call this again.
            StoreError: If the store failed; call this again.
        """
        kept = change_settings(self.store, language=language, timezone=timezone, law=law)
        current_law, current_language = kept.law if law else self.law, language or self.language
        self._use(Settings(kept.timezone, current_law, current_language))
        users = self.users() if timezone else []
        has_model = self.llm is not None
        moved = sum(move_turns(self.store, u, self.timezone, has_model=has_model) for u in users)
        return ConfigurationReport(moved, stale=len(self.verify()))

    def _use(self, settings: Settings) -> None:
        self.timezone, self.law, self.language = settings.timezone, settings.law, settings.language
        order = choose_date_order(self.language, self.timezone.key)
        self.date_order = self._date_order or order

    @property
    def readonly(self) -> bool:
        """True if the bank is only read: opened with `readonly=True`, or impossible to write.

        Every write then raises StoreWriteError; recalls do not strengthen.
        """
        return bool(getattr(self.store, "readonly", False))

    def close(self) -> None:
        """Close the store, after writing turns of an outage. A second call does nothing."""
        self.backlog.close()
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

    def __copy__(self) -> MemoryBank:
        return self

    def __deepcopy__(self, copied: dict[int, Any]) -> MemoryBank:
        return self  # a copy of a chain, an agent or a memory shares the bank

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a MemoryBank cannot be pickled: it holds open files and connections. Pass the path or "
            "URL that it was opened with, and call MemoryBank.open(...) again in the other process"
        )

    def day_of(self, moment: datetime) -> date:
        """Return the calendar day of `moment` in the bank's time zone."""
        return resolve_day(moment, self.timezone)

    # Add

    def add(
        self,
        turns: Sequence[TurnInput] | TurnInput,
        *,
        user_id: str,
        session: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        now: datetime | None = None,
        fresh: bool = False,
        replace: bool = False,
        pending: bool = False,
        expected: Mapping[str, str] | None = None,
    ) -> AddReceipt:
        """Store turns. When this returns, they are on disk, in one transaction.

        A turn whose id and text are stored already changes nothing, so a call can be repeated. If
        it has other metadata, these replace the stored metadata, in a transaction of their own.
        Blocks that `context` wrote are removed from the turns first; a turn that held nothing
        else is skipped.

        Args:
            turns: The turns: `Turn` records; messages, which are mappings with "role" and
                "content" or message objects of LangChain or LlamaIndex; pairs (question, answer);
                or strings that the user said. A user's message and the answers that follow it are
                one turn; messages of a system or a tool, and parts of a content that are not
                text, are skipped. A turn without an id gets one made from its content and time.
            user_id: The user.
            session: The conversation, for turns that do not name one.
            metadata: Metadata of turns that have none.
            now: Time of turns that have none; default the present.
            fresh: Whether the forgetting of older turns starts at `now`, as if just recalled; else
                at the time of each turn, so that `forget` may archive an old log at once.
            replace: Whether a turn replaces a stored turn with the same id and another text,
                and its metadata, even if it has none.
            pending: Whether the last turn awaits its response, if it has none. Until the whole
                turn replaces it, it has the vector of its text as a query, which the search of
                the same turn uses too: the message, long or short, is embedded once, not twice.
            expected: Texts that stored turns must still have when the call writes, by id; "" of
                an id that must not be stored yet. If another process has changed, deleted or
                stored one of them, nothing is stored.

        Returns:
            The ids, and the numbers of added, unchanged, replaced and updated turns.

        Raises:
            InvalidInputError: If a turn or the user id is not valid.
            ConflictError: If a stored turn has the same id and another text, and `replace` is
                False, or if a turn does not have its `expected` text.
            EmbedderError: If the embedder failed or returned vectors that cannot be used.
            StoreError: If the store failed; no turn of this call is stored then.
        """
        require_user(user_id)
        records = to_turns(turns, session=session, metadata=metadata)
        moment = require_moment(now)
        memories = to_memories(records, user_id, moment, self.timezone)
        if fresh:
            memories = start_fading(memories, moment)
        receipt = store_memories(
            self.store,
            self.embedder,
            memories,
            user_id,
            replace=replace,
            expected=expected,
            embed_pending=self.embed_query if pending else None,
        )
        if receipt.added:
            for turn in records:
                self.deleted_texts.allow(user_id, turn.query)
        return receipt

    def add_memories(
        self,
        memories: Sequence[Memory],
        *,
        user_id: str,
        replace: bool = False,
        recalled: Mapping[str, Sequence[datetime]] | None = None,
    ) -> AddReceipt:
        """Store complete memories with their strength and recalls, as an import does.

        Raises the same errors as `add`. A memory that replaces another keeps the strength of
        the replaced one.

        Args:
            memories: The memories.
            user_id: The user.
            replace: Whether a memory replaces a stored one with the same id and another text.
            recalled: Times of earlier recalls of new memories, by id (see `recalls`).
        """
        require_user(user_id)
        return store_memories(
            self.store, self.embedder, memories, user_id, replace=replace, recalled=recalled
        )

    def import_from(
        self,
        path: str | PathLike[str],
        *,
        user_id: str | None = None,
        format: str | None = None,
        select: Collection[str] = (),
        metadata: Mapping[str, Any] | None = None,
        at: datetime | None = None,
        now: datetime | None = None,
        fresh: bool = False,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> ImportReceipt:
        """Store the turns of another program's export, log or database.

        The source is read as a stream, and only read. Turns that the bank has already are not
        changed, so an interrupted import can be repeated, and a newer export adds what is new.

        Args:
            path: A file, which may be packed (.zip, .gz, .tar) or a SQLite database; a folder; or
                the URL of a PostgreSQL database.
            user_id: The user whose memories these are. If the source names users itself, only those
                of this user are stored, unless `select` chooses others; with None, all, each under
                the name that it has there. Turns without a user are then left out.
            format: Name of the format, see `memorybank_core.importers.format_names()`; by default
                recognized by the contents.
            select: Only these parts of the source: its users, sessions, threads or namespaces.
            metadata: Metadata that every turn gets besides its own, such as {"agent": "coder"}.
            at: Time of turns that have none in the source; default the time of the file.
            now: Start of `fresh`; default the present.
            fresh: Whether the forgetting of older turns starts at `now`, as if just recalled; else
                at the time of each turn, so that `forget` may archive an old log at once.
            dry_run: Only count what would be stored and what would be left out.
            progress: Called with the number of turns just read.

        Returns:
            The numbers of added, unchanged and replaced turns, and what was left out and why.

        Raises:
            ConfigurationError: If the format is unknown, or `user_id` is needed and missing.
            FormatError: If the source cannot be read, or not any further; the turns before are
                kept then, as after the following errors.
            EmbedderError: If the embedder failed or returned vectors that cannot be used.
            StoreError: If the store failed.
        """
        from .importers.sources import Source
        from .importers.transfer import import_source, make_options

        if user_id is not None:
            require_user(user_id)
        with Source(path, zone=self.timezone) as source:
            options = make_options(
                source,
                user_id=user_id,
                select=select,
                metadata=metadata,
                at=at,
                now=now,
                fresh=fresh,
                dry_run=dry_run,
            )
            return import_source(self, source, format, options, progress)

    # Search and recall

    def embed_query(self, query: str) -> Vector:
        """Return the vector of a query, float32 (d,), read-only.

        The vectors of the last queries are kept in memory, so that a text is embedded once a turn.

        Raises:
            EmbedderError: If the embedder failed or returned a vector that cannot be used.
        """
        return self._query_cache.embed(query, self.embedder)

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
        min_relevance: float = 0.0,
        history: bool = False,
        where: Mapping[str, Any] | None = None,
    ) -> list[SearchResult]:
        """Return the k best memories for `query`, best first. Writes nothing.

        The newest of several statements about the same thing ranks above those that it replaced,
        repeated statements are one result, and a question that was asked before without an
        answer ranks last.

        Args:
            query: A question or any words, in English, Chinese or both. If it names days, the
                memories of those days rank higher.
            user_id: The user.
            k: Maximum number of results, 1 or more.
            now: The time that relative days and forgetting refer to; default the present. If its
                day is in the past, memories of later days are not found.
            since: The first day to search.
            until: The last day to search.
            kind: "turn" or "event", to search only memories of that kind.
            session: A session, to search only its memories.
            archived: Whether to include archived memories.
            min_relevance: Minimum `relevance` of a result, in [0, 1]; 0 returns the k best.
            history: Whether to return every memory by its own score, including what was repeated,
                replaced by a newer statement, or asked without an answer.
            where: Conditions on the metadata of turns, such as {"agent": "coder"} or
                {"year": {"$gte": 2024}}, all of which must hold. Operators: $eq, $ne, $gt, $gte,
                $lt, $lte, $in. A missing key matches only $ne. Event summaries have no metadata,
                and are not returned.

        Raises:
            InvalidInputError: If an argument is not valid.
            EmbedderError: If the embedder failed or returned a vector that cannot be used.
        """
        require_user(user_id)
        require_query(query)
        require_count(k)
        require_relevance(min_relevance)
        moment = require_moment(now)
        today = self.day_of(moment)
        until = limit_until(until, today, self.day_of(require_moment(None)))
        results = search_memories(
            self.store,
            self.embed_query,
            query,
            user_id=user_id,
            k=k,
            now=moment,
            today=today,
            date_order=self.date_order,
            filter=build_filter(since, until, kind, session, archived, where),
            law=self.law,
            weights=self.weights,
            reranker=self.reranker,
            min_relevance=min_relevance,
            history=history,
        )
        return Listing(results)

    def reinforce(
        self,
        found: Iterable[SearchResult | Memory | str],
        *,
        user_id: str,
        now: datetime | None = None,
        turn: str | None = None,
    ) -> int:
        """Recall memories: each gains strength, and its forgetting starts again at `now`.

        Args:
            found: Search results, memories or ids; duplicates count once.
            user_id: The user.
            now: Time of the recall; default the present.
            turn: Id of the turn in which they were recalled. A memory gains strength only once
                per turn, however often this is called.

        Returns:
            The number of memories that gained strength: 0 in a bank that is only read, whose
            memories can be recalled all the same.

        Raises:
            InvalidInputError: If an argument is not valid, or a memory belongs to another user.
        """
        require_user(user_id)
        moment = require_moment(now)
        ids = collect_ids(found, user_id)
        if not ids or self.readonly:
            return 0
        return self.store.strengthen(user_id, ids, moment, turn, self.law)

    def context(
        self,
        query: str | None,
        *,
        user_id: str,
        k: int | None = None,
        max_tokens: int = CONTEXT_TOKENS,
        now: datetime | None = None,
        tokenizer: Tokenizer | None = None,
        without: Shown = (),
        min_relevance: float = MIN_RELEVANCE,
        where: Mapping[str, Any] | None = None,
    ) -> Context:
        """Return the text to put into a prompt: portrait, summary and memories for `query`.

        The text is one marked block that begins with the parts that change least. By default, the
        best memories fill the budget. A long memory is reduced to its best passages; what else does
        not fit is omitted as a whole, and both are listed in the result. If the query names a day,
        or a span of at most a week, that has no memory, the text says so. Writes nothing; see
        `begin_turn`. If the block appears in a later turn, `add` removes it.

        Args:
            query: The user's message; None gives portrait and summary only.
            user_id: The user.
            k: Maximum number of memories, 1 or more; None takes as many as fit.
            max_tokens: Maximum length of the text.
            now: The time that relative days and forgetting refer to; default the present.
            tokenizer: Counts tokens: a function that returns the tokens of a text or their
                number, or an object with a method `encode` that does. Default: the language
                model's own count, else an estimate on the high side.
            without: What the prompt holds already: ids of memories, or messages ("role" and
                "content"); a turn of which they hold every line is left out.
            min_relevance: Relevance below which memories are left out, in [0, 1]. By default small
                talk such as "Hello!" recalls nothing; 0 leaves nothing out.
            where: Conditions on the metadata of turns, as in `search`. The text then has only
                memories: portrait and summary are made from all turns of the user.

        Raises:
            InvalidInputError: If an argument is not valid.
            EmbedderError: If the embedder failed or returned a vector that cannot be used.
        """
        require_user(user_id)
        require_max_tokens(max_tokens)
        require_count(k := memories_within(max_tokens) if k is None else k)
        now, filter = require_moment(now), Filter(where=require_where(where))
        shown = ShownMemories.of(without)
        results: list[SearchResult] = []
        missing: Sequence[DayRange] = ()
        if query is not None:
            options: dict[str, Any] = {"now": now, "where": where, "min_relevance": min_relevance}
            results = self.search(
                query, user_id=user_id, k=k + min(len(shown), _MOST_SHOWN), **options
            )
            today, order = self.day_of(now), self.date_order
            missing = find_missing_days(self.store, user_id, query, results, today, order, filter)
            results = [result for result in results if not shown.includes(result.memory)][:k]
        digests = [] if filter.where else self.store.digests(user_id, days=False)
        overall = {type(item): item.text for item in digests}
        return compose(
            results,
            portrait=overall.get(Portrait),
            summary=overall.get(Summary),
            missing=missing,
            signals=partial(
                compute_signals, self.store, self.embed_query, query or "", results, user_id=user_id
            ),
            language=self.language,
            max_tokens=max_tokens,
            count=token_counter(tokenizer or getattr(self.llm, "count_tokens", None)),
        )

    # Turns of a conversation

    def begin_turn(
        self,
        query: str,
        *,
        user_id: str,
        session: str | None = None,
        shown: Shown = (),
        id: str | None = None,
        id_is_stable: bool = True,
        now: datetime | None = None,
        k: int | None = None,
        max_tokens: int = CONTEXT_TOKENS,
        tokenizer: Tokenizer | None = None,
        min_relevance: float = MIN_RELEVANCE,
        metadata: Mapping[str, Any] | None = None,
        where: Mapping[str, Any] | None = None,
        remember: bool = True,
        pending: bool = True,
        on_failure: OnFailure | None = None,
    ) -> PendingTurn:
        """Begin a turn: recall memories for the user's message, and store the message.

        Put `turn.context` into the prompt, and call `turn.complete(answer)` when the model has
        answered: it stores the answer and strengthens the relevant memories. The message is on
        disk when this returns. A turn that is begun twice is stored once: with the same `id`, or
        without one if the session ends with the same message, unanswered, of the last five minutes.

        Args:
            query: The user's message; "" if it has no text, such as an image.
            user_id: The user.
            session: The conversation; None means one conversation per day.
            shown: What the prompt holds already: ids of memories or messages, as in `context`.
            id: Id of the turn; another text under the same id is an edited message.
            id_is_stable: False if a retry may have another id; an unknown id is then as none.
            now: Time of the message; default the present.
            k: Maximum number of recalled memories, 1 or more; None takes as many as fit.
            max_tokens: Maximum length of the context.
            tokenizer: Counts tokens, as in `context`.
            min_relevance: Relevance below which memories are left out, as in `context`.
            metadata: Metadata of the turn.
            where: Conditions on the metadata of recalled memories, as in `search`.
            remember: Whether to store the turn and strengthen memories; False writes nothing.
            pending: Whether to store the message now; else `store_message` or `complete` does.
            on_failure: Called with what failed and the error; the turn then waits in memory.

        Raises:
            InvalidInputError: If an argument is not valid.
            EmbedderError: If the embedder failed or returned vectors that cannot be used.
            StoreError: If the store failed.
        """
        require_user(user_id)
        return pending_turn.begin_turn(
            self,
            query,
            user_id=user_id,
            session=session,
            shown=shown,
            id=id,
            id_is_stable=id_is_stable,
            now=require_moment(now),
            metadata=require_metadata(metadata),
            remember=remember,
            pending=pending,
            on_failure=on_failure,
            k=k,
            max_tokens=max_tokens,
            tokenizer=tokenizer,
            min_relevance=min_relevance,
            where=where,
        )

    def resume_turn(
        self, data: Mapping[str, Any], *, on_failure: OnFailure | None = None
    ) -> PendingTurn:
        """Return a turn from the values of `PendingTurn.to_dict`, for example in another process.

        Its context is empty; `begin_turn` with the id of the turn recalls again.

        Args:
            data: The values.
            on_failure: As in `begin_turn`.

        Raises:
            InvalidInputError: If `data` are not such values.
        """
        return pending_turn.resume_turn(self, data, on_failure)

    # Digest

    def summarize(
        self,
        *,
        user_id: str | None = None,
        now: datetime | None = None,
        concurrency: int = CONCURRENCY,
        progress: Progress | None = None,
    ) -> SummarizeReport:
        """Digest the days that changed, then update the overall summary and portrait.

        Each digest is stored as soon as it is made; after a crash, call this again. Without a
        language model, digests are extracted from the dialogue and marked as extractive. An
        extractive digest never replaces one that a model wrote.

        Args:
            user_id: The user; default all users.
            now: Creation time of the digests; default the present.
            concurrency: Maximum number of digests made at the same time, 1 or more.
            progress: Called with 1 after each digest, made or failed. The length of
                `verify()` is the number of calls to expect.

        Returns:
            The counts, and the digests that failed; a failed digest keeps its previous text.

        Raises:
            InvalidInputError: If an argument is not valid.
            ConfigurationError: If the language model cannot work, for example without a key.
            EmbedderError: If the embedder returned vectors that cannot be used.
            StoreError: If a digest could not be stored; those made before it are.
        """
        return self._digest(user_id, now, concurrency, progress, rebuild=False)

    def rebuild(
        self,
        *,
        user_id: str | None = None,
        llm: LLM | None = None,
        language: str | None = None,
        now: datetime | None = None,
        concurrency: int = CONCURRENCY,
        progress: Progress | None = None,
    ) -> SummarizeReport:
        """Make every digest again from the turns, including those that are up to date.

        Args:
            user_id: The user; default all users.
            llm: A language model instead of the bank's.
            language: A language instead of the bank's.
            now: As in `summarize`.
            concurrency: As in `summarize`.
            progress: As in `summarize`.

        Returns:
            The same report as `summarize`, which also raises the same errors.
        """
        return self._digest(
            user_id, now, concurrency, progress, rebuild=True, llm=llm, language=language
        )

    def verify(self, *, user_id: str | None = None) -> list[Stale]:
        """Return the stale digests of a user or, by default, of all users.

        These are the digests that the next `summarize` makes.
        """
        return Listing(
            stale
            for user in self._resolve_users(user_id)
            for stale in load_digest_state(self.store, user).find_stale(
                has_model=self.llm is not None
            )
        )

    def digests(self, *, user_id: str) -> list[Digest]:
        """Return every summary and portrait, sorted by kind, then by day, the overall one first."""
        require_user(user_id)
        return Listing(self.store.digests(user_id))

    def summary(self, *, user_id: str, day: date | None = None) -> Summary | None:
        """Return the event summary of a day or, by default, of all days; None if not made yet."""
        require_day(day, "day")
        digests = self.digests(user_id=user_id)
        return next((d for d in digests if isinstance(d, Summary) and d.day == day), None)

    def portrait(self, *, user_id: str, day: date | None = None) -> Portrait | None:
        """Return the user's portrait of a day or, by default, overall; None if not made yet."""
        require_day(day, "day")
        digests = self.digests(user_id=user_id)
        return next((d for d in digests if isinstance(d, Portrait) and d.day == day), None)

    def _digest(
        self,
        user_id: str | None,
        now: datetime | None,
        concurrency: int,
        progress: Progress | None,
        *,
        rebuild: bool,
        llm: LLM | None = None,
        language: str | None = None,
    ) -> SummarizeReport:
        require_count(concurrency, "concurrency")
        chosen_language = require_language(language or self.language)
        own_prompts = None if language else self.prompts
        return make_digests(
            self.store,
            self.embedder,
            self._resolve_users(user_id),
            llm=require_llm(llm) or self.llm,
            prompts=own_prompts or PROMPTS[chosen_language],
            language=chosen_language,
            now=require_moment(now),
            force=rebuild,
            concurrency=concurrency,
            on_progress=progress or (lambda _: None),
        )

    def _resolve_users(self, user_id: str | None) -> list[str]:
        """Return a list of this user or, for None, of all users."""
        if user_id is None:
            return self.users()
        require_user(user_id)
        return [user_id]

    # Changes

    def find_changes(
        self,
        *,
        user_id: str | None = None,
        llm: LLM | None = None,
        language: str | None = None,
        now: datetime | None = None,
        progress: Progress | None = None,
    ) -> ChangeReport:
        """Record, with a language model, which statements replaced which older ones.

        Reads each turn once, so that a repeated call reads only the new ones. No memory is changed
        or deleted: `search` ranks a statement below the one that replaced it. If a call of the
        model fails, or its answer does not have the required form, nothing of it is recorded, and
        the next call reads these turns again.

        Args:
            user_id: The user; default all users.
            llm: A language model instead of the bank's.
            language: Language of the prompts instead of the bank's.
            now: Time of the records; default the present.
            progress: Called with a number of turns that were just read, or failed.

        Returns:
            The recorded changes, and the turns whose reading failed.

        Raises:
            ConfigurationError: If there is no language model, or it cannot work.
            InvalidInputError: If an argument is not valid.
            EmbedderError: If the embedder failed.
            StoreError: If the store failed; the changes recorded before are kept.
        """
        user_ids = self._resolve_users(user_id)
        model = require_llm(llm) or self.llm
        if model is None:
            raise ConfigurationError(
                "find_changes needs a language model: pass llm= to it or to MemoryBank.open, such "
                "as llm='openai:gpt-4o-mini'"
            )
        return change_finder.find_changes(
            self.store,
            self._find_older,
            user_ids,
            llm=model,
            language=require_language(language or self.language),
            now=require_moment(now),
            on_progress=progress or (lambda _: None),
        )

    def changes(self, *, user_id: str) -> list[Change]:
        """Return the changes that `find_changes` recorded, in the order of their newer turns."""
        require_user(user_id)
        return [change for change in self.store.changes(user_id) if change.older is not None]

    def forget_change(self, older: str, newer: str, *, user_id: str) -> bool:
        """Take a recorded change back; `find_changes` does not record it again.

        Args:
            older: Id of the turn that was replaced.
            newer: Id of the turn that replaced it.
            user_id: The user.

        Returns:
            False if no such change is recorded.
        """
        require_user(user_id)
        older, newer = collect_ids([older], user_id)[0], collect_ids([newer], user_id)[0]
        return self.store.forget_change(user_id, older, newer)

    def _find_older(self, memory: Memory) -> list[Memory]:
        """Return turns that this turn may replace, best first."""
        results = search_memories(
            self.store,
            self.embed_query,
            memory.turn.query if memory.turn else memory.text,
            user_id=memory.user_id,
            k=_MAX_OLDER,
            now=memory.created_at,
            today=memory.day,
            date_order=self.date_order,
            filter=Filter(until=memory.day, kind="turn"),
            law=self.law,
            weights=self.weights,
            history=True,
        )
        return [result.memory for result in results]

    # Forget

    def forget(
        self,
        *,
        user_id: str,
        now: datetime | None = None,
        threshold: float = THRESHOLD,
        seed: int | None = None,
        dry_run: bool = False,
    ) -> ForgetReport:
        """Archive faded memories. A search skips archived memories; `restore` brings them back.

        Args:
            user_id: The user.
            now: The time at which retention is computed; default the present.
            threshold: Retention below which a memory is archived, in (0, 1].
            seed: Seed of a random choice that replaces the threshold: as in the paper, a memory
                is archived with probability 1 - R.
            dry_run: Whether to report only and archive nothing.

        Returns:
            The archived memories, lowest retention first, and the number of memories kept.
        """
        require_user(user_id)
        require_threshold(threshold)
        moment = require_moment(now)
        memories = self.store.memories(user_id, Filter())
        forgotten = select_forgotten(memories, self.law, moment, threshold, seed)
        if forgotten and not dry_run:
            self.store.change_state(
                user_id, [fading.memory.id for fading in forgotten], "archive", moment
            )
        return ForgetReport(tuple(forgotten), kept=len(memories) - len(forgotten), dry_run=dry_run)

    def forecast(self, by: datetime, *, user_id: str, threshold: float = THRESHOLD) -> list[Fading]:
        """Return the memories that will have faded at a time unless recalled, the earliest first.

        Args:
            by: The time, usually in the future.
            user_id: The user.
            threshold: Retention below which a memory is faded, in (0, 1].
        """
        require_user(user_id)
        require_threshold(threshold)
        moment = require_moment(by, "by")
        memories = self.store.memories(user_id, Filter())
        return Listing(forecast_fading(memories, self.law, moment, threshold))

    def archive(
        self,
        found: Iterable[SearchResult | Memory | str],
        *,
        user_id: str,
        now: datetime | None = None,
    ) -> int:
        """Archive memories, regardless of their retention. Pinned memories stay active.

        Args:
            found: Search results, memories or ids.
            user_id: The user.
            now: Time of archiving; default the present.

        Returns:
            The number of memories archived.
        """
        return self._change_state(found, user_id, "archive", now)

    def restore(
        self,
        found: Iterable[SearchResult | Memory | str],
        *,
        user_id: str,
        now: datetime | None = None,
    ) -> int:
        """Make archived memories active again. Their forgetting starts again at `now`.

        Args:
            found: Search results, memories or ids.
            user_id: The user.
            now: Time of the restoration; default the present.

        Returns:
            The number of memories restored.
        """
        return self._change_state(found, user_id, "restore", now)

    def pin(self, found: Iterable[SearchResult | Memory | str], *, user_id: str) -> int:
        """Prevent memories from fading: their retention is 1 until `unpin`.

        Archived memories become active again. `delete` also removes pinned memories.

        Args:
            found: Search results, memories or ids.
            user_id: The user.

        Returns:
            The number of memories pinned.
        """
        return self._change_state(found, user_id, "pin", None)

    def unpin(
        self,
        found: Iterable[SearchResult | Memory | str],
        *,
        user_id: str,
        now: datetime | None = None,
    ) -> int:
        """Undo `pin`: the memories fade again, starting at `now`.

        Args:
            found: Search results, memories or ids.
            user_id: The user.
            now: Time at which the fading starts; default the present.

        Returns:
            The number of memories unpinned.
        """
        return self._change_state(found, user_id, "unpin", now)

    def _change_state(
        self,
        found: Iterable[SearchResult | Memory | str],
        user_id: str,
        change: StateChange,
        now: datetime | None,
    ) -> int:
        """Apply a change to memories; return how many changed."""
        require_user(user_id)
        ids = collect_ids(found, user_id)
        return self.store.change_state(user_id, ids, change, require_moment(now)) if ids else 0

    # Delete

    def delete(
        self,
        *,
        user_id: str,
        ids: Collection[str] | None = None,
        day: date | None = None,
    ) -> DeletionReceipt:
        """Erase memories permanently: by ids, by day, or everything of the user.

        This erases their rows, vectors, index entries and bytes in the file, and every digest
        made from them.

        Args:
            user_id: The user.
            ids: Ids of memories.
            day: A day, to erase its memories. Without `ids` and `day`, everything of the user is
                erased, the profile included.

        Returns:
            The counts of what was erased.

        Raises:
            InvalidInputError: If both `ids` and `day` are passed, or one is not valid.
        """
        require_user(user_id)
        if ids is not None and day is not None:
            raise InvalidInputError("delete takes ids or a day, not both")
        if ids is not None:
            ids = collect_ids(ids, user_id)
        day = require_day(day, "day")
        self.deleted_texts.add(user_id, self._texts_to_delete(user_id, ids, day))
        with self.backlog.deletion(user_id, ids, day):
            receipt = self.store.delete(user_id, ids=ids, day=day)
        self._query_cache.clear()  # it may hold vectors of what the user wrote
        clear_text_caches()
        return receipt

    def _texts_to_delete(
        self, user_id: str, ids: Collection[str] | None, day: date | None
    ) -> list[str]:
        """Return what was said in the memories that a deletion erases, of many the newest."""
        if ids is not None:
            memories = list(self.store.known(user_id, ids).values())[-MAX_MEMORIES:]
        else:
            days = Filter(since=day, until=day, archived=True)
            memories = self.store.memories(user_id, days, last=MAX_MEMORIES)
        return [text for memory in memories for text in texts_of(memory) if text]

    def expire(
        self,
        older_than: timedelta | datetime,
        *,
        user_id: str | None = None,
        archived: bool = False,
        now: datetime | None = None,
        dry_run: bool = False,
    ) -> list[ExpiryReport]:
        """Erase memories older than a limit permanently, and make the digests again without them.

        This enforces a retention period, as privacy rules demand; pinned memories are erased too,
        and profiles are kept. `forget` is different: it archives what is not recalled.

        Args:
            older_than: The age, or the time, before which a memory was said.
            user_id: The user; None for all users.
            archived: Whether to erase only archived memories, by the time of their archiving.
            now: The time that an age refers to; default the present.
            dry_run: Whether to report only and erase nothing.

        Returns:
            A report for each user who has such memories.

        Raises:
            InvalidInputError: If an argument is not valid.
            StoreError: If the store failed; call this again.
        """
        limit = resolve_age(older_than, require_moment(now))
        if user_id is not None:
            require_user(user_id)
        reports = []
        for user in self.users() if user_id is None else [user_id]:
            memories = self.store.memories(user, Filter(archived=True))
            times = ((m.archived_at if archived else m.created_at, m.id) for m in memories)
            if ids := tuple(id for time, id in times if time and time < limit):
                receipt = None if dry_run else self.delete(user_id=user, ids=ids)
                reports.append(ExpiryReport(user, ids, receipt))
                if receipt and receipt.digests:
                    self.summarize(user_id=user)
        return reports

    # Read

    def get(self, ids: Collection[str], *, user_id: str) -> dict[str, Memory]:
        """Return the memories of these ids, archived ones included.

        Args:
            ids: Ids of memories.
            user_id: The user.

        Returns:
            The memories by id, in the order of `ids`, without those that do not exist.
        """
        require_user(user_id)
        ids = collect_ids(ids, user_id)
        memories = self.store.known(user_id, ids)
        return {id: memories[id] for id in ids if id in memories}

    def timeline(
        self,
        *,
        user_id: str,
        since: date | None = None,
        until: date | None = None,
        kind: Kind | None = None,
        session: str | None = None,
        archived: bool = False,
        last: int | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> list[Memory]:
        """Return memories, oldest first.

        Args:
            user_id: The user.
            since: The first day.
            until: The last day.
            kind: "turn" or "event"; default both.
            session: A session, for its memories only.
            archived: Whether to include archived memories.
            last: Return only the newest `last` memories, 1 or more; still oldest first.
            where: Conditions on the metadata of turns, as in `search`.
        """
        require_user(user_id)
        if last is not None:
            require_count(last, "last")
        query_filter = build_filter(since, until, kind, session, archived, where)
        return Listing(self.store.memories(user_id, query_filter, last=last))

    def recalls(self, id: str, *, user_id: str) -> list[datetime]:
        """Return the times at which a memory was recalled, oldest first."""
        require_user(user_id)
        return self.store.recalls(user_id, id)

    def users(self) -> list[str]:
        """Return every user id, sorted."""
        return list(self.store.users())

    def stats(self, *, user_id: str | None = None) -> Stats:
        """Return counts for a user or, without `user_id`, for all users."""
        if user_id is not None:
            require_user(user_id)
        return self.store.stats(user_id)

    def profile(self, *, user_id: str) -> dict[str, Any]:
        """Return the user's profile: facts stored apart from the dialogue (name, hobbies, …)."""
        require_user(user_id)
        profile: dict[str, Any] = json.loads(self.store.profile(user_id))
        return profile

    def set_profile(self, profile: dict[str, Any], *, user_id: str) -> None:
        """Replace the user's profile with any JSON object."""
        require_user(user_id)
        self.store.set_profile(user_id, dump_profile(profile))

    def compact(self) -> bool:
        """Free the space of deleted data by rewriting the file.

        This temporarily needs twice the size of the file on disk.

        Returns:
            Whether the space was freed. If not, another process was reading an older state: call
            this again later.
        """
        return self.store.compact()

    def check(self, *, repair: bool = False, now: datetime | None = None) -> CheckReport:
        """Check whether the bank is whole: its file or database, its rows, and what is searched.

        It reads every memory and derives its terms again, which takes some 2 s for 10,000. Other
        processes can read and write meanwhile; a repair of a PostgreSQL database makes writers
        wait. What was said is never changed or deleted.

        Args:
            repair: Whether to rebuild first what can be rebuilt from the rows: damaged vectors
                (the embedder is called), terms, search indexes, and indexes and counts of the
                database, and to delete recalls and changes of memories that do not exist.
            now: Time after which memories are dated in the future; default the present.

        Returns:
            The findings, at least one of each check, and what was repaired.

        Raises:
            StoreError: If the store fails during a repair; call this again.
        """
        from .doctor.checkup import check_bank

        return check_bank(
            self.store,
            self.embedder,
            now=require_moment(now),
            has_model=self.llm is not None,
            repair=repair,
        )

    # Plot

    def plot_forgetting(
        self,
        found: Iterable[SearchResult | Memory | str] | None = None,
        *,
        user_id: str,
        now: datetime | None = None,
        k: int = 3,
        title: str | None = None,
    ) -> Any:
        """Plot the forgetting curves of memories and their recalls, up to `now`.

        Args:
            found: Search results, memories or ids; None takes the `k` strongest memories.
            user_id: The user.
            now: End of the plot, which may be in the future; default the present.
            k: Number of memories to plot without `found`.
            title: Title of the plot.

        Returns:
            A `matplotlib.figure.Figure`; see `memorybank_core.plots`.

        Raises:
            InvalidInputError: If a memory does not exist, or the user has no memories.
            MissingDependencyError: If matplotlib is not installed.
        """
        from .plots import plot_forgetting

        require_user(user_id)
        require_count(k)
        until = require_moment(now)
        if found is None:
            memories = self.store.memories(user_id, Filter(archived=True))
            memories.sort(key=lambda memory: (-memory.strength, memory.created_at))
            memories = memories[:k]
        else:
            ids = collect_ids(found, user_id)
            known = self.store.known(user_id, ids)
            if missing := [id for id in ids if id not in known]:
                raise InvalidInputError(f"user {user_id!r} has no memories with the ids {missing}")
            memories = [known[id] for id in ids]
        return plot_forgetting(self._load_histories(memories), self.law, until=until, title=title)

    def plot_timeline(
        self,
        *,
        user_id: str,
        now: datetime | None = None,
        archived: bool = True,
        most: int = 40,
        title: str | None = None,
    ) -> Any:
        """Plot memories as rows that become paler as they fade, the strongest on top.

        Args:
            user_id: The user.
            now: End of the plot, which may be in the future; default the present.
            archived: Whether to include archived memories.
            most: Maximum number of rows.
            title: Title of the plot.

        Returns:
            A `matplotlib.figure.Figure`; see `memorybank_core.plots`.

        Raises:
            InvalidInputError: If the user has no memories.
            MissingDependencyError: If matplotlib is not installed.
        """
        from .plots import plot_timeline

        require_user(user_id)
        until = require_moment(now)
        histories = self._load_histories(self.store.memories(user_id, Filter(archived=archived)))
        return plot_timeline(histories, self.law, until=until, most=most, title=title)

    def plot_days(self, *, user_id: str, title: str | None = None) -> Any:
        """Plot a heat map of the number of turns per day, one column per week.

        Args:
            user_id: The user.
            title: Title of the plot.

        Returns:
            A `matplotlib.figure.Figure`; see `memorybank_core.plots`.

        Raises:
            InvalidInputError: If the user has no memories.
            MissingDependencyError: If matplotlib is not installed.
        """
        from .plots import plot_days

        require_user(user_id)
        memories = self.store.memories(user_id, Filter(kind="turn", archived=True))
        return plot_days(Counter(memory.day for memory in memories), title=title)

    def _load_histories(self, memories: Iterable[Memory]) -> list[History]:
        """Load the histories of memories; only those of recalled memories need the store."""
        from .plots import History

        return [
            History.of(
                memory, self.store.recalls(memory.user_id, memory.id) if memory.recalls else []
            )
            for memory in memories
        ]

    # Async twins

    aconfigure = in_thread(configure)
    aclose = in_thread(close)
    aadd = in_thread(add)
    aadd_memories = in_thread(add_memories)
    aimport_from = in_thread(import_from)
    aembed_query = in_thread(embed_query)
    asearch = in_thread(search)
    areinforce = in_thread(reinforce)
    acontext = in_thread(context)
    abegin_turn = in_thread(begin_turn)
    asummarize = in_thread(summarize)
    arebuild = in_thread(rebuild)
    averify = in_thread(verify)
    adigests = in_thread(digests)
    asummary = in_thread(summary)
    aportrait = in_thread(portrait)
    afind_changes = in_thread(find_changes)
    achanges = in_thread(changes)
    aforget_change = in_thread(forget_change)
    aforget = in_thread(forget)
    aforecast = in_thread(forecast)
    aarchive = in_thread(archive)
    arestore = in_thread(restore)
    apin = in_thread(pin)
    aunpin = in_thread(unpin)
    adelete = in_thread(delete)
    aexpire = in_thread(expire)
    aget = in_thread(get)
    atimeline = in_thread(timeline)
    arecalls = in_thread(recalls)
    ausers = in_thread(users)
    astats = in_thread(stats)
    aprofile = in_thread(profile)
    aset_profile = in_thread(set_profile)
    acompact = in_thread(compact)
    acheck = in_thread(check)
    aplot_forgetting = in_thread(plot_forgetting)
    aplot_timeline = in_thread(plot_timeline)
    aplot_days = in_thread(plot_days)
