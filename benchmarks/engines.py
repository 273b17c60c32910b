"""Measure the time that a memory adds to a LlamaIndex turn, without the embedding and the model.

python benchmarks/engines.py [memories]

The comparison is LlamaIndex's `Memory` with a `VectorMemoryBlock`.
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
from common import DIMENSION, FreeEmbedder, describe_machine, make_questions, make_turns, median_ms
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


class FreeEmbedding(BaseEmbedding):
    """The vectors of `FreeEmbedder` for LlamaIndex's own memory."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return _EMBEDDER.embed_documents([text])[0].tolist()

    def _get_query_embedding(self, query: str) -> list[float]:
        return _EMBEDDER.embed_query(query).tolist()

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


_EMBEDDER = FreeEmbedder()


def make_turn(memory: Memory | MemoryBankMemory) -> Callable[[str], object]:
    """Return a function that uses the memory as a chat engine does in one turn."""

    def turn(question: str) -> None:
        memory.put(ChatMessage(question, role="user"))
        memory.get()
        memory.put(ChatMessage(ANSWER, role="assistant"))

    return turn


def time_turn(turn: Callable[[str], object]) -> float:
    """Return the median milliseconds of a turn, after three turns to warm up."""
    calls = [lambda question=question: turn(question) for question in make_questions(TURNS)]
    return round(median_ms(calls), 2)


class MatrixStore(BasePydanticVectorStore):
    """A vector store that is one matrix in memory, which is close to the fastest possible store."""

    stores_text: bool = True
    is_embedding_query: bool = True
    _nodes: list[Any] = PrivateAttr(default_factory=list)
    _sessions: np.ndarray = PrivateAttr(default_factory=lambda: np.array([]))
    _matrix: np.ndarray = PrivateAttr(default_factory=lambda: np.zeros((0, DIMENSION), np.float32))

    @property
    def client(self) -> None:
        """None: the store has no client."""
        return None

    def add(self, nodes: list[Any], **kwargs: Any) -> list[str]:
        """Add nodes and return their ids."""
        self._nodes += nodes
        self._sessions = np.array([node.metadata.get("session_id") for node in self._nodes])
        self._matrix = np.vstack([self._matrix, [node.embedding for node in nodes]])
        return [node.node_id for node in nodes]

    def query(self, query: Any, **kwargs: Any) -> VectorStoreQueryResult:
        """Return the nearest nodes; a filter can only name the session."""
        scores = self._matrix @ np.array(query.query_embedding, np.float32)
        for condition in query.filters.filters if query.filters else ():
            scores[self._sessions != condition.value] = -np.inf
        best = np.argsort(-scores)[: query.similarity_top_k]
        best = best[np.isfinite(scores[best])]
        nodes = [self._nodes[row] for row in best]
        return VectorStoreQueryResult(nodes, scores[best].tolist(), [node.id_ for node in nodes])

    def delete(self, ref_doc_id: str, **kwargs: Any) -> None:
        """Raise NotImplementedError: the benchmark deletes nothing."""
        raise NotImplementedError


def measure_llamaindex(stored: list[Turn]) -> float:
    """Return the milliseconds of LlamaIndex's own memory with the turns in its vector block."""
    store = MatrixStore()
    nodes = [TextNode(text=turn.text, metadata={"session_id": "one"}) for turn in stored]
    for node in nodes:
        node.embedding = _EMBEDDER.embed_documents([node.text])[0].tolist()
    store.add(nodes)
    return time_turn(make_turn(Memory.from_defaults("one", memory_blocks=[vector_block(store)])))


def vector_block(store: MatrixStore) -> VectorMemoryBlock:
    """Return LlamaIndex's block over a store."""
    return VectorMemoryBlock(vector_store=store, embed_model=FreeEmbedding(), similarity_top_k=5)


def shows_canary(writer: BaseMemoryBlock[Any], reader: BaseMemoryBlock[Any]) -> bool:
    """Return whether a message put into one block appears in another session of the other block."""
    canary = ChatMessage("The canary sings.", role="user")
    question = ChatMessage("What sings?", role="user")

    async def recall_elsewhere() -> str:
        await writer.aput([canary], session_id="one")
        await writer.aget([canary], session_id="one")
        return str(await reader.aget([question], session_id="two"))

    return "canary" in asyncio.run(recall_elsewhere())


def main() -> None:
    """Print the milliseconds added per turn, and whether a block shows another user's message."""
    size = int(sys.argv[1]) if sys.argv[1:] else 10_000
    stored = make_turns(size)
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryBank.open(Path(folder) / "bank.db", embedder=_EMBEDDER) as bank,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # warnings of LlamaIndex itself
        for start in range(0, size, 5000):
            bank.add(stored[start : start + 5000], user_id="u")
        added = {
            "MemoryBankMemory": time_turn(
                make_turn(MemoryBankMemory.from_defaults(bank=bank, user_id="u", session="s"))
            ),
            "memory_with_bank": time_turn(make_turn(memory_with_bank(bank, "u", "t"))),
            "Memory with VectorMemoryBlock": measure_llamaindex(stored),
        }
        shared = vector_block(MatrixStore())
        users = [MemoryBankBlock(bank=bank, user_id=name) for name in ("ada", "bob")]
        shows = {
            "VectorMemoryBlock, another session": shows_canary(shared, shared),
            "MemoryBankBlock, another user": shows_canary(*users),
        }
    results = {"memories": size, "added_ms": added, "shows_foreign_message": shows}
    print(json.dumps({"machine": describe_machine(), **results}, indent=2))


if __name__ == "__main__":
    main()
