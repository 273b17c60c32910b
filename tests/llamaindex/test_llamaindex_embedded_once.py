"""What a turn embeds on each LlamaIndex surface: the query once and the whole turn once."""

import asyncio

import pytest

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")

from embedding_log import EmbeddingLog
from llama_index.core.chat_engine import SimpleChatEngine
from llamaindex_examples import AGENTS, ALICE, ENGINES, IGNORED_WARNINGS, Scripted, script
from sqlalchemy.ext.asyncio import create_async_engine

from memorybank_core import MemoryBank, Turn
from memorybank_llamaindex import (
    MemoryBankMemory,
    MemoryBankRetriever,
    MemoryBankToolSpec,
    memory_with_bank,
)

pytestmark = IGNORED_WARNINGS
QUESTION, ANSWER = "Which instrument does my sister Nora play?", "She plays the cello."
QUERY, WHOLE = ("query", QUESTION), ("document", f"{QUESTION}\n{ANSWER}")


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder=EmbeddingLog()) as bank:
        bank.add([Turn("My sister Nora plays the cello.", "How lovely!")], user_id=ALICE)
        yield bank


def engine_turn(kind):
    def turn(bank):
        memory = MemoryBankMemory.from_defaults(bank=bank, user_id=ALICE)
        ENGINES[kind](Scripted(answers=[ANSWER]), memory).chat(QUESTION)

    return turn


def agent_turn(kind):
    """Return a turn of an agent that calls a tool before it answers."""

    def turn(bank):
        memory = MemoryBankMemory.from_defaults(bank=bank, user_id=ALICE)

        async def run():
            await AGENTS[kind](Scripted(answers=script(kind, ANSWER, 0))).run(
                QUESTION, memory=memory
            )

        asyncio.run(run())

    return turn


def block_turn(bank):
    engine = create_async_engine("sqlite+aiosqlite://")

    async def run():
        memory = memory_with_bank(bank, ALICE, "monday", async_engine=engine)
        await SimpleChatEngine.from_defaults(llm=Scripted(answers=[ANSWER]), memory=memory).achat(
            QUESTION
        )
        await engine.dispose()

    asyncio.run(run())


def retriever_turn(bank):
    retriever = MemoryBankRetriever(bank, user_id=ALICE)
    for _ in range(2):  # fusion and routers ask several times
        retriever.retrieve(QUESTION)


def tools_turn(bank):
    tools = MemoryBankToolSpec(bank, user_id=ALICE)
    for _ in range(2):
        tools.remember(ANSWER)
        tools.recall(QUESTION)


SURFACES = {
    **{f"engine {kind}": (engine_turn(kind), [QUERY, WHOLE]) for kind in ENGINES},
    **{f"agent {kind}": (agent_turn(kind), [QUERY, WHOLE]) for kind in AGENTS},
    "block": (block_turn, [QUERY, WHOLE]),
    "retriever": (retriever_turn, [QUERY]),
    "tools": (tools_turn, [("document", ANSWER), QUERY]),
}


@pytest.mark.parametrize("surface", SURFACES)
def test_a_turn_embeds_each_text_once(bank, surface):
    turn, expected = SURFACES[surface]
    assert bank.embedder.of(lambda: turn(bank)) == expected
