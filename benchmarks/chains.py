"""What a memory adds to a turn of LangChain's, beyond the embedding and the model.

python benchmarks/chains.py [memories]    needs langchain-community for the peer, FAISS in memory
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
from common import DIMENSION, FreeEmbedder, machine, median_ms, questions, turns
from langchain.agents import create_agent
from langchain_classic.memory import VectorStoreRetrieverMemory
from langchain_community.docstore.in_memory import InMemoryDocstore
from langchain_community.vectorstores import FAISS
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from memorybank_core import MemoryBank, Turn
from memorybank_langchain import MemoryBankMemory, MemoryBankMiddleware, with_memory

TURNS = 60


class Free(Embeddings):
    """The same free vectors for the peer."""

    def __init__(self) -> None:
        self._embedder = FreeEmbedder()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._embedder.embed_documents(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self._embedder.embed_query(text).tolist()


class Endless(GenericFakeChatModel):
    """Answers at once, for ever."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self


def model() -> Endless:
    return Endless(messages=iter(AIMessage("Certainly, my friend.") for _ in iter(int, 1)))


def ours(bank: MemoryBank) -> dict[str, float]:
    """Added milliseconds a turn: load and save, or the chain or agent with less without."""
    memory = MemoryBankMemory(bank=bank, user_id="u")

    def classic(question: str) -> None:
        memory.load_memory_variables({"input": question})
        memory.save_context({"input": question}, {"output": "Certainly, my friend."})

    echo = RunnableLambda(lambda told: "Certainly, my friend.")
    chain = with_memory(echo, bank, user_id="u")
    agent = create_agent(model(), [], middleware=[MemoryBankMiddleware(bank)])
    bare = create_agent(model(), [])
    config = {"configurable": {"user_id": "u"}}
    with_one, without = (
        milliseconds(lambda q, one=one: one.invoke({"messages": [("human", q)]}, config))
        for one in (agent, bare)
    )
    return {
        "MemoryBankMemory": milliseconds(classic),
        "with_memory": milliseconds(chain.invoke) - milliseconds(echo.invoke),
        "MemoryBankMiddleware": with_one - without,
    }


def peer(told: list[Turn]) -> float:
    """The same for LangChain's own memory over FAISS, which keeps nothing on disk."""
    store = FAISS(Free(), faiss.IndexFlatL2(DIMENSION), InMemoryDocstore(), {})
    store.add_texts([turn.text for turn in told])
    retriever = store.as_retriever(search_kwargs={"k": 5})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated
        memory = VectorStoreRetrieverMemory(retriever=retriever)

    def turn(question: str) -> None:
        memory.load_memory_variables({"input": question})
        memory.save_context({"input": question}, {"output": "Certainly, my friend."})

    return milliseconds(turn)


def milliseconds(turn: Callable[[str], object]) -> float:
    """Median of one turn, after three to warm up."""
    return median_ms([lambda q=q: turn(q) for q in questions(TURNS)])


def main() -> None:
    size = int(sys.argv[1]) if sys.argv[1:] else 10_000
    told = turns(size)
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryBank.open(Path(folder) / "bank.db", embedder=FreeEmbedder()) as bank,
    ):
        for start in range(0, size, 5000):
            bank.add(told[start : start + 5000], user_id="u")
        added = {**ours(bank), "VectorStoreRetrieverMemory over FAISS": peer(told)}
    rounded = {name: round(value, 2) for name, value in added.items()}
    print(json.dumps({"machine": machine(), "memories": size, "added_ms": rounded}, indent=2))


if __name__ == "__main__":
    main()
