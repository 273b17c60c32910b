"""Retriever that returns a user's memories as LangChain documents."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig
from pydantic import ConfigDict, Field

from memorybank_core import MemoryBank
from memorybank_core.records import Kind
from memorybank_core.search.relevance import MIN_RELEVANCE, select_reinforced

from .failures import OnRecall, call_on_recall, failure_reporter
from .run_config import USER_ID_KEY, UserId, resolve_user
from .traces import to_context, to_document

_SEARCH_OPTIONS = ("k", "min_relevance", "since", "until", "kind", "session", "archived", "where")


class MemoryBankRetriever(BaseRetriever):
    """Retriever of the memories most relevant to a question, best first.

    A call may override the arguments of the search: `retriever.invoke(question, k=3)`, or
    `now=...`, `since=...` and so on, as in `bank.search`. A document has the text and the id of
    the memory. Its metadata are plain JSON values: day, created_at, kind, session, strength,
    recalls, score, cosine, retention, relevance, the parts of the score and, under "metadata",
    those of the turn.

    Attributes:
        bank: Bank that holds the memories.
        user_id: User whose memories are searched; None reads it from the context of the run in
            progress, or without it from `config["configurable"]` of each call.
        user_id_key: Key of the user's id there; "langgraph_auth_user_id" on a LangGraph server
            with authentication.
        k: Maximum number of documents, 1 or more.
        min_relevance: Relevance below which memories are left out, in [0, 1]. By default small talk
            finds nothing; 0 always returns the k best.
        since: First day to include.
        until: Last day to include.
        kind: Only "turn" or only "event" memories.
        session: Only memories of this conversation.
        archived: Include archived (forgotten) memories.
        where: Conditions on the metadata of turns, as in `bank.search`.
        reinforce: Strengthen the relevant memories found, at most five; otherwise nothing is
            written.
        on_recall: Called with the memories found as a `Context`, for example to display them.

    Raises:
        InvalidInputError: From a call, if the user is missing or an argument is invalid.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    bank: MemoryBank = Field(repr=False, exclude=True)
    user_id: UserId | None = None
    user_id_key: str = USER_ID_KEY
    k: int = 5
    min_relevance: float = MIN_RELEVANCE
    since: date | None = None
    until: date | None = None
    kind: Kind | None = None
    session: str | None = None
    archived: bool = False
    where: dict[str, Any] | None = None
    reinforce: bool = False
    on_recall: OnRecall | None = Field(None, repr=False, exclude=True)

    def invoke(
        self, input: str, config: RunnableConfig | None = None, **kwargs: Any
    ) -> list[Document]:
        """Return the documents most relevant to `input`; `kwargs` override the attributes."""
        kwargs["user_id"] = self._resolve_user(config, **kwargs)
        return super().invoke(input, config, **kwargs)

    async def ainvoke(
        self, input: str, config: RunnableConfig | None = None, **kwargs: Any
    ) -> list[Document]:
        """Async `invoke`."""
        kwargs["user_id"] = self._resolve_user(config, **kwargs)
        return await super().ainvoke(input, config, **kwargs)

    def _resolve_user(
        self, config: RunnableConfig | None, user_id: UserId | None = None, **options: Any
    ) -> str:
        user_id = self.user_id if user_id is None else user_id
        return resolve_user(user_id, config, key=self.user_id_key)

    def _get_relevant_documents(
        self, query: str, *, run_manager: Any, reinforce: bool | None = None, **overrides: Any
    ) -> list[Document]:
        options = {name: getattr(self, name) for name in _SEARCH_OPTIONS} | overrides
        results = self.bank.search(query, **options)
        if self.reinforce if reinforce is None else reinforce:
            self.bank.reinforce(
                select_reinforced(results), user_id=options["user_id"], now=options.get("now")
            )
        documents = [to_document(result) for result in results]
        text = "\n\n".join(document.page_content for document in documents)
        report = failure_reporter(
            {"callbacks": run_manager.get_child()}, user_id=options["user_id"]
        )
        call_on_recall(self.on_recall, to_context(text, results), report)
        return documents

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: Any, **overrides: Any
    ) -> list[Document]:
        search = self._get_relevant_documents
        return await asyncio.to_thread(search, query, run_manager=run_manager, **overrides)
