"""Retriever that returns a user's memories as LlamaIndex nodes."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from llama_index.core.callbacks import CallbackManager
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from memorybank_core import MemoryBank, SearchResult
from memorybank_core.integration import result_metadata
from memorybank_core.records import Kind
from memorybank_core.search.relevance import MIN_RELEVANCE, select_reinforced
from memorybank_core.validation import (
    build_filter,
    require_count,
    require_relevance,
    to_user_id,
)

from . import events
from .fields import UserId

_LLM_METADATA = "day"
"""Metadata that a language model sees with the text; embedding models see only the text."""


class MemoryBankRetriever(BaseRetriever):
    """Retriever of the memories most relevant to a question, best first.

    Use it in query engines, routers, fusion retrievers and rerankers. A node has the text and the
    id of the memory. Its metadata are plain JSON values: day, created_at, kind, session, strength,
    recalls, score, cosine, retention, relevance, the parts of the score and, under "metadata",
    those of the turn. A language model sees the text and the day. Scores are comparable only
    within one search and may be negative: to filter results, use `min_relevance` or a small `k`,
    not the score.

    Args:
        bank: Bank that holds the memories.
        user_id: User whose memories are searched.
        k: Maximum number of nodes, 1 or more.
        min_relevance: Relevance below which memories are left out, in [0, 1]. By default small talk
            finds nothing; 0 always returns the k best.
        since: First day to include.
        until: Last day to include.
        kind: Only "turn" or only "event" memories.
        session: Only memories of this conversation.
        archived: Include archived (forgotten) memories.
        where: Conditions on the metadata of turns, as in `MemoryBank.search`.
        reinforce: Strengthen the relevant memories found, at most five; otherwise nothing is
            written.
        callback_manager: LlamaIndex's classic callbacks.

    Raises:
        InvalidInputError: If an argument is invalid; from a call, if the query is empty.
    """

    def __init__(
        self,
        bank: MemoryBank,
        *,
        user_id: UserId,
        k: int = 5,
        min_relevance: float = MIN_RELEVANCE,
        since: date | None = None,
        until: date | None = None,
        kind: Kind | None = None,
        session: str | None = None,
        archived: bool = False,
        where: Mapping[str, Any] | None = None,
        reinforce: bool = False,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        require_count(k)
        require_relevance(min_relevance)
        build_filter(since, until, kind, session, archived, where)  # raises on an invalid argument
        self._bank, self._user_id, self._reinforce = bank, to_user_id(user_id), reinforce
        self._search_options: dict[str, Any] = {
            "k": k,
            "min_relevance": min_relevance,
            "since": since,
            "until": until,
            "kind": kind,
            "session": session,
            "archived": archived,
            "where": where,
        }
        super().__init__(callback_manager=callback_manager)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        query, user_id = query_bundle.query_str, self._user_id
        results = self._bank.search(query, user_id=user_id, **self._search_options)
        ids = [result.memory.id for result in results]
        events.emit_recalled(user_id, query, ids)
        best = select_reinforced(results) if self._reinforce else []
        if best:
            self._bank.reinforce(best, user_id=user_id)
            events.emit_reinforced(user_id, [result.memory.id for result in best])
        return [_to_node(result) for result in results]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


class _MemoryNode(TextNode):
    """A node whose hash does not depend on the query, so that fusion merges equal memories."""

    @property
    def hash(self) -> str:
        """Hash of the id and the text, without the metadata."""
        return hashlib.sha256(json.dumps([self.id_, self.text]).encode()).hexdigest()


def _to_node(result: SearchResult) -> NodeWithScore:
    node = _MemoryNode(id_=result.memory.id, text=result.memory.text)
    node.metadata = metadata = result_metadata(result)
    node.excluded_llm_metadata_keys = [name for name in metadata if name != _LLM_METADATA]
    node.excluded_embed_metadata_keys = list(metadata)
    return NodeWithScore(node=node, score=result.score)
