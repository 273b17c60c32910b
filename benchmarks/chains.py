"""Measure the time that a memory adds to a LangChain turn, without the embedding and the model.

python benchmarks/chains.py [memories]

The comparison with FAISS in memory needs langchain-community.
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
from common import DIMENSION, FreeEmbedder, describe_machine, make_questions, make_turns, median_ms
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
ANSWER = "Certainly, my friend."


class FreeEmbeddings(Embeddings):
    """The vectors of `FreeEmbedder` for LangChain's own memory."""

    def __init__(self) -> None:
        self._embedder = FreeEmbedder()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for each text."""
        return self._embedder.embed_documents(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query."""
        return self._embedder.embed_query(text).tolist()


class ConstantModel(GenericFakeChatModel):
    """A chat model that always gives the same answer, immediately."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """Ignore the tools."""
        return self


def constant_model() -> ConstantModel:
    """Return a chat model for any number of calls."""
    return ConstantModel(messages=iter(AIMessage(ANSWER) for _ in iter(int, 1)))


def measure_memorybank(bank: MemoryBank) -> dict[str, float]:
    """Return the milliseconds that each class adds to a turn.

    For the classic memory, that is the time to load and save. For a chain or an agent, it is the
    difference between a turn with and without the memory.
    """
    memory = MemoryBankMemory(bank=bank, user_id="u")

    def load_and_save(question: str) -> None:
        memory.load_memory_variables({"input": question})
        memory.save_context({"input": question}, {"output": ANSWER})

    echo = RunnableLambda(lambda values: ANSWER)
    chain = with_memory(echo, bank, user_id="u")
    agent = create_agent(constant_model(), [], middleware=[MemoryBankMiddleware(bank)])
    bare = create_agent(constant_model(), [])
    config = {"configurable": {"user_id": "u"}}
    with_memory_ms, without_ms = (
        time_turn(lambda question, a=a: a.invoke({"messages": [("human", question)]}, config))
        for a in (agent, bare)
    )
    return {
        "MemoryBankMemory": time_turn(load_and_save),
        "with_memory": time_turn(chain.invoke) - time_turn(echo.invoke),
        "MemoryBankMiddleware": with_memory_ms - without_ms,
    }


def measure_langchain(stored: list[Turn]) -> float:
    """Return the milliseconds of LangChain's own memory over FAISS, which is not on disk."""
    store = FAISS(FreeEmbeddings(), faiss.IndexFlatL2(DIMENSION), InMemoryDocstore(), {})
    store.add_texts([turn.text for turn in stored])
    retriever = store.as_retriever(search_kwargs={"k": 5})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated
        memory = VectorStoreRetrieverMemory(retriever=retriever)

    def turn(question: str) -> None:
        memory.load_memory_variables({"input": question})
        memory.save_context({"input": question}, {"output": ANSWER})

    return time_turn(turn)


def time_turn(turn: Callable[[str], object]) -> float:
    """Return the median milliseconds of a turn, after three turns to warm up."""
    return median_ms(
        [lambda question=question: turn(question) for question in make_questions(TURNS)]
    )


def main() -> None:
    """Print the milliseconds added per turn as JSON."""
    size = int(sys.argv[1]) if sys.argv[1:] else 10_000
    stored = make_turns(size)
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryBank.open(Path(folder) / "bank.db", embedder=FreeEmbedder()) as bank,
    ):
        for start in range(0, size, 5000):
            bank.add(stored[start : start + 5000], user_id="u")
        added = {
            **measure_memorybank(bank),
            "VectorStoreRetrieverMemory over FAISS": measure_langchain(stored),
        }
    rounded = {name: round(value, 2) for name, value in added.items()}
    print(
        json.dumps({"machine": describe_machine(), "memories": size, "added_ms": rounded}, indent=2)
    )


if __name__ == "__main__":
    main()
