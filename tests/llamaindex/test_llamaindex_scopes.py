"""Two agents of one user in one bank: each surface stores metadata and stays within `where`."""

import asyncio
import json

import pytest

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llamaindex_examples import ALICE, IGNORED_WARNINGS
from pydantic import ValidationError

from memorybank_core import InvalidInputError, MemoryBank, Turn
from memorybank_llamaindex.block import MemoryBankBlock, memory_with_bank
from memorybank_llamaindex.memory import MemoryBankMemory
from memorybank_llamaindex.retriever import MemoryBankRetriever
from memorybank_llamaindex.tools import MemoryBankToolSpec

pytestmark = IGNORED_WARNINGS
CODER = {"agent": "coder"}
SCOPE = {"metadata": CODER, "where": CODER}
OURS, THEIRS = "My cello project is written in Rust.", "My cello teacher is called Otto."
ASKS = "What about my cello?"
MESSAGES = [ChatMessage(ASKS), ChatMessage("Fine.", role=MessageRole.ASSISTANT)]


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        bank.add([Turn(OURS, "Nice.", id="ours", session="a", metadata=CODER)], user_id=ALICE)
        theirs = Turn(THEIRS, "Nice.", id="theirs", session="a", metadata={"agent": "friend"})
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


def test_the_memory(bank):
    memory = MemoryBankMemory.from_defaults(bank=bank, user_id=ALICE, session="b", **SCOPE)
    assert_ours(memory.get(ASKS)[0].content)
    memory.put_messages(MESSAGES[:1])
    memory = MemoryBankMemory.from_dict(json.loads(json.dumps(memory.to_dict())))
    memory.put_messages(MESSAGES[1:])
    assert_stored(bank)
    everything = MemoryBankMemory.from_defaults(bank=bank, user_id=ALICE, **SCOPE)
    assert_ours(str(everything.get_all()))
    everything.clear()
    assert [memory.id for memory in bank.timeline(user_id=ALICE)] == ["theirs"]
    with pytest.raises(ValidationError, match="where begins with keys"):
        MemoryBankMemory.from_defaults(bank=bank, user_id=ALICE, where={"$in": []})


def test_a_memory_without_metadata_keeps_those_of_a_turn_that_it_completes(bank):
    bank.add([Turn(ASKS, id="open", session="b", metadata=CODER)], user_id=ALICE)
    memory = MemoryBankMemory.from_defaults(bank=bank, user_id=ALICE, session="b")
    memory.put_messages(MESSAGES[1:])
    assert_stored(bank)


def test_the_block(bank):
    block = MemoryBankBlock(bank=bank, user_id=ALICE, **SCOPE)
    assert_ours(asyncio.run(block.aget(MESSAGES[:1], session_id="b")))
    asyncio.run(block.aput(MESSAGES, session_id="b"))
    assert_stored(bank)
    with pytest.raises(ValidationError, match="non-empty strings"):
        memory_with_bank(bank, ALICE, metadata={"": 1})


def test_the_retriever(bank):
    [node] = MemoryBankRetriever(bank, user_id=ALICE, where=CODER).retrieve(ASKS)
    assert_ours(node.text)
    assert node.metadata["metadata"] == CODER
    with pytest.raises(InvalidInputError, match="where begins with keys"):
        MemoryBankRetriever(bank, user_id=ALICE, where={"$in": []})


def test_the_tools(bank):
    tools = MemoryBankToolSpec(bank, user_id=ALICE, **SCOPE)
    assert_ours(tools.recall(ASKS))
    tools.remember("The cello has four strings.")
    assert len(bank.timeline(user_id=ALICE, where=CODER)) == 2
    tools.forget("theirs")
    assert bank.get(["theirs"], user_id=ALICE)
