"""A real language model in a chat engine that remembers, on the CPU."""

from typing import Any

import pytest
from small_model import SmolLM2

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")

from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
from llama_index.core.llms.callbacks import llm_completion_callback

from memorybank_core import HashingEmbedder, MemoryBank
from memorybank_llamaindex import MemoryBankMemory

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

USER = "alice@example.com"
SAID = [
    "My sister Nora plays the cello in Bergen.",
    "I had tomato soup for lunch.",
    "Which instrument does my sister Nora play?",
]


class Completes(CustomLLM):
    """SmolLM2 as a model of LlamaIndex's, which remembers its prompts."""

    model: Any
    prompts: list[str]

    @property
    def metadata(self):
        return LLMMetadata(context_window=2048, model_name=self.model.name)

    @llm_completion_callback()
    def complete(self, prompt, formatted=False, **kwargs):
        self.prompts.append(prompt)
        told = [{"role": "user", "content": prompt}]
        return CompletionResponse(text=self.model.complete(told, max_tokens=200, whole=False))

    @llm_completion_callback()
    def stream_complete(self, prompt, formatted=False, **kwargs):
        yield self.complete(prompt)


def test_a_chat_engine_with_a_small_model_remembers(tmp_path):
    llm = Completes(model=SmolLM2(), prompts=[])
    with MemoryBank.open(tmp_path / "bank.db", embedder=HashingEmbedder()) as bank:
        for said in SAID:  # a new conversation each, so that only recall can know
            memory = MemoryBankMemory.from_defaults(bank=bank, user_id=USER, session=said, k=1)
            engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory)
            assert str(engine.chat(said)).strip()
        turns = [one.turn for one in bank.timeline(user_id=USER)]
        assert [turn.query for turn in turns] == SAID
        assert all(turn.response.strip() for turn in turns)
        assert "<memorybank_context>" in llm.prompts[-1]
        assert "plays the cello in Bergen" in llm.prompts[-1]
        assert bank.timeline(user_id=USER)[0].strength >= 2.0
