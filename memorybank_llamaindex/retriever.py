"""MemoryBankRetriever: a user's memories as LlamaIndex's nodes."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import date
from typing import Any

from llama_index.core.callbacks import CallbackManager
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from memorybank_core import MemoryBank, SearchResult
from memorybank_core.records import Kind
from memorybank_core.validation import build_filter, require_k, require_user

from . import events

_OF_MEMORY = ("day", "created_at", "kind", "session", "strength", "recalls")
_OF_RESULT = ("score", "cosine", "retention", "parts")
_TOLD = "day"
"""What of the metadata a language model is shown beside the text; an embedding is shown nothing."""


class MemoryBankRetriever(BaseRetriever):
    """Finds what answers a question, best first: for query engines, routers, fusion, rerankers.

    A node has the memory's text and id, and in its metadata plain JSON values: day, created_at,
    kind, session, strength, recalls, score, cosine, retention, and the score's parts. A language
    model is shown the text and the day. Scores are comparable within one search only, and may be
    below 0: cut off by `retention` or `cosine`, or take a small `k`, rather than by a score.

    Args:
        bank: Where the memories are.
        user_id: Whose memory.
        k: How many at most, 1 or more.
        since: No memory of an earlier day.
        until: No memory of a later day.
        kind: "turn" or "event" only.
        session: This conversation only.
        archived: Also what was forgotten.
        reinforce: Strengthen what is found; otherwise nothing is written.
        callback_manager: LlamaIndex's, for its classic callbacks.

    Raises:
        InvalidInputError: An argument is not what it must be; from a call: nothing is asked.
    """

    def __init__(
        self,
        bank: MemoryBank,
        *,
        user_id: str,
        k: int = 5,
        since: date | None = None,
        until: date | None = None,
        kind: Kind | None = None,
        session: str | None = None,
        archived: bool = False,
        reinforce: bool = False,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        require_user(user_id)
        require_k(k)
        build_filter(since, until, kind, session, archived)
        self._bank, self._user_id, self._reinforce = bank, user_id, reinforce
        self._asked: dict[str, Any] = {
            "k": k,
            "since": since,
            "until": until,
            "kind": kind,
            "session": session,
            "archived": archived,
        }
        super().__init__(callback_manager=callback_manager)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        query, user_id = query_bundle.query_str, self._user_id
        found = self._bank.search(query, user_id=user_id, **self._asked)
        ids = [result.memory.id for result in found]
        events.recalled(user_id, query, ids)
        if self._reinforce and found:
            self._bank.reinforce(found, user_id=user_id)
            events.reinforced(user_id, ids)
        return [_node(result) for result in found]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


class _MemoryNode(TextNode):
    """A node that stays the same one whatever was asked, so that fusion knows it again."""

    @property
    def hash(self) -> str:
        return hashlib.sha256(f"{self.id_}\n{self.text}".encode()).hexdigest()


def _node(result: SearchResult) -> NodeWithScore:
    plain = result.to_dict()
    metadata = {name: plain["memory"][name] for name in _OF_MEMORY}
    metadata |= {name: plain[name] for name in _OF_RESULT}
    node = _MemoryNode(id_=result.memory.id, text=result.memory.text)
    node.metadata = metadata
    node.excluded_llm_metadata_keys = [name for name in metadata if name != _TOLD]
    node.excluded_embed_metadata_keys = list(metadata)
    return NodeWithScore(node=node, score=result.score)
