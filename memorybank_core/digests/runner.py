"""Make and store digests, several at a time.

Each digest is stored as soon as it is made, provided that its source has not changed meanwhile.
An interrupted run therefore repeats only the calls that were in flight, and deleted turns do not
come back in a digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from dataclasses import dataclass
from datetime import date, datetime

from memorybank_core.errors import ConflictError, LLMError
from memorybank_core.ingest import embed_windows
from memorybank_core.llm.prompts import Prompts
from memorybank_core.protocols import LLM, Embedder, Filter, MemoryStore
from memorybank_core.records import DigestKind
from memorybank_core.reports import FailedDigest, SummarizeReport

from .llm_client import CallCounter, LLMClient
from .state import DIGEST_TYPES, DigestState, hash_source
from .summarizer import Extractor, Summarizer

_MAX_ATTEMPTS = 3
"""Attempts at a digest whose turns change while it is made."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One digest to make; `error` is "" unless it failed."""

    user_id: str
    kind: DigestKind
    day: date | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class _UserOutcome:
    """Outcome of a run for one user.

    Attributes:
        days: Number of days that have turns.
        waiting: Number of stale digests that only a language model may replace.
        jobs: The digests that were made or failed.
    """

    days: int
    waiting: int
    jobs: list[_Job]


def load_digest_state(store: MemoryStore, user_id: str) -> DigestState:
    """Read a user's digests and their sources."""
    memories = store.memories(user_id, Filter(archived=True))
    return DigestState(user_id, memories, store.digests(user_id))


def make_digests(
    store: MemoryStore,
    embedder: Embedder,
    user_ids: Iterable[str],
    *,
    llm: LLM | None,
    prompts: Prompts,
    language: str,
    now: datetime,
    force: bool,
    concurrency: int,
    on_progress: Callable[[int], None],
) -> SummarizeReport:
    """Make and store the digests of these users.

    Args:
        store: Store of the turns and the digests.
        embedder: Embeds the event summaries.
        user_ids: The users.
        llm: Writes the texts; without one, they are extracted from the dialogue.
        prompts: Prompts for the language model.
        language: Language of extracted digests.
        now: Creation time of the digests.
        force: Make every digest, not only missing and stale ones.
        concurrency: Maximum number of digests made at the same time.
        on_progress: Called with 1 after each digest, made or failed.
    """
    counter = CallCounter()
    writer: Extractor | Summarizer = Extractor(store.vectors, language)
    if llm is not None:
        writer = Summarizer(LLMClient(llm, counter), prompts)
    runner = DigestRunner(store, embedder, writer, now=now, force=force, on_progress=on_progress)
    return runner.run(user_ids, concurrency, counter)


class DigestRunner:
    """Makes and stores the digests of one call of `summarize` or `rebuild`.

    Args:
        store: Store of the turns and the digests.
        embedder: Embeds the event summaries.
        writer: Writes the texts.
        now: Creation time of the digests.
        force: Make every digest, not only missing and stale ones.
        on_progress: Called with 1 after each digest, made or failed.
    """

    def __init__(
        self,
        store: MemoryStore,
        embedder: Embedder,
        writer: Extractor | Summarizer,
        *,
        now: datetime,
        force: bool,
        on_progress: Callable[[int], None],
    ) -> None:
        self._store, self._embedder, self._writer = store, embedder, writer
        self._now, self._force, self._on_progress = now, force, on_progress
        self._has_model = isinstance(writer, Summarizer)

    def run(
        self, user_ids: Iterable[str], concurrency: int, counter: CallCounter
    ) -> SummarizeReport:
        """Make the digests of these users.

        Args:
            user_ids: The users.
            concurrency: Maximum number of digests made at the same time.
            counter: Counter of the writer's model calls, for the report.
        """
        # each task has the context of the caller, so that its spans have the right parent;
        # two pools, because a user's task waits for its jobs and must not take their threads
        user_pool, job_pool = pools = [
            ThreadPoolExecutor(concurrency, "memorybank-digest") for _ in range(2)
        ]
        try:
            futures = [
                user_pool.submit(copy_context().run, self._run_user, user_id, job_pool)
                for user_id in user_ids
            ]
            outcomes = [future.result() for future in as_completed(futures)]
        finally:  # an error or Ctrl-C ends the run after the calls in flight
            for pool in pools:
                pool.shutdown(wait=False, cancel_futures=True)
            for pool in pools:
                pool.shutdown(wait=True)
        jobs = [job for outcome in outcomes for job in outcome.jobs]
        attempted_days = {(job.user_id, job.day) for job in jobs if job.day}
        failed_days = {(job.user_id, job.day) for job in jobs if job.error}
        return SummarizeReport(
            digested=len(attempted_days - failed_days),
            skipped=sum(outcome.days for outcome in outcomes) - len(attempted_days),
            failed=tuple(
                FailedDigest(job.user_id, job.kind, job.day, job.error)
                for job in sorted(jobs, key=lambda job: (job.user_id, str(job.day), job.kind))
                if job.error
            ),
            waiting=sum(outcome.waiting for outcome in outcomes),
            calls=counter.calls,
            tokens=counter.tokens,
        )

    def _run_user(self, user_id: str, pool: ThreadPoolExecutor) -> _UserOutcome:
        """Make one user's digests: the days first, then the overall digests made from them."""
        state = load_digest_state(self._store, user_id)
        jobs: list[_Job] = []
        for days in (state.days, [None]):
            if jobs:
                state = load_digest_state(self._store, user_id)
            pending = [
                _Job(user_id, kind, day)
                for day in days
                for kind in DIGEST_TYPES
                if self._must_make(state, kind, day)
            ]
            futures = [pool.submit(copy_context().run, self._make, job, state) for job in pending]
            jobs += [future.result() for future in futures]
        waiting = 0 if self._has_model else load_digest_state(self._store, user_id).waiting
        return _UserOutcome(len(state.days), waiting, jobs)

    def _must_make(self, state: DigestState, kind: DigestKind, day: date | None) -> bool:
        """Return whether to make a digest; unless forced, quotes never replace a model's text."""
        if self._force:
            return bool(state.source(kind, day))
        reason = state.stale_reason(kind, day, has_model=self._has_model)
        digest = state.digests.get((kind, day))
        return bool(reason) and (self._has_model or digest is None or digest.is_extractive)

    def _make(self, job: _Job, state: DigestState) -> _Job:
        """Make a digest and store it; return the job with its error, if any."""
        error = "its turns changed repeatedly while the digest was made"
        for attempt in range(_MAX_ATTEMPTS):
            if attempt:
                state = load_digest_state(self._store, job.user_id)
            try:
                self._make_once(job, state)
                error = ""
                break
            except ConflictError:
                continue
            except LLMError as failure:
                error = str(failure)
                break
        self._on_progress(1)
        return _Job(job.user_id, job.kind, job.day, error)

    def _make_once(self, job: _Job, state: DigestState) -> None:
        """Make a digest and store it.

        Raises:
            ConflictError: If its source changed meanwhile.
            LLMError: If the model fails, or its answer is not a complete text.
        """
        source = state.source(job.kind, job.day)
        if not source:  # all its turns were deleted meanwhile
            return
        text = self._writer.write(job.kind, job.day, source)
        author, source_hash = self._writer.name, hash_source(source)
        digest = DIGEST_TYPES[job.kind](job.user_id, text, job.day, author, self._now, source_hash)
        events = [state.event_memory(digest)] if job.day and job.kind == "summary" else []
        vectors = embed_windows([event.text for event in events], self._embedder)
        self._store.set_digests(
            job.user_id, [digest], made_from=source, events=events, vectors=vectors
        )
