"""A real language model in an agent that remembers, on the CPU."""

import pytest
from small_model import smollm2

pytest.importorskip("langchain.agents", reason="langchain is not installed")

from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler

from llms.langchain import ChatLocalModel
from memorybank_core import HashingEmbedder, MemoryBank
from memorybank_langchain import MemoryBankMiddleware

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

ALICE = {"user_id": "alice@example.com"}
QUERIES = [
    "My sister Nora plays the cello in Bergen.",
    "I had tomato soup for lunch.",
    "Which instrument does my sister Nora play?",
]


class Prompts(BaseCallbackHandler):
    """A handler that records the last message of each prompt."""

    def __init__(self):
        self.last = []

    def on_chat_model_start(self, serialized, messages, **kwargs):
        self.last.append(messages[0][-1].text)


def test_an_agent_with_a_small_model_remembers(place):
    model, prompts = ChatLocalModel(host=smollm2(), max_tokens=8), Prompts()
    with MemoryBank.open(place, embedder=HashingEmbedder()) as bank:
        agent = create_agent(model, middleware=[MemoryBankMiddleware(bank, k=1)])
        for query in QUERIES:
            state = {"messages": [("user", query)]}
            result = agent.invoke(state, context=ALICE, config={"callbacks": [prompts]})
            assert result["messages"][-1].text.strip()
        turns = [memory.turn for memory in bank.timeline(**ALICE)]
        assert [turn.query for turn in turns] == QUERIES
        assert all(turn.response.strip() for turn in turns)
        assert "<memorybank_context>" in prompts.last[-1]
        assert "plays the cello in Bergen" in prompts.last[-1]
        assert bank.timeline(**ALICE)[0].strength >= 2.0
