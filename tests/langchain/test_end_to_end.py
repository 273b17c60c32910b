"""A real language model in an agent that remembers, on the CPU."""

from typing import Any

import pytest
from small_model import SmolLM2

pytest.importorskip("langchain.agents", reason="langchain is not installed")

from langchain.agents import create_agent
from langchain_core.language_models import SimpleChatModel

from memorybank_core import HashingEmbedder, MemoryBank
from memorybank_langchain import MemoryBankMiddleware

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

ALICE = {"user_id": "alice@example.com"}
SAID = [
    "My sister Nora plays the cello in Bergen.",
    "I had tomato soup for lunch.",
    "Which instrument does my sister Nora play?",
]
ROLES = {"human": "user", "ai": "assistant", "system": "system"}


class Chat(SimpleChatModel):
    """SmolLM2 as a chat model of LangChain's, which remembers its prompts."""

    model: Any
    prompts: list[str]

    @property
    def _llm_type(self):
        return "smollm2"

    def _call(self, messages, stop=None, run_manager=None, **kwargs):
        told = [{"role": ROLES[one.type], "content": str(one.text)} for one in messages]
        self.prompts.append(told[-1]["content"])
        return self.model.complete(told, max_tokens=200, whole=False)


def test_an_agent_with_a_small_model_remembers(tmp_path):
    model = Chat(model=SmolLM2(), prompts=[])
    with MemoryBank.open(tmp_path / "bank.db", embedder=HashingEmbedder()) as bank:
        agent = create_agent(model, middleware=[MemoryBankMiddleware(bank, k=1)])
        for said in SAID:
            answer = agent.invoke({"messages": [("user", said)]}, context=ALICE)["messages"][-1]
            assert answer.text.strip()
        turns = [memory.turn for memory in bank.timeline(**ALICE)]
        assert [turn.query for turn in turns] == SAID
        assert all(turn.response.strip() for turn in turns)
        assert "<memorybank_context>" in model.prompts[-1]
        assert "plays the cello in Bergen" in model.prompts[-1]
        assert bank.timeline(**ALICE)[0].strength >= 2.0
