"""Nothing of the memory blocks the event loop that engines and agents run on."""

import asyncio

import pytest

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")
pytest.importorskip("blockbuster", reason="blockbuster is not installed")

from blockbuster import BlockingError, blockbuster_ctx
from llama_index.core.agent.workflow import AgentWorkflow
from llama_index.core.base.llms.types import ChatMessage
from llamaindex_examples import (
    AGENTS,
    ALICE,
    ENGINES,
    FACT,
    IGNORED_WARNINGS,
    QUESTION,
    Scripted,
    function_agent,
    script,
)
from sqlalchemy.ext.asyncio import create_async_engine

from memorybank_core import MemoryBank, Turn
from memorybank_llamaindex import (
    MemoryBankMemory,
    MemoryBankRetriever,
    MemoryBankToolSpec,
    memory_with_bank,
)

pytestmark = IGNORED_WARNINGS


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        bank.add([Turn(FACT, "How lovely!", session="earlier")], user_id=ALICE)
        yield bank


@pytest.fixture(params=["memory", "block"])
def run(request, bank):
    """Return a function that runs a coroutine, which gets a memory, and finds blocking calls."""

    async def talk(conversation):
        engine = create_async_engine("sqlite+aiosqlite://")
        if request.param == "memory":
            memory = MemoryBankMemory.from_defaults(bank, ALICE, "now")
        else:
            memory = memory_with_bank(bank, ALICE, "now", async_engine=engine)
        with blockbuster_ctx(["memorybank_core", "memorybank_llamaindex"]):
            await conversation(memory)
        await engine.dispose()

    return lambda conversation: asyncio.run(talk(conversation))


def stored_turns(bank):
    turns = [memory.turn for memory in bank.timeline(user_id=ALICE, session="now")]
    return [(turn.query, turn.response) for turn in turns]


def test_blocking_calls_are_found(bank):
    async def block():
        with blockbuster_ctx(["memorybank_core", "memorybank_llamaindex"]):
            bank.add("I moved to Oslo.", user_id=ALICE)

    with pytest.raises(BlockingError):
        asyncio.run(block())


def test_the_methods_of_a_memory(bank, run):
    async def use(memory):
        await memory.aput(ChatMessage("Hello", role="user"))
        await memory.aget()
        await memory.aput_messages([ChatMessage("Hi!", role="assistant")])
        await memory.aset([*await memory.aget_all(), ChatMessage(QUESTION, role="user")])
        assert FACT in str(await memory.aget())
        await memory.areset()

    run(use)
    assert stored_turns(bank) == [("Hello", "Hi!"), (QUESTION, "")]


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("kind", ENGINES)
def test_an_engine(bank, run, kind, is_streamed):
    async def chat(memory):
        engine = ENGINES[kind](Scripted(answers=["The cello."]), memory)
        if is_streamed:
            response = await engine.astream_chat(QUESTION)
            assert [token async for token in response.async_response_gen()] == ["The cello."]
            if task := response.awrite_response_to_history_task:
                await task
        else:
            await engine.achat(QUESTION)

    run(chat)
    assert stored_turns(bank) == [(QUESTION, "The cello.")]


@pytest.mark.parametrize("kind", AGENTS)
def test_an_agent(bank, run, kind):
    model = Scripted(answers=script(kind, "The cello.", 0))

    async def ask(memory):
        await AGENTS[kind](model).run(user_msg=QUESTION, memory=memory)

    run(ask)
    assert stored_turns(bank) == [(QUESTION, "The cello.")]
    assert FACT in str(model.seen[-1])


def test_agents_that_hand_over_share_the_turn(bank, run):
    arguments = {"to_agent": "writer", "reason": "It is known."}
    handoff = Scripted(answers=[{"tool_name": "handoff", "tool_kwargs": arguments}])
    writing = Scripted(answers=["She plays the cello."])
    agents = [
        function_agent(handoff, name="finder", description="Finds.", can_handoff_to=["writer"]),
        function_agent(writing, name="writer", description="Writes."),
    ]

    async def ask(memory):
        await AgentWorkflow(agents, root_agent="finder").run(user_msg=QUESTION, memory=memory)

    run(ask)
    assert stored_turns(bank) == [(QUESTION, "She plays the cello.")]
    assert all(FACT in str(model.seen[0]) for model in (handoff, writing))


def test_the_retriever_and_the_tools(bank, run):
    async def use(_):
        retriever = MemoryBankRetriever(bank, user_id=ALICE, k=1)
        assert FACT in (await retriever.aretrieve(QUESTION))[0].text
        remember, recall, _ = MemoryBankToolSpec(bank, user_id=ALICE).to_tool_list()
        await remember.acall(text="I moved to Oslo.")
        assert FACT in str(await recall.acall(query=QUESTION))

    run(use)
