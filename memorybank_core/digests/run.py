"""The run of `summarize`: what is due, made by as many threads as asked for, stored one by one.

Each digest is stored as soon as it is made, if what it was made from is still there. So a run
that was cut off repeats at most the calls that were in flight, and nothing that was deleted
meanwhile comes back in a digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date, datetime

from memorybank_core.errors import ConflictError, LLMError
from memorybank_core.ingest import embed_windows
from memorybank_core.protocols import Embedder, Filter, MemoryStore
from memorybank_core.records import DigestKind
from memorybank_core.reports import FailedDigest, SummarizeReport

from .answers import Tally
from .ledger import RECORDS, Ledger, hash_of
from .summarizer import Extractor, Summarizer

_ATTEMPTS = 3
"""How often a digest is begun because its turns change meanwhile."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A digest to make, and what became of it: `error` is "" unless it failed."""

    user_id: str
    kind: DigestKind
    day: date | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one user's digests."""

    days: int
    waiting: int
    jobs: list[_Job]


def read_ledger(store: MemoryStore, user_id: str) -> Ledger:
    """A user's digests, beside what they are made from."""
    memories = store.memories(user_id, Filter(archived=True))
    return Ledger(user_id, memories, store.digests(user_id))


class Run:
    """One call of `summarize` or `rebuild`.

    Args:
        store: Where the turns are and the digests go.
        embedder: Embeds the event summaries.
        writer: Makes the texts.
        now: When the digests are made.
        anew: Make every digest, not only those that are due.
        progress: Called with 1 after each digest, made or failed.
    """

    def __init__(
        self,
        store: MemoryStore,
        embedder: Embedder,
        writer: Extractor | Summarizer,
        *,
        now: datetime,
        anew: bool,
        progress: Callable[[int], None],
    ) -> None:
        self._store, self._embedder, self._writer = store, embedder, writer
        self._now, self._anew, self._progress = now, anew, progress
        self._has_model = isinstance(writer, Summarizer)

    def over(self, users: Iterable[str], concurrency: int, tally: Tally) -> SummarizeReport:
        """Digests what is due of these users, with at most `concurrency` calls at once."""
        pools = [ThreadPoolExecutor(concurrency, "memorybank-digest") for _ in ("users", "jobs")]
        try:
            running = [pools[0].submit(self._digest, user_id, pools[1]) for user_id in users]
            outcomes = [done.result() for done in as_completed(running)]
        finally:  # an error or Ctrl-C ends the run after the calls in flight
            for pool in pools:
                pool.shutdown(wait=False, cancel_futures=True)
            for pool in pools:
                pool.shutdown(wait=True)
        jobs = [job for outcome in outcomes for job in outcome.jobs]
        touched = {(job.user_id, job.day) for job in jobs if job.day}
        failed = {(job.user_id, job.day) for job in jobs if job.error}
        return SummarizeReport(
            digested=len(touched - failed),
            skipped=sum(outcome.days for outcome in outcomes) - len(touched),
            failed=tuple(
                FailedDigest(job.user_id, job.kind, job.day, job.error)
                for job in sorted(jobs, key=lambda job: (job.user_id, str(job.day), job.kind))
                if job.error
            ),
            waiting=sum(outcome.waiting for outcome in outcomes),
            calls=tally.calls,
            tokens=tally.tokens,
        )

    def _digest(self, user_id: str, pool: ThreadPoolExecutor) -> _Outcome:
        """One user: the days first, then what is made from them."""
        ledger = read_ledger(self._store, user_id)
        jobs: list[_Job] = []
        for days in (ledger.days, [None]):
            if jobs:
                ledger = read_ledger(self._store, user_id)
            due = [
                _Job(user_id, kind, day)
                for day in days
                for kind in RECORDS
                if self._is_due(ledger, kind, day)
            ]
            running = [pool.submit(self._make, job, ledger) for job in due]
            jobs += [done.result() for done in running]
        waiting = 0 if self._has_model else read_ledger(self._store, user_id).waiting
        return _Outcome(len(ledger.days), waiting, jobs)

    def _is_due(self, ledger: Ledger, kind: DigestKind, day: date | None) -> bool:
        if self._anew:
            return bool(ledger.source(kind, day))
        reason = ledger.reason(kind, day, has_model=self._has_model)
        known = ledger.known.get((kind, day))
        return bool(reason) and (self._has_model or known is None or known.is_extractive)

    def _make(self, job: _Job, ledger: Ledger) -> _Job:
        """Makes a digest and stores it; tells what went wrong."""
        error = "its turns changed time after time while it was digested"
        for attempt in range(_ATTEMPTS):
            if attempt:
                ledger = read_ledger(self._store, job.user_id)
            try:
                self._make_once(job, ledger)
                error = ""
                break
            except ConflictError:
                continue
            except LLMError as failure:
                error = str(failure)
                break
        self._progress(1)
        return _Job(job.user_id, job.kind, job.day, error)

    def _make_once(self, job: _Job, ledger: Ledger) -> None:
        source = ledger.source(job.kind, job.day)
        if not source:  # it was deleted
            return
        text = self._writer.write(job.kind, job.day, source)
        name, hash = self._writer.name, hash_of(source)
        digest = RECORDS[job.kind](job.user_id, text, job.day, name, self._now, hash)
        events = [ledger.event(digest)] if job.day and job.kind == "summary" else []
        vectors = embed_windows([event.text for event in events], self._embedder) if events else []
        self._store.set_digests(
            job.user_id, [digest], made_from=source, events=events, vectors=vectors
        )
