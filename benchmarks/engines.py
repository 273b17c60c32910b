"""What a memory adds to a turn of LlamaIndex's, beyond the embedding and the model.

python benchmarks/engines.py [memories]    beside Memory with a VectorMemoryBlock
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import DIMENSION, FreeEmbedder, machine, median_ms, questions, turns
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.memory import BaseMemoryBlock, Memory, VectorMemoryBlock
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    VectorStoreQueryResult,
)
from pydantic import PrivateAttr

from memorybank_core import MemoryBank, Turn
from memorybank_llamaindex import MemoryBankBlock, MemoryBankMemory, memory_with_bank

TURNS = 40
ANSWER = "Certainly, my friend."


class Free(BaseEmbedding):
    """The same free vectors for the peer."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return _EMBEDDER.embed_documents([text])[0].tolist()

    def _get_query_embedding(self, query: str) -> list[float]:
        return _EMBEDDER.embed_query(query).tolist()

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


_EMBEDDER = FreeEmbedder()


def turn_of(memory: Memory | MemoryBankMemory) -> Callable[[str], object]:
    """What a chat engine does with its memory in a turn."""

    def turn(question: str) -> None:
        memory.put(ChatMessage(question, role="user"))
        memory.get()
        memory.put(ChatMessage(ANSWER, role="assistant"))

    return turn


def milliseconds(turn: Callable[[str], object]) -> float:
    """Median of one turn, after three to warm up."""
    return round(median_ms([lambda q=q: turn(q) for q in questions(TURNS)]), 2)


class Flat(BasePydanticVectorStore):
    """About the fastest store there can be for the peer: one matrix, in memory."""

    stores_text: bool = True
    is_embedding_query: bool = True
    _nodes: list[Any] = PrivateAttr(default_factory=list)
    _sessions: np.ndarray = PrivateAttr(default_factory=lambda: np.array([]))
    _matrix: np.ndarray = PrivateAttr(default_factory=lambda: np.zeros((0, DIMENSION), np.float32))

    @property
    def client(self) -> None:
        return None

    def add(self, nodes: list[Any], **kwargs: Any) -> list[str]:
        self._nodes += nodes
        self._sessions = np.array([node.metadata.get("session_id") for node in self._nodes])
        self._matrix = np.vstack([self._matrix, [node.embedding for node in nodes]])
        return [node.node_id for node in nodes]

    def query(self, query: Any, **kwargs: Any) -> VectorStoreQueryResult:
        scores = self._matrix @ np.array(query.query_embedding, np.float32)
        for wanted in query.filters.filters if query.filters else ():
            scores[self._sessions != wanted.value] = -np.inf  # it asks for nothing but a session
        best = np.argsort(-scores)[: query.similarity_top_k]
        best = best[np.isfinite(scores[best])]
        nodes = [self._nodes[row] for row in best]
        return VectorStoreQueryResult(nodes, scores[best].tolist(), [node.id_ for node in nodes])

    def delete(self, ref_doc_id: str, **kwargs: Any) -> None:
        raise NotImplementedError


def peer(told: list[Turn]) -> float:
    """LlamaIndex's own: the turns in its vector block, what is said now in its buffer."""
    store = Flat()
    nodes = [TextNode(text=turn.text, metadata={"session_id": "one"}) for turn in told]
    for node in nodes:
        node.embedding = _EMBEDDER.embed_documents([node.text])[0].tolist()
    store.add(nodes)
    return milliseconds(turn_of(Memory.from_defaults("one", memory_blocks=[vector_block(store)])))


def vector_block(store: Flat) -> VectorMemoryBlock:
    return VectorMemoryBlock(vector_store=store, embed_model=Free(), similarity_top_k=5)


def shows_canary(here: BaseMemoryBlock[Any], there: BaseMemoryBlock[Any]) -> bool:
    """Whether what was said to one block in one session is shown by the other in another."""
    canary = ChatMessage("The canary sings.", role="user")
    asked = ChatMessage("What sings?", role="user")

    async def told() -> str:
        await here.aput([canary], session_id="one")
        await here.aget([canary], session_id="one")
        return str(await there.aget([asked], session_id="two"))

    return "canary" in asyncio.run(told())


def main() -> None:
    size = int(sys.argv[1]) if sys.argv[1:] else 10_000
    told = turns(size)
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryBank.open(Path(folder) / "bank.db", embedder=_EMBEDDER) as bank,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # LlamaIndex's own
        for start in range(0, size, 5000):
            bank.add(told[start : start + 5000], user_id="u")
        added = {
            "MemoryBankMemory": milliseconds(
                turn_of(MemoryBankMemory.from_defaults(bank=bank, user_id="u", session="s"))
            ),
            "memory_with_bank": milliseconds(turn_of(memory_with_bank(bank, "u", "t"))),
            "Memory with VectorMemoryBlock": peer(told),
        }
        shared = vector_block(Flat())
        users = [MemoryBankBlock(bank=bank, user_id=name) for name in ("ada", "bob")]
        shows = {
            "VectorMemoryBlock, another session": shows_canary(shared, shared),
            "MemoryBankBlock, another user": shows_canary(*users),
        }
    found = {"memories": size, "added_ms": added, "shows_what_is_not_theirs": shows}
    print(json.dumps({"machine": machine(), **found}, indent=2))


if __name__ == "__main__":
    main()
