"""A real language model in a chat engine that remembers, on the CPU."""

import pytest
from small_model import smollm2

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")

from llama_index.core.chat_engine import SimpleChatEngine
from pydantic import Field

from llms.llamaindex import LocalLLM
from memorybank_core import HashingEmbedder, MemoryBank
from memorybank_llamaindex import MemoryBankMemory

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

USER = "alice@example.com"
QUERIES = [
    "My sister Nora plays the cello in Bergen.",
    "I had tomato soup for lunch.",
    "Which instrument does my sister Nora play?",
]


class RecordingLLM(LocalLLM):
    """SmolLM2 that records its prompts."""

    prompts: list[str] = Field(default_factory=list)

    def chat(self, messages, **kwargs):
        self.prompts.append("\n".join(str(message.content) for message in messages))
        return super().chat(messages, **kwargs)


def test_a_chat_engine_with_a_small_model_remembers(place):
    llm = RecordingLLM(host=smollm2(), max_tokens=8)
    with MemoryBank.open(place, embedder=HashingEmbedder()) as bank:
        for query in QUERIES:  # a new conversation each, so that only recall can know
            memory = MemoryBankMemory.from_defaults(bank=bank, user_id=USER, session=query, k=1)
            engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory)
            assert str(engine.chat(query)).strip()
        turns = [memory.turn for memory in bank.timeline(user_id=USER)]
        assert [turn.query for turn in turns] == QUERIES
        assert all(turn.response.strip() for turn in turns)
        assert "<memorybank_context>" in llm.prompts[-1]
        assert "plays the cello in Bergen" in llm.prompts[-1]
        assert bank.timeline(user_id=USER)[0].strength >= 2.0
