"""Digesting: days become event summaries and portraits, and the days one of each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from memorybank_core.concurrency import in_thread
from memorybank_core.digests.answers import Asker, Tally
from memorybank_core.digests.run import Run, read_ledger
from memorybank_core.digests.summarizer import Extractor, Summarizer
from memorybank_core.llm.prompts import PROMPTS
from memorybank_core.protocols import LLM
from memorybank_core.records import Digest, Portrait, Summary
from memorybank_core.reports import Stale, SummarizeReport
from memorybank_core.validation import (
    require_day,
    require_k,
    require_language,
    require_llm,
    require_moment,
    require_user,
)

from .base import Base

CONCURRENCY = 4
"""How many digests are made at once, unless told otherwise."""

Progress = Callable[[int], None]


class Digesting(Base):
    """`summarize`, `rebuild`, `verify`, and what they make."""

    def summarize(
        self,
        *,
        user_id: str | None = None,
        now: datetime | None = None,
        concurrency: int = CONCURRENCY,
        progress: Progress | None = None,
    ) -> SummarizeReport:
        """Digests what is new: the days that changed, then the overall summary and portrait.

        Each digest is stored as soon as it is made: after a crash, call it again. Without a
        language model the digests are extracted from the dialogue and marked as such; they take
        the place of each other, never of what a model wrote, and a model replaces them.

        Args:
            user_id: Whose memory; default everyone's.
            now: When the digests are made; default the present.
            concurrency: How many are made at once, 1 or more.
            progress: Called with 1 after each digest, made or failed; `verify` says how many
                there will be.

        Returns:
            What was done. A digest that failed is named there, and is as it was before.

        Raises:
            InvalidInputError: An argument is not what it must be.
            ConfigurationError: The language model cannot work at all, for want of a key, say.
            EmbedderError: The embedder gave vectors that cannot be used.
            StoreError: It could not be stored; what was made before it was.
        """
        return self._run(user_id, now, concurrency, progress, anew=False)

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
        """Makes all digests anew from the turns, whoever made those that there are.

        Args:
            user_id: Whose memory; default everyone's.
            llm: Another language model than the bank's.
            language: Another language than the bank's.
            now: As in `summarize`.
            concurrency: As in `summarize`.
            progress: As in `summarize`.

        Returns:
            As `summarize`, which raises the same, too.
        """
        return self._run(user_id, now, concurrency, progress, anew=True, llm=llm, language=language)

    def verify(self, *, user_id: str | None = None) -> list[Stale]:
        """Which digests are stale, of one user or of all: what the next `summarize` makes."""
        return [
            stale
            for one in self._users(user_id)
            for stale in read_ledger(self.store, one).stale(has_model=self.llm is not None)
        ]

    def digests(self, *, user_id: str) -> list[Digest]:
        """Every summary and portrait: by kind, then by day, the overall one first."""
        require_user(user_id)
        return self.store.digests(user_id)

    def summary(self, *, user_id: str, day: date | None = None) -> Summary | None:
        """What happened on a day, or overall; None where nothing is digested."""
        require_day(day, "day")
        found = (one for one in self.digests(user_id=user_id) if isinstance(one, Summary))
        return next((one for one in found if one.day == day), None)

    def portrait(self, *, user_id: str, day: date | None = None) -> Portrait | None:
        """The user, as a day shows them or overall; None where nothing is digested."""
        require_day(day, "day")
        found = (one for one in self.digests(user_id=user_id) if isinstance(one, Portrait))
        return next((one for one in found if one.day == day), None)

    asummarize = in_thread(summarize)
    arebuild = in_thread(rebuild)
    averify = in_thread(verify)
    adigests = in_thread(digests)
    asummary = in_thread(summary)
    aportrait = in_thread(portrait)

    def _run(
        self,
        user_id: str | None,
        now: datetime | None,
        concurrency: int,
        progress: Progress | None,
        *,
        anew: bool,
        llm: LLM | None = None,
        language: str | None = None,
    ) -> SummarizeReport:
        require_k(concurrency, "concurrency")
        moment, users, tally = require_moment(now), self._users(user_id), Tally()
        writer = self._writer(require_llm(llm) or self.llm, language, tally)
        report = progress or (lambda _: None)
        run = Run(self.store, self.embedder, writer, now=moment, anew=anew, progress=report)
        return run.over(users, concurrency, tally)

    def _writer(
        self, llm: LLM | None, language: str | None, tally: Tally
    ) -> Extractor | Summarizer:
        chosen = require_language(language or self.language)
        if llm is None:
            return Extractor(self.store.vectors, chosen)
        prompts = self.prompts if self.prompts and not language else PROMPTS[chosen]
        return Summarizer(Asker(llm, tally), prompts)

    def _users(self, user_id: str | None) -> list[str]:
        if user_id is None:
            return list(self.store.users())
        require_user(user_id)
        return [user_id]
