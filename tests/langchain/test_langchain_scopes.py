"""Two agents of one user in one bank: each surface stores metadata and stays within `where`."""

import asyncio
import warnings

import pytest

pytest.importorskip("langchain.agents", reason="langchain is not installed")
pytest.importorskip("langchain_classic", reason="langchain-classic is not installed")

from agent_examples import ALICE, Scripted, User, agent_of, recalled, says
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from pydantic import ValidationError

from memorybank_core import InvalidInputError, MemoryBank, Turn
from memorybank_langchain.agent_state import derive_id
from memorybank_langchain.history import MemoryBankChatMessageHistory
from memorybank_langchain.memory import MemoryBankMemory
from memorybank_langchain.middleware import MemoryBankMiddleware
from memorybank_langchain.retriever import MemoryBankRetriever
from memorybank_langchain.runnable import recalled as recall_step
from memorybank_langchain.runnable import with_memory
from memorybank_langchain.tools import memory_tools

CODER = {"agent": "coder"}
SCOPE = {"metadata": CODER, "where": CODER}
OURS, THEIRS = "My cello project is written in Rust.", "My cello teacher is called Otto."
ASKS = "What about my cello?"


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        bank.add([Turn(OURS, "Nice.", id="ours", session="s", metadata=CODER)], user_id=ALICE)
        theirs = Turn(THEIRS, "Nice.", id="theirs", session="s", metadata={"agent": "friend"})
        bank.add([theirs], user_id=ALICE)
        yield bank


def assert_ours(text):
    assert OURS in text
    assert "Otto" not in text


def assert_stored(bank):
    """Check that the turn of ASKS is stored once, with its answer, in our scope."""
    turns = [memory.turn for memory in bank.timeline(user_id=ALICE) if memory.turn.query == ASKS]
    assert [turn.metadata for turn in turns] == [CODER]
    assert turns[0].response


def test_the_middleware(bank):
    model = Scripted()
    agent = agent_of(bank, model, memory=MemoryBankMiddleware(bank, **SCOPE))
    agent.invoke(says(ASKS), context=User(ALICE))
    assert_ours(recalled(model.prompts[0]))
    assert_stored(bank)
    with pytest.raises(InvalidInputError, match="where begins with keys"):
        MemoryBankMiddleware(bank, where={"$in": []})
    with pytest.raises(InvalidInputError, match="metadata"):
        MemoryBankMiddleware(bank, metadata={"": 1})


def test_a_chain_with_memory(bank):
    seen = []
    echo = RunnableLambda(lambda value: seen.append(value) or "An answer.")
    options = {"user_id": ALICE, "session": "s", "history_key": "history", "recent": 1}
    with_memory(echo, bank, **options, **SCOPE).invoke(ASKS)
    assert [message.text for message in seen[0]["history"]] == [OURS, "Nice."]
    assert_stored(bank)
    assert_ours(recall_step(bank, user_id=ALICE, where=CODER).invoke(ASKS))


@pytest.mark.parametrize("is_async", [False, True])
def test_the_memory_of_a_classic_chain(bank, is_async):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        memory = MemoryBankMemory(bank=bank, user_id=ALICE, recent=0, **SCOPE)
    assert_ours(memory.load_memory_variables({"input": ASKS})["history"])
    memory.save_context({"input": ASKS}, {"output": "Fine."})
    assert_stored(bank)
    asyncio.run(memory.aclear()) if is_async else memory.clear()
    assert [memory.id for memory in bank.timeline(user_id=ALICE)] == ["theirs"]
    with pytest.raises(ValidationError, match="non-empty strings"):
        MemoryBankMemory(bank=bank, user_id=ALICE, metadata={"": 1})
    with pytest.raises(ValidationError, match="where begins with keys"):
        MemoryBankMemory(bank=bank, user_id=ALICE, where={"$in": []})


def test_the_chat_history(bank):
    history = MemoryBankChatMessageHistory(bank=bank, user_id=ALICE, session="s", **SCOPE)
    history.add_messages([HumanMessage(ASKS)])
    history.add_messages([AIMessage("Fine.")])
    assert [message.text for message in history.messages] == [OURS, "Nice.", ASKS, "Fine."]
    assert_stored(bank)


def test_the_retriever(bank):
    retriever = MemoryBankRetriever(bank=bank, user_id=ALICE, where=CODER)
    [document] = retriever.invoke(ASKS)
    assert_ours(document.page_content)
    assert document.metadata["metadata"] == CODER
    assert len(retriever.invoke(ASKS, where=None)) == 2


def test_the_tools(bank):
    tools = {tool.name: tool for tool in memory_tools(bank, user_id=ALICE, **SCOPE)}
    assert_ours(tools["recall"].invoke({"query": ASKS}))
    tools["remember"].invoke({"text": "The cello has four strings."})
    assert len(bank.timeline(user_id=ALICE, where=CODER)) == 2
    tools["forget"].invoke({"id": "theirs"})
    assert bank.get(["theirs"], user_id=ALICE)


def test_sessions_and_messages_with_delimiters_begin_different_turns():
    pairs = [("a:b", "c"), ("a", "b:c"), ('a", "b', "c"), ("a", 'b", "c'), (None, "a"), ("a", None)]
    assert len({derive_id(*pair, {}) for pair in pairs}) == len(pairs)
