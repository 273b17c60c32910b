"""What every part of the bank stands on: the store, the embedder, the model, the calendar."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from zoneinfo import ZoneInfo

from memorybank_core.errors import InvalidInputError
from memorybank_core.forgetting import Ebbinghaus, ForgettingLaw
from memorybank_core.llm.prompts import Prompts
from memorybank_core.protocols import LLM, Embedder, Filter, MemoryStore
from memorybank_core.records import Kind, Memory, SearchResult
from memorybank_core.registry import llm_named
from memorybank_core.search.ranking import Weights
from memorybank_core.validation import configuration, require_day, require_kind, require_llm


class Base:
    """The attributes of a bank."""

    def __init__(
        self,
        store: MemoryStore,
        embedder: Embedder,
        *,
        llm: LLM | str | None = None,
        language: str = "en",
        timezone: str = "UTC",
        law: ForgettingLaw | str | None = None,
        weights: Weights | None = None,
        prompts: Prompts | None = None,
    ) -> None:
        self.timezone: ZoneInfo
        self.timezone, self.law = configuration(language, timezone, law or Ebbinghaus())
        self.store, self.embedder = store, embedder
        self.llm = require_llm(llm_named(llm) if isinstance(llm, str) else llm)
        self.language = language
        self.weights = weights or Weights()
        self.prompts = prompts

    def day_of(self, moment: datetime) -> date:
        """The calendar day of a moment in the bank's time zone."""
        return moment.astimezone(self.timezone).date()


def filter_of(
    since: date | None, until: date | None, kind: Kind | None, session: str | None, archived: bool
) -> Filter:
    """The filter of these arguments; raises InvalidInputError on what they cannot be."""
    days = require_day(since, "since"), require_day(until, "until")
    return Filter(*days, require_kind(kind), session, archived)


def ids_of(found: Iterable[SearchResult | Memory | str], user_id: str) -> list[str]:
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
