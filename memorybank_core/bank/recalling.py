"""Recalling: what answers a question is found, and grows stronger."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import Any

import numpy as np

from memorybank_core.concurrency import in_thread
from memorybank_core.context import (
    CONTEXT_TOKENS,
    Context,
    Tokenizer,
    compose,
    require_max_tokens,
    token_counter,
)
from memorybank_core.forgetting import SECONDS_PER_DAY
from memorybank_core.ingest import embed_query
from memorybank_core.protocols import Filter, Probe
from memorybank_core.records import Kind, Memory, Portrait, SearchResult, Summary
from memorybank_core.search.dates import find_days
from memorybank_core.search.ranking import rank
from memorybank_core.search.tokenize import tokenize
from memorybank_core.text import without_surrogates
from memorybank_core.validation import require_k, require_moment, require_query, require_user

from .base import Base, filter_of, ids_of

POOL, LEAST = 50, 20
"""How many candidates each signal of a search brings, at most and at least.

In between it is a quarter of the memories: in a small bank most would be candidates for anything.
"""


class Recalling(Base):
    """`search`, `reinforce` and `context`."""

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
        wanted = filter_of(since, until, kind, session, archived)
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
        ids = ids_of(found, user_id)
        return self.store.strengthen(user_id, ids, moment, turn, self.law) if ids else 0

    def context(
        self,
        query: str | None,
        *,
        user_id: str,
        k: int = 5,
        max_tokens: int = CONTEXT_TOKENS,
        now: datetime | None = None,
        tokenizer: Tokenizer | None = None,
        without: Collection[str] = (),
    ) -> Context:
        """What to put into a prompt: the portrait, the summary, and what answers `query`.

        It is one marked block of text, what changes least first. Everything in it is whole: what
        has no room is left out, and named in the result. Writes nothing; to strengthen what was
        used, `reinforce(context.ids, …)`. Where the block comes back in a turn, `add` leaves it
        out.

        Args:
            query: What the user says now; None recalls nothing, for portrait and summary alone.
            user_id: Whose memory.
            k: How many memories at most, 1 or more.
            max_tokens: How long the text may become.
            now: For relative days and for forgetting; default the present.
            tokenizer: Counts the tokens: a function from text to their number or to the tokens,
                or what has such an `encode`. Default the language model's own, else an estimate
                that is rather too high.
            without: Ids of memories that are in the prompt already: recent turns, as a rule.

        Raises:
            InvalidInputError: An argument is not what it must be.
            EmbedderError: The embedder gave a vector that cannot be used.
        """
        require_user(user_id)
        require_k(k)
        require_max_tokens(max_tokens)
        count = token_counter(tokenizer or getattr(self.llm, "count_tokens", None))
        results: list[SearchResult] = []
        if query is not None:
            found = self.search(query, user_id=user_id, k=k + len(without), now=now)
            results = [result for result in found if result.memory.id not in without][:k]
        overall = {type(one): one.text for one in self.store.digests(user_id, days=False)}
        return compose(
            results,
            portrait=overall.get(Portrait),
            summary=overall.get(Summary),
            language=self.language,
            max_tokens=max_tokens,
            count=count,
        )

    asearch = in_thread(search)
    acontext = in_thread(context)
    areinforce = in_thread(reinforce)

    def _probe(self, query: str, user_id: str, k: int, now: datetime, wanted: Filter) -> Probe:
        """What the store needs to know of a question."""
        first, last = self.store.span(user_id) or (None, None)
        return Probe(
            vector=embed_query(query, self.embedder),
            terms=tokenize(query),
            days=find_days(query, today=self.day_of(now), first_day=first, last_day=last),
            filter=wanted,
            pool=max(POOL, k),
            least=max(LEAST, k),
            reach=self.weights.reach,
        )

    def _retention(self, refreshed: Any, strength: Any, now: datetime) -> Any:
        """R of each candidate, float64 (n,)."""
        days = np.maximum(now.timestamp() - refreshed, 0.0) / SECONDS_PER_DAY
        return self.law.retention(days, strength)
