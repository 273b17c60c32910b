"""One bank in two frameworks: each recalls what the other stored."""

from datetime import datetime, timezone

import pytest

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")
pytest.importorskip("langchain_classic", reason="langchain is not installed")

from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine

from memorybank_core import MemoryBank, Turn
from memorybank_langchain.memory import MemoryBankMemory
from memorybank_langchain.tools import memory_tools
from memorybank_llamaindex import retriever as llamaindex
from memorybank_llamaindex.tools import MemoryBankToolSpec

ALICE, BOB = "alice@example.com", "bob@example.com"


@pytest.fixture
def bank(place):
    with MemoryBank.open(place, embedder="hashing") as bank:
        monday = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
        bank.add([Turn("Bob's cello secret is canary-b.", "", monday)], user_id=BOB)
        yield bank


def test_what_langchain_stored_llamaindex_recalls(bank):
    memory = MemoryBankMemory(bank=bank, user_id=ALICE)
    memory.save_context({"input": "My cello secret is canary-a."}, {"output": "I keep it."})
    retriever = llamaindex.MemoryBankRetriever(bank, user_id=ALICE)
    (node,) = retriever.retrieve("What is my cello secret?")
    assert node.text == "My cello secret is canary-a.\nI keep it."
    answer = str(RetrieverQueryEngine.from_args(retriever, llm=MockLLM()).query("cello secret?"))
    assert "canary-a" in answer
    assert "canary-b" not in answer


def test_what_llamaindex_stored_langchain_recalls(bank):
    remember, recall, _ = MemoryBankToolSpec(bank, user_id=ALICE).to_tool_list()
    remember(text="My cello secret is canary-a.")
    memory = MemoryBankMemory(bank=bank, user_id=ALICE)
    text = str(memory.load_memory_variables({"input": "What is my cello secret?"}))
    assert "canary-a" in text
    assert "canary-b" not in text
    of_langchain = {tool.name: tool for tool in memory_tools(bank, user_id=ALICE)}
    arguments = {"query": "cello secret"}
    assert of_langchain["recall"].invoke(arguments) == str(recall(**arguments))
    again = of_langchain["remember"].invoke({"text": "My cello secret is canary-a."})
    assert again == str(remember(text="My cello secret is canary-a."))
    assert len(bank.timeline(user_id=ALICE)) == 1
