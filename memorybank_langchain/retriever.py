"""MemoryBankRetriever: a user's memories as LangChain's documents."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig
from pydantic import Field

from memorybank_core import MemoryBank, SearchResult
from memorybank_core.records import Kind

from .run_config import user_of

_OF_MEMORY = ("day", "created_at", "kind", "session", "strength", "recalls")
_OF_RESULT = ("score", "cosine", "retention", "parts")
_FILTERS = ("k", "since", "until", "kind", "session", "archived")


class MemoryBankRetriever(BaseRetriever):
    """Finds what answers a question, best first; each argument of a search may differ by call.

    `retriever.invoke(question, k=3)`, or `now=...`, `since=...` and so on, as in `bank.search`.
    A document has the memory's text and id, and in its metadata plain JSON values: day,
    created_at, kind, session, strength, recalls, score, cosine, retention, and the score's parts.

    Attributes:
        bank: Where the memories are.
        user_id: Whose memory; None reads `config["configurable"]["user_id"]` of each call.
        k: How many at most, 1 or more.
        since: No memory of an earlier day.
        until: No memory of a later day.
        kind: "turn" or "event" only.
        session: This conversation only.
        archived: Also what was forgotten.
        reinforce: Strengthen what is found; otherwise nothing is written.

    Raises:
        InvalidInputError: From a call: it names no user, or an argument is not what it must be.
    """

    bank: MemoryBank = Field(repr=False, exclude=True)
    user_id: str | None = None
    k: int = 5
    since: date | None = None
    until: date | None = None
    kind: Kind | None = None
    session: str | None = None
    archived: bool = False
    reinforce: bool = False

    def invoke(
        self, input: str, config: RunnableConfig | None = None, **kwargs: Any
    ) -> list[Document]:
        kwargs["user_id"] = user_of(kwargs.get("user_id", self.user_id), config)
        return super().invoke(input, config, **kwargs)

    async def ainvoke(
        self, input: str, config: RunnableConfig | None = None, **kwargs: Any
    ) -> list[Document]:
        kwargs["user_id"] = user_of(kwargs.get("user_id", self.user_id), config)
        return await super().ainvoke(input, config, **kwargs)

    def _get_relevant_documents(
        self, query: str, *, run_manager: Any, reinforce: bool | None = None, **asked: Any
    ) -> list[Document]:
        asked = {name: getattr(self, name) for name in _FILTERS} | asked
        found = self.bank.search(query, **asked)
        if self.reinforce if reinforce is None else reinforce:
            self.bank.reinforce(found, user_id=asked["user_id"], now=asked.get("now"))
        return [_document(result) for result in found]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: Any, **asked: Any
    ) -> list[Document]:
        search = self._get_relevant_documents
        return await asyncio.to_thread(search, query, run_manager=run_manager, **asked)


def _document(result: SearchResult) -> Document:
    plain = result.to_dict()
    metadata = {name: plain["memory"][name] for name in _OF_MEMORY}
    metadata |= {name: plain[name] for name in _OF_RESULT}
    return Document(id=result.memory.id, page_content=result.memory.text, metadata=metadata)
